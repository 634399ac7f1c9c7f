"""Whatever the code of an application raises, its clients are told, others are served, and nobody is let in by it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from moongate import Ack, Namespace, Socket, SubscribeMessage, WebSocketGateway, WsException, WsResponse
from tests.support.live import Serve
from tests.support.node import Node

INTERNAL = "Internal server error"

# Asks twice, the second time to see that the client is served on, and another client as well.
ASK = """
    const s = await connect(), other = await connect();
    const answer = await ack(s, args);
    return [answer, await ack(s, "ping"), await ack(other, "ping")];
"""


class Panic(BaseException):
    """As Rust's panics come to Python: no Exception."""


async def cancelled_elsewhere() -> None:
    """Wait for something that somebody cancels, as a pool of connections does when it closes."""
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


class Ping:
    @SubscribeMessage("ping")
    async def ping(self) -> str:
        return "pong"


@WebSocketGateway()
class RaisingGateway(Ping):
    @SubscribeMessage("panic at once")
    async def panic_at_once(self) -> None:
        raise Panic

    @SubscribeMessage("panic later")
    async def panic_later(self) -> None:
        await asyncio.sleep(0.001)
        raise Panic

    @SubscribeMessage("plain panic")
    def plain_panic(self) -> None:
        raise Panic

    @SubscribeMessage("concurrent panic", concurrent=True)
    async def concurrent_panic(self) -> None:
        raise Panic

    @SubscribeMessage("streamed panic")
    async def streamed_panic(self) -> AsyncIterator[int]:
        yield 1
        raise Panic

    @SubscribeMessage("cancelled stream")
    async def cancelled_stream(self) -> AsyncIterator[int]:
        yield 1
        await cancelled_elsewhere()

    @SubscribeMessage("end of a thread's iterator", threaded=True)
    def end_of_iterator(self) -> int:
        return next(iter([]))

    @SubscribeMessage("reserved event")
    async def reserved_event(self) -> WsResponse[int]:
        return WsResponse("disconnect", 1)


@pytest.mark.parametrize(
    "event",
    [
        "panic at once",
        "panic later",
        "plain panic",
        "concurrent panic",
        "streamed panic",
        "cancelled stream",
        "end of a thread's iterator",
        "reserved event",
    ],
)
def test_every_failure_is_told_and_stops_nobody(serve: Serve, node: Node, event: str):
    answer, *pongs = node.run(serve(RaisingGateway), ASK, args=event)
    assert answer == {"status": "error", "message": INTERNAL, "cause": {"pattern": event}}
    assert pongs == ["pong", "pong"]


@pytest.mark.usefixtures("transport")
def test_a_handler_that_is_cancelled_answers_and_holds_up_nothing(serve: Serve, node: Node):
    tasks: list[asyncio.Task[Any]] = []
    left: list[str] = []

    @WebSocketGateway()
    class Gateway(Ping):
        def handle_disconnect(self, client: Socket) -> None:
            left.append(client.id)

        @SubscribeMessage("hang")
        async def hang(self) -> None:
            task = asyncio.current_task()
            assert task
            tasks.append(task)
            await asyncio.Event().wait()

    script = """
        const s = await connect();
        const answers = Promise.all([ack(s, "hang"), ack(s, "ping"), ack(s, "ping")]);
        await call("cancel");
        const told = await answers;
        s.disconnect();
        return told;
    """

    def cancel() -> None:
        server.until(lambda: tasks)
        server.call(tasks[0].cancel)

    server = serve(Gateway)
    error, *pongs = node.run(server, script, calls={"cancel": cancel})
    assert error["message"] == INTERNAL
    assert pongs == ["pong", "pong"]
    server.until(lambda: left)


@pytest.mark.parametrize("failure", ["unsendable", "cancelled"])
def test_a_client_whose_connection_hook_fails_is_put_out(serve: Serve, node: Node, failure: str):
    @WebSocketGateway()
    class Gateway(Ping):
        async def handle_connection(self, client: Socket) -> None:
            if failure == "cancelled":
                await cancelled_elsewhere()
            raise WsException("Not you", data={"why": object()})

    script = """
        const s = await connect();
        return [await next(s, "exception"), await next(s, "disconnect")];
    """
    told, reason = node.run(serve(Gateway), script)
    assert told["message"] == {"unsendable": "Not you", "cancelled": INTERNAL}[failure]
    assert reason == "io server disconnect"


