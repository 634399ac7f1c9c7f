"""A node's process is killed, or hangs."""

import asyncio

import pytest

from moongate import AckTimeout, Answers, RemoteSocket
from moongate.testing import TestApp
from tests.cluster.party import until
from tests.faults.desk import desk_app
from tests.faults.peer import Peer
from tests.faults.scene import ALL_KINDS, FAST, Scene, cluster_of, side_by_side

pytestmark = pytest.mark.anyio

NOTICED = FAST["heartbeat_timeout"] + 2 * FAST["heartbeat_interval"]
"""Seconds within which a silent node is taken for dead."""

SLACK = 1.0
"""Seconds more, for machines that have much to do."""

REQUEST_TIMEOUT = 2.5


async def _join(scene: Scene, peer: Peer) -> None:
    """Wait until all know each other, and all messages arrive."""
    await until(lambda: all(peer.node in scene.health(name).nodes for name in scene.nodes))
    peer.begin()
    numbers = range(20)
    await until(lambda: all(len(_receipts(scene, peer, number)) >= 2 for number in numbers))


def _receipts(scene: Scene, peer: Peer, number: int) -> set[str]:
    entry = scene.ledger.entries.get((peer.name, number))
    return set() if entry is None else set(entry.receipts) & set(scene.nodes)


async def _ask(scene: Scene) -> tuple[int, tuple[str, ...], float]:
    """Return how many clients are found, which nodes are missing, and how many seconds that took."""
    began = asyncio.get_running_loop().time()
    found: Answers[RemoteSocket] = await scene.nodes["a"].server().fetch_sockets()
    return len(found), found.missing, asyncio.get_running_loop().time() - began


async def _ask_in_vain(scene: Scene, peer: Peer) -> None:
    clients, missing, seconds = await _ask(scene)  # Redis still says that somebody listens there
    assert (clients, missing) == (2, (peer.node,))
    assert seconds < REQUEST_TIMEOUT + SLACK


async def _ask_servers_in_vain(scene: Scene, peer: Peer) -> None:
    async with asyncio.timeout(REQUEST_TIMEOUT + SLACK):
        answers: Answers[int] = await scene.nodes["a"].server().server_side_emit_with_ack("sum", 1, 2)
    assert (answers, answers.missing) == ([3], (peer.node,))


async def _call_in_vain(scene: Scene, peer: Peer) -> None:
    for age, client in enumerate(scene.clients.values()):
        client.answer("age", lambda age=age: age)
    async with asyncio.timeout(1 + SLACK):
        with pytest.raises(AckTimeout) as caught:
            await scene.nodes["a"].server().timeout(1).emit_with_ack("age")
    assert sorted(caught.value.answers.values()) == [0, 1]
    assert caught.value.missing == (peer.node,)


async def test_a_process_is_killed():
    async def play(kind: str) -> None:
        scene = Scene("kill -9 of a node", kind, request_timeout=REQUEST_TIMEOUT)
        async with scene, Peer("c", kind, scene.url, scene.ledger) as peer:
            await _join(scene, peer)
            assert (await _ask(scene))[:2] == (3, ())
            scene.ledger.begin()
            await peer.kill()
            clients, missing, seconds = await _ask(scene)
            assert clients == 2
            assert missing in ((), (peer.node,))
            assert seconds < NOTICED + SLACK
            await until(lambda: all(peer.node not in scene.health(name).nodes for name in scene.nodes))
            scene.ledger.notice()
            clients, missing, seconds = await _ask(scene)
            assert (clients, missing) == (2, ())
            assert seconds < 0.5
            await scene.recover()
        ledger = scene.ledger
        assert ledger.noticed is not None
        assert ledger.noticed < NOTICED + SLACK, ledger
        assert ledger.lost == [], ledger
        assert ledger.count("refused") == 0, ledger

    await side_by_side(play, kinds=ALL_KINDS)


async def test_nodes_are_restarted_one_after_the_other():
    """Who stops says goodbye: nobody waits until it counts as dead, and the others miss nothing."""

    async def play(kind: str) -> None:
        scene = Scene("restarts of a third node", kind)
        async with scene:
            scene.ledger.begin()
            for _ in range(3):
                async with TestApp(desk_app(cluster_of(kind, scene.url))) as restarted:
                    await until(lambda: all(len(scene.health(name).nodes) == 2 for name in scene.nodes))
                    client = await restarted.connect()
                    assert (await _ask(scene))[:2] == (3, ())
                    await client.receive("message", timeout=5)
                left = asyncio.get_running_loop().time()
                await until(lambda: all(len(scene.health(name).nodes) == 1 for name in scene.nodes))
                assert asyncio.get_running_loop().time() - left < FAST["heartbeat_timeout"] / 2
                assert (await _ask(scene))[:2] == (2, ())
            await scene.recover()
        ledger = scene.ledger
        assert (ledger.lost, ledger.count("refused"), ledger.count("unknown")) == ([], 0, 0), ledger

    await side_by_side(play, kinds=ALL_KINDS)


async def test_a_process_hangs_and_goes_on():
    async def play(kind: str) -> None:
        scene = Scene("SIGSTOP of a node for 3.5 s", kind, request_timeout=REQUEST_TIMEOUT)
        async with scene, Peer("c", kind, scene.url, scene.ledger) as peer:
            await _join(scene, peer)
            scene.ledger.begin()
            peer.pause()
            clients, missing, seconds = await _ask(scene)  # which does not know yet
            assert (clients, missing) == (2, (peer.node,))
            assert seconds < NOTICED + SLACK
            await until(lambda: all(peer.node not in scene.health(name).nodes for name in scene.nodes))
            scene.ledger.notice()
            await asyncio.gather(
                _ask_in_vain(scene, peer), _ask_servers_in_vain(scene, peer), _call_in_vain(scene, peer)
            )
            peer.resume()
            await scene.recover()
            await until(lambda: all(peer.node in scene.health(name).nodes for name in scene.nodes))
            assert (await _ask(scene))[:2] == (3, ())
            await until(lambda: scene.ledger.reaches(peer.name))
            await peer.kill()
        ledger = scene.ledger
        assert ledger.noticed is not None
        assert ledger.noticed < NOTICED + SLACK, ledger
        assert ledger.lost == [], ledger
        assert ledger.count("refused") == 0, ledger

    await side_by_side(play)
