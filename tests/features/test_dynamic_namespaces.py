"""Namespaces that a pattern makes when a client asks for them."""

import gc
from collections.abc import Callable
from typing import Annotated, Any

import pytest

from moongate import (
    ConfigurationError,
    GatewayError,
    Inject,
    Injectable,
    Moongate,
    Namespace,
    Socket,
    SubscribeMessage,
    WebSocketGateway,
    WsException,
)
from moongate.namespace.middleware import CallNext
from tests.support.live import LiveServer, Serve, application
from tests.support.node import Node


@WebSocketGateway("/rooms/{room_id:int}")
class RoomGateway:
    server: Namespace

    def __init__(self) -> None:
        self.log: list[Any] = []

    def handle_connection(self, client: Socket) -> None:
        client.join("everybody")
        self.log.append(["in", client.namespace.name, client.handshake.params["room_id"]])

    def handle_disconnect(self, client: Socket, reason: str) -> None:
        self.log.append(["out", client.namespace.name, reason])

    @SubscribeMessage("where")
    async def where(self, client: Socket, namespace: Namespace) -> list[Any]:
        assert namespace is client.namespace
        return [namespace.name, dict(namespace.params), len(await namespace.fetch_sockets())]

    @SubscribeMessage("say")
    async def say(self, client: Socket, text: str) -> None:
        client.namespace.emit("said", text)

    @SubscribeMessage("say in")
    async def say_in(self, client: Socket, room: str, text: str) -> None:
        client.namespace.to(room).emit("said", text)


@WebSocketGateway("/rooms/{room_id:int}")
class Counter:
    @SubscribeMessage("room")
    async def room(self, client: Socket) -> Any:
        return client.handshake.params["room_id"]


@WebSocketGateway("/rooms/1")
class FirstRoom:
    @SubscribeMessage("where")
    async def where(self) -> str:
        return "the first"


def opened(server: LiveServer) -> list[str]:
    """The namespaces that patterns have made and that still live."""
    gc.collect()
    return sorted(namespace.name for namespace in server.app._directory.opened)


@pytest.mark.usefixtures("transport")
class TestRooms:
    def test_each_has_its_own_clients_and_its_parameters(self, serve: Serve, node: Node):
        server = serve(RoomGateway, Counter)
        script = """
            const [a, b, c] = [await connect("/rooms/7"), await connect("/rooms/7"), await connect("/rooms/8")];
            a.emit("say", "to seven");
            c.emit("say in", "everybody", "to eight");
            return [await ack(a, "where"), await ack(c, "where"), await next(b, "said"), await next(c, "said"),
                    await ack(c, "room"), seen(c, "said")];
        """
        seven, eight, said, said_in, room, rest = node.run(server, script)
        assert seven == ["/rooms/7", {"room_id": 7}, 2]
        assert eight == ["/rooms/8", {"room_id": 8}, 1]
        assert [said, said_in, room, rest] == ["to seven", "to eight", 8, []]

    def test_one_connection_may_be_in_several(self, serve: Serve, node: Node):
        server = serve(RoomGateway)
        script = """
            const manager = new Manager(url, { transports: TRANSPORTS[transport] });
            const sockets = ["/rooms/1", "/rooms/2"].map((name) => watch(manager.socket(name)));
            for (const socket of sockets) await joined(socket);
            return Promise.all(sockets.map((socket) => ack(socket, "where")));
        """
        assert node.run(server, script) == [["/rooms/1", {"room_id": 1}, 1], ["/rooms/2", {"room_id": 2}, 1]]

    def test_a_name_goes_before_a_pattern(self, serve: Serve, node: Node):
        server = serve(RoomGateway, FirstRoom)
        script = 'return [await ack(await connect("/rooms/1"), "where"), await ack(await connect("/rooms/2"), "room")]'
        server = serve(RoomGateway, Counter, FirstRoom)
        assert node.run(server, script) == ["the first", 2]

    @pytest.mark.parametrize("name", ["/rooms/x", "/rooms/", "/rooms/1/2", "/rooms/{room_id:int}", "/rooms"])
    def test_what_does_not_match_is_refused(self, serve: Serve, node: Node, name: str):
        server = serve(RoomGateway)
        assert node.run(server, "return await refused(args)", args=name) == {"message": "Invalid namespace"}
        assert opened(server) == []

    def test_an_empty_one_is_closed(self, serve: Serve, node: Node):
        server = serve(RoomGateway)
        script = """
            const [a, b] = [await connect("/rooms/7"), await connect("/rooms/8")];
            const before = await call("opened");
            a.disconnect();
            await call("left", 1);
            const between = await call("opened");
            b.io.engine.close();
            await call("left", 2);
            return [before, between, await call("opened")];
        """
        gateway = server.app.get(RoomGateway)

        def left(count: int) -> None:
            server.until(lambda: len([line for line in gateway.log if line[0] == "out"]) == count)

        calls: dict[str, Callable[..., Any]] = {"opened": lambda: opened(server), "left": left}
        assert node.run(server, script, calls=calls) == [["/rooms/7", "/rooms/8"], ["/rooms/8"], []]
        assert ["out", "/rooms/7", "client namespace disconnect"] in gateway.log

    def test_a_refused_client_leaves_none_open(self, serve: Serve, node: Node):
        @WebSocketGateway("/rooms/{name}")
        class Refusing:
            def after_init(self, server: Namespace) -> None:
                server.use(refuse)

        async def refuse(client: Socket, call_next: CallNext) -> None:
            raise WsException(f"no {client.handshake.params['name']}")

        server = serve(Refusing)
        assert node.run(server, 'return await refused("/rooms/x")') == {"message": "no x"}
        server.until(lambda: opened(server) == [])

    def test_the_server_means_all_of_them(self, serve: Serve, node: Node):
        server = serve(RoomGateway)
        script = """
            const sockets = [await connect("/rooms/1"), await connect("/rooms/2"), await connect("/rooms/2")];
            sockets.forEach((socket, index) => socket.on("number", (answer) => answer(index)));
            await call("announce");
            const news = await Promise.all(sockets.map((socket) => next(socket, "news")));
            const numbers = await call("ask");
            await call("close");
            return [news, numbers, await Promise.all(sockets.map((socket) => next(socket, "disconnect")))];
        """
        namespace = server.app.get(RoomGateway).server
        calls = {
            "announce": lambda: server.call(lambda: namespace.to("everybody").emit("news", b"bytes")),
            "ask": lambda: sorted(server.call(lambda: namespace.timeout(5).emit_with_ack("number"))),
            "close": lambda: server.call(namespace.disconnect_sockets),
        }
        heard, numbers, reasons = node.run(server, script, calls=calls)
        assert heard == [b"bytes"] * 3
        assert numbers == [0, 1, 2]
        assert reasons == ["io server disconnect"] * 3


