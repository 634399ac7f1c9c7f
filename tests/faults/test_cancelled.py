"""Whoever waits for the cluster is cancelled at any moment."""

import asyncio
import random
from collections.abc import Awaitable
from typing import Any

import pytest

from moongate import Namespace
from tests.faults.leftovers import Leftovers, nothing_runs
from tests.faults.scene import USUAL, Scene, side_by_side

pytestmark = pytest.mark.anyio

SEED = 31
ROUNDS = 60
BATCH = 8


def _request(server: Namespace, number: int) -> Awaitable[Any]:
    requests = (
        server.fetch_sockets,
        lambda: server.server_side_emit_with_ack("sum", number, number),
        lambda: server.timeout(2).emit_with_ack("age"),
        lambda: server.emit("noise", number),
    )
    return requests[number % len(requests)]()


async def _wait(request: Awaitable[Any]) -> Any:
    return await request


async def _whole(server: Namespace, number: int) -> None:
    """What nobody cancels is answered, and by no answer to anything else."""
    assert await server.server_side_emit_with_ack("sum", number, number) == [2 * number]
    assert len(await server.fetch_sockets()) == 2
    assert sorted(await server.timeout(5).emit_with_ack("age")) == [36, 37]


async def test_callers_are_cancelled():
    async def play(kind: str) -> None:
        chance = random.Random(SEED)  # noqa: S311  # no secret
        async with Scene("callers cancelled", kind, **USUAL) as scene:
            scene.clients["a"].answer("age", lambda: 36)
            scene.clients["b"].answer("age", lambda: 37)
            server = scene.nodes["a"].server()
            await _whole(server, 1)
            leftovers = Leftovers.of(scene)
            scene.ledger.begin()
            for number in range(ROUNDS):
                tasks = [asyncio.create_task(_wait(_request(server, number * BATCH + each))) for each in range(BATCH)]
                whole = asyncio.create_task(_whole(server, number))
                await asyncio.sleep(chance.uniform(0, 0.004))
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await whole
            await scene.recover()
            await leftovers.check(scene)
            assert all(scene.health(name).reconnects == 0 for name in scene.nodes)
        assert scene.ledger.count("accepted") == len(scene.ledger.entries), scene.ledger
        assert scene.ledger.lost == [], scene.ledger

    await side_by_side(play)
    nothing_runs()
