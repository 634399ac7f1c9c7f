"""Redis hangs: it holds its connections, and answers nobody."""

import asyncio
import itertools
from collections.abc import Awaitable
from typing import Any

import pytest

from moongate import AckTimeout, Answers
from tests.faults.scene import USUAL, Scene, side_by_side

pytestmark = pytest.mark.anyio

REQUEST_TIMEOUT = 1.5


def _told(scene: Scene, name: str) -> list[str]:
    """Return the states that the node's gateway was told of, those in a row once."""
    return [status for status, _ in itertools.groupby(health.status for health in scene.desk(name).changes)]


async def test_redis_hangs_for_3_seconds():
    async def play(kind: str) -> None:
        async with Scene("Redis hangs for 3 s", kind, **USUAL) as scene:
            scene.ledger.begin()
            scene.server.pause()
            await asyncio.sleep(3)
            assert [scene.health(name).status for name in scene.nodes] != ["up", "up"]
            scene.server.resume()
            await scene.recover(5)
            assert scene.ledger.noticed is not None
            assert scene.ledger.noticed <= 2.1, scene.ledger
            for name in scene.nodes:
                assert _told(scene, name)[-1] == "up"
                assert set(_told(scene, name)) & {"degraded", "down"}
        assert scene.ledger.lost == [], scene.ledger
        assert scene.ledger.count("refused") == 0, scene.ledger

    await side_by_side(play)


async def test_redis_hangs_for_30_seconds():
    async def play(kind: str) -> None:
        async with Scene(
            "Redis hangs for 30 s", kind, pause=0.05, request_timeout=REQUEST_TIMEOUT, outbox_size=100
        ) as scene:
            scene.ledger.begin()
            began = asyncio.get_running_loop().time()
            scene.server.pause()
            await asyncio.sleep(4)
            await _requests_end(scene)
            await _rooms_are_served(scene)
            await asyncio.sleep(began + 30 - asyncio.get_running_loop().time())
            waiting = {name: scene.health(name).outbox for name in scene.nodes}
            assert all(waiting[name] <= 100 for name in waiting)
            scene.server.resume()
            await scene.recover()
        assert scene.ledger.slowest < 10 + 3, scene.ledger  # outbox_timeout, and what a command takes
        assert scene.ledger.echo < 0.5, scene.ledger
        assert scene.ledger.count("refused") > 100, scene.ledger
        reasons = scene.ledger.reasons("refused")
        assert any("wait already" in reason for reason in reasons), scene.ledger
        assert scene.ledger.lost == [], scene.ledger

    await side_by_side(play)


async def _requests_end(scene: Scene) -> None:
    """Whatever asks the other node ends in time, with what this one knows, and says who is missing."""
    server, other = scene.nodes["a"].server(), (scene.health("b").node,)
    scene.clients["a"].answer("age", lambda: 36)
    found: Answers[Any] = await _soon(server.fetch_sockets())
    assert [each.id for each in found] == [scene.clients["a"].id]
    assert found.missing == other
    answers: Answers[Any] = await _soon(server.server_side_emit_with_ack("sum", 1, 2))
    assert (answers, answers.missing) == ([], other)
    with pytest.raises(AckTimeout) as caught:
        await _soon(server.timeout(1).emit_with_ack("age"))
    assert (list(caught.value.answers.values()), caught.value.missing) == ([36], other)


async def _soon(request: Awaitable[Any]) -> Any:
    async with asyncio.timeout(REQUEST_TIMEOUT + 0.7):
        return await request


async def _rooms_are_served(scene: Scene) -> None:
    """Clients join and leave rooms of this node."""
    client = await scene.nodes["a"].connect()
    await client.emit_with_ack("join", "cellar", timeout=3)
    scene.nodes["a"].server().to("cellar").emit("dark")
    assert await client.receive("dark") is None
    await client.emit_with_ack("leave", "cellar")
