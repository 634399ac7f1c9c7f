"""Nodes that are joined by NATS, and what becomes of them when it fails."""

import asyncio
from typing import Any

import pytest

from moongate import AsyncEmitter, ClusterError, ConfigurationError, Emitter, NatsCluster
from moongate.cluster import nats_bus
from moongate.cluster.bus import Options
from moongate.cluster.channels import Channels
from moongate.wire.payload import PayloadEncoder
from tests.cluster.bus_checks import (
    QUICK,
    QUIET,
    exchange,
    is_served,
    last_message,
    leaves_nothing,
    needs_extra,
    only_nodes_with_members_hear,
    script,
    wait_for,
)
from tests.cluster.party import Party, health
from tests.faults.poison import poisons
from tests.support.nats import NatsServer
from tests.support.process import free_port

pytestmark = pytest.mark.anyio

USERS = """
authorization {
  users = [
    { user: chat, password: secret, permissions: { publish: ["chat.>"], subscribe: ["chat.>"] } }
    { user: quiet, password: secret, permissions: { publish: { deny: ["chat.in.>"] } } }
  ]
}
"""


async def test_a_message_for_a_room_reaches_only_nodes_with_members(party: Party, nats_server: NatsServer):
    await only_nodes_with_members_hear(
        [await party.app(NatsCluster(nats_server.url, prefix="rooms", **QUIET)) for _ in range(3)]
    )


async def test_a_program_that_is_no_server_emits(party: Party, nats_server: NatsServer):
    cluster = NatsCluster(nats_server.url, prefix="outside")
    await script(party, cluster, await party.app(cluster))


async def test_an_emitter_without_nats_says_so():
    async with AsyncEmitter(NatsCluster(f"nats://127.0.0.1:{free_port()}")) as emitter:
        with pytest.raises(ClusterError, match=r"cannot be reached.*: it was not sent"):
            await emitter.emit("news")


async def test_an_emitter_that_was_idle_connects_again(party: Party, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nats_bus, "_IDLE", 0)
    with NatsServer() as server:
        running = await party.app(NatsCluster(server.url, **QUICK))
        client = await running.connect()
        emitter = await asyncio.to_thread(Emitter, NatsCluster(server.url))
        try:
            await asyncio.to_thread(emitter.emit, "news", 1)
            assert await client.receive("news", timeout=5) == 1
            server.restart()
            await wait_for(party, "down", "degraded")
            await wait_for(party, "up")
            await asyncio.to_thread(emitter.emit, "news", 2)
            assert await client.receive("news", timeout=5) == 2
        finally:
            await asyncio.to_thread(emitter.close)


async def test_a_server_that_is_not_there_yet_is_no_start_up_error(party: Party):
    server = NatsServer()
    one = await party.app(NatsCluster(server.url, **QUICK))
    assert health(one.app).status == "down"
    assert "cannot be reached" in health(one.app).reason
    await is_served(one)
    with server:
        await wait_for(party, "up")
        await exchange(one, await party.app(NatsCluster(server.url, **QUICK)))


async def test_one_of_several_servers_is_enough(party: Party, nats_server: NatsServer):
    servers = (f"nats://127.0.0.1:{free_port()}", nats_server.url)
    apps = [await party.app(NatsCluster(servers, prefix="several")) for _ in range(2)]
    await exchange(*apps)


async def test_a_server_that_goes_away_and_comes_back(party: Party):
    with NatsServer() as server:
        one, other = [await party.app(NatsCluster(server.url, **QUICK)) for _ in range(2)]
        client = await other.connect()
        server.stop()
        await wait_for(party, "down")
        assert "NATS" in health(one.app).reason
        kept = one.app.server("/").emit("news", "kept")
        assert health(one.app).outbox == 1
        await is_served(one)
        server.start()
        await kept
        assert await client.receive("news", timeout=5) == "kept"
        await wait_for(party, "up")
        await exchange(one, other)
        assert health(one.app).reconnects == 1


async def test_a_server_that_hangs(party: Party):
    with NatsServer() as server:
        one, other = [await party.app(NatsCluster(server.url, **QUICK, outbox_size=5)) for _ in range(2)]
        server.pause()
        await wait_for(party, "down")
        sent = [one.app.server("/").emit("news", number) for number in range(6)]
        with pytest.raises(ClusterError, match="5 messages wait already"):
            await sent[-1]
        await is_served(one)
        server.resume()
        await wait_for(party, "up")
        for each in sent[:-1]:
            await each
        await exchange(one, other)


