"""Emitting: to one client, to rooms, to everyone; and steering many clients at once."""

import asyncio
from typing import Any

import pytest

from moongate import Namespace, Socket, SubscribeMessage, WebSocketGateway
from tests.support.live import LiveServer, Serve
from tests.support.node import Node

pytestmark = pytest.mark.usefixtures("transport")


@WebSocketGateway()
class RoomsGateway:
    server: Namespace

    @SubscribeMessage("join")
    async def join(self, client: Socket, *rooms: str) -> list[str]:
        await client.join(*rooms)
        return sorted(client.rooms - {client.id})

    @SubscribeMessage("leave")
    def leave(self, client: Socket, *rooms: str) -> list[str]:
        client.leave(*rooms)
        return sorted(client.rooms - {client.id})

    @SubscribeMessage("sync")
    def sync(self) -> None:
        """Answer when everything that was emitted before has been sent."""

    @SubscribeMessage("others")
    def others(self, client: Socket, text: str) -> None:
        client.broadcast.emit("news", text)

    @SubscribeMessage("room")
    def room(self, client: Socket, room: str, text: str) -> None:
        client.to(room).emit("news", text)

    @SubscribeMessage("two rooms")
    def two_rooms(self, client: Socket, text: str) -> None:
        client.to("a").to("b").emit("news", text)

    @SubscribeMessage("but")
    def but(self, client: Socket, room: str, text: str) -> None:
        client.except_(room).emit("news", text)

    @SubscribeMessage("everyone")
    def everyone(self, text: str) -> None:
        self.server.emit("news", text)

    @SubscribeMessage("server room")
    def server_room(self, text: str) -> None:
        self.server.to("a").except_("b").emit("news", text)

    @SubscribeMessage("many")
    async def many(self, client: Socket, count: int) -> None:
        for number in range(count):
            await client.emit("number", number)
        for number in range(count, 2 * count):
            client.emit("number", number)


# `who` is told which of the three clients heard "news": a is in room "a", b in "a" and "b", c in none.
THREE = """
    const [a, b, c] = [await connect(), await connect(), await connect()];
    await ack(a, "join", "a");
    await ack(b, "join", "a", "b");
    const send = async (from, ...event) => {
      await ack(from, ...event);
      const heard = [];
      for (const [name, socket] of Object.entries({ a, b, c })) {
        await ack(socket, "sync");
        for (const text of seen(socket, "news").splice(0)) heard.push(name);
        while (seen(socket, "news").length) await next(socket, "news");
      }
      return heard.join("");
    };
"""


@pytest.mark.parametrize(
    ("sender", "event", "heard"),
    [
        ("a", ["others", "text"], "bc"),
        ("a", ["room", "a", "text"], "b"),
        ("c", ["room", "a", "text"], "ab"),
        ("a", ["room", "nobody", "text"], ""),
        ("c", ["two rooms", "text"], "ab"),
        ("a", ["but", "b", "text"], "c"),
        ("a", ["everyone", "text"], "abc"),
        ("c", ["server room", "text"], "a"),
    ],
    ids=str,
)
def test_who_hears_what(serve: Serve, node: Node, sender: str, event: list[str], heard: str):
    script = f"{THREE} return await send({sender}, ...args)"
    assert node.run(serve(RoomsGateway), script, args=event) == heard


def test_joining_and_leaving_rooms(serve: Serve, node: Node):
    script = """
        const s = await connect();
        return [
          await ack(s, "join", "a", "b"), await ack(s, "join", "a"), await ack(s, "leave", "a"),
          await ack(s, "leave", "never joined"), await ack(s, "leave", "b"),
        ];
    """
    assert node.run(serve(RoomsGateway), script) == [["a", "b"], ["a", "b"], ["b"], ["b"], []]


def test_a_room_that_was_left_is_not_heard(serve: Serve, node: Node):
    script = f"""{THREE}
        await ack(a, "leave", "a");
        return await send(c, "room", "a", "text");
    """
    assert node.run(serve(RoomsGateway), script) == "b"


