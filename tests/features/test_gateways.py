"""Gateways: declaration, lifecycle, and which handlers run."""

import asyncio
import logging
import threading
from typing import Any

import pytest

from moongate import Namespace, Socket, SubscribeMessage, WebSocketGateway
from tests.support.live import Serve
from tests.support.node import Node

pytestmark = pytest.mark.usefixtures("transport")


def test_a_handler_answers_its_event(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("greet")
        def greet(self, name: str) -> str:
            return f"Hello, {name}"

    assert node.run(serve(Gateway), 'return await ack(await connect(), "greet", "Ada")') == "Hello, Ada"


def test_a_gateway_serves_its_namespace_only(serve: Serve, node: Node):
    @WebSocketGateway("/chat")
    class Chat:
        @SubscribeMessage("where")
        async def where(self) -> str:
            return "chat"

    @WebSocketGateway("/news")
    class News:
        @SubscribeMessage("where")
        async def where(self) -> str:
            return "news"

    server = serve(Chat, News)
    script = 'return [await ack(await connect("/chat"), "where"), await ack(await connect("/news"), "where")]'
    assert node.run(server, script) == ["chat", "news"]


def test_an_unknown_namespace_is_refused(serve: Serve, node: Node):
    @WebSocketGateway("/chat")
    class Gateway: ...

    assert node.run(serve(Gateway), 'return await refused("/nowhere")') == {"message": "Invalid namespace"}


def test_the_server_is_there_before_after_init(serve: Serve, node: Node):
    seen: list[Any] = []

    @WebSocketGateway("/chat")
    class Gateway:
        server: Namespace

        def after_init(self, server: Namespace) -> None:
            seen.append((server is self.server, server.name))

    server = serve(Gateway)
    assert seen == [(True, "/chat")]
    assert server.namespace("/chat").name == "/chat"


def test_after_init_may_be_async_and_ends_before_clients_are_accepted(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        async def after_init(self, server: Namespace) -> None:
            await asyncio.sleep(0.05)
            self.ready = True

        @SubscribeMessage("ready")
        async def is_ready(self) -> bool:
            return self.ready

    assert node.run(serve(Gateway), 'return await ack(await connect(), "ready")') is True


def test_handle_connection_is_awaited_before_the_first_message(serve: Serve, node: Node):
    gate = asyncio.Event()
    log: list[str] = []

    @WebSocketGateway()
    class Gateway:
        async def handle_connection(self, client: Socket) -> None:
            await gate.wait()
            log.append("connected")

        @SubscribeMessage("log")
        def log(self) -> list[str]:
            return [*log, "message"]

    server = serve(Gateway)
    script = 'const s = await connect(); const answer = ack(s, "log"); await call("open"); return await answer'
    assert node.run(server, script, calls={"open": lambda: server.call(gate.set)}) == ["connected", "message"]


def test_handle_connection_may_emit_join_and_ask(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        server: Namespace

        async def handle_connection(self, client: Socket) -> None:
            client.emit("welcome", client.id)
            client.join("lobby")
            name = await client.emit_with_ack("name?", timeout=3)
            self.server.to("lobby").emit("joined", name)

    script = """
        const s = open();
        s.on("name?", (answer) => answer("Ada"));
        await joined(s);
        return [await next(s, "welcome") === s.id, await next(s, "joined")];
    """
    assert node.run(serve(Gateway), script) == [True, "Ada"]


def test_handle_disconnect_sees_the_rooms_and_the_reason(serve: Serve, node: Node):
    gone: list[Any] = []

    @WebSocketGateway()
    class Gateway:
        def handle_connection(self, client: Socket) -> None:
            client.data["name"] = "Ada"
            client.join("lobby")

        async def handle_disconnect(self, client: Socket, reason: str) -> None:
            gone.append((set(client.rooms) == {client.id, "lobby"}, reason, client.data["name"], client.connected))

    server = serve(Gateway)
    node.run(server, "(await connect()).disconnect()")
    server.until(lambda: gone)
    assert gone == [(True, "client namespace disconnect", "Ada", False)]


def test_handle_disconnect_need_not_take_the_reason(serve: Serve, node: Node):
    gone: list[str] = []

    @WebSocketGateway()
    class Gateway:
        def handle_disconnect(self, client: Socket) -> None:
            gone.append(client.id)

    server = serve(Gateway)
    sid = node.run(server, "const s = await connect(); const { id } = s; s.disconnect(); return id")
    server.until(lambda: gone)
    assert gone == [sid]


def test_each_gateway_of_a_namespace_gets_its_lifecycle_and_its_messages(serve: Serve, node: Node):
    log: list[str] = []

    @WebSocketGateway("/chat")
    class First:
        def after_init(self, server: Namespace) -> None:
            log.append("first init")

        async def handle_connection(self, client: Socket) -> None:
            await asyncio.sleep(0.01)
            log.append("first connection")

        def handle_disconnect(self, client: Socket, reason: str) -> None:
            log.append("first disconnect")

        @SubscribeMessage("message")
        async def message(self) -> None:
            log.append("first message")

    @WebSocketGateway("/chat")
    class Second:
        def after_init(self, server: Namespace) -> None:
            log.append("second init")

        def handle_connection(self, client: Socket) -> None:
            log.append("second connection")

        def handle_disconnect(self, client: Socket, reason: str) -> None:
            log.append("second disconnect")

        @SubscribeMessage("message")
        def message(self) -> str:
            log.append("second message")
            return "from the second"

    server = serve(First, Second)
    script = 'const s = await connect("/chat"); const answer = await ack(s, "message"); s.disconnect(); return answer'
    assert node.run(server, script) == "from the second"
    server.until(lambda: "second disconnect" in log)
    assert log == [
        f"{which} {what}" for what in ("init", "connection", "message", "disconnect") for which in ("first", "second")
    ]


def test_several_handlers_of_one_event_run_and_the_first_result_answers(serve: Serve, node: Node):
    ran: list[str] = []

    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("message")
        async def first(self) -> None:
            ran.append("first")

        @SubscribeMessage("message")
        async def second(self) -> str:
            ran.append("second")
            return "second"

        @SubscribeMessage("message")
        async def third(self) -> str:
            ran.append("third")
            return "third"

    assert node.run(serve(Gateway), 'return await acks(await connect(), "message")') == ["second"]
    assert ran == ["first", "second", "third"]


def test_inherited_handlers_and_hooks_count(serve: Serve, node: Node):
    class Base:
        async def handle_connection(self, client: Socket) -> None:
            client.emit("hello", type(self).__name__)

        @SubscribeMessage("ping")
        async def ping(self) -> str:
            return "pong"

    @WebSocketGateway()
    class Gateway(Base):
        @SubscribeMessage("own")
        async def own(self) -> str:
            return "own"

    script = """
        const s = await connect();
        return [await next(s, "hello"), await ack(s, "ping"), await ack(s, "own")];
    """
    assert node.run(serve(Gateway), script) == ["Gateway", "pong", "own"]


def test_a_threaded_handler_runs_off_the_event_loop(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("thread", threaded=True)
        def thread(self, number: int) -> list[int]:
            return [threading.get_ident(), number]

        @SubscribeMessage("loop")
        def loop(self) -> int:
            return threading.get_ident()

    script = 'const s = await connect(); return [await ack(s, "thread", 5), await ack(s, "loop")]'
    (thread, number), loop = node.run(serve(Gateway), script)
    assert (thread != loop, number) == (True, 5)


def test_a_client_whose_handle_connection_fails_is_told_and_disconnected(
    serve: Serve, node: Node, caplog: pytest.LogCaptureFixture
):
    gone: list[str] = []

    @WebSocketGateway()
    class Gateway:
        async def handle_connection(self, client: Socket) -> None:
            raise RuntimeError("no database")

        def handle_disconnect(self, client: Socket, reason: str) -> None:
            gone.append(reason)

    server = serve(Gateway)
    error, reason = node.run(
        server, 'const s = await connect(); return [await next(s, "exception"), await next(s, "disconnect")]'
    )
    assert error["status"] == "error"
    assert error["message"] == "Internal server error"
    assert error["cause"]["pattern"] == "handle_connection"
    assert reason == "io server disconnect"
    server.until(lambda: gone)
    assert gone == ["server namespace disconnect"]
    assert "no database" in caplog.text


def test_an_error_in_handle_disconnect_harms_nobody(serve: Serve, node: Node, caplog: pytest.LogCaptureFixture):
    other: list[str] = []

    @WebSocketGateway()
    class Failing:
        def handle_disconnect(self, client: Socket, reason: str) -> None:
            raise RuntimeError("cannot say goodbye")

    @WebSocketGateway()
    class Working:
        def handle_disconnect(self, client: Socket, reason: str) -> None:
            other.append(reason)

        @SubscribeMessage("ping")
        def ping(self) -> str:
            return "pong"

    server = serve(Failing, Working)
    assert (
        node.run(
            server, 'const [a, b] = [await connect(), await connect()]; a.disconnect(); return await ack(b, "ping")'
        )
        == "pong"
    )
    server.until(lambda: len(other) == 2)
    assert "cannot say goodbye" in caplog.text


def test_the_log_lists_what_is_served(serve: Serve, caplog: pytest.LogCaptureFixture):
    @WebSocketGateway("/chat")
    class ChatGateway:
        @SubscribeMessage("message")
        def on_message(self) -> None:
            """Nothing to do."""

        @SubscribeMessage("typing")
        def on_typing(self) -> None:
            """Nothing to do."""

    with caplog.at_level(logging.INFO):
        serve(ChatGateway)
    for word in ("/chat", "ChatGateway", "message", "on_message", "typing", "on_typing"):
        assert word in caplog.text
