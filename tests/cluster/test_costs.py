"""What is done once, or not at all, however many clients, rooms and messages there are."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from moongate import AckTimeout, Namespace, RedisCluster
from moongate.namespace.broadcast import Broadcast
from moongate.testing import TestApp
from moongate.wire.outgoing import Outgoing
from moongate.wire.socketio import SocketIoCodec
from tests.cluster.bus_checks import QUIET, only_nodes_with_members_hear
from tests.cluster.party import Party, health, until
from tests.support.redis import RedisServer

pytestmark = pytest.mark.anyio

KINDS = pytest.mark.parametrize("sharded", [False, True], ids=["classic", "sharded"])


async def start(
    party: Party, redis_server: RedisServer, prefix: str, *, sharded: bool = True, count: int = 2
) -> list[TestApp]:
    cluster = RedisCluster(redis_server.url, sharded=sharded, prefix=f"{prefix} {sharded}", **QUIET)
    return [await party.app(cluster) for _ in range(count)]


async def test_a_message_for_a_room_reaches_only_nodes_with_members(party: Party, redis_server: RedisServer):
    await only_nodes_with_members_hear(await start(party, redis_server, "members", count=3))


@KINDS
async def test_joining_a_room_that_is_there_tells_redis_nothing(party: Party, redis_server: RedisServer, sharded: bool):
    one, _ = await start(party, redis_server, "joins", sharded=sharded)
    clients = [await one.connect() for _ in range(30)]
    await clients[0].emit_with_ack("join", "kitchen", timeout=5)
    before = redis_server.command("INFO", "commandstats")
    for client in clients[1:]:
        await client.emit_with_ack("join", "kitchen", timeout=5)
    for client in clients[2:]:
        await client.emit_with_ack("leave", "kitchen", timeout=5)
    after = redis_server.command("INFO", "commandstats")
    changed = {name for name, statistics in after.items() if statistics != before.get(name)}
    assert changed <= {"cmdstat_info", "cmdstat_hello", "cmdstat_client|setinfo"}  # of the one who asks
    assert health(one.app).published == 0


async def test_a_broadcast_is_encoded_once_at_each_node(
    party: Party, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
):
    one, other = await start(party, redis_server, "encoding")
    clients = [await each.connect() for each in (one, other) for _ in range(20)]
    encoded: list[str] = []
    encode = SocketIoCodec.event

    def event(codec: SocketIoCodec, event: str, arguments: tuple[Any, ...], ack_id: int | None = None) -> Outgoing:
        encoded.append(event)
        return encode(codec, event, arguments, ack_id)

    monkeypatch.setattr(SocketIoCodec, "event", event)
    await one.app.server("/").emit("news", {"a": 1})
    for client in clients:
        assert await client.receive("news", timeout=5) == {"a": 1}
    assert encoded == ["news", "news"]


async def test_what_clients_of_one_node_say_to_it_tells_the_bus_nothing(party: Party, redis_server: RedisServer):
    one, other = await start(party, redis_server, "to itself")
    client = await one.connect()
    before = [health(each.app).received for each in (one, other)]
    for _ in range(20):
        await client.emit_with_ack("leave", "kitchen", timeout=5)
    one.app.server("/").local.emit("news", 1)
    assert await client.receive("news") == 1
    assert [health(each.app).published for each in (one, other)] == [0, 0]
    assert [health(each.app).received for each in (one, other)] == before


async def test_a_flood_by_the_bus_leaves_the_clients_their_turns(party: Party, redis_server: RedisServer):
    """Of 20 000 messages that wait for a node it handles some, then its clients have their turn."""
    one, other = await start(party, redis_server, "flood", sharded=False)
    client = await other.connect()
    longest = 0.0

    async def look() -> None:
        nonlocal longest
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0)
            longest = max(longest, loop.time() - before)

    looking = asyncio.ensure_future(look())
    try:
        await flood(redis_server, "flood False", 20_000)
        await until(lambda: health(one.app).received >= 20_000)
        await until(lambda: health(other.app).received >= 20_000)
        assert await client.emit_with_ack("leave", "kitchen", timeout=5) is None
    finally:
        looking.cancel()
    assert longest < 0.25


async def flood(server: RedisServer, prefix: str, count: int) -> None:
    """Publish so many broadcasts at once, to a room that nobody is in."""
    packet = b"\x93\xa1x\x82\xa4type\x02\xa4data\x91\xa4news\x83\xa5rooms\x91\xa4none\xa6except\x90\xa5flags\x80"
    script = f"for i = 1, {count} do redis.call('PUBLISH', KEYS[1], ARGV[1]) end"
    await asyncio.to_thread(server.command, "EVAL", script, 1, f"{prefix}#/#", packet)


OPERATIONS: dict[str, Callable[[Namespace | Broadcast], Any]] = {
    "emit": lambda clients: clients.emit("news", 1),
    "volatile": lambda clients: clients.volatile.emit("news", 1),
    "sockets_join": lambda clients: clients.sockets_join("cellar"),
    "sockets_leave": lambda clients: clients.sockets_leave("kitchen"),
    "disconnect_sockets": lambda clients: clients.disconnect_sockets(),
    "fetch_sockets": lambda clients: clients.fetch_sockets(),
    "emit_with_ack": lambda clients: clients.timeout(0.3).emit_with_ack("news", 1),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("local", [True, False])
async def test_every_operation_means_the_whole_cluster_unless_local_is_said(
    party: Party, redis_server: RedisServer, name: str, local: bool
):
    one, other = await start(party, redis_server, f"{name} {local}")
    here, there = await one.connect(), await other.connect()
    for client in (here, there):
        await client.emit_with_ack("join", "kitchen", timeout=5)
    clients: Any = one.app.server("/").local if local else one.app.server("/")
    before = health(other.app).received
    expected = pytest.raises(AckTimeout) if name == "emit_with_ack" else contextlib.nullcontext()
    with expected:
        await OPERATIONS[name](clients.in_("kitchen"))
    # What comes behind it shows that it has come, or not.
    await one.app.server("/").server_side_emit_with_ack("sum", 1)
    assert health(other.app).received == before + (1 if local else 2)
