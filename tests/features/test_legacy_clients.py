"""Official clients of the major version 2, which speak Engine.IO's revision 3."""

import asyncio
from typing import Any

import pytest

from moongate import ConfigurationError, Namespace, Socket, SubscribeMessage, WebSocketGateway, WsException
from moongate.namespace.middleware import CallNext
from tests.support.live import Serve, application
from tests.support.node import Node, ScriptError

pytestmark = pytest.mark.usefixtures("transport")


class Hall:
    server: Namespace

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.goes_on = asyncio.Event()
        self.waiting = False

    async def handle_connection(self, client: Socket) -> None:
        self.log.append(["in", client.id, dict(client.handshake.auth)])

    def handle_disconnect(self, client: Socket, reason: str) -> None:
        self.log.append(["out", client.id, reason])

    @SubscribeMessage("echo")
    async def echo(self, body: Any) -> Any:
        return body

    @SubscribeMessage("ask me")
    async def ask(self, client: Socket) -> Any:
        return await client.emit_with_ack("question", 7)

    @SubscribeMessage("join")
    async def join(self, client: Socket, room: str) -> list[str]:
        client.join(room)
        return sorted(client.rooms)

    @SubscribeMessage("say")
    async def say(self, client: Socket, room: str, body: Any) -> None:
        client.to(room).emit("said", body)

    @SubscribeMessage("join later")
    async def join_later(self, client: Socket, room: str) -> None:
        self.waiting = True
        await self.goes_on.wait()
        client.join(room)
        self.waiting = False

    @SubscribeMessage("leave")
    async def leave(self, client: Socket) -> None:
        client.disconnect()


@WebSocketGateway()
class RootHall(Hall): ...


@WebSocketGateway("/hall")
class SideHall(Hall): ...


@WebSocketGateway("/closed")
class Closed:
    def after_init(self, server: Namespace) -> None:
        server.use(self.refuse)

    async def refuse(self, client: Socket, call_next: CallNext) -> None:
        if client.handshake.auth.get("token") != "right":
            raise WsException("Not you", data={"code": 7})
        await call_next()


def test_they_are_refused_by_default(serve: Serve, node: Node):
    with pytest.raises(ScriptError, match="refused"):
        node.run(serve(RootHall), "return await legacy()")


def test_messages_both_ways(serve: Serve, node: Node):
    server = serve(RootHall, allow_eio3=True)
    script = """
        const s = await legacy();
        s.on("question", (number, answer) => answer(number * 6));
        const values = ["plain", "ümläut €", "😀 \\u{10ffff}", { a: [1, null, { b: "😀" }] }, Buffer.from([0, 1, 255]),
          { deep: [Buffer.from("one"), Buffer.from("two")] }, "x".repeat(100000)];
        const answers = [];
        for (const value of values) answers.push(await new Promise((resolve) => s.emit("echo", value, resolve)));
        const answer = await new Promise((resolve) => s.emit("ask me", resolve));
        return [answers.slice(0, -1), answers.at(-1).length, answer, s.id === s.io.engine.id];
    """
    answers, length, answer, same = node.run(server, script)
    expected = [
        "plain", "ümläut €", "😀 \U0010ffff", {"a": [1, None, {"b": "😀"}]}, b"\x00\x01\xff",
        {"deep": [b"one", b"two"]},
    ]  # fmt: skip
    assert answers == expected
    assert (length, answer, same) == (100_000, 42, True)


def test_old_and_new_clients_share_rooms(serve: Serve, node: Node):
    server = serve(SideHall, allow_eio3=True)
    script = """
        const [old, young] = [await legacy("/hall"), await connect("/hall")];
        const rooms = await new Promise((resolve) => old.emit("join", "lobby", resolve));
        await ack(young, "join", "lobby");
        old.emit("say", "lobby", ["€", Buffer.from("from old")]);
        young.emit("say", "lobby", ["😀", Buffer.from("from young")]);
        return [await next(young, "said"), await next(old, "said"), rooms, old.id];
    """
    to_young, to_old, rooms, sid = node.run(server, script)
    assert to_young == ["€", b"from old"]
    assert to_old == ["😀", b"from young"]
    assert sid.startswith("/hall#")
    assert rooms == sorted([sid, "lobby"])


