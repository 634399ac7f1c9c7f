"""Redis as it is found: with TLS, with ACL users, behind Sentinels, as a Redis Cluster, with any prefix."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from redis.asyncio import Sentinel
from redis.asyncio.cluster import RedisCluster as RedisClusterClient
from redis.credentials import CredentialProvider

from moongate import AsyncEmitter, ConfigurationError, Emitter, RedisCluster, RedisStreamsCluster
from moongate.cluster.bus import Cluster
from tests.cluster.party import Lobby, Party, health, nodes, until
from tests.support.process import free_port
from tests.support.redis import RedisCluster3, RedisServer, wait_for_port

pytestmark = pytest.mark.anyio

KINDS = ["classic", "sharded", "streams", "streams, sharded"]


def cluster(kind: str, source: Any, **options: Any) -> Cluster:
    if kind.startswith("streams"):
        return RedisStreamsCluster(source, sharded=kind.endswith("sharded"), **options)
    return RedisCluster(source, sharded=kind == "sharded", **options)


async def exchange(party: Party, kind: str, source: Any, **options: Any) -> None:
    """Show that two applications are one, for everything that takes a way of its own through Redis."""
    one = await party.app(cluster(kind, source, **options))
    other = await party.app(cluster(kind, source, **options))
    here, there = await one.connect(auth={"name": "Ada"}), await other.connect(auth={"name": "Bo"})
    await there.emit_with_ack("join", "kitchen", timeout=10)
    await one.app.server("/").emit("all", {"a": [1, b"bytes"]})
    assert await here.receive("all") == {"a": [1, b"bytes"]}
    assert await there.receive("all", timeout=5) == {"a": [1, b"bytes"]}
    await one.app.server("/").to("kitchen").emit("smell", "coffee")
    assert await there.receive("smell", timeout=5) == "coffee"
    found = await one.app.server("/").to("kitchen").fetch_sockets()
    assert [(socket.data["name"], socket.rooms) for socket in found] == [("Bo", frozenset({there.id, "kitchen"}))]
    assert await one.app.server("/").server_side_emit_with_ack("sum", 1, 2) == [3]
    there.answer("age", lambda: 36)
    assert await one.app.server("/").to("kitchen").timeout(5).emit_with_ack("age") == [36]
    await found[0].leave("kitchen")
    await until(lambda: other.app.server("/").clients.rooms.names() == frozenset())


@pytest.fixture(scope="module")
def redis_cluster() -> Iterator[RedisCluster3]:
    with RedisCluster3() as servers:
        yield servers


@pytest.mark.parametrize("kind", KINDS)
async def test_one_server(party: Party, redis_server: RedisServer, kind: str):
    await exchange(party, kind, redis_server.url, prefix=f"one {kind}")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_redis_cluster(party: Party, redis_cluster: RedisCluster3, kind: str):
    await exchange(party, kind, lambda: RedisClusterClient(host="127.0.0.1", port=redis_cluster.port))


async def test_a_redis_cluster_that_is_away_as_a_whole(party: Party):
    with RedisCluster3() as servers:
        source = RedisCluster(
            lambda: RedisClusterClient(host="127.0.0.1", port=servers.port),
            sharded=True, heartbeat_interval=0.1, heartbeat_timeout=1.0,
        )  # fmt: skip
        one = await party.app(source)
        for server in servers.servers:
            server.stop()
        await until(lambda: health(one.app).status == "down")
        party.apps.clear()
        other = await party.app(source)  # it starts alone
        assert health(other.app).status == "down"
        for server in servers.servers:
            server.start()
        await asyncio.to_thread(servers.wait)
        await until(lambda: health(one.app).status == health(other.app).status == "up")
        await until(lambda: nodes(one.app) == (health(other.app).node,))
        client = await other.connect()
        await client.emit_with_ack("join", "kitchen", timeout=5)
        await one.app.server("/").to("kitchen").emit("smell", "coffee")
        assert await client.receive("smell", timeout=5) == "coffee"


async def test_a_connection_that_redis_closed_between_two_calls_of_an_emitter(party: Party, redis_server: RedisServer):
    running = await party.app(RedisCluster(redis_server.url, prefix="idle"))
    client = await running.connect()

    def script() -> None:
        with Emitter(RedisCluster(redis_server.url, prefix="idle")) as emitter:
            emitter.emit("news", 1)
            redis_server.command("CLIENT", "KILL", "TYPE", "normal")
            emitter.emit("news", 2)

    await asyncio.to_thread(script)
    assert [await client.receive("news", timeout=5) for _ in range(2)] == [1, 2]


async def test_a_program_that_gives_the_password_may_fail_for_a_while(party: Party, redis_server: RedisServer):
    """Whatever it raises, and whenever: the listener tries again."""
    passwords = Passwords()
    source = redis.asyncio.Redis(port=redis_server.port, credential_provider=passwords)
    running = await party.app(RedisCluster(lambda: source, prefix="passwords", heartbeat_interval=0.1))
    passwords.broken = True
    redis_server.command("CLIENT", "KILL", "TYPE", "pubsub")
    await until(lambda: "no password" in health(running.app).reason)
    passwords.broken = False
    await until(lambda: health(running.app).status == "up")


class Passwords(CredentialProvider):
    """Of the user whom Redis lets in without one; `broken`, it has none to give."""

    broken = False

    async def get_credentials_async(self) -> tuple[str, str]:
        if self.broken:
            raise LookupError("there is no password now")
        return "default", ""


async def test_what_is_far_too_large_costs_the_connection_and_not_the_memory(party: Party, redis_server: RedisServer):
    source = RedisCluster(redis_server.url, prefix="huge", max_message=1_000_000)
    one, other = await party.app(source), await party.app(source)
    client = await other.connect()
    redis_server.command("PUBLISH", "huge#/#", b"\x93" + bytes(20_000_000))
    changes = [running.get(Lobby).changes for running in (one, other)]
    await until(lambda: all(any("more than 1000000 bytes" in each.reason for each in every) for every in changes))
    await until(lambda: health(one.app).status == health(other.app).status == "up")
    await until(lambda: nodes(one.app) == (health(other.app).node,))
    await one.app.server("/").emit("news", "the next one")
    assert await client.receive("news", timeout=5) == "the next one"


@pytest.mark.parametrize("kind", ["classic", "sharded", "streams"])
async def test_two_prefixes_are_two_clusters(party: Party, redis_server: RedisServer, kind: str):
    running = await party.app(cluster(kind, redis_server.url, prefix=f"red {kind}"))
    stranger = AsyncEmitter(cluster(kind, redis_server.url, prefix=f"blue {kind}", **_stream(kind, "blue")))
    friend = AsyncEmitter(cluster(kind, redis_server.url, prefix=f"red {kind}"))
    client = await running.connect()
    async with stranger, friend:
        await stranger.emit("news", "of others")
        await friend.emit("news", "of us")
    assert await client.receive("news", timeout=5) == "of us"


def _stream(kind: str, name: str) -> dict[str, str]:
    return {"stream": name} if kind == "streams" else {}


async def test_a_program_that_is_no_server_emits(party: Party, redis_server: RedisServer):
    running = await party.app(RedisCluster(redis_server.url, prefix="outside"))
    first, second = await running.connect(), await running.connect()
    await first.emit_with_ack("join", "a")
    heard: list[Any] = []
    running.app.server("/").on("wake up", heard.append)

    def script() -> None:
        with Emitter(RedisCluster(redis_server.url, prefix="outside")) as emitter:
            emitter.to("a").emit("news", 1)
            emitter.except_("a").emit("news", 2)
            emitter.to("a").sockets_join("b")
            emitter.in_("b").sockets_leave("a")
            emitter.of("/teams/red").emit("news", "of nobody")
            emitter.volatile.to("b").emit("news", 3)
            emitter.server_side_emit("wake up", 7)
            emitter.to(second.id).disconnect_sockets()
            with pytest.raises(ValueError, match="reserved"):
                emitter.emit("connect")
            with pytest.raises(TypeError, match="cannot send"):
                emitter.emit("news", object())

    await asyncio.to_thread(script)
    assert await first.receive("news", timeout=5) == 1
    assert await first.receive("news", timeout=5) == 3
    assert await second.receive("news", timeout=5) == 2
    await second.disconnected(timeout=5)
    await until(lambda: heard == [7])
    assert running.app.server("/").clients.rooms.names() == {"b"}


async def test_an_emitter_does_not_block_an_event_loop(redis_server: RedisServer):
    with pytest.raises(ConfigurationError, match="AsyncEmitter"):
        Emitter(redis_server.url)


async def test_an_emitter_without_redis_says_so():
    async with AsyncEmitter(f"redis://127.0.0.1:{free_port()}") as emitter:
        with pytest.raises(Exception, match=r"cannot be reached.*: it was not sent"):
            await emitter.emit("news")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """The path of a certificate for 127.0.0.1; its key is beside it."""
    path = tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(path)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, *subject]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return path


async def test_encrypted(party: Party, certificate: Path):
    port = free_port()
    key = certificate.with_name("key.pem")
    tls = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-ca-cert-file", str(certificate)]
    with RedisServer("--tls-port", str(port), "--tls-auth-clients", "no", *tls):
        await exchange(party, "classic", f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificate}")


async def test_acl_users(party: Party):
    with RedisServer() as server:
        # Of patterns to subscribe to, Redis wants each as it is (Redis documentation, "ACL": "Pub/Sub").
        channels = ["resetchannels", "&chat*", "&chat#/#*", "&chat#/teams/{team}#*"]
        server.command("ACL", "SETUSER", "chat", "on", ">secret", *channels, "+@pubsub")
        server.command("ACL", "SETUSER", "default", "off")
        source = f"redis://chat:secret@127.0.0.1:{server.port}"
        await exchange(party, "classic", source, prefix="chat")


async def test_rights_that_a_user_has_not_are_a_start_up_error(party: Party):
    with RedisServer() as server:
        server.command("ACL", "SETUSER", "chat", "on", ">secret", "resetchannels", "&chat*", "+@pubsub")
        with pytest.raises(ConfigurationError, match="NOPERM"):
            await party.app(RedisCluster(f"redis://chat:secret@127.0.0.1:{server.port}", prefix="other"))


async def test_a_wrong_password_is_a_start_up_error(party: Party):
    with RedisServer("--requirepass", "right") as server:
        for source in (f"redis://:wrong@127.0.0.1:{server.port}", server.url):
            with pytest.raises(ConfigurationError, match="Redis does not let us in") as caught:
                await party.app(RedisCluster(source))
            assert "wrong@" not in str(caught.value)
            party.apps.clear()


async def test_a_server_that_is_not_there_yet_is_no_start_up_error(party: Party):
    server = RedisServer()
    running = await party.app(RedisCluster(server.url, heartbeat_interval=0.1))
    assert health(running.app).status == "down"
    client = await running.connect()
    running.app.server("/").emit("here", 1)
    assert await client.receive("here") == 1
    with server:
        await until(lambda: health(running.app).status == "up")


@pytest.fixture
def sentinel(tmp_path: Path, redis_server: RedisServer) -> Iterator[int]:
    """The port of a Sentinel that looks after a server it calls `chat`."""
    port = free_port()
    settings = tmp_path / "sentinel.conf"
    settings.write_text(f"port {port}\nbind 127.0.0.1\nsentinel monitor chat 127.0.0.1 {redis_server.port} 1\n")
    with subprocess.Popen(["redis-server", str(settings), "--sentinel"], stdout=subprocess.DEVNULL) as process:
        wait_for_port(port)
        yield port
        process.kill()


async def test_behind_sentinels(party: Party, sentinel: int):
    source: Any = Sentinel([("127.0.0.1", sentinel)], socket_timeout=1)  # type: ignore[no-untyped-call]
    await exchange(party, "classic", lambda: source.master_for("chat"), prefix="behind sentinels")
    for client in source.sentinels:
        await client.aclose()


@pytest.mark.parametrize("source", ["http://localhost", 7, None])
async def test_what_is_no_redis_is_a_start_up_error(party: Party, source: Any):
    with pytest.raises(ConfigurationError, match="expected a URL"):
        await party.app(RedisCluster(source))
    with pytest.raises(ConfigurationError, match=r"client of redis\.asyncio"):
        await party.app(RedisCluster(object))
