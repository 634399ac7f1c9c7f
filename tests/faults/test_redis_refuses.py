"""Redis is there and refuses what it is asked for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import redis

from tests.faults.scene import Scene, side_by_side

pytestmark = pytest.mark.anyio

Commands = tuple[tuple[Any, ...], ...]


class Refusal(msgspec.Struct, frozen=True):
    """What makes Redis refuse, what mends it, one of the things it says then, and whether it publishes all the same."""

    begin: Commands
    end: Commands
    says: tuple[str, ...]
    publishes: bool = False


REFUSALS = {
    "out of memory": Refusal(
        (("CONFIG", "SET", "maxmemory", "1"),),
        (("CONFIG", "SET", "maxmemory", "0"),),
        ("OOM command not allowed",),
        True,
    ),
    "read-only": Refusal(
        (("REPLICAOF", "127.0.0.1", "1"),),
        (("REPLICAOF", "NO", "ONE"),),
        ("READONLY You can't write", "instance state changed"),  # what waited for the others was not tried
        True,
    ),
    "right revoked": Refusal(
        (("ACL", "SETUSER", "default", "-publish", "-spublish", "-xadd"),),
        (("ACL", "SETUSER", "default", "+publish", "+spublish", "+xadd"),),
        ("NOPERM",),
    ),
    "maxclients": Refusal(
        (
            ("CONFIG", "SET", "maxclients", "1"),
            ("CLIENT", "KILL", "TYPE", "pubsub"),
            ("CLIENT", "KILL", "TYPE", "normal"),
        ),
        (("CONFIG", "SET", "maxclients", "100"),),
        ("max number of clients reached",),
    ),
}


@asynccontextmanager
async def _refusing(scene: Scene, refusal: Refusal) -> AsyncIterator[None]:
    with redis.Redis(port=scene.server.port, single_connection_client=True) as client:
        for command in refusal.begin:
            client.execute_command(*command)
        yield
        for command in refusal.end:
            client.execute_command(*command)


async def test_redis_refuses():
    async def play(kind: str, name: str) -> None:
        refusal = REFUSALS[name]
        scene = Scene(f"Redis refuses: {name}", kind, pause=0.02, outbox_timeout=0.5)
        async with scene:
            scene.ledger.begin()
            async with _refusing(scene, refusal):
                await asyncio.sleep(1.5)
            await scene.recover()
        ledger = scene.ledger
        if refusal.publishes and kind != "streams":
            # Redis publishes all the same (Redis documentation, PUBLISH: no write command).
            assert ledger.count("accepted") == len(ledger.entries), ledger
            assert ledger.lost == [], ledger
            return
        assert ledger.count("refused") > 20, ledger
        assert all(any(words in reason for words in refusal.says) for reason in ledger.reasons("refused")), ledger
        assert ledger.lost_after(ledger.healed + 1) == 0, ledger
        assert ledger.echo < 0.5, ledger

    await side_by_side(play, *REFUSALS)