def test_an_id_is_a_room(serve: Serve, node: Node):
    script = f'{THREE} return await send(a, "room", c.id, "text")'
    assert node.run(serve(RoomsGateway), script) == "c"


def test_an_emit_may_be_awaited_or_not(serve: Serve, node: Node):
    script = """
        const s = await connect();
        const numbers = [];
        s.on("number", (number) => numbers.push(number));
        await ack(s, "many", 200);
        return numbers;
    """
    assert node.run(serve(RoomsGateway), script) == list(range(400))


def test_an_event_may_have_any_number_of_arguments(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        def handle_connection(self, client: Socket) -> None:
            client.emit("none")
            client.emit("three", 1, {"two": 2}, None)
            client.send("message", 2)

    script = """
        const s = await connect();
        return [await all(s, "none"), await all(s, "three"), await all(s, "message")];
    """
    assert node.run(serve(Gateway), script) == [[], [1, {"two": 2}, None], ["message", 2]]


def test_the_namespace_emits_from_outside_a_gateway(serve: Serve, node: Node):
    @WebSocketGateway("/chat")
    class Gateway:
        def handle_connection(self, client: Socket) -> None:
            client.join("a")

    server = serve(Gateway)
    calls = {
        "everyone": lambda: server.emit("news", 1, namespace="/chat"),
        "room": lambda: server.call(lambda: server.namespace("/chat").to("a").emit("news", 2)),
        "in": lambda: server.call(lambda: server.namespace("/chat").in_("a").emit("news", 3)),
        "local": lambda: server.call(lambda: server.namespace("/chat").local.to("a").emit("news", 4)),
        "send": lambda: server.call(lambda: server.namespace("/chat").send("text")),
    }
    script = """
        const s = await connect("/chat");
        for (const name of ["everyone", "room", "in", "local", "send"]) await call(name);
        const text = await next(s, "message");
        return [...seen(s, "news"), text];
    """
    assert node.run(server, script, calls=calls) == [1, 2, 3, 4, "text"]


def test_a_broadcast_carries_binary(serve: Serve, node: Node):
    server = serve(RoomsGateway)
    script = """
        const [a, b] = [await connect(), await connect()];
        await call("emit");
        return [await all(a, "news"), await all(b, "news")];
    """
    args = [{"data": b"\x00\xff", "list": [b"2"]}, b"3"]
    assert node.run(server, script, calls={"emit": lambda: server.emit("news", *args)}) == [args, args]


def test_a_broadcast_handle_never_changes(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        server: Namespace

        def handle_connection(self, client: Socket) -> None:
            client.join("a")

        @SubscribeMessage("go")
        def go(self) -> None:
            room = self.server.to("a")
            room.except_("a").emit("event", "nobody")
            room.to("b").emit("event", "both")
            room.emit("event", "room")
            self.server.emit("event", "all")

    script = """
        const s = await connect();
        await ack(s, "go");
        return [await next(s, "event"), await next(s, "event"), await next(s, "event")];
    """
    assert node.run(serve(Gateway), script) == ["both", "room", "all"]


def sockets(server: LiveServer) -> list[Any]:
    return server.call(server.namespace().fetch_sockets)


def test_fetch_sockets(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        def handle_connection(self, client: Socket) -> None:
            client.data["name"] = client.handshake.auth["name"]
            client.join(client.data["name"])

    server = serve(Gateway)

    def look() -> list[Any]:
        server.until(lambda: len(sockets(server)) == 2)
        in_room = server.call(server.namespace().to("b").fetch_sockets)
        not_in_room = server.call(server.namespace().except_("b").fetch_sockets)
        return [
            sorted(each.data["name"] for each in sockets(server)),
            [each.id for each in in_room],
            [each.id for each in not_in_room],
            sorted(in_room[0].rooms),
            in_room[0].handshake.auth,
        ]

    script = """
        const [a, b] = [await connect("/", {auth: {name: "a"}}), await connect("/", {auth: {name: "b"}})];
        return [await call("look"), a.id, b.id];
    """
    (names, in_room, not_in_room, rooms, auth), a, b = node.run(server, script, calls={"look": look})
    assert names == ["a", "b"]
    assert (in_room, not_in_room) == ([b], [a])
    assert rooms == sorted(["b", b])
    assert auth == {"name": "b"}


def test_sockets_that_were_fetched_can_be_used(serve: Serve, node: Node):
    server = serve(RoomsGateway)

    async def use() -> None:
        for client in await server.namespace().fetch_sockets():
            client.join("fetched")
            client.emit("news", "for you")
            client.leave("a")
            server.namespace().to("fetched").emit("room", client.id)
            client.disconnect()

    script = """
        const s = await connect();
        const id = s.id;
        await call("use");
        return [await next(s, "news"), await next(s, "room") === id, await next(s, "disconnect")];
    """
    answer = node.run(server, script, calls={"use": lambda: server.call(use)})
    assert answer == ["for you", True, "io server disconnect"]


def test_sockets_join_and_leave(serve: Serve, node: Node):
    server = serve(RoomsGateway)

    def steer() -> None:
        def act() -> None:
            namespace = server.namespace()
            namespace.to("a").sockets_join("new", "newer")
            namespace.to("new").emit("news", "joined")
            namespace.to("b").sockets_leave("new")
            namespace.to("new").emit("news", "left")

        server.call(act)

    script = f"""{THREE}
        await call("steer");
        const news = [];
        for (const socket of [a, b, c]) {{
          await ack(socket, "sync");
          news.push(seen(socket, "news"));
        }}
        return news;
    """
    assert node.run(server, script, calls={"steer": steer}) == [["joined", "left"], ["joined"], []]


def test_disconnect_sockets(serve: Serve, node: Node):
    server = serve(RoomsGateway)
    calls = {
        "room": lambda: server.call(lambda: server.namespace().to("b").disconnect_sockets()),
        "all": lambda: server.call(lambda: server.namespace().disconnect_sockets(close=True)),
    }
    script = f"""{THREE}
        await call("room");
        const first = await next(b, "disconnect");
        await ack(a, "sync");
        const connected = [a.connected, b.connected, c.connected];
        await call("all");
        return [first, connected, await next(a, "disconnect"), await next(c, "disconnect")];
    """
    first, still_open, *reasons = node.run(server, script, calls=calls)
    assert (first, still_open) == ("io server disconnect", [True, False, True])
    assert reasons == ["io server disconnect"] * 2


def test_volatile_events_arrive_when_the_client_can_take_them(serve: Serve, node: Node):
    """A polling client takes them while its request waits; over WebSocket, whenever nothing is unsent."""

    @WebSocketGateway()
    class Gateway:
        server: Namespace

        @SubscribeMessage("volatile", concurrent=True)
        async def volatile(self, client: Socket) -> None:
            while "heard" not in client.data:
                client.volatile.emit("event", "socket")
                self.server.volatile.emit("event", "server")
                await asyncio.sleep(0.01)

        @SubscribeMessage("heard")
        def heard(self, client: Socket) -> None:
            client.data["heard"] = True

    script = """
        const s = await connect();
        const kinds = new Set();
        s.emit("volatile");
        while (kinds.size < 2) kinds.add(await next(s, "event"));
        await ack(s, "heard");
        return [...kinds].sort();
    """
    assert node.run(serve(Gateway), script) == ["server", "socket"]


def test_volatile_events_are_dropped_while_the_client_cannot_take_them(serve: Serve, node: Node, transport: str):
    """What was sent before took the only poll, or fills all of the system's buffers: what is volatile is dropped."""
    count = 1 if transport == "polling" else 16

    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("flood")
        async def flood(self, client: Socket) -> None:
            for _ in range(count):
                client.emit("load", "x" * 1_000_000)
            for _ in range(3):
                await asyncio.sleep(0)  # what was emitted leaves at the end of a turn of the event loop
            for number in range(5):
                client.volatile.emit("volatile", number)

        @SubscribeMessage("sync")
        def sync(self) -> None: ...

    script = """
        const s = await connect();
        let loads = 0;
        s.on("load", () => loads++);
        await ack(s, "flood");
        await ack(s, "sync");
        return [loads, seen(s, "volatile").length];
    """
    loads, volatile = node.run(serve(Gateway), script)
    assert loads == count
    assert volatile == 0


def test_on_any_sees_what_comes_and_on_any_outgoing_what_goes(serve: Serve, node: Node):
    came: list[Any] = []
    went: list[Any] = []

    @WebSocketGateway()
    class Gateway:
        server: Namespace

        def handle_connection(self, client: Socket) -> None:
            client.on_any(lambda event, *args: came.append((event, *args)))
            client.on_any_outgoing(lambda event, *args: went.append((event, *args)))

        @SubscribeMessage("message")
        def message(self, client: Socket, number: int) -> str:
            client.emit("one", number)
            self.server.emit("all", number)
            client.broadcast.emit("others", number)
            return "the acknowledgement is not seen"

        @SubscribeMessage("sync")
        def sync(self) -> None: ...

    script = """
        const s = await connect();
        await ack(s, "message", 1);
        s.emit("unknown", {a: [2]}, 3);
        await ack(s, "sync");
    """
    node.run(serve(Gateway), script)
    assert came == [("message", 1), ("unknown", {"a": [2]}, 3), ("sync",)]
    assert went == [("one", 1), ("all", 1)]


def test_any_listeners_can_be_taken_off(serve: Serve, node: Node):
    came: list[str] = []

    @WebSocketGateway()
    class Gateway:
        def handle_connection(self, client: Socket) -> None:
            def listen(event: str, *args: Any) -> None:
                came.append(event)
                client.off_any(listen)

            client.on_any(listen)

        @SubscribeMessage("message")
        def message(self) -> None: ...

    node.run(serve(Gateway), 'const s = await connect(); await ack(s, "message"); await ack(s, "message")')
    assert came == ["message"]


def test_a_client_that_left_is_not_sent_to(serve: Serve, node: Node):
    kept: list[Socket] = []

    @WebSocketGateway()
    class Gateway:
        def handle_connection(self, client: Socket) -> None:
            kept.append(client)

    server = serve(Gateway)
    node.run(server, "(await connect()).disconnect()")
    server.until(lambda: kept)
    (client,) = kept
    server.until(lambda: not client.connected)

    async def use() -> tuple[bool, int]:
        await client.emit("event")
        await client.join("room")
        await client.disconnect()
        return client.connected, len(await server.namespace().fetch_sockets())

    assert server.call(use) == (False, 0)


def test_reserved_events_cannot_be_emitted(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("reserved")
        def reserved(self, client: Socket) -> list[bool]:
            refused = []
            for event in ("connect", "connect_error", "disconnect", "disconnecting"):
                try:
                    client.emit(event)
                except Exception:  # noqa: BLE001  # which one is the application's choice
                    refused.append(True)
            return refused

    assert node.run(serve(Gateway), 'return await ack(await connect(), "reserved")') == [True] * 4


def test_a_threaded_handler_emits_joins_and_answers(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        server: Namespace

        @SubscribeMessage("work", threaded=True)
        def work(self, client: Socket) -> str:
            client.join("room")
            client.emit("own", 1)
            self.server.to("room").emit("room", 2)
            return "done"

    script = 'const s = await connect(); return [await ack(s, "work"), await next(s, "own"), await next(s, "room")]'
    assert node.run(serve(Gateway), script) == ["done", 1, 2]
