"""A node, and what it makes of a bus that fails."""

import asyncio
import gc
from typing import Any

import pytest

from moongate import Module, Moongate
from moongate.cluster.messages import Hello, Message, Private
from moongate.testing import TestApp
from tests.cluster.memory import MemoryBus, MemoryCluster
from tests.cluster.party import LIMIT, Lobby, Party, health, nodes, until

pytestmark = pytest.mark.anyio


async def pair(party: Party, **options: Any) -> tuple[Moongate, Moongate, MemoryBus, MemoryBus]:
    cluster = MemoryCluster(**options)
    await party.app(cluster)
    await party.app(cluster)
    one, other = party.apps
    first, second = cluster.buses
    return one, other, first, second


async def test_without_a_cluster_there_are_no_other_servers():
    root = Module(providers=[Lobby])(type("Root", (), {}))
    async with TestApp(Moongate(root)) as running:
        server = running.app.server("/")
        assert running.app.cluster_health() is None
        assert await server.server_side_emit_with_ack("ping") == []
        assert (await server.fetch_sockets()).missing == ()
        await server.server_side_emit("ping")


async def test_nodes_know_each_other_at_once_and_hear_goodbyes(party: Party):
    one, other, _, _ = await pair(party, heartbeat_interval=1.0, heartbeat_timeout=5.0)
    assert nodes(one) == (health(other).node,)
    assert health(one).status == "up"
    await other.stop()
    await until(lambda: nodes(one) == ())


async def test_a_node_that_falls_silent_is_missed(party: Party):
    one, other, _, silent = await pair(party)
    name = health(other).node
    silent.away = True
    answers = await one.server("/").server_side_emit_with_ack("ping")
    assert answers == []
    assert answers.missing == (name,)
    await until(lambda: nodes(one) == ())
    silent.away = False
    await until(lambda: nodes(one) == (name,))


async def test_a_question_ends_when_the_node_that_has_not_answered_dies(party: Party):
    one, other, _, silent = await pair(party, request_timeout=60.0)
    silent.away = True
    async with asyncio.timeout(LIMIT):
        sockets = await one.server("/").fetch_sockets()
    assert sockets == []
    assert sockets.missing == (health(other).node,)
    silent.away = False


async def test_a_node_notices_that_it_does_not_hear_itself_and_connects_anew(party: Party):
    one, other, bus, _ = await pair(party)
    bus.deaf = True
    await until(lambda: health(one).status == "degraded")
    assert "does not hear itself" in health(one).reason
    await until(lambda: bus.reconnects == 1)
    await until(lambda: health(one).status == "up")
    assert nodes(one) == (health(other).node,)
    gateway = one.get(Lobby)
    await until(lambda: [change.status for change in gateway.changes] == ["degraded", "up"])


async def test_a_node_that_was_cut_off_does_not_take_the_others_for_dead(party: Party):
    one, other, bus, _ = await pair(party)
    assert bus.listener is not None
    bus.deaf = True
    bus.listener.disconnected("the cable")
    assert (health(one).status, health(one).reason) == ("down", "the cable")
    await asyncio.sleep(0.4)  # twice the time after which a silent node counts as dead
    assert nodes(one) == (health(other).node,)
    answers = await one.server("/").server_side_emit_with_ack("ping")
    assert answers.missing == (health(other).node,)
    bus.deaf = False
    bus.listener.connected()
    await until(lambda: health(one).status == "up")
    assert health(one).reconnects == 1


async def test_who_cannot_be_sent_to_is_no_reason_not_to_serve_clients_here(party: Party):
    cluster = MemoryCluster(outbox_timeout=0.05)
    running = await party.app(cluster)
    cluster.buses[0].away = True
    client = await running.connect()
    sending = running.app.server("/").emit("news", 1)
    assert await client.receive("news") == 1
    with pytest.raises(Exception, match="took nothing for too long"):
        await sending
    await until(lambda: health(running.app).status == "degraded")


async def test_what_fails_for_one_message_does_not_stop_the_next(party: Party):
    one, other, _, _ = await pair(party)
    heard: list[int] = []
    other.server("/").on("number", heard.append)
    other.server("/").on("broken", lambda: 1 / 0)
    assert await one.server("/").server_side_emit_with_ack("broken") == [
        {"status": "error", "message": "Internal server error"}
    ]
    await one.server("/").server_side_emit("number", 7)
    await until(lambda: heard == [7])


async def test_listeners_can_be_taken_off(party: Party):
    one, other, _, _ = await pair(party)
    server = other.server("/")

    def first() -> str:
        return "first"

    async def second() -> str:
        return "second"

    server.on("who", first)
    server.on("who", second)
    assert await one.server("/").server_side_emit_with_ack("who") == ["first"]
    server.off("who", first)
    assert await one.server("/").server_side_emit_with_ack("who") == ["second"]
    server.off("who")
    assert await one.server("/").server_side_emit_with_ack("who") == [None]


async def test_a_client_that_leaves_is_not_waited_for(party: Party):
    cluster = MemoryCluster()
    one, other = await party.app(cluster), await party.app(cluster)
    client = await other.connect()
    asking = asyncio.create_task(one.app.server("/").timeout(60).emit_with_ack("question"))
    await client.receive("question")
    await client.disconnect()
    async with asyncio.timeout(LIMIT):
        assert await asking == []


async def test_data_that_cannot_travel_stays(party: Party):
    cluster = MemoryCluster()
    one, other = await party.app(cluster), await party.app(cluster)
    await other.connect(auth={"name": "Ada"})
    (found,) = await one.app.server("/").fetch_sockets()
    assert found.data == {"name": "Ada"}
    assert found.handshake.auth == {"name": "Ada"}


async def test_rooms_are_subscribed_to_once_and_let_go(party: Party):
    cluster = MemoryCluster()
    running = await party.app(cluster)
    bus = cluster.buses[0]
    first, second = await running.connect(), await running.connect()
    await first.emit_with_ack("join", "kitchen")
    await second.emit_with_ack("join", "kitchen")
    assert bus.rooms == ["kitchen"]
    await first.disconnect()
    assert bus.rooms == ["kitchen"]
    await second.disconnect()
    await until(lambda: bus.rooms == [])


async def test_a_namespace_of_a_pattern_is_shared_as_long_as_it_is_there(party: Party):
    cluster = MemoryCluster()
    one, other = await party.app(cluster), await party.app(cluster)
    client = await one.connect("/teams/red")
    assert "/teams/red" in cluster.buses[0].opened
    assert "/teams/red" not in cluster.buses[1].opened
    other.app.server("/teams/{team}").emit("all", 1)
    assert await client.receive("all") == 1
    await client.disconnect()

    def shut() -> bool:
        gc.collect()
        return "/teams/red" not in cluster.buses[0].opened

    await until(shut)


async def test_what_claims_to_be_a_node_and_is_none_is_not_one(party: Party):
    one, _, bus, _ = await pair(party)
    assert bus.listener is not None
    for name in ("", "emitter", "x" * 17):
        bus.listener.heard(Message(name, "", Hello(1)))
    bus.listener.heard(Message("f" * 16, "", Private("somebody else", b"")))
    assert len(nodes(one)) == 1
