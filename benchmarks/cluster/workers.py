"""What workers on one port add."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.client import Client, WrongReplyError, connect_many
from benchmarks.cluster.deployments import Deployment
from benchmarks.measures import CONNECTIONS, Measure, Plan, echo
from benchmarks.processes import ServerProcess
from benchmarks.protocols import SOCKET_IO, Protocol

__all__ = ["WORKERS_MEASURES", "measure_workers"]

# All workers accept, and have loaded what they need.
STARTING = 3.0
WORK_RATE = Measure("work-rate", "messages with 200 us of work", "/s")
ECHO_RATE = Measure("echo-rate", "echoes", "/s")
ECHO = Measure("echo", "echo", "us CPU/message")
WORKERS_MEASURES = (WORK_RATE, ECHO_RATE, ECHO)

IN_NAMESPACE: Protocol = replace(
    SOCKET_IO,
    handshake=((b"0{", b"40/n0,"), (b"40/n0,{", b"")),
    echo=SOCKET_IO.echo.replace(b"42", b"42/n0,", 1),
    echoed=SOCKET_IO.echoed.replace(b"43", b"43/n0,", 1),
)
WORK: Protocol = replace(IN_NAMESPACE, echo=IN_NAMESPACE.echo.replace(b"echo", b"work", 1))


async def measure_workers(server: ServerProcess, deployment: Deployment, plan: Plan) -> dict[str, float]:
    """Answers a second of all workers together, to 50 connections with 8 messages in flight; raises WrongReplyError."""
    await asyncio.sleep(STARTING)
    clients = await connect_many(server.port, IN_NAMESPACE, CONNECTIONS)
    try:
        work = await echo(server, clients, WORK, plan)
        check_shares(server, deployment)
        echoes = await echo(server, clients, IN_NAMESPACE, plan)
    finally:
        close(clients)
    return {WORK_RATE.key: work["echo-rate"]} | echoes


def check_shares(server: ServerProcess, deployment: Deployment) -> None:
    """A worker that has no clients would say nothing of what it adds."""
    busy = [process.cpu_seconds() for process in server.workers()]
    if deployment.nodes > 1 and (len(busy) != deployment.nodes or min(busy) < max(busy) / 2):
        raise WrongReplyError(f"Expected {deployment.nodes} workers alike, with seconds of CPU; got {busy}")


def close(clients: Sequence[Client]) -> None:
    for client in clients:
        client.close()