def test_a_disconnect_hook_that_is_cancelled_keeps_nothing_from_the_next_gateway(serve: Serve, node: Node):
    left: list[str] = []

    @WebSocketGateway()
    class First:
        async def handle_disconnect(self, client: Socket) -> None:
            await cancelled_elsewhere()

    @WebSocketGateway()
    class Second:
        async def handle_disconnect(self, client: Socket) -> None:
            left.append(client.id)

    server = serve(First, Second)
    sid = node.run(server, "const s = await connect(); const { id } = s; s.disconnect(); return id;")
    server.until(lambda: left == [sid])


@pytest.mark.parametrize("failure", ["unsendable", "cancelled"])
def test_an_event_middleware_that_fails_is_told(serve: Serve, node: Node, failure: str):
    @WebSocketGateway()
    class Gateway(Ping):
        async def handle_connection(self, client: Socket) -> None:
            client.use(self.refuse)

        async def refuse(self, event: str, arguments: tuple[Any, ...], call_next: Any) -> None:
            if failure == "cancelled":
                await cancelled_elsewhere()
            raise WsException("Not this", data=object())

    answer = node.run(serve(Gateway), 'return await ack(await connect(), "ping");')
    assert answer["message"] == {"unsendable": "Not this", "cancelled": INTERNAL}[failure]


def test_a_middleware_that_is_cancelled_refuses_at_once(serve: Serve, node: Node):
    async def refuse(client: Socket, call_next: Any) -> None:
        await cancelled_elsewhere()

    @WebSocketGateway()
    class Gateway(Ping):
        def after_init(self, server: Namespace) -> None:
            server.use(refuse)

    script = """
        const refusal = await refused("/");
        const error = await bare().catch((error) => error);
        return [refusal.message, error.message, JSON.parse(error.body).message];
    """
    assert node.run(serve(Gateway), script) == [INTERNAL, "HTTP 403", INTERNAL]


def test_a_listener_that_fails_keeps_an_event_from_nobody(serve: Serve, node: Node, caplog: pytest.LogCaptureFixture):
    def broken(event: str, *arguments: Any) -> None:
        raise ZeroDivisionError

    @WebSocketGateway()
    class Gateway:
        server: Namespace

        def handle_connection(self, client: Socket) -> None:
            client.on_any_outgoing(broken)

        @SubscribeMessage("shout")
        async def shout(self, client: Socket) -> str:
            client.emit("heard")
            self.server.emit("heard")
            return "shouted"

    script = """
        const s = await connect(), other = await connect();
        const answer = await ack(s, "shout");
        await next(s, "heard"), await next(s, "heard"), await next(other, "heard");
        return answer;
    """
    assert node.run(serve(Gateway), script) == "shouted"
    assert "a listener of on_any_outgoing failed" in caplog.text


