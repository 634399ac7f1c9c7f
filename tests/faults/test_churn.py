"""Clients come, go and change rooms without end, while connections to Redis are lost."""

import asyncio
import contextlib
import random
from typing import Any

import pytest
import redis

from moongate import ClusterError
from moongate.testing import SocketIoClient
from tests.faults.leftovers import Leftovers, nothing_runs
from tests.faults.scene import USUAL, Scene, side_by_side

pytestmark = pytest.mark.anyio

SEED = 18
CLIENTS = 12
ROOMS = 200
SECONDS = 2.0


class Visitor:
    """A client of one node that does not stay long anywhere, and what rooms it is in."""

    def __init__(self, scene: Scene, name: str, seed: int) -> None:
        self._node = scene.nodes[name]
        self._chance = random.Random(seed)  # noqa: S311  # no secret
        self.client: SocketIoClient | None = None
        self.rooms: set[str] = set()
        self.changes = 0
        self.is_tired = False

    async def stroll(self) -> None:
        """Change rooms until tired, and now and then come anew."""
        while not self.is_tired:
            await self._step()
            self.changes += 1

    async def _step(self) -> None:
        if self.client is None:
            self.client = await self._node.connect()
            return
        chance = self._chance.random()
        if chance < 0.1:
            client, self.client = self.client, None
            self.rooms.clear()
            await (client.drop() if chance < 0.05 else client.disconnect())
        elif chance < 0.4 and self.rooms:
            room = self.rooms.pop()
            await self.client.emit_with_ack("leave", room, timeout=5)
        else:
            room = f"room {self._chance.randrange(ROOMS)}"
            self.rooms.add(room)
            await self.client.emit_with_ack("join", room, timeout=5)

    async def leave(self) -> None:
        """Leave for good."""
        if self.client is not None:
            await self.client.disconnect()


async def _broadcast(scene: Scene) -> None:
    chance = random.Random(SEED)  # noqa: S311  # no secret
    while True:
        server = chance.choice(list(scene.nodes.values())).server()
        sending = server.to(f"room {chance.randrange(ROOMS)}").emit("noise", 1)
        if chance.random() < 0.2:
            with contextlib.suppress(ClusterError):  # connections are lost, after all
                await sending
        await asyncio.sleep(0.002)


async def _kill_connections(scene: Scene) -> None:
    with redis.Redis(port=scene.server.port) as client:
        while True:
            await asyncio.sleep(0.4)
            for victims in ("pubsub", "normal"):
                client.execute_command("CLIENT", "KILL", "TYPE", victims)


async def _agree(scene: Scene, visitors: list[Visitor]) -> None:
    """Check that both nodes find in each room whoever is there, and that Redis knows the rooms if it has to."""
    rooms: dict[str, set[str]] = {}
    for visitor in visitors:
        for room in visitor.rooms:
            assert visitor.client is not None
            rooms.setdefault(room, set()).add(visitor.client.id)
    assert rooms
    for node in scene.nodes.values():
        for room, inside in rooms.items():
            found: Any = await node.server().to(room).fetch_sockets()
            assert ({each.id for each in found}, found.missing) == (inside, ())
    if scene.kind == "sharded":
        expected = {f"socket.io#/#{room}#".encode() for room in rooms}
        assert {name for name in Leftovers.of(scene).channels[1] if b"#room " in name} == expected


async def test_nothing_is_left_over():
    async def play(kind: str) -> None:
        async with Scene("churn, and connections lost", kind, pause=0.02, **USUAL) as scene:
            before = Leftovers.of(scene)
            visitors = [Visitor(scene, name, SEED + each) for each in range(CLIENTS) for name in scene.nodes]
            scene.ledger.begin()
            strolls = [asyncio.create_task(visitor.stroll()) for visitor in visitors]
            others = [asyncio.create_task(_broadcast(scene)), asyncio.create_task(_kill_connections(scene))]
            done, _ = await asyncio.wait([*strolls, *others], timeout=SECONDS)
            assert [task.exception() for task in done] == []
            for visitor in visitors:
                visitor.is_tired = True
            for task in others:
                task.cancel()
            await asyncio.gather(*strolls)
            await scene.recover()
            await _agree(scene, visitors)
            print(f"churn | {kind} | {sum(visitor.changes for visitor in visitors)} changes (seed {SEED})")  # noqa: T201
            for visitor in visitors:
                await visitor.leave()
            await before.check(scene)
            assert all(scene.health(name).failed == 0 for name in scene.nodes)
        assert scene.ledger.lost_after(scene.ledger.healed + 1) == 0, scene.ledger
        assert scene.ledger.echo < 1, scene.ledger

    await side_by_side(play)
    nothing_runs()
