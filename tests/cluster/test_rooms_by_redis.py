"""Rooms and namespaces that come, go and are asked for while Redis hangs, on servers joined by Redis."""

import asyncio
from typing import Any

import pytest

from moongate import EncodeError, Module, Moongate, RedisCluster, Settings, Socket, SubscribeMessage, WebSocketGateway
from moongate.testing import LiveServer, SocketIoClient, TestApp
from tests.cluster.party import Party, health, until
from tests.support.node import Node
from tests.support.redis import RedisServer

pytestmark = pytest.mark.anyio

KINDS = pytest.mark.parametrize("sharded", [False, True], ids=["classic", "sharded"])


async def two(party: Party, redis_server: RedisServer, prefix: str, *, sharded: bool) -> tuple[TestApp, TestApp]:
    cluster = RedisCluster(redis_server.url, sharded=sharded, prefix=f"{prefix} {sharded}")
    return await party.app(cluster), await party.app(cluster)


async def received(client: SocketIoClient, event: str, count: int) -> list[Any]:
    return [await client.receive(event, timeout=5) for _ in range(count)]


@KINDS
async def test_what_follows_a_remote_join_reaches_the_room(party: Party, redis_server: RedisServer, sharded: bool):
    one, other = await two(party, redis_server, "remote joins", sharded=sharded)
    client = await other.connect()
    server = one.app.server("/")
    for number in range(50):
        server.in_(client.id).sockets_join(f"room {number}")
        server.to(f"room {number}").emit("news", number)
    assert await received(client, "news", 50) == list(range(50))


@KINDS
async def test_who_stops_waiting_for_a_room_ends_it_for_nobody_else(redis_server: RedisServer, sharded: bool):
    """While Redis hangs nobody hears that a room is heard; who gives up then must not spoil it for those who come."""

    @WebSocketGateway("/teams/{team}")
    class Teams:
        @SubscribeMessage("join")
        async def join(self, client: Socket, room: str, patience: float) -> str:
            try:
                async with asyncio.timeout(patience):
                    await client.join(room)
            except TimeoutError:
                return "gave up"
            return "joined"

    cluster = RedisCluster(redis_server.url, sharded=sharded, prefix=f"giving up {sharded}")
    root = Module(providers=[Teams])(type("Root", (), {}))
    async with TestApp(Moongate(root, cluster=cluster)) as running:
        redis_server.pause()
        try:
            first = await running.connect("/teams/9")
            assert await first.emit_with_ack("join", "kitchen", 0.05, timeout=5) == "gave up"
        finally:
            redis_server.resume()
        assert await first.emit_with_ack("join", "kitchen", 5.0, timeout=10) == "joined"
        second = await running.connect("/teams/9")
        assert await second.emit_with_ack("join", "kitchen", 5.0, timeout=10) == "joined"


@KINDS
async def test_a_room_that_is_left_and_joined_at_once_is_waited_for(
    party: Party, redis_server: RedisServer, sharded: bool
):
    one, other = await two(party, redis_server, "at once", sharded=sharded)
    client = await one.connect()
    (socket,) = await one.app.server("/").local.fetch_sockets()
    async with asyncio.timeout(1.5):  # less than Redis is waited for
        for _ in range(3):
            first = socket.join("kitchen")
            socket.leave("kitchen")
            again = socket.join("kitchen")
            await asyncio.gather(first, again)
            await other.app.server("/").to("kitchen").emit("smell", "coffee")
            assert await client.receive("smell", timeout=1) == "coffee"
            await socket.leave("kitchen")


@KINDS
async def test_namespaces_do_not_pretend_to_be_rooms(party: Party, redis_server: RedisServer, sharded: bool):
    one, other = await two(party, redis_server, "signs", sharded=sharded)
    with pytest.raises(Exception, match="Invalid namespace"):
        await other.connect("/teams/x#b")
    client = await one.connect("/teams/x")
    (socket,) = await one.app.server("/teams/x").local.fetch_sockets()
    for room in ("b", "b#c", "#", "", "*", "[x]", "{y}"):
        await socket.join(room)
        await other.app.server("/teams/x").to(room).emit("news", room)
        assert await client.receive("news", timeout=5) == room


@KINDS
async def test_names_that_are_no_text(party: Party, redis_server: RedisServer, sharded: bool):
    one, other = await two(party, redis_server, "no text", sharded=sharded)
    client = await one.connect()
    (socket,) = await one.app.server("/").local.fetch_sockets()
    socket.join("\ud800")
    await socket.join("kitchen")
    with pytest.raises(EncodeError):
        one.app.server("/").to("\ud800").emit("news")
    await other.app.server("/").to("kitchen").emit("news", 1)
    assert await client.receive("news", timeout=5) == 1
    assert health(one.app).status == "up"


@KINDS
async def test_the_room_of_an_older_client(party: Party, redis_server: RedisServer, clients: Node, sharded: bool):
    """Its id is longer than those of others, so its room is opened like any other one."""

    @WebSocketGateway("/hall")
    class Hall: ...

    cluster = RedisCluster(redis_server.url, sharded=sharded, prefix=f"older {sharded}")
    root = Module(providers=[Hall])(type("Root", (), {}))
    other = Moongate(root, cluster=cluster, settings=Settings(allow_eio3=True))
    running = TestApp(Moongate(Module(providers=[Hall])(type("Root", (), {})), cluster=cluster))
    script = """
        const client = await legacy("/hall");
        await call("emit", client.id);
        return next(client, "news");
    """
    async with running:
        with LiveServer(other) as server:
            await until(lambda: len(health(running.app).nodes) == 1)
            loop = asyncio.get_running_loop()

            def emit(sid: str) -> None:
                async def tell() -> None:
                    await running.app.server("/hall").to(sid).emit("news", sid)

                asyncio.run_coroutine_threadsafe(tell(), loop).result(5)

            news = await asyncio.to_thread(clients.run, server, script, calls={"emit": emit})
    assert news.startswith("/hall#")


async def test_messages_of_later_versions_are_counted(party: Party, redis_server: RedisServer):
    running = await party.app(RedisCluster(redis_server.url, sharded=True, prefix="later"))
    for kind in (77, 99):
        redis_server.command("SPUBLISH", "later#/#", f'{{"uid":"later","nsp":"/","type":{kind},"data":{{}}}}')
    await until(lambda: health(running.app).ignored == 2)
    assert (health(running.app).malformed, health(running.app).status) == (0, "up")


async def test_namespaces_that_come_and_go_leave_nothing(party: Party, redis_server: RedisServer):
    cluster = RedisCluster(redis_server.url, prefix="come and go")
    running = await party.app(cluster)

    def subscriptions() -> int:
        channels = redis_server.command("PUBSUB", "CHANNELS", "come and go*")
        return len(channels) + int(redis_server.command("PUBSUB", "NUMPAT"))

    before = subscriptions()
    for number in range(20):
        client = await running.connect(f"/teams/{number}")
        await client.disconnect()
    await until(lambda: subscriptions() == before)


async def test_a_failed_question_leaves_nothing(party: Party, redis_server: RedisServer):
    one, _ = await two(party, redis_server, "questions", sharded=False)
    tasks = asyncio.all_tasks()
    for _ in range(5):
        with pytest.raises(EncodeError):
            await one.app.server("/").timeout(1).emit_with_ack("ask", *[b"bytes"] * 11)
    assert asyncio.all_tasks() == tasks
