"""What official and bare clients see of guards, pipes, interceptors, filters and the context, on every transport."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
import pytest

from moongate import (
    Catch,
    DefaultValue,
    ExecutionContext,
    FromContext,
    MessageBody,
    NextHandler,
    ParseInt,
    SetMetadata,
    Socket,
    SubscribeMessage,
    UseFilters,
    UseGuards,
    UseInterceptors,
    UsePipes,
    ValidationPipe,
    WebSocketGateway,
    WsException,
    WsResponse,
)
from tests.support.live import Serve
from tests.support.node import Node

pytestmark = pytest.mark.usefixtures("transport")


class Prices:
    def __init__(self) -> None:
        self.of = {"tea": 3}


class Order(msgspec.Struct):
    what: str
    number: int = 1


class Roles:
    """Asks for the role that the handler, else the gateway, says."""

    def can_activate(self, context: ExecutionContext) -> bool:
        role = context.client.handshake.query.get("role", "guest")
        if role == "thief":
            raise WsException("Not here", data={"role": role})
        return context.is_connect or role == context.metadata.get("role")


class Price:
    def __init__(self, prices: Prices) -> None:
        self.prices = prices

    async def transform(self, value: str) -> int:
        await asyncio.sleep(0)
        return self.prices.of[value]


@Catch(LookupError)
class NotFound:
    async def catch(self, error: BaseException, context: ExecutionContext) -> Any:
        await asyncio.sleep(0)
        return {"status": "error", "message": "Not found", "where": context.where}


async def counted(context: ExecutionContext, call_next: NextHandler) -> Any:
    calls = context.client.data["calls"] = context.client.data.get("calls", 0) + 1
    result = await call_next()
    return {"calls": calls, "result": result} if isinstance(result, str) else result


async def doubled(context: ExecutionContext, call_next: NextHandler) -> AsyncIterator[Any]:
    async for item in await call_next():
        yield item
        yield WsResponse("again", item)


def role_of(context: ExecutionContext) -> str:
    return f"{context.client.handshake.query.get('role')} may {context.event}"


@SetMetadata("role", "guest")
@UseGuards(Roles)
@UseFilters(NotFound)
@UseInterceptors(counted)
@WebSocketGateway()
class Shop:
    async def handle_connection(self, client: Socket) -> None:
        if client.handshake.query.get("role") == "lost":
            raise KeyError("nobody")

    @SubscribeMessage("greet")
    async def greet(self, name: str) -> str:
        return f"Hello {name}"

    @SetMetadata("role", "owner")
    @SubscribeMessage("close")
    async def close(self) -> str:
        return "closed"

    @SubscribeMessage("price")
    async def price(
        self,
        price: Annotated[int, MessageBody("what"), Price],
        number: Annotated[int, MessageBody("number"), DefaultValue("1"), ParseInt()],
    ) -> int:
        return price * number

    @UsePipes(ValidationPipe(strict=False, forbid_unknown_fields=True))
    @SubscribeMessage("order")
    async def order(self, order: Order) -> int:
        return order.number

    @UseInterceptors(doubled)
    @SubscribeMessage("count")
    async def count(self, until: int) -> AsyncIterator[int]:
        for number in range(until):
            yield number
        if until > 1:
            raise LookupError("no more")

    @SubscribeMessage("threaded", threaded=True)
    def threaded(self, name: str) -> str:
        raise KeyError(name)

    @SubscribeMessage("who")
    async def who(self, role: Annotated[str, FromContext(role_of)], context: ExecutionContext) -> list[Any]:
        return [role, context.event, context.wants_ack, list(context.args)]


TALK = """
    const s = await connect("/", {query: {role: "guest"}});
    const b = await bare("/ws?role=guest");
    const answers = [];
    for (const [event, body] of args) {
        const { data, error } = await ask(b, event, body);
        answers.push([await ack(s, event, body), error ?? data]);
    }
    return answers;
"""


def test_both_kinds_of_clients_get_the_same_answers(serve: Serve, node: Node):
    unknown = [{"path": "$.when", "message": "Object contains unknown field"}]
    talk: list[tuple[str, Any, Any]] = [
        ("greet", "Ada", {"calls": 1, "result": "Hello Ada"}),
        ("close", None, {"message": "Forbidden resource"}),
        ("price", {"what": "tea"}, 3),
        ("price", {"what": "tea", "number": "4"}, 12),
        ("price", {"what": "tea", "number": "x"}, {"message": "Validation failed"}),
        ("price", {"what": "gold"}, {"message": "Not found", "where": "Shop.price"}),
        ("order", {"what": "tea", "number": "2"}, 2),
        ("order", {"what": "tea", "when": 1}, {"message": "Validation failed", "errors": unknown}),
        ("threaded", "x", {"message": "Not found", "where": "Shop.threaded"}),
        ("who", 5, ["guest may who", "who", True, [5]]),
        ("greet", "Bob", {"calls": 10, "result": "Hello Bob"}),
    ]
    answers = node.run(serve(Prices, Shop), TALK, args=[entry[:2] for entry in talk])
    for (event, _, expected), (official, bare) in zip(talk, answers, strict=True):
        assert official == bare, event
        if isinstance(expected, dict):
            assert expected.items() <= official.items()
        else:
            assert official == expected


def test_streams_and_errors_without_acknowledgement(serve: Serve, node: Node):
    script = """
        const s = await connect("/", {query: {role: "guest"}});
        const b = await bare("/ws?role=guest");
        s.emit("count", 2);
        tell(b, "count", 2);
        const told = [];
        for (const take of [(name) => next(s, name), (name) => heard(b, name)]) {
            const error = await take("exception");
            told.push([await take("count"), await take("again"), await take("count"), await take("again"), error]);
        }
        return told;
    """
    official, bare = node.run(serve(Prices, Shop), script)
    assert official == bare
    assert official == [0, 0, 1, 1, {"status": "error", "message": "Not found", "where": "Shop.count"}]


def test_who_may_come_in(serve: Serve, node: Node):
    script = """
        const thief = await refused("/", {query: {role: "thief"}});
        const [status, body] = await bareRefused("/ws?role=thief");
        const lost = await connect("/", {query: {role: "lost"}});
        const told = [await next(lost, "exception"), await next(lost, "disconnect")];
        const bareLost = await bare("/ws?role=lost");
        const bareTold = [await heard(bareLost, "exception"), (await heard(bareLost, "$close"))[0]];
        return [{message: thief.message, data: thief.data}, status, JSON.parse(body), told, bareTold];
    """
    thief, status, body, told, bare = node.run(serve(Prices, Shop), script)
    assert thief == {"message": "Not here", "data": {"role": "thief"}}
    assert (status, body) == (403, {"status": "error", "message": "Not here", "role": "thief"})
    lost = {"status": "error", "message": "Not found", "where": "Shop.handle_connection"}
    assert told == [lost, "io server disconnect"]
    assert bare[0] == lost
