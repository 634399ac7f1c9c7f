"""The order in which everything around a handler runs: on connect, for a message, a stream and an error."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import pytest

from moongate import (
    ArgumentMetadata,
    Catch,
    ExecutionContext,
    MessageBody,
    NextHandler,
    Socket,
    SubscribeMessage,
    UseFilters,
    UseGuards,
    UseInterceptors,
    UseMiddleware,
    UsePipes,
    WebSocketGateway,
)
from tests.support.live import Serve
from tests.support.node import Node

log: list[str] = []


def guard(name: str) -> Callable[[ExecutionContext], bool]:
    def can_activate(context: ExecutionContext) -> bool:
        log.append(f"guard {name}")
        return True

    return can_activate


def interceptor(name: str) -> Callable[[ExecutionContext, NextHandler], Any]:
    async def intercept(context: ExecutionContext, call_next: NextHandler) -> Any:
        log.append(f"before {name}")
        try:
            result = await call_next()
        except ValueError:
            log.append(f"error {name}")
            raise
        log.append(f"after {name}")
        return result

    return intercept


def pipe(name: str) -> Callable[[Any, ArgumentMetadata], Any]:
    async def transform(value: int, argument: ArgumentMetadata) -> int:
        log.append(f"pipe {name} {argument.name}")
        return value

    return transform


def exception_filter(name: str) -> Callable[[BaseException, ExecutionContext], Any]:
    @Catch(ValueError)
    def catch(error: BaseException, context: ExecutionContext) -> None:
        log.append(f"filter {name}")
        raise error

    return catch


async def middleware(client: Socket, call_next: Any) -> None:
    log.append("middleware")
    await call_next()


@UseMiddleware(middleware)
@UseGuards(guard("gateway"))
@UseInterceptors(interceptor("gateway"))
@UsePipes(pipe("gateway"))
@UseFilters(exception_filter("gateway"))
@WebSocketGateway()
class Gateway:
    async def handle_connection(self, client: Socket) -> None:
        log.append("handle_connection")

    @UseGuards(guard("handler"))
    @UseInterceptors(interceptor("handler"))
    @UsePipes(pipe("handler"))
    @UseFilters(exception_filter("handler"))
    @SubscribeMessage("message")
    async def message(
        self,
        client: Socket,
        first: Annotated[int, MessageBody("first"), pipe("parameter")],
        second: Annotated[int, MessageBody("second")],
    ) -> int:
        log.append("handler")
        return first + second

    @UseInterceptors(interceptor("handler"))
    @SubscribeMessage("stream")
    async def stream(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            log.append(f"item {number}")
            yield number

    @UseInterceptors(interceptor("handler"))
    @UseFilters(exception_filter("handler"))
    @SubscribeMessage("fail")
    async def fail(self, body: int) -> None:
        log.append("handler")
        raise ValueError(body)

    @UseGuards(lambda context: False)
    @UseFilters(exception_filter("handler"))
    @SubscribeMessage("forbidden")
    async def forbidden(self) -> None:
        log.append("handler")


APPLICATION = {
    "guards": [guard("application")],
    "interceptors": [interceptor("application")],
    "pipes": [pipe("application")],
    "filters": [exception_filter("application")],
}

ORDER = {
    "connect": ["middleware", "guard application", "guard gateway", "handle_connection"],
    "message": [
        "guard application", "guard gateway", "guard handler",
        "before application", "before gateway", "before handler",
        "pipe application first", "pipe gateway first", "pipe handler first", "pipe parameter first",
        "pipe application second", "pipe gateway second", "pipe handler second",
        "handler",
        "after handler", "after gateway", "after application",
    ],
    "stream": [
        "guard application", "guard gateway",
        "before application", "before gateway", "before handler",
        "pipe application count", "pipe gateway count",
        "after handler", "after gateway", "after application",
        "item 0", "item 1",
    ],
    "fail": [
        "guard application", "guard gateway",
        "before application", "before gateway", "before handler",
        "pipe application body", "pipe gateway body",
        "handler",
        "error handler", "error gateway", "error application",
        "filter handler", "filter gateway", "filter application",
    ],
    "forbidden": ["guard application", "guard gateway"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("event", "body"), [("message", '{"first": 1, "second": 2}'), ("stream", "2"), ("fail", "1"), ("forbidden", "")]
)
def test_the_order_on_connect_and_for_each_kind_of_message(serve: Serve, node: Node, event: str, body: str):
    server = serve(Gateway, enhancers=APPLICATION)
    log.clear()
    script = f"""
        const s = await connect();
        await ack(s, "{event}"{", " + body if body else ""});
        s.disconnect();
    """
    node.run(server, script)
    assert log == [*ORDER["connect"], *ORDER[event]]


def test_the_order_for_bare_clients(serve: Serve, node: Node):
    server = serve(Gateway, enhancers=APPLICATION)
    log.clear()
    answer = node.run(server, 'return await ask(await bare(), "message", {first: 1, second: 2})')
    assert answer == {"data": 3}
    assert log == [*ORDER["connect"], *ORDER["message"]]