def test_a_bare_client_finds_them_by_its_path(serve: Serve, node: Node):
    server = serve(RoomGateway)
    script = """
        const [a, b] = [await bare("/ws/rooms/7"), await connect("/rooms/7")];
        b.emit("say", "hello");
        return [await ask(a, "where"), await heard(a, "said"), await bareRefused("/ws/rooms/seven")];
    """
    where, said, (status, _) = node.run(server, script)
    assert where == {"data": ["/rooms/7", {"room_id": 7}, 2]}
    assert said == "hello"
    assert status == 404


def test_services_reach_one_or_all(serve: Serve, node: Node):
    @Injectable()
    class News:
        def __init__(self, rooms: Annotated[Namespace, Inject("/rooms/{room_id:int}")]) -> None:
            self.rooms = rooms

    server = serve(RoomGateway, News)
    app = server.app
    script = """
        const [a, b] = [await connect("/rooms/1"), await connect("/rooms/2")];
        await call("emit");
        return [await next(a, "all"), await next(b, "all"), await next(b, "one"), seen(a, "one")];
    """
    kept = app.server("/rooms/2")  # before there is anybody in it

    def emit() -> None:
        server.call(lambda: app.get(News).rooms.emit("all", 1))
        server.call(lambda: kept.emit("one", 2))

    assert node.run(server, script, calls={"emit": emit}) == [1, 1, 2, []]
    assert app.server("/rooms/2") is kept
    assert app.server("/rooms/{room_id:int}") is app.get(News).rooms
    with pytest.raises(ConfigurationError, match="/rooms/x"):
        app.server("/rooms/x")


def test_a_connection_is_in_so_many_namespaces_at_most(serve: Serve, node: Node):
    server = serve(RoomGateway, max_namespaces=2)
    script = """
        const manager = new Manager(url, { transports: ["websocket"] });
        const sockets = [1, 2, 3].map((number) => watch(manager.socket(`/rooms/${number}`)));
        await joined(sockets[0]);
        await joined(sockets[1]);
        const refusal = await next(sockets[2], "connect_error");
        sockets[0].disconnect();
        sockets[2].connect();
        await joined(sockets[2]);
        return [refusal, await ack(sockets[2], "where")];
    """
    assert node.run(server, script) == [{"message": "Too many namespaces"}, ["/rooms/3", {"room_id": 3}, 1]]


def test_a_flood_of_them_leaves_nothing(serve: Serve, node: Node):
    server = serve(RoomGateway)
    script = """
        const manager = new Manager(url, { transports: ["websocket"] });
        const last = watch(manager.socket("/rooms/0"));
        await joined(last);
        for (let number = 1; number <= 2000; number++) {
          manager.engine.write(`0/rooms/${number},`);
          if (number < 1000) manager.engine.write(`1/rooms/${number},`);
        }
        const before = await ack(last, "where");
        manager.engine.close();
        return before;
    """
    assert node.run(server, script) == ["/rooms/0", {"room_id": 0}, 1]
    server.until(lambda: opened(server) == [])


def test_two_patterns_for_the_same_names_are_refused():
    @WebSocketGateway("/rooms/{other:int}")
    class Other: ...

    with pytest.raises(ConfigurationError, match="match the same names"):
        application(RoomGateway, Other)


def test_a_gateway_with_a_wrong_pattern_is_explained():
    with pytest.raises(GatewayError, match="unknown kind 'integer'"):
        WebSocketGateway("/rooms/{room_id:integer}")


def test_the_application_lists_the_pattern(caplog: pytest.LogCaptureFixture, serve: Serve):
    with caplog.at_level("INFO", logger="moongate"):
        server = serve(RoomGateway)
    assert isinstance(server.app, Moongate)
    assert "/rooms/{room_id:int}" in caplog.text
