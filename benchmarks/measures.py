"""What is measured of one running server."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass

from benchmarks.client import Client, WrongReplyError, connect_many, frame
from benchmarks.processes import ServerProcess
from benchmarks.protocols import Protocol

__all__ = [
    "CONNECTIONS",
    "ECHO",
    "MEASURES",
    "REPLY_TIMEOUT",
    "SETTLE",
    "Measure",
    "Plan",
    "drain",
    "echo",
    "groups",
    "run",
]

CONNECTIONS = 50
IN_FLIGHT = 8
RATE = 2000.0
REPLY_TIMEOUT = 5.0
# Before memory is read: the lazy imports, buffers and pools of the first connections are not the next one's price.
FIRST_CONNECTIONS = 200
SETTLE = 0.3


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to look."""

    seconds: float = 3.0
    warm_up: float = 1.0
    connections: int = 1000


@dataclass(frozen=True, slots=True)
class Measure:
    """One column of the table. Less is better, unless it is a rate."""

    key: str
    title: str
    unit: str


ECHO = Measure("echo", "echo", "us CPU/message")
FAN_OUT = Measure("fan-out", "fan-out, 8 in flight", "us CPU/delivery")
FAN_OUT_ONE = Measure("fan-out-1", "fan-out, 1 in flight", "us CPU/delivery")
P50 = Measure("p50", "echo p50", "us")
P99 = Measure("p99", "echo p99", "us")
MEMORY = Measure("memory", "memory", "KiB/connection")
CONNECT = Measure("connect", "connect", "us CPU/connection")
MEASURES = (ECHO, FAN_OUT, FAN_OUT_ONE, P50, P99, MEMORY, CONNECT)


async def measure_messages(
    server: ServerProcess, protocol: Protocol, plan: Plan, keys: Collection[str]
) -> dict[str, float]:
    """Takes those readings named by `keys` that are of messages; raises WrongReplyError."""
    readings: dict[str, float] = {}
    clients = await connect_many(server.port, protocol, CONNECTIONS)
    try:
        await check(clients, protocol)
        if ECHO.key in keys:
            readings |= await echo(server, clients, protocol, plan)
        if FAN_OUT.key in keys:
            readings |= await fan_out(server, clients, protocol, plan, in_flight=IN_FLIGHT)
        if FAN_OUT_ONE.key in keys:
            readings |= await fan_out(server, clients, protocol, plan, in_flight=1)
        if not {P50.key, P99.key}.isdisjoint(keys):
            readings |= await latency(clients, protocol, plan)
    finally:
        for client in clients:
            client.close()
    return readings


async def check(clients: Sequence[Client], protocol: Protocol) -> None:
    """One echo of every client, then one publish that reaches all of them; raises WrongReplyError."""
    for client in clients:
        client.awaited = protocol.echoed
        client.write(frame(protocol.echo))
    await replies(clients, 1)
    for client in clients:
        client.awaited = protocol.delivered
        client.count = client.owed = 0
    clients[0].write(frame(protocol.publish))
    await replies(clients, 1)
    await asyncio.sleep(SETTLE)
    if any(client.count != 1 for client in clients):
        raise WrongReplyError(f"One publish was delivered {sorted({client.count for client in clients})} times")


async def echo(server: ServerProcess, clients: Sequence[Client], protocol: Protocol, plan: Plan) -> dict[str, float]:
    """Microseconds of server CPU for each echoed message, with IN_FLIGHT of them from every client."""
    for client in clients:
        client.awaited = protocol.echoed
        client.next_frame = frame(protocol.echo)
        client.count = client.owed = 0
        client.write(client.next_frame * IN_FLIGHT)
    readings = await cpu_per_reply(server, clients, plan, ECHO)
    await drain(clients)
    return readings


async def fan_out(
    server: ServerProcess, clients: Sequence[Client], protocol: Protocol, plan: Plan, *, in_flight: int
) -> dict[str, float]:
    """Microseconds of server CPU for each delivery of a message to a room of all clients, one of which publishes."""
    for client in clients:
        client.awaited = protocol.delivered
        client.count = client.owed = 0
    clients[0].next_frame = frame(protocol.publish)
    clients[0].write(clients[0].next_frame * in_flight)
    readings = await cpu_per_reply(server, clients, plan, FAN_OUT_ONE if in_flight == 1 else FAN_OUT)
    await drain(clients)
    return readings


async def cpu_per_reply(
    server: ServerProcess, clients: Sequence[Client], plan: Plan, column: Measure
) -> dict[str, float]:
    """The cost; by the same key with `-busy` the server's share of a core, with `-rate` the replies in a second."""
    await run(clients, plan.warm_up)
    started = time.perf_counter()
    replies_before = sum(client.count for client in clients)
    cpu_before = server.cpu_seconds()
    await run(clients, plan.seconds)
    cpu = server.cpu_seconds() - cpu_before
    passed = time.perf_counter() - started
    number = sum(client.count for client in clients) - replies_before
    if not number:
        raise WrongReplyError(f"No reply came in {plan.seconds:g} s")
    return {
        column.key: cpu / number * 1e6,
        f"{column.key}-busy": cpu / passed,
        f"{column.key}-rate": number / passed,
    }