def test_a_query_of_the_namespace_is_the_auth(serve: Serve, node: Node):
    server = serve(RootHall, SideHall, Closed, allow_eio3=True)
    script = """
        await legacy("/hall?token=a%26b&empty=");
        const refusal = await legacy("/closed").then(() => "let in", (error) => error.message);
        const unknown = await legacy("/nowhere").then(() => "let in", (error) => error.message);
        return [refusal, unknown, (await legacy("/closed?token=right")).connected];
    """
    assert node.run(server, script) == ['refused: {"code":7}', 'refused: {"message":"Invalid namespace"}', True]
    assert {"token": "a&b", "empty": ""} in [line[2] for line in server.app.get(SideHall).log if line[0] == "in"]


def test_a_long_token_in_the_query(serve: Serve, node: Node):
    server = serve(RootHall, SideHall, allow_eio3=True)
    script = 'const s = await legacy("/hall?token=" + "x".repeat(5000)); return s.id'
    sid = node.run(server, script)
    server.until(lambda: ["in", sid, {"token": "x" * 5000}] in server.app.get(SideHall).log)


def test_who_comes_back_under_the_same_id_is_another_client(serve: Serve, node: Node):
    server = serve(RootHall, SideHall, allow_eio3=True)
    hall = server.app.get(SideHall)
    script = """
        const s = await legacy("/hall");
        s.io.socket("/"); // keeps the connection open
        const first = s.id;
        s.emit("join later", "lobby");
        await call("waits");
        s.disconnect();
        s.connect();
        await next(s, "connect");
        await call("goes on");
        await new Promise((resolve) => s.emit("echo", 1, resolve));
        return s.id === first;
    """

    def go_on() -> None:
        server.call(hall.goes_on.set)
        server.until(lambda: not hall.waiting)

    calls = {"waits": lambda: server.until(lambda: hall.waiting), "goes on": go_on}
    assert node.run(server, script, calls=calls) is True
    assert server.call(server.namespace("/hall").to("lobby").fetch_sockets) == []


def test_how_they_leave(serve: Serve, node: Node):
    server = serve(RootHall, allow_eio3=True)
    script = """
        const [a, b, c] = [await legacy(), await legacy(), await legacy()];
        const ids = [a.id, b.id, c.id];
        a.close();
        b.emit("leave");
        c.io.engine.close();
        return [await next(b, "disconnect"), ...ids];
    """
    reason, a, b, c = node.run(server, script)
    assert reason == "io server disconnect"
    log = server.app.get(RootHall).log
    server.until(lambda: sum(line[0] == "out" for line in log) == 3)
    reasons = {line[1].partition("#")[0]: line[2] for line in log if line[0] == "out"}
    assert reasons[b] == "server namespace disconnect"
    assert reasons[a] in {"client namespace disconnect", "transport close"}
    assert reasons[c] == "transport close"


def test_the_client_keeps_the_heartbeat(serve: Serve, node: Node):
    server = serve(RootHall, allow_eio3=True, ping_interval=0.1, ping_timeout=0.2)
    script = """
        const [alive, silent] = [await legacy(), await legacy()];
        const pings = new Promise((resolve) => {
          let count = 0;
          alive.on("pong", () => ++count === 3 && resolve(count));
        });
        clearTimeout(silent.io.engine.pingIntervalTimer);
        silent.io.engine.setPing = silent.io.engine.ping = () => {};
        await call("gone", silent.id);
        return [await pings, alive.connected, await new Promise((resolve) => alive.emit("echo", 1, resolve))];
    """
    log = server.app.get(RootHall).log
    calls = {"gone": lambda sid: server.until(lambda: ["out", sid, "ping timeout"] in log)}
    assert node.run(server, script, calls=calls) == [3, True, 1]


def test_another_parser_and_old_clients_exclude_each_other():
    with pytest.raises(ConfigurationError, match="default parser"):
        application(RootHall, allow_eio3=True, parser="msgpack")
