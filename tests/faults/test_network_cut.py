"""The network between a node and Redis forwards nothing, and no connection ends."""

import asyncio

import pytest

from moongate import Answers, RemoteSocket
from tests.cluster.party import until
from tests.faults.proxy import Direction
from tests.faults.scene import Scene, side_by_side

pytestmark = pytest.mark.anyio

SECONDS = 4.0


async def test_a_node_is_cut_off():
    async def play(kind: str, direction: Direction) -> None:
        scene = Scene(f"cut for {SECONDS:g} s: {direction}", kind, pause=0.02, proxied=True)
        async with scene:
            assert scene.proxy is not None
            a, b = scene.health("a").node, scene.health("b").node
            scene.ledger.begin()
            scene.proxy.cut(direction)
            began = asyncio.get_running_loop().time()
            await until(lambda: scene.health("a").status != "up")
            await until(lambda: a not in scene.health("b").nodes)
            assert (
                asyncio.get_running_loop().time() - began < 1 + 2 * 0.2 + 2.5
            )  # the last command has its time as well
            found: Answers[RemoteSocket] = await scene.nodes["b"].server().fetch_sockets()
            assert (scene.health("b").status, len(found)) == ("up", 1), scene.ledger
            await asyncio.sleep(began + SECONDS - asyncio.get_running_loop().time())
            scene.proxy.heal()
            await scene.recover()
            await until(lambda: scene.health("a").nodes == (b,) and scene.health("b").nodes == (a,))
            for node in scene.nodes.values():
                found = await node.server().fetch_sockets()
                assert (len(found), found.missing) == (2, ())
        ledger = scene.ledger
        assert ledger.noticed is not None
        assert ledger.noticed < 1, ledger
        assert ledger.lost_after(ledger.healed + 3) == 0, ledger
        assert ledger.echo < 0.5, ledger
        if kind == "streams":
            assert ledger.lost == [], ledger

    await side_by_side(play, "to Redis", "to the node", "both")