async def latency(clients: Sequence[Client], protocol: Protocol, plan: Plan) -> dict[str, float]:
    """Microseconds from a message to its echo while RATE messages a second are sent, whatever the server does."""
    for client in clients:
        client.awaited = protocol.echoed
        client.count = client.owed = 0
        client.sent_at = deque()
    message = frame(protocol.echo)
    await send_at_rate(clients, message, plan.warm_up)
    for client in clients:
        client.latencies.clear()
    await send_at_rate(clients, message, plan.seconds)
    await drain(clients)
    times = [seconds * 1e6 for client in clients for seconds in client.latencies]
    for client in clients:
        client.sent_at = None
    cuts = statistics.quantiles(times, n=100)
    return {P50.key: cuts[49], P99.key: cuts[98]}


async def send_at_rate(clients: Sequence[Client], message: bytes, seconds: float) -> None:
    start = time.perf_counter()
    sent = 0
    while (passed := time.perf_counter() - start) < seconds:
        while sent < passed * RATE:
            client = clients[sent % len(clients)]
            if client.sent_at is not None:
                client.sent_at.append(time.perf_counter())
            client.write(message)
            sent += 1
        await asyncio.sleep(1 / RATE)
    raise_failures(clients)


async def measure_connections(
    server: ServerProcess, protocol: Protocol, plan: Plan, _keys: Collection[str]
) -> dict[str, float]:
    """KiB for each idle connection; microseconds of server CPU for each connect, once the code is warm."""
    first = await connect_many(server.port, protocol, FIRST_CONNECTIONS)
    await asyncio.sleep(SETTLE)
    memory_before = server.memory_kib()
    idle = await connect_many(server.port, protocol, plan.connections)
    await asyncio.sleep(SETTLE)
    memory = server.memory_kib() - memory_before
    raise_failures([*first, *idle])
    await close_all(server, [*first, *idle])
    cpu_before = server.cpu_seconds()
    last = await connect_many(server.port, protocol, plan.connections)
    cpu = server.cpu_seconds() - cpu_before
    raise_failures(last)
    await close_all(server, last)
    return {MEMORY.key: memory / plan.connections, CONNECT.key: cpu / plan.connections * 1e6}


async def close_all(server: ServerProcess, clients: Sequence[Client]) -> None:
    """Hangs up, and waits until the server has nothing left to do about it."""
    for client in clients:
        client.close()
    cpu, deadline = -1.0, time.monotonic() + REPLY_TIMEOUT
    while server.cpu_seconds() - cpu > SETTLE / 50 and time.monotonic() < deadline:
        cpu = server.cpu_seconds()
        await asyncio.sleep(SETTLE)


async def drain(clients: Sequence[Client]) -> None:
    """Stops the flow, and waits until no reply is on its way."""
    for client in clients:
        client.next_frame = b""
    deadline = time.monotonic() + REPLY_TIMEOUT
    before = -1
    while before != (count := sum(client.count for client in clients)):
        if time.monotonic() > deadline:
            raise WrongReplyError(f"Replies still come {REPLY_TIMEOUT:g} s after the last message")
        before = count
        await asyncio.sleep(SETTLE)
    raise_failures(clients)


async def run(clients: Sequence[Client], seconds: float) -> None:
    await asyncio.sleep(seconds)
    raise_failures(clients)


async def replies(clients: Sequence[Client], number: int) -> None:
    """Waits until every client has its replies."""
    deadline = time.monotonic() + REPLY_TIMEOUT
    while any(client.count < number for client in clients):
        raise_failures(clients)
        if time.monotonic() > deadline:
            missing = sum(client.count < number for client in clients)
            raise WrongReplyError(f"{missing} of {len(clients)} clients had no reply {clients[0].awaited!r}")
        await asyncio.sleep(0.01)


def raise_failures(clients: Sequence[Client]) -> None:
    for client in clients:
        if client.failed.done():
            client.failed.result()


Group = Callable[[ServerProcess, Protocol, Plan, Collection[str]], Coroutine[None, None, dict[str, float]]]


def groups(keys: Collection[str]) -> list[Group]:
    """What takes the readings named by `keys`, each of a new server.

    What a thousand connections leave behind, in the heap and in what a compiler believes of the code, would
    double the cost of a message in some of the servers.
    """
    connections = {MEMORY.key, CONNECT.key}
    found: list[Group] = []
    if not connections.isdisjoint(keys):
        found.append(measure_connections)
    if not connections.issuperset(keys):
        found.append(measure_messages)
    return found
