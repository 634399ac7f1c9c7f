"""The network between a node and Redis takes long, carries little, or lets no messages through."""

import asyncio

import pytest

from tests.cluster.party import until
from tests.faults.scene import USUAL, Scene, side_by_side

pytestmark = pytest.mark.anyio

MEGABIT = 125_000
"""Bytes a second."""


async def test_a_long_way():
    """All takes 200 ms more, there and back, and nothing else happens."""

    async def play(kind: str) -> None:
        scene = Scene("200 ms more", kind, slow={"delay": 0.1}, **USUAL)
        async with scene:
            scene.ledger.begin()
            await asyncio.sleep(3)
            assert scene.health("a").reconnects == 0
        ledger = scene.ledger
        assert (ledger.lost, ledger.count("refused"), ledger.count("unknown")) == ([], 0, 0), ledger
        assert ledger.noticed is None, ledger

    await side_by_side(play)


async def test_a_narrow_way_with_more_behind_it_than_goes_through_while_redis_is_waited_for():
    """A node that comes back to a log has 3 s of its network to read, and Redis is given up after 2 s of silence."""

    async def play(kind: str) -> None:
        scene = Scene("1 Mbit/s, cut for 8 s", kind, pause=0.05, slow={"rate": MEGABIT}, padding=2000, **USUAL)
        async with scene:
            assert scene.proxy is not None
            scene.ledger.begin()
            scene.proxy.cut("both")
            await asyncio.sleep(8)
            scene.proxy.heal()
            await scene.recover(20)
        ledger = scene.ledger
        assert ledger.lost_after(ledger.healed + 5) == 0, ledger
        assert ledger.count("unknown") <= 2 * 256, ledger
        assert ledger.echo < 0.5, ledger
        if kind == "streams":
            assert ledger.lost == [], ledger

    await side_by_side(play)


async def test_messages_that_are_swallowed_are_noticed_and_the_node_connects_anew():
    """The connection is open, commands are answered, and nothing arrives: only its own echo tells the node."""

    async def play(kind: str) -> None:
        scene = Scene("messages swallowed", kind, proxied=True)
        async with scene:
            assert scene.proxy is not None
            scene.ledger.begin()
            scene.proxy.swallow()
            await until(lambda: scene.health("a").status == "degraded")
            assert scene.health("a").reason == "this node does not hear itself"
            await until(lambda: scene.health("a").reconnects == 1)
            await scene.recover()
        ledger = scene.ledger
        assert ledger.noticed is not None
        assert ledger.noticed < 2 * 0.2 + 0.5, ledger
        assert ledger.lost_after(ledger.healed + 1) == 0, ledger
        if kind == "streams":
            assert ledger.lost == [], ledger

    await side_by_side(play)
