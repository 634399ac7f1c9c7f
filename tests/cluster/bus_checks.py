"""What users rely on, whichever bus joins their nodes."""

import asyncio
import re
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from moongate import AsyncEmitter, Emitter, MissingExtraError
from moongate.cluster.bus import Cluster, Frame, Options
from moongate.cluster.channels import Channels
from moongate.cluster.messages import Emit, Message
from moongate.cluster.rooms import Target
from moongate.testing import TestApp
from moongate.wire.payload import PayloadEncoder
from tests.cluster.party import Party, health, until

__all__ = [
    "QUICK",
    "QUIET",
    "exchange",
    "is_served",
    "last_message",
    "leaves_nothing",
    "needs_extra",
    "only_nodes_with_members_hear",
    "script",
    "wait_for",
]

QUICK: dict[str, Any] = {"heartbeat_interval": 0.1, "heartbeat_timeout": 2.0, "request_timeout": 3.0}
"""Options with which nodes notice soon what happens."""

QUIET: dict[str, Any] = {"heartbeat_interval": 20.0, "heartbeat_timeout": 60.0}
"""Options with which nothing is sent that a test did not ask for."""


async def exchange(one: TestApp, other: TestApp) -> None:
    """Show that messages reach the clients of both, by every channel, and in order."""
    here, there = await one.connect(), await other.connect()
    await there.emit_with_ack("join", "kitchen", timeout=10)
    server = one.app.server("/")
    for number in range(20):
        target = (server, server.to("kitchen"), server.to(there.id))[number % 3]
        await target.emit("count", number)
    assert [await there.receive("count", timeout=5) for _ in range(20)] == list(range(20))
    assert [await here.receive("count", timeout=5) for _ in range(7)] == list(range(0, 20, 3))
    server.to("kitchen").sockets_join("cellar")
    server.to("cellar").emit("smell", "wine")
    assert await there.receive("smell", timeout=5) == "wine"
    found = await server.to("kitchen").fetch_sockets()
    assert [socket.id for socket in found] == [there.id]
    assert await server.server_side_emit_with_ack("sum", 1, 2) == [3]
    await here.disconnect()
    await there.disconnect()


async def only_nodes_with_members_hear(apps: Sequence[TestApp]) -> None:
    """Show that a message for a room reaches no node without members. There are three, and QUIET."""
    clients = [await app.connect() for app in apps]
    await clients[1].emit_with_ack("join", "kitchen")
    before = [health(app.app).received for app in apps]
    for _ in range(50):
        await apps[0].app.server("/").to("kitchen").emit("smell")
    await apps[0].app.server("/").emit("last")
    for client in clients:
        await client.receive("last", timeout=5)
    received = [health(app.app).received - count for app, count in zip(apps, before, strict=True)]
    assert received == [0, 51, 1]
    assert health(apps[0].app).published >= 51


async def is_served(running: TestApp) -> None:
    """Show that clients get what other clients of the same node send, and answers."""
    client = await running.connect()
    await client.emit_with_ack("join", "kitchen", timeout=5)
    running.app.server("/").to("kitchen").emit("smell", "coffee")
    assert await client.receive("smell", timeout=5) == "coffee"
    await client.disconnect()


async def wait_for(party: Party, *statuses: str) -> None:
    """Wait until every application is in one of *statuses*."""
    await until(lambda: all(health(app).status in statuses for app in party.apps))


async def script(party: Party, cluster: Cluster, running: TestApp) -> None:
    """Show that a program which is no server steers the clients of *running* by an emitter."""
    first, second = await running.connect(), await running.connect()
    await first.emit_with_ack("join", "a")
    heard: list[int] = []
    running.app.server("/").on("wake up", heard.append)

    def program() -> None:
        with Emitter(cluster) as emitter:
            emitter.to("a").emit("news", 1)
            emitter.except_("a").emit("news", b"2")
            emitter.to("a").sockets_join("b")
            emitter.in_("b").sockets_leave("a")
            emitter.of("/teams/red").emit("news", "of nobody")
            emitter.volatile.to("b").emit("news", 3)
            emitter.server_side_emit("wake up", 7)
            emitter.to(second.id).disconnect_sockets()

    await asyncio.to_thread(program)
    assert [await first.receive("news", timeout=5) for _ in range(2)] == [1, 3]
    assert await second.receive("news", timeout=5) == b"2"
    await second.disconnected(timeout=5)
    await until(lambda: heard == [7])
    assert running.app.server("/").clients.rooms.names() == {"b"}


async def leaves_nothing(cluster: Cluster) -> None:
    """Show that neither tasks nor files nor sockets are left of two applications and an emitter that have ended."""
    tasks, files = asyncio.all_tasks(), _files()
    async with AsyncExitStack() as stack:
        party = Party(stack)
        one, other = [await party.app(cluster) for _ in range(2)]
        await exchange(one, other)
        async with AsyncEmitter(cluster) as emitter:
            await emitter.emit("news")
        assert _files() > files
    assert asyncio.all_tasks() == tasks
    await until(lambda: _files() <= files)


def last_message(prefix: str) -> Frame:
    """What to send after poison: the event `end`, for all clients."""
    channels = Channels(Options(prefix=prefix), PayloadEncoder())
    return channels.encode(Message("stranger", "/", Emit(Target(), ["end"])))


def needs_extra(cluster: Cluster, package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Show that whoever uses *cluster* without *package* is told which extra has it."""
    for name in tuple(sys.modules):
        if name.partition(".")[0] == package or name.startswith(("moongate.cluster.nats_", "moongate.cluster.local_")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=re.escape(f"pip install 'moongate[{extra}]'")) as caught:
        AsyncEmitter(cluster)
    assert type(cluster).__name__ in str(caught.value)


def _files() -> int:
    """How many files and sockets this process has open."""
    return len(tuple(Path("/proc/self/fd").iterdir()))
