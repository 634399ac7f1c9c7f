"""Messages from a client of one node through the bus to a client of another one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from statistics import fmean

from benchmarks.client import Client, WrongReplyError, connect, frame
from benchmarks.cluster.buses import Bus, carrying
from benchmarks.cluster.deployments import Deployment
from benchmarks.measures import REPLY_TIMEOUT, SETTLE, Measure, Plan, drain, run
from benchmarks.processes import ServerProcess, serving
from benchmarks.protocols import SOCKET_IO, Protocol

__all__ = ["BYSTANDS", "CROSSING", "GROWTH", "cross", "deployed"]

IN_FLIGHT = 256
# Nodes find each other, and subscribe to each other's channels, without telling anybody when they have.
MEETING = 1.5
CHECKED = 1000

SENDS = Measure("sends", "node that sends", "us CPU/message")
RECEIVES = Measure("receives", "node that receives", "us CPU/message")
BYSTANDS = Measure("bystands", "each node without members", "us CPU/message")
CARRIES = Measure("carries", "bus", "us CPU/message")
RATE = Measure("rate", "messages", "/s")
CROSSING = (SENDS, RECEIVES, CARRIES, RATE)
GROWTH = (SENDS, RECEIVES, BYSTANDS, CARRIES)


def deployed(stack: ExitStack, deployment: Deployment, cores: Sequence[int]) -> tuple[Bus, list[ServerProcess]]:
    """Starts the bus on the last core and the nodes, one after another, on each of them in turn; `stack` ends them."""
    bus = stack.enter_context(carrying(deployment.bus, cores[-1]))
    environment = deployment.environment | {"BUS_URL": bus.url}
    return bus, [
        stack.enter_context(serving(deployment.command, cores[number % len(cores)], environment))
        for number in range(deployment.nodes)
    ]


async def cross(bus: Bus, nodes: Sequence[ServerProcess], deployment: Deployment, plan: Plan) -> dict[str, float]:
    """Microseconds of CPU for each message, of every process that it passes; how many pass in a second.

    A client of the first node publishes to the rooms in turn. All their members are on the second node: one client in
    each namespace. IN_FLIGHT messages are on their way at any time. Raises WrongReplyError.
    """
    publisher = await connect(nodes[0].port, SENDER)
    receivers = [await connect(nodes[1].port, receiver(number)) for number in range(deployment.namespaces)]
    clients = [publisher, *receivers]
    for client in receivers:
        client.awaited = client.protocol.delivered
    try:
        await asyncio.sleep(MEETING)
        await check(publisher, receivers, min(deployment.namespaces * deployment.rooms, CHECKED))
        for client in receivers:
            client.next_frame = publisher.next_frame
            client.publisher = publisher
        publisher.write(publisher.next_frame * IN_FLIGHT)
        readings = await read(bus, nodes, clients, plan)
        await drain(clients)
    finally:
        for client in clients:
            client.close()
    return readings


async def check(publisher: Client, receivers: Sequence[Client], number: int) -> None:
    """Each of so many messages must come to exactly one client, once."""
    publisher.next_frame = frame(SENDER.publish)
    publisher.write(publisher.next_frame * number)
    deadline = time.monotonic() + REPLY_TIMEOUT
    while (count := sum(client.count for client in receivers)) < number:
        await run([publisher, *receivers], 0.01)
        if time.monotonic() > deadline:
            raise WrongReplyError(f"{count} of {number} messages came to the other node")
    await asyncio.sleep(SETTLE)
    if (count := sum(client.count for client in receivers)) != number:
        raise WrongReplyError(f"{number} messages were delivered {count} times")
    for client in receivers:
        client.owed = 0


async def read(bus: Bus, nodes: Sequence[ServerProcess], clients: Sequence[Client], plan: Plan) -> dict[str, float]:
    processes = [*nodes, *([bus.process] if bus.process else [])]
    await run(clients, plan.warm_up)
    started = time.perf_counter()
    number = -sum(client.count for client in clients)
    cpu = [-process.cpu_seconds() for process in processes]
    await run(clients, plan.seconds)
    spent = [process.cpu_seconds() + before for process, before in zip(processes, cpu, strict=True)]
    passed = time.perf_counter() - started
    number += sum(client.count for client in clients)
    if not number:
        raise WrongReplyError(f"No message came to the other node in {plan.seconds:g} s")
    costs = [seconds / number * 1e6 for seconds in spent]
    readings = {SENDS.key: costs[0], RECEIVES.key: costs[1], RATE.key: number / passed}
    if len(nodes) > 2:
        readings[BYSTANDS.key] = fmean(costs[2 : len(nodes)])
    if bus.process:
        readings[CARRIES.key] = costs[-1]
    return readings


# Connected to the first namespace, and member of no room.
SENDER: Protocol = replace(
    SOCKET_IO,
    handshake=((b"0{", b"40/n0,"), (b"40/n0,{", b"")),
    publish=SOCKET_IO.publish.replace(b"42", b"42/n0,", 1),
)


def receiver(number: int) -> Protocol:
    """Connected to one namespace, and member of all its rooms."""
    name = b"/n%d," % number
    return replace(
        SOCKET_IO,
        handshake=((b"0{", b"40" + name), (b"40" + name + b"{", b"42" + name + b'7["enter"]'), (b"43" + name, b"")),
        delivered=SOCKET_IO.delivered.replace(b"42", b"42" + name, 1),
    )
