"""One client's messages in order, and what may run beside them."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from moongate import Socket, SubscribeMessage, WebSocketGateway
from tests.support.live import Serve
from tests.support.node import Node

pytestmark = pytest.mark.usefixtures("transport")


def test_messages_of_one_client_are_handled_one_at_a_time_in_order(serve: Serve, node: Node):
    log: list[str] = []

    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("step")
        async def step(self, number: int) -> None:
            log.append(f"{number} begins")
            for _ in range(number % 3):
                await asyncio.sleep(0)
            log.append(f"{number} ends")

        @SubscribeMessage("plain")
        def plain(self, number: int) -> None:
            log.extend((f"{number} begins", f"{number} ends"))

    script = """
        const s = await connect();
        for (let n = 0; n < 30; n++) s.emit(n % 4 ? "step" : "plain", n);
        await ack(s, "step", 30);
    """
    node.run(serve(Gateway), script)
    assert log == [f"{number} {what}" for number in range(31) for what in ("begins", "ends")]


def test_acknowledgements_come_in_order(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("echo")
        async def echo(self, number: int) -> int:
            await asyncio.sleep(0.001 if number % 2 else 0)
            return number

    script = """
        const s = await connect();
        const order = [];
        await Promise.all([...Array(20).keys()].map(async (n) => order.push(await ack(s, "echo", n))));
        return order;
    """
    assert node.run(serve(Gateway), script) == list(range(20))


def test_clients_do_not_wait_for_each_other(serve: Serve, node: Node):
    gate = asyncio.Event()

    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("wait")
        async def wait(self) -> str:
            await gate.wait()
            return "waited"

        @SubscribeMessage("open")
        async def open(self) -> str:
            gate.set()
            return "opened"

    script = """
        const [a, b] = [await connect(), await connect()];
        const waiting = ack(a, "wait");
        return [await ack(b, "open"), await waiting];
    """
    assert node.run(serve(Gateway), script) == ["opened", "waited"]


def test_namespaces_of_one_connection_do_not_wait_for_each_other(serve: Serve, node: Node):
    gate = asyncio.Event()

    @WebSocketGateway("/slow")
    class Slow:
        @SubscribeMessage("wait")
        async def wait(self) -> str:
            await gate.wait()
            return "waited"

    @WebSocketGateway("/fast")
    class Fast:
        @SubscribeMessage("open")
        async def open(self) -> str:
            gate.set()
            return "opened"

    script = """
        const manager = new Manager(url, { reconnection: false, transports: TRANSPORTS[transport] });
        const a = await joined(watch(manager.socket("/slow")));
        const b = await joined(watch(manager.socket("/fast")));
        const waiting = ack(a, "wait");
        return [await ack(b, "open"), await waiting];
    """
    assert node.run(serve(Slow, Fast), script) == ["opened", "waited"]


def test_a_concurrent_handler_does_not_hold_up_the_next_message(serve: Serve, node: Node):
    gate = asyncio.Event()

    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("wait", concurrent=True)
        async def wait(self) -> str:
            await gate.wait()
            return "waited"

        @SubscribeMessage("open")
        async def open(self) -> str:
            gate.set()
            return "opened"

    script = """
        const s = await connect();
        const waiting = ack(s, "wait");
        return [await ack(s, "open"), await waiting];
    """
    assert node.run(serve(Gateway), script) == ["opened", "waited"]


def test_a_stream_does_not_hold_up_the_next_message(serve: Serve, node: Node):
    gate = asyncio.Event()

    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("stream")
        async def stream(self) -> AsyncIterator[str]:
            yield "first"
            await gate.wait()
            yield "second"

        @SubscribeMessage("open")
        async def open(self) -> str:
            gate.set()
            return "opened"

    script = """
        const s = await connect();
        const ended = acks(s, "stream");
        return [await next(s, "stream"), await ack(s, "open"), await next(s, "stream"), await ended];
    """
    assert node.run(serve(Gateway), script) == ["first", "opened", "second", []]


def test_a_threaded_handler_holds_up_its_own_client_only(serve: Serve, node: Node):
    gate = threading.Event()
    log: list[str] = []

    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("wait", threaded=True)
        def wait(self) -> bool:
            opened = gate.wait(3)
            log.append("waited")
            return opened

        @SubscribeMessage("after")
        def after(self) -> None:
            log.append("after")

        @SubscribeMessage("open")
        def open(self) -> None:
            log.append("opened")
            gate.set()

    script = """
        const [a, b] = [await connect(), await connect()];
        const waiting = ack(a, "wait");
        const after = ack(a, "after");
        await ack(b, "open");
        const opened = await waiting;
        await after;
        return opened;
    """
    assert node.run(serve(Gateway), script) is True
    assert log == ["opened", "waited", "after"]


def test_a_handler_may_await_an_acknowledgement_of_its_own_client(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("start")
        async def start(self, client: Socket) -> str:
            return f"you said {await client.emit_with_ack('question', timeout=3)}"

    script = 'const s = await connect(); s.on("question", (answer) => answer("yes")); return await ack(s, "start")'
    assert node.run(serve(Gateway), script) == "you said yes"


def test_reading_pauses_while_the_inbox_is_full(serve: Serve, node: Node, transport: str):
    gate = asyncio.Event()
    handled: list[int] = []

    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("load")
        async def load(self, number: int, text: str) -> None:
            await gate.wait()
            handled.append(number)

    # Thirty megabytes do not fit into the system's buffers, so some must stay with the client.
    script = """
        const s = await connect();
        const text = "x".repeat(300_000);
        for (let n = 0; n < 99; n++) s.emit("load", n, text);
        const last = ack(s, "load", 99, text);
        const unsent = () => s.io.engine.transport.ws?.bufferedAmount ?? s.io.engine.writeBuffer.length;
        for (let previous = -1; previous !== unsent(); ) {
          previous = unsent();
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        const stuck = unsent() > 0;
        await call("open");
        await last;
        return stuck;
    """
    server = serve(Gateway, inbox_size=4)
    assert node.run(server, script, calls={"open": lambda: server.call(gate.set)}) is True
    assert handled == list(range(100))
