"""What a handler may give back, and what the client gets of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from moongate import SubscribeMessage, WebSocketGateway, WsException, WsResponse
from tests.support.live import Serve
from tests.support.node import Node

pytestmark = pytest.mark.usefixtures("transport")


def test_a_return_value_is_the_acknowledgement(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("echo")
        async def echo(self, value: Any) -> Any:
            return value

    values = [0, False, "", [], {}, "text", 1.5, [1, [2]], {"event": "x", "data": 1}, "ünï ☃ 🦊", b"\x00\xff"]
    script = """
        const s = await connect();
        const answers = [];
        for (const value of args) answers.push(await acks(s, "echo", value));
        return answers;
    """
    assert node.run(serve(Gateway), script, args=values) == [[value] for value in values]


def test_nothing_is_an_acknowledgement_without_arguments(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("quiet")
        async def quiet(self) -> None: ...

        @SubscribeMessage("plain")
        def plain(self) -> None: ...

    script = 'const s = await connect(); return [await acks(s, "quiet"), await acks(s, "plain")]'
    assert node.run(serve(Gateway), script) == [[], []]


def test_a_tuple_is_one_value(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("pair")
        async def pair(self) -> tuple[int, int]:
            return 1, 2

    assert node.run(serve(Gateway), 'return await acks(await connect(), "pair")') == [[1, 2]]


def test_a_result_nobody_asked_for_is_not_sent(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("echo")
        async def echo(self, value: str) -> str:
            return value

    script = """
        const s = await connect();
        const came = [];
        s.onAny((event) => came.push(event));
        s.emit("echo", "unasked");
        await ack(s, "echo", "asked");
        return came;
    """
    assert node.run(serve(Gateway), script) == []


def test_a_response_emits_its_event_and_acknowledges(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("ask")
        async def ask(self, question: str) -> WsResponse[str]:
            return WsResponse("answer", question.upper())

    script = """
        const s = await connect();
        s.emit("ask", "unacknowledged");
        const first = await next(s, "answer");
        const acknowledgement = await acks(s, "ask", "acknowledged");
        return [first, await next(s, "answer"), acknowledgement.length <= 1];
    """
    assert node.run(serve(Gateway), script) == ["UNACKNOWLEDGED", "ACKNOWLEDGED", True]


def test_a_response_goes_to_the_caller_only(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("ask")
        def ask(self) -> WsResponse[int]:
            return WsResponse("answer", 42)

        @SubscribeMessage("ping")
        def ping(self) -> str:
            return "pong"

    script = """
        const [a, b] = [await connect(), await connect()];
        a.emit("ask");
        const answer = await next(a, "answer");
        await ack(b, "ping");
        return [answer, seen(b, "answer")];
    """
    assert node.run(serve(Gateway), script) == [42, []]


def test_a_stream_emits_each_item_and_then_acknowledges(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("count")
        async def count(self, limit: int) -> AsyncIterator[WsResponse[int]]:
            for number in range(limit):
                yield WsResponse("number", number)

        @SubscribeMessage("plain")
        async def plain(self) -> AsyncIterator[str]:
            yield "a"
            yield "b"

    script = """
        const s = await connect();
        const order = [];
        s.on("number", (number) => order.push(number));
        s.on("plain", (letter) => order.push(letter));
        const first = await acks(s, "count", 3);
        order.push("end");
        const second = await acks(s, "plain");
        return [order, first, second];
    """
    assert node.run(serve(Gateway), script) == [[0, 1, 2, "end", "a", "b"], [], []]


def test_an_empty_stream_acknowledges(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("count")
        async def count(self, limit: int) -> AsyncIterator[int]:
            for number in range(limit):
                yield number

    assert node.run(serve(Gateway), 'return await acks(await connect(), "count", 0)') == []


def test_a_stream_that_fails_answers_with_the_error(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("count")
        async def count(self) -> AsyncIterator[int]:
            yield 1
            raise WsException("no more numbers")

    script = """
        const s = await connect();
        const answer = await ack(s, "count");
        return [await next(s, "count"), answer.status, answer.message];
    """
    assert node.run(serve(Gateway), script) == [1, "error", "no more numbers"]


def test_a_stream_ends_when_its_client_leaves(serve: Serve, node: Node):
    ended: list[bool] = []

    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("forever")
        async def forever(self) -> AsyncIterator[int]:
            try:
                while True:
                    yield 1
                    await asyncio.sleep(0.01)
            finally:
                ended.append(True)

    server = serve(Gateway)
    node.run(server, 'const s = await connect(); s.emit("forever"); await next(s, "forever"); s.disconnect()')
    server.until(lambda: ended)
    assert ended == [True]
