"""Others write to Redis what is no message."""

import asyncio
import logging
from typing import Any

import pytest
import redis

from moongate.cluster.bus import Frame
from moongate.wire.payload import PayloadEncoder
from tests.faults.poison import forgeries, mutants, poisons
from tests.faults.scene import USUAL, Scene, cluster_of, side_by_side

pytestmark = pytest.mark.anyio

SEED = 20_240
MUTANTS = 300
STREAM = "socket.io"
REQUESTS = {"classic": "socket.io-request#/#", "sharded": "socket.io#/#", "streams": "socket.io#/#"}
PUBLISH = {"classic": "PUBLISH", "sharded": "SPUBLISH", "streams": "PUBLISH"}


def _channels(client: redis.Redis, kind: str) -> list[str]:
    """Return all channels that nodes listen to."""
    found: list[bytes] = client.execute_command("PUBSUB", "SHARDCHANNELS" if kind == "sharded" else "CHANNELS", "*")  # type: ignore[no-untyped-call]
    names = [name.decode() for name in found]
    return [*names, "socket.io#/#", "socket.io#/#kitchen#"] if kind == "classic" else names


def _entries(data: bytes) -> list[list[Any]]:
    """Return entries of a log, as names and values in turn."""
    if len(data) > 1_000_000:
        return [["uid", "stranger", "nsp", "/", "type", "3", "data", data]]
    whole = ["uid", "stranger", "nsp", "/", "type", "3", "data", data]
    return [whole, ["data", data], [data, data], [*whole[:4], "type", data], ["uid", data, *whole[2:]], whole[:6]]


def _poison(scene: Scene, kind: str, channel: str) -> int:
    """Write everything to a channel, or a log; return how much it was."""
    written = 0
    with redis.Redis(port=scene.server.port) as client, client.pipeline(transaction=False) as pipe:
        for data in (*poisons(), *forgeries()):
            if channel == STREAM:
                for entry in _entries(data):
                    pipe.execute_command("XADD", STREAM, "*", *entry)
                    written += 1
            else:
                pipe.execute_command(PUBLISH[kind], channel, data)
                written += 1
        pipe.execute()
    return written


def _mutate(scene: Scene, kind: str, frames: list[Frame]) -> None:
    with redis.Redis(port=scene.server.port) as client, client.pipeline(transaction=False) as pipe:
        for frame in frames:
            if frame.fields:
                pipe.execute_command("XADD", frame.channel, "*", *frame.fields, "data", frame.data)
            else:
                pipe.execute_command(PUBLISH[kind], frame.channel, frame.data)
        pipe.execute()


async def _single(scene: Scene, kind: str, channel: str, data: bytes) -> float:
    """Write one piece; return how many seconds a good message takes right behind it."""
    with redis.Redis(port=scene.server.port) as client:
        await asyncio.to_thread(client.execute_command, PUBLISH[kind], channel, data)
    return await _delay(scene, -1)


async def _delay(scene: Scene, number: int) -> float:
    """Return how many seconds a good message takes behind the others."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await scene.nodes["a"].server().emit("good", number)
    assert await scene.clients["b"].receive("good", timeout=2) == number
    return loop.time() - began


async def test_poison(caplog: pytest.LogCaptureFixture):
    async def play(kind: str) -> None:
        async with Scene("poison", kind, pause=0.02, **USUAL) as scene:
            with redis.Redis(port=scene.server.port) as client:
                channels = _channels(client, kind)
            scene.ledger.begin()
            delays, written = [], 0
            for channel in [*channels, *([STREAM] if kind == "streams" else [])]:
                written += await asyncio.to_thread(_poison, scene, kind, channel)
                delays.append(await _delay(scene, written))
            single = [await _single(scene, kind, REQUESTS[kind], data) for data in [*poisons(), *forgeries()][::3]]
            frames = list(mutants(cluster_of(kind, scene.server.url).bus(PayloadEncoder()), SEED, MUTANTS))
            await asyncio.to_thread(_mutate, scene, kind, frames)
            delays.append(await _delay(scene, -1))
            await scene.recover()
            report = f"poison | {kind} | {len(channels)} channels, {written} pieces, {MUTANTS} mutants (seed {SEED})"
            for name in scene.nodes:
                health = scene.health(name)
                report += f", {name}: {health.malformed} malformed, {health.ignored} ignored"
                assert (health.status, health.failed, health.reconnects) == ("up", 0, 0)
                assert health.malformed > written / 4
            report += (
                f", good messages after {max(delays) * 1000:.0f} ms behind all, {max(single) * 1000:.0f} ms behind one"
            )
            print(report)  # noqa: T201
            assert max(*delays, *single) < 2
            found: Any = await scene.nodes["a"].server().fetch_sockets()
            assert (len(found), found.missing) == (2, ())
        assert scene.ledger.lost == [], scene.ledger
        assert scene.ledger.echo < 1, scene.ledger

    with caplog.at_level(logging.WARNING):
        await side_by_side(play)
    assert [record for record in caplog.records if record.exc_info] == []
    assert len(caplog.records) < 100