def test_a_stream_with_an_acknowledgement_of_its_own_answers_once(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway(Ping):
        @SubscribeMessage("stream")
        async def stream(self, ack: Ack) -> AsyncIterator[int]:
            ack("mine")
            yield 1

        @SubscribeMessage("late")
        async def late(self, ack: Ack) -> AsyncIterator[int]:
            yield 1
            ack("late")

        @SubscribeMessage("both")
        async def first(self, ack: Ack) -> AsyncIterator[int]:
            yield 1
            ack("first")

        @SubscribeMessage("both")
        async def second(self) -> None:
            return None

    script = """
        const s = await connect();
        const answers = [];
        s.io.engine.on("packet", ({ data }) => data?.startsWith?.("3") && answers.push(data));
        const told = await Promise.all([ack(s, "stream"), ack(s, "late"), ack(s, "both")]);
        await ack(s, "ping");
        return [told, answers.length];
    """
    assert node.run(serve(Gateway), script) == [["mine", "late", "first"], 4]


def test_an_iterator_that_cannot_be_closed_is_streamed(serve: Serve, node: Node, caplog: pytest.LogCaptureFixture):
    class Countdown:
        def __init__(self) -> None:
            self.left = 3

        def __aiter__(self) -> "Countdown":
            return self

        async def __anext__(self) -> int:
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return self.left

    @WebSocketGateway()
    class Gateway(Ping):
        @SubscribeMessage("count")
        def count(self) -> Countdown:
            return Countdown()

    script = """
        const s = await connect();
        await ack(s, "count");
        return [await next(s, "count"), await next(s, "count"), await next(s, "count"), await ack(s, "ping")];
    """
    assert node.run(serve(Gateway), script) == [2, 1, 0, "pong"]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_stream_that_fails_while_it_is_closed_is_logged(serve: Serve, node: Node, caplog: pytest.LogCaptureFixture):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("stream")
        async def stream(self) -> AsyncIterator[int]:
            try:
                yield 1
                await asyncio.Event().wait()
            finally:
                raise ZeroDivisionError("in the end")

    server = serve(Gateway)
    node.run(server, 'const s = await connect(); s.emit("stream"); await next(s, "stream"); s.disconnect();')
    server.until(lambda: "Gateway.stream failed" in caplog.text)
    assert "never retrieved" not in caplog.text


@pytest.mark.usefixtures("transport")
def test_no_stream_begins_for_a_client_that_has_left(serve: Serve, node: Node):
    gate = asyncio.Event()
    log: list[str] = []

    @WebSocketGateway()
    class Gateway:
        async def handle_connection(self, client: Socket) -> None:
            await gate.wait()

        async def handle_disconnect(self, client: Socket) -> None:
            log.append("left")

        @SubscribeMessage("ticks")
        async def ticks(self) -> AsyncIterator[int]:
            log.append("begun")
            while True:
                yield 1
                await asyncio.sleep(0.001)

        @SubscribeMessage("last")
        async def last(self) -> None:
            log.append("last")

    script = """
        const s = await connect();
        s.emit("ticks");
        s.emit("last");
        await new Promise((resolve) => setTimeout(resolve, 50));
        s.disconnect();
    """
    server = serve(Gateway)
    node.run(server, script)
    server.until(lambda: not server.namespace().clients.rooms.members)
    server.call(gate.set)
    server.until(lambda: "left" in log)
    assert log == ["last", "left"]


@pytest.mark.usefixtures("transport")
def test_an_answer_may_stand_behind_more_messages_than_the_inbox_takes(serve: Serve, node: Node):
    handled: list[int] = []

    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("ask")
        async def ask(self, client: Socket) -> str:
            answer: str = await client.emit_with_ack("sure?", timeout=3)
            return answer

        @SubscribeMessage("count")
        async def count(self, number: int) -> int:
            handled.append(number)
            return number

    script = """
        const s = await connect();
        s.on("sure?", (answer) => {
            for (let n = 0; n < 50; n++) s.emit("count", n, "x".repeat(100_000));
            answer("yes");
        });
        const answer = await ack(s, "ask");
        return [answer, await ack(s, "count", 50)];
    """
    assert node.run(serve(Gateway, inbox_size=8), script) == ["yes", 50]
    assert handled == list(range(51))


def test_a_stream_too_many_is_refused_and_the_client_is_served_on(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway(Ping):
        @SubscribeMessage("ticks")
        async def ticks(self, symbol: str) -> AsyncIterator[str]:
            while True:
                yield symbol
                await asyncio.sleep(0.01)

    script = """
        const s = await connect();
        for (const symbol of ["a", "b", "c"]) s.emit("ticks", symbol);
        const told = await ack(s, "ticks", "d");
        return [told.message, await ack(s, "ping"), [...new Set(seen(s, "ticks"))].sort()];
    """
    told, pong, symbols = node.run(serve(Gateway, max_streams=3, inbox_size=2), script)
    assert told == "Too many streams"
    assert pong == "pong"
    assert symbols == ["a", "b", "c"]
