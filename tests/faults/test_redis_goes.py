"""Redis goes and comes back, or ends connections."""

import asyncio

import pytest

from moongate import Answers, RemoteSocket
from tests.cluster.party import until
from tests.faults.scene import Scene, side_by_side

pytestmark = pytest.mark.anyio


async def _is_whole(scene: Scene) -> None:
    """Each node finds the clients of both."""
    for node in scene.nodes.values():
        found: Answers[RemoteSocket] = await node.server().fetch_sockets()
        assert (len(found), found.missing) == (2, ())


async def test_redis_is_started_anew_and_empty():
    async def play(kind: str) -> None:
        async with Scene("Redis restarts empty", kind) as scene:
            scene.ledger.begin()
            await asyncio.to_thread(scene.server.restart)
            await scene.recover(5)
            await _is_whole(scene)
            assert [scene.health(name).reconnects for name in scene.nodes] == [1, 1], scene.ledger
        assert scene.ledger.lost_after(scene.ledger.healed + 1) == 0, scene.ledger
        assert scene.ledger.echo < 0.5, scene.ledger

    await side_by_side(play)


async def test_redis_is_away_for_3_seconds():
    async def play(kind: str) -> None:
        async with Scene("Redis is down for 3 s", kind, outbox_timeout=2) as scene:
            scene.ledger.begin()
            scene.server.stop()
            await until(lambda: all(scene.health(name).status == "down" for name in scene.nodes))
            for name, node in scene.nodes.items():
                found: Answers[RemoteSocket] = await node.server().fetch_sockets()
                assert (len(found), len(found.missing)) == (1, 1), name
            await asyncio.sleep(3)
            await asyncio.to_thread(scene.server.start)
            await scene.recover(7)
            await _is_whole(scene)
        ledger = scene.ledger
        assert ledger.noticed is not None
        assert ledger.noticed < 1, ledger
        assert ledger.slowest < 2.5, ledger  # outbox_timeout, and a little
        assert ledger.count("refused") > 50, ledger
        assert all("Redis cannot be reached" in reason for reason in ledger.reasons("refused")), ledger
        # What Redis had taken, and had not yet passed on, is lost with it.
        assert ledger.lost_after(ledger.began + 0.05) == 0, ledger
        assert ledger.echo < 0.5, ledger

    await side_by_side(play)


@pytest.mark.parametrize("victims", ["pubsub", "normal"])
async def test_redis_ends_connections(victims: str):
    async def play(kind: str) -> None:
        async with Scene(f"CLIENT KILL TYPE {victims}", kind) as scene:
            scene.ledger.begin()
            killed = await asyncio.to_thread(scene.server.command, "CLIENT", "KILL", "TYPE", victims)
            assert killed >= 2
            await scene.recover(5)
            await _is_whole(scene)
            # Who reads a log and is cut off between two reads goes on by another connection, as if nothing had been.
            if victims == "pubsub":
                assert [scene.health(name).reconnects for name in scene.nodes] == [1, 1], scene.ledger
        ledger = scene.ledger
        assert ledger.lost_after(ledger.began + 1) == 0, ledger
        if kind == "streams" or victims == "normal":
            assert ledger.lost == [], ledger

    await side_by_side(play)
