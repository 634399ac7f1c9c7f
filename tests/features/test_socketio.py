"""Socket.IO as the official client uses it."""

import asyncio
import threading
from typing import Any

import pytest

from moongate import Module, Moongate, Namespace, Settings, Socket, SubscribeMessage, WebSocketGateway, WsException
from tests.support.live import LiveServer, Serve
from tests.support.node import Node

pytestmark = pytest.mark.usefixtures("transport")


class Watched:
    """A gateway that keeps the reasons why clients left."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.clients: list[Socket] = []

    def handle_connection(self, client: Socket) -> None:
        self.clients.append(client)

    def handle_disconnect(self, client: Socket, reason: str) -> None:
        self.reasons.append(str(reason))

    @SubscribeMessage("ping me")
    async def ping(self) -> str:
        return "pong"


@WebSocketGateway()
class RootGateway(Watched): ...


@WebSocketGateway("/a")
class AGateway(Watched): ...


@WebSocketGateway("/b")
class BGateway(Watched): ...


def test_the_transport_is_the_one_asked_for(serve: Serve, node: Node, transport: str):
    server = serve(RootGateway)
    expected = "polling" if transport == "polling" else "websocket"
    script = (
        'const s = await connect(); return [s.io.engine.transport.name, await ack(s, "ping me"), await call("name")]'
    )

    def name() -> str:
        (client,) = server.app.get(RootGateway).clients
        return client.transport

    assert node.run(server, script, calls={"name": name}) == [expected, "pong", expected]


def test_messages_around_the_upgrade_all_arrive_in_order(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("echo")
        async def echo(self, client: Socket, number: int) -> int:
            client.emit("event", number)
            return number

    script = """
        const s = open();
        const events = [];
        s.on("event", (number) => events.push(number));
        const answers = [];
        await next(s, "connect");
        for (let n = 0; n < 100; n++) {
          ack(s, "echo", n).then((answer) => answers.push(answer));
          if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
        }
        if (transport === "upgrade") await upgraded(s);
        await ack(s, "echo", 100);
        return [events, answers];
    """
    events, answers = node.run(serve(Gateway), script)
    assert events == list(range(101))
    assert answers == list(range(100))


def test_ids_differ_and_are_secret_free(serve: Serve, node: Node):
    script = """
        const [a, b] = [await connect("/a"), await connect("/a")];
        return [a.id, b.id, a.io.engine.id, b.io.engine.id];
    """
    ids = node.run(serve(AGateway), script)
    assert len(set(ids)) == 4
    assert all(len(each) == 20 for each in ids)


def test_the_handshake(serve: Serve, node: Node):
    seen: list[Any] = []

    @WebSocketGateway("/chat")
    class Gateway:
        def handle_connection(self, client: Socket) -> None:
            handshake = client.handshake
            seen.append(
                {
                    "auth": handshake.auth,
                    "header": handshake.headers["x-token"],
                    "query": handshake.query["tenant"],
                    "address": handshake.address,
                    "secure": handshake.secure,
                    "url": handshake.url.startswith("/socket.io/?"),
                    "time": handshake.time > 1_700_000_000,
                    "namespace": client.namespace.name,
                    "connected": client.connected,
                    "recovered": client.recovered,
                }
            )

    server = serve(Gateway)
    script = """
        await connect("/chat", {
          auth: { token: "t", deep: [1] }, query: { tenant: "é&1" }, extraHeaders: { "X-Token": "secret" },
        });
    """
    node.run(server, script)
    server.until(lambda: seen)
    assert seen == [
        {
            "auth": {"token": "t", "deep": [1]},
            "header": "secret",
            "query": "é&1",
            "address": "127.0.0.1",
            "secure": False,
            "url": True,
            "time": True,
            "namespace": "/chat",
            "connected": True,
            "recovered": False,
        }
    ]


def test_middleware_lets_in_or_refuses(serve: Serve, node: Node):
    order: list[str] = []

    @WebSocketGateway("/chat")
    class Gateway:
        def after_init(self, server: Namespace) -> None:
            async def first(client: Socket, call_next: Any) -> None:
                order.append("first")
                if client.handshake.auth.get("token") != "right":
                    raise WsException("Wrong token", data={"hint": "ask your admin"})
                client.data["user"] = "Ada"
                client.join("members")
                await call_next()

            async def second(client: Socket, call_next: Any) -> None:
                order.append("second")
                await asyncio.sleep(0)
                await call_next()

            server.use(first)
            server.use(second)

        def handle_connection(self, client: Socket) -> None:
            order.append("connection")

        @SubscribeMessage("who")
        def who(self, client: Socket) -> list[Any]:
            return [client.data["user"], "members" in client.rooms]

    script = """
        const told = await refused("/chat", { auth: { token: "wrong" } });
        const s = await connect("/chat", { auth: { token: "right" } });
        return [told, await ack(s, "who")];
    """
    assert node.run(serve(Gateway), script) == [
        {"message": "Wrong token", "data": {"hint": "ask your admin"}},
        ["Ada", True],
    ]
    assert order == ["first", "first", "second", "connection"]


def test_middleware_that_fails_refuses_without_details(serve: Serve, node: Node, caplog: pytest.LogCaptureFixture):
    @WebSocketGateway()
    class Gateway:
        def after_init(self, server: Namespace) -> None:
            async def fail(client: Socket, call_next: Any) -> None:
                raise RuntimeError("the secret detail")

            server.use(fail)

    told = node.run(serve(Gateway), "return await refused()")
    assert told["message"] == "Internal server error"
    assert "secret" not in str(told)
    assert "the secret detail" in caplog.text


def test_a_refused_client_leaves_nothing_behind(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway(Watched):
        def after_init(self, server: Namespace) -> None:
            async def refuse(client: Socket, call_next: Any) -> None:
                client.join("room")
                raise WsException("No")

            server.use(refuse)

    server = serve(Gateway)
    node.run(server, "await refused()")
    gateway = server.app.get(Gateway)
    assert server.call(server.namespace().fetch_sockets) == []
    assert server.call(server.namespace().to("room").fetch_sockets) == []
    assert (gateway.clients, gateway.reasons) == ([], [])


def test_namespaces_share_one_connection(serve: Serve, node: Node):
    server = serve(AGateway, BGateway)
    script = """
        const manager = new Manager(url, { reconnection: false, transports: TRANSPORTS[transport] });
        const a = await joined(watch(manager.socket("/a", { auth: { name: "a" } })));
        const b = await joined(watch(manager.socket("/b", { auth: { name: "b" } })));
        const engines = a.io.engine.id === b.io.engine.id;
        a.disconnect();
        const answer = await ack(b, "ping me");
        a.connect();
        await joined(a);
        return [engines, answer, await ack(a, "ping me"), a.io.engine.id === b.io.engine.id];
    """
    assert node.run(server, script) == [True, "pong", "pong", True]
    a = server.app.get(AGateway)
    assert a.reasons[0] == "client namespace disconnect"
    assert [client.handshake.auth for client in a.clients] == [{"name": "a"}, {"name": "a"}]
    server.until(lambda: server.app.get(BGateway).reasons)


def test_heartbeats_keep_an_idle_client(serve: Serve, node: Node):
    server = serve(RootGateway, ping_interval=0.05, ping_timeout=0.5)
    script = """
        const s = await connect();
        let pings = 0;
        const fifth = new Promise((resolve) => s.io.engine.on("ping", () => ++pings === 5 && resolve()));
        await within(fifth, () => "no pings");
        return [s.connected, await ack(s, "ping me")];
    """
    assert node.run(server, script) == [True, "pong"]
    assert server.app.get(RootGateway).clients[0].id


def test_a_client_that_hears_no_heartbeat_leaves(serve: Serve, node: Node):
    server = serve(RootGateway, ping_interval=0.3, ping_timeout=0.3)
    frozen = threading.Event()

    async def freeze() -> None:
        frozen.wait(3)  # blocks the event loop, as a handler must not

    def begin() -> None:
        asyncio.run_coroutine_threadsafe(freeze(), server.loop)

    script = """
        const s = await connect();
        call("freeze");
        const reason = await next(s, "disconnect");
        await call("thaw");
        return reason;
    """
    calls = {"freeze": begin, "thaw": frozen.set}
    assert node.run(server, script, calls=calls) == "ping timeout"


class TestDisconnectReasons:
    """Both sides learn why."""

    @pytest.mark.parametrize(
        ("action", "of_client", "of_server"),
        [
            ("s.disconnect()", "io client disconnect", "client namespace disconnect"),
            ('await call("disconnect")', "io server disconnect", "server namespace disconnect"),
            ('await call("close")', "io server disconnect", "server namespace disconnect"),
            ("s.io.engine.close()", "forced close", "transport close"),
        ],
    )
    def test_the_reason(self, serve: Serve, node: Node, action: str, of_client: str, of_server: str):
        server = serve(RootGateway)
        gateway = server.app.get(RootGateway)
        calls = {
            "disconnect": lambda: server.call(gateway.clients[0].disconnect),
            "close": lambda: server.call(lambda: gateway.clients[0].disconnect(close=True)),
        }
        script = f'const s = await connect(); await ack(s, "ping me"); {action}; return await next(s, "disconnect")'
        assert node.run(server, script, calls=calls) == of_client
        server.until(lambda: gateway.reasons)
        assert gateway.reasons == [of_server]

    def test_closing_ends_every_namespace_of_the_connection(self, serve: Serve, node: Node):
        server = serve(AGateway, BGateway)
        calls = {"close": lambda: server.call(lambda: server.app.get(AGateway).clients[0].disconnect(close=True))}
        script = """
            const manager = new Manager(url, { reconnection: false, transports: TRANSPORTS[transport] });
            const a = await joined(watch(manager.socket("/a")));
            const b = await joined(watch(manager.socket("/b")));
            await call("close");
            return [await next(a, "disconnect"), await next(b, "disconnect")];
        """
        assert node.run(server, script, calls=calls) == ["io server disconnect"] * 2
        server.until(lambda: server.app.get(BGateway).reasons)
        assert server.app.get(AGateway).reasons == server.app.get(BGateway).reasons == ["server namespace disconnect"]

    def test_the_server_stops(self, serve: Serve, node: Node):
        server = serve(RootGateway)
        gateway = server.app.get(RootGateway)
        script = (
            'const s = await connect(); await ack(s, "ping me"); await call("stop"); return await next(s, "disconnect")'
        )
        reason = node.run(server, script, calls={"stop": server.stop})
        assert reason in {"transport close", "transport error", "io server disconnect"}
        assert gateway.reasons == ["server shutting down"]

    def test_the_connection_breaks(self, serve: Serve, node: Node, transport: str):
        server = serve(RootGateway, ping_interval=0.3, ping_timeout=0.3)
        gateway = server.app.get(RootGateway)
        script = """
            const s = await connect();
            await ack(s, "ping me");
            if (transport === "polling") s.io.engine.transport.onPacket = s.io.engine.onPacket = () => {};
            const ws = s.io.engine.transport.ws;
            if (ws) ws.terminate();
            else s.io.engine.transport.doWrite = s.io.engine.transport.doPoll = () => {};
            await call("gone");
        """
        node.run(server, script, calls={"gone": lambda: server.until(lambda: gateway.reasons)})
        assert gateway.reasons == ["ping timeout" if transport == "polling" else "transport close"]


def test_a_client_that_does_not_answer_heartbeats_is_dropped(serve: Serve, node: Node, transport: str):
    server = serve(RootGateway, ping_interval=0.1, ping_timeout=0.1)
    gateway = server.app.get(RootGateway)
    script = """
        const s = await connect();
        const engine = s.io.engine;
        const send = engine._sendPacket.bind(engine);
        engine._sendPacket = (type, ...rest) => type === "pong" || send(type, ...rest);
        await call("gone");
    """
    node.run(server, script, calls={"gone": lambda: server.until(lambda: gateway.reasons)})
    assert gateway.reasons == ["ping timeout"]


def test_a_client_reconnects_after_a_broken_connection(serve: Serve, node: Node):
    script = """
        const s = await connect("/", { reconnection: true, reconnectionDelay: 10 });
        const first = s.id;
        s.io.engine.close();
        const reason = await next(s, "disconnect");
        s.emit("ping me", (answer) => s.buffered = answer);
        await joined(s);
        await ack(s, "ping me");
        return [reason, first !== s.id, s.buffered];
    """
    assert node.run(serve(RootGateway), script) == ["forced close", True, "pong"]


def test_a_client_reconnects_to_a_server_that_was_started_again(serve: Serve, node: Node):
    server = serve(RootGateway)
    again: list[LiveServer] = []

    def restart() -> None:
        server.stop()
        app = Moongate(Module(providers=[RootGateway])(type("Again", (), {})), settings=Settings())
        again.append(LiveServer(app, port=server.port).start())

    script = """
        const s = await connect("/", { reconnection: true, reconnectionDelay: 10, reconnectionDelayMax: 20 });
        await call("restart");
        await next(s, "disconnect");
        await next(s, "connect");
        return await ack(s, "ping me");
    """
    try:
        assert node.run(server, script, calls={"restart": restart}) == "pong"
    finally:
        for each in again:
            each.stop()


def test_only_the_transports_of_the_settings_are_served(serve: Serve, node: Node, transport: str):
    server = serve(RootGateway, transports=("websocket",))
    if transport == "websocket":
        assert node.run(server, 'return await ack(await connect(), "ping me")') == "pong"
    else:
        script = 'return (await refused("/", { transports: ["polling"] })).message'
        assert "poll error" in node.run(server, script)


def test_the_path_may_be_another(serve: Serve, node: Node):
    server = serve(RootGateway, socketio_path="/live/io")
    assert node.run(server, 'return await ack(await connect("/", { path: "/live/io" }), "ping me")') == "pong"


def test_a_message_that_is_too_large_ends_the_connection(serve: Serve, node: Node):
    server = serve(RootGateway, max_payload=10_000)
    gateway = server.app.get(RootGateway)
    script = """
        const s = await connect();
        await ack(s, "ping me", "x".repeat(9000));
        s.emit("ping me", "x".repeat(20_000));
        return await next(s, "disconnect");
    """
    assert node.run(server, script) in {"transport close", "transport error"}
    server.until(lambda: gateway.reasons)
    assert gateway.reasons[0] in {"transport close", "transport error"}


def test_a_large_event_reaches_the_client(serve: Serve, node: Node):
    server = serve(RootGateway)
    script = 'const s = await connect(); await call("emit"); return (await next(s, "large")).length'
    assert node.run(server, script, calls={"emit": lambda: server.emit("large", "é" * 3_000_000)}) == 3_000_000


def test_many_clients_at_once(serve: Serve, node: Node):
    server = serve(RootGateway)
    script = """
        const sockets = await Promise.all([...Array(30)].map(() => connect()));
        const answers = await Promise.all(sockets.map((s) => ack(s, "ping me")));
        await call("emit");
        return [answers.length, await Promise.all(sockets.map((s) => next(s, "news")))];
    """
    calls = {"emit": lambda: server.emit("news", 1)}
    assert node.run(server, script, calls=calls) == [30, [1] * 30]


def test_a_connection_without_a_namespace_is_closed(serve: Serve, node: Node, transport: str):
    server = serve(RootGateway, connect_timeout=0.1)
    script = """
        const manager = new Manager(url, { reconnection: false, transports: args });
        await new Promise((resolve) => manager.on("open", resolve));
        const reason = await within(new Promise((resolve) => manager.on("close", resolve)), () => "not closed");
        return reason;
    """
    transports = ["polling"] if transport == "polling" else ["websocket"]
    assert node.run(server, script, args=transports) in {"transport close", "transport error"}