async def test_a_message_that_is_too_large_for_the_server_is_refused(party: Party):
    with NatsServer("max_payload: 4096") as server:
        one, other = [await party.app(NatsCluster(server.url, **QUICK)) for _ in range(2)]
        with pytest.raises(ClusterError, match=r"NATS takes 4096 at most \(its max_payload\)"):
            await one.app.server("/").emit("news", "x" * 5000)
        assert health(one.app).refused == 1
        await exchange(one, other)
        assert health(one.app).reconnects == 0


async def test_users(party: Party):
    with NatsServer(USERS) as server:
        url = server.url_of("chat", "secret")
        arguments = {"user": "chat", "password": "secret"}
        one = await party.app(NatsCluster(url, prefix="chat"))
        await exchange(one, await party.app(NatsCluster(server.url, prefix="chat", connect=arguments)))


@pytest.mark.parametrize("user", ["", "chat:wrong@", "nobody:secret@"])
async def test_whoever_may_not_log_in_is_told_so_at_the_start(party: Party, user: str):
    with NatsServer(USERS) as server:
        with pytest.raises(ConfigurationError, match="NATS does not let us in") as caught:
            await party.app(NatsCluster(f"nats://{user}127.0.0.1:{server.port}"))
        assert "wrong" not in str(caught.value)


async def test_what_may_not_be_listened_to_is_a_start_up_error(party: Party, caplog: pytest.LogCaptureFixture):
    expected = pytest.raises(ConfigurationError, match=r"refused a subscription: .*other\.node")
    with NatsServer(USERS) as server, expected:
        await party.app(NatsCluster(server.url_of("chat", "secret"), prefix="other"))
    assert not caplog.records


async def test_what_may_not_be_published_is_refused(party: Party):
    with NatsServer(USERS) as server:
        one, other = [await party.app(NatsCluster(server.url_of("quiet", "secret"), prefix="chat")) for _ in range(2)]
        client = await other.connect()
        await client.emit_with_ack("join", "kitchen")
        with pytest.raises(ClusterError, match=r"may not publish to 'chat\.in\."):
            await one.app.server("/").to("kitchen").emit("smell")
        await one.app.server("/").emit("smell", "of all")
        assert await client.receive("smell", timeout=5) == "of all"
        assert health(one.app).status == "up"


async def test_poison(party: Party, nats_server: NatsServer):
    one, other = [await party.app(NatsCluster(nats_server.url, prefix="poison")) for _ in range(2)]
    client = await other.connect()
    await client.emit_with_ack("join", "attic")
    channels = Channels(Options(prefix="poison"), PayloadEncoder())
    subjects = [channels.nodes, channels.node(health(other.app).node), channels.namespace("/")]
    subjects.append(channels.room("/", "attic") or "")
    poison = [each for each in poisons() if len(each) < 1_000_000]  # the server takes no more

    def publish() -> None:
        for subject in subjects:
            nats_server.publish(subject, *poison)
        last = last_message("poison")
        nats_server.publish(last.channel, last.data)

    await asyncio.to_thread(publish)
    await client.receive("end", timeout=10)
    assert health(other.app).malformed > len(poison)
    await exchange(one, other)
    assert (health(other.app).status, health(other.app).failed, health(other.app).reconnects) == ("up", 0, 0)


async def test_nothing_is_left_over(nats_server: NatsServer):
    await leaves_nothing(NatsCluster(nats_server.url, prefix="leftovers"))


@pytest.mark.parametrize("servers", ["", (), ("nats://localhost", "")])
async def test_what_is_no_server_is_refused(servers: Any):
    with pytest.raises(ConfigurationError, match="expected a URL"):
        NatsCluster(servers)


async def test_what_is_not_for_the_application_to_choose_is_refused():
    with pytest.raises(ConfigurationError, match="connect may not have allow_reconnect, error_cb"):
        NatsCluster("nats://localhost", connect={"error_cb": print, "allow_reconnect": True})


@pytest.mark.parametrize(
    ("servers", "connect"),
    [
        ("nats://localhost:port", {}),
        ("nats://127.0.0.1:1", {"colour": "blue"}),
        ("nats://127.0.0.1:1", {"user_credentials": "/nowhere/user.creds"}),
    ],
)
async def test_what_cannot_work_is_a_start_up_error(party: Party, servers: str, connect: dict[str, Any]):
    with pytest.raises(ConfigurationError, match=r"NATS (cannot be asked|does not let us in)"):
        await party.app(NatsCluster(servers, connect=connect))


async def test_without_nats_py_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    needs_extra(NatsCluster("nats://localhost"), "nats", "nats", monkeypatch)
