"""Whatever the handlers of an event do, a request for an acknowledgement is answered exactly once."""

import asyncio
import itertools
import types
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from moongate import Ack, SubscribeMessage, WebSocketGateway, WsException, WsResponse
from tests.support.live import Serve
from tests.support.node import Node


def value(self: object) -> int:
    return 1


async def later_value(self: object) -> int:
    await asyncio.sleep(0)
    return 2


def nothing(self: object) -> None:
    return None


async def failure(self: object) -> None:
    await asyncio.sleep(0)
    raise WsException("not today")


async def unsendable(self: object) -> object:
    return object()


async def response(self: object) -> WsResponse[int]:
    return WsResponse("response", 5)


async def answers_itself(self: object, ack: Ack) -> WsResponse[int]:
    ack("itself")
    return WsResponse("response", 6)


def answers_later(self: object, ack: Ack) -> None:
    asyncio.get_running_loop().call_later(0.05, ack, "later")


def answers_and_fails(self: object, ack: Ack) -> None:
    ack("before")
    raise WsException("after")


def answers_unsendably(self: object, ack: Ack) -> None:
    ack(object())


async def stream(self: object) -> AsyncIterator[Any]:
    yield 1
    await asyncio.sleep(0.01)
    yield WsResponse("response", 7)


async def failing_stream(self: object) -> AsyncIterator[int]:
    yield 1
    raise WsException("not to the end")


async def stream_that_answers(self: object, ack: Ack) -> AsyncIterator[int]:
    yield 1
    ack("from the stream")
    yield 2


HANDLERS: dict[Callable[..., Any], object] = {
    value: 1,
    later_value: 2,
    nothing: None,
    failure: "not today",
    unsendable: "Internal server error",
    response: 5,
    answers_itself: "itself",
    answers_later: "later",
    answers_and_fails: "before",
    answers_unsendably: "Internal server error",
    stream: None,
    failing_stream: "not to the end",
    stream_that_answers: "from the stream",
}
"""Handlers, and what each answers if it is alone; of an error the message."""

COMBINATIONS = [(handler,) for handler in HANDLERS] + list(itertools.product(HANDLERS, repeat=2))

# Counts acknowledgements as they come, because the client hands out the first of each only.
SCRIPT = """
    const s = await connect();
    let count = 0;
    s.io.engine.on("packet", ({ data }) => (count += data?.startsWith?.("3") ? 1 : 0));
    const answers = await Promise.all(args.map((event) => ack(s, event)));
    await ack(s, args[0]);
    return [count - 1, answers.map((answer) => answer?.message ?? answer ?? null)];
"""


def gateway(position: int) -> type:
    """A gateway with that handler of each combination which stands at *position*."""
    methods: dict[str, Any] = {}
    for combination in COMBINATIONS:
        if position < len(combination):
            handler = combination[position]
            copy = types.FunctionType(handler.__code__, handler.__globals__, handler.__name__)
            copy.__annotations__ = handler.__annotations__
            methods[f"handler_{len(methods)}"] = SubscribeMessage(name_of(combination))(copy)
    return WebSocketGateway()(type(f"Gateway{position}", (), methods))


def name_of(combination: Sequence[Callable[..., Any]]) -> str:
    return ", ".join(handler.__name__ for handler in combination)


def test_whatever_the_handlers_do_there_is_one_answer(serve: Serve, node: Node):
    events = [name_of(combination) for combination in COMBINATIONS]
    count, answers = node.run(serve(gateway(0), gateway(1)), SCRIPT, args=events)
    assert count == len(events)
    assert answers[: len(HANDLERS)] == list(HANDLERS.values())
