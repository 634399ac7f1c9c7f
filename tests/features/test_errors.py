"""What the client is told when something fails."""

import asyncio
import logging

import pytest

from moongate import Socket, SubscribeMessage, WebSocketGateway, WsException
from tests.support.live import Serve
from tests.support.node import Node

pytestmark = pytest.mark.usefixtures("transport")


@WebSocketGateway()
class FailingGateway:
    @SubscribeMessage("refuse")
    async def refuse(self, amount: int) -> None:
        raise WsException("Not enough money", data={"missing": amount})

    @SubscribeMessage("simple")
    def simple(self) -> None:
        raise WsException("Not today")

    @SubscribeMessage("fail")
    async def fail(self, secret: str) -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError("the secret detail")

    @SubscribeMessage("ping")
    async def ping(self) -> str:
        return "pong"


BOTH = """
    const s = await connect();
    s.emit(args[0], args[1]);
    const event = await next(s, "exception");
    const answer = await ack(s, args[0], args[1]);
    return [event, answer, await ack(s, "ping"), seen(s, "exception")];
"""


def test_an_exception_for_the_client_comes_with_its_message_and_data(serve: Serve, node: Node):
    event, answer, pong, _ = node.run(serve(FailingGateway), BOTH, args=["refuse", 5])
    assert event == answer
    assert event == {
        "status": "error",
        "message": "Not enough money",
        "missing": 5,
        "cause": {"pattern": "refuse", "data": 5},
    }
    assert pong == "pong"


def test_an_unexpected_error_says_no_more_than_that_and_is_logged_whole(
    serve: Serve, node: Node, caplog: pytest.LogCaptureFixture
):
    event, answer, pong, _ = node.run(serve(FailingGateway), BOTH, args=["fail", "x"])
    assert event == answer
    assert event == {
        "status": "error",
        "message": "Internal server error",
        "cause": {"pattern": "fail", "data": "x"},
    }
    assert pong == "pong"
    assert "the secret detail" in caplog.text
    assert "Traceback" in caplog.text


def test_an_exception_for_the_client_is_no_error_in_the_log(serve: Serve, node: Node, caplog: pytest.LogCaptureFixture):
    node.run(serve(FailingGateway), BOTH, args=["refuse", 5])
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_the_acknowledgement_is_answered_exactly_once(serve: Serve, node: Node):
    script = """
        const s = await connect();
        const answers = [];
        s.emit("simple", (...values) => answers.push(values));
        await ack(s, "ping");
        return answers.map((values) => [values.length, values[0].message]);
    """
    assert node.run(serve(FailingGateway), script) == [[1, "Not today"]]


def test_the_cause_may_be_switched_off(serve: Serve, node: Node):
    event, answer, *_ = node.run(serve(FailingGateway, error_cause=False), BOTH, args=["refuse", 5])
    assert event == answer == {"status": "error", "message": "Not enough money", "missing": 5}


def test_an_unknown_event_answers_with_an_error(serve: Serve, node: Node, caplog: pytest.LogCaptureFixture):
    script = """
        const s = await connect();
        s.emit("nobody", 1);
        return [await ack(s, "nobody", {a: 1}), await ack(s, "ping"), s.connected];
    """
    with caplog.at_level(logging.DEBUG, logger="moongate"):
        error, pong, connected = node.run(serve(FailingGateway), script)
    assert error["status"] == "error"
    assert error["message"] == "Unknown event"
    assert error["cause"] == {"pattern": "nobody", "data": {"a": 1}}
    assert (pong, connected) == ("pong", True)
    records = [record for record in caplog.records if "nobody" in record.getMessage()]
    assert records
    assert {record.levelno for record in records} == {logging.DEBUG}


def test_the_cause_of_several_arguments_is_a_list(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("two")
        async def two(self, first: int, second: int) -> None:
            raise WsException("no")

    answer = node.run(serve(Gateway), 'return await ack(await connect(), "two", 1, 2)')
    assert answer["cause"]["pattern"] == "two"
    assert answer["cause"]["data"] in ([1, 2], 1)


def test_one_failing_handler_does_not_stop_the_others_of_its_event(serve: Serve, node: Node):
    ran: list[str] = []

    @WebSocketGateway()
    class First:
        @SubscribeMessage("message")
        async def message(self) -> None:
            raise ValueError("first")

    @WebSocketGateway()
    class Second:
        @SubscribeMessage("message")
        async def message(self) -> str:
            ran.append("second")
            return "second"

    script = """
        const s = await connect();
        const answers = [];
        s.emit("message", (answer) => answers.push(answer));
        await ack(s, "nobody");
        return answers.length;
    """
    assert node.run(serve(First, Second), script) == 1
    assert ran == ["second"]


def test_a_failing_hook_of_one_client_does_not_touch_another(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        async def handle_connection(self, client: Socket) -> None:
            if client.handshake.auth:
                raise WsException("Go away", data={"why": "because"})

        @SubscribeMessage("ping")
        async def ping(self) -> str:
            return "pong"

    script = """
        const good = await connect();
        const bad = await connect("/", { auth: { evil: true } });
        const told = await next(bad, "exception");
        return [told.message, told.why, await next(bad, "disconnect"), await ack(good, "ping")];
    """
    assert node.run(serve(Gateway), script) == ["Go away", "because", "io server disconnect", "pong"]
