"""Interceptors: what stands around pipes and handler."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from moongate import (
    APP_INTERCEPTOR,
    Ack,
    ExecutionContext,
    GatewayError,
    Module,
    NextHandler,
    Socket,
    SubscribeMessage,
    UseInterceptors,
    ValueProvider,
    WebSocketGateway,
    WsException,
    WsResponse,
)
from moongate.testing import TestApp
from tests.support.live import Serve
from tests.support.node import Node

pytestmark = pytest.mark.anyio

log: list[str] = []
kept: list[Any] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    log.clear()


class Prefix:
    """Injected by the constructor's annotation."""

    def __init__(self) -> None:
        self.text = "> "


class Mapped:
    def __init__(self, prefix: Prefix) -> None:
        self.prefix = prefix

    async def intercept(self, context: ExecutionContext, call_next: NextHandler) -> Any:
        return self.prefix.text + await call_next()


async def cached(context: ExecutionContext, call_next: NextHandler) -> Any:
    kept: dict[str, Any] = context.client.data.setdefault("cache", {})
    key = f"{context.event} {context.args}"
    if key not in kept:
        kept[key] = await call_next()
    return kept[key]


async def timed_out(context: ExecutionContext, call_next: NextHandler) -> Any:
    try:
        async with asyncio.timeout(2):
            return await call_next()
    except TimeoutError:
        raise WsException("It took too long") from None


async def retried(context: ExecutionContext, call_next: NextHandler) -> Any:
    for _ in range(2):
        try:
            return await call_next()
        except ConnectionError:
            log.append("again")
    return await call_next()


async def item_by_item(context: ExecutionContext, call_next: NextHandler) -> AsyncIterator[Any]:
    async for item in await call_next():
        log.append(f"sees {item}")
        if item != 1:
            yield item * 10


async def keeping(context: ExecutionContext, call_next: NextHandler) -> AsyncIterator[Any]:
    kept.append(await call_next())  # what is referred to is not closed by being forgotten
    async for item in kept[-1]:
        yield item


def at_once(context: ExecutionContext, call_next: NextHandler) -> Any:
    return WsResponse("instead", context.args[0])


@WebSocketGateway()
class Gateway:
    def __init__(self) -> None:
        self.calls = 0
        self.closed = False

    @UseInterceptors(Mapped)
    @SubscribeMessage("mapped")
    async def mapped(self, word: str) -> str:
        return word

    @UseInterceptors(cached)
    @SubscribeMessage("cached")
    def cached(self, word: str) -> int:
        self.calls += 1
        return self.calls

    @UseInterceptors(timed_out)
    @SubscribeMessage("slow")
    async def slow(self) -> None:
        await asyncio.sleep(10)

    @UseInterceptors(retried)
    @SubscribeMessage("flaky", threaded=True)
    def flaky(self, fails: int) -> int:
        self.calls += 1
        if self.calls <= fails:
            raise ConnectionError("not now")
        return self.calls

    @UseInterceptors(item_by_item)
    @SubscribeMessage("stream")
    async def stream(self, count: int) -> AsyncIterator[int]:
        try:
            for number in range(count):
                yield number
            await asyncio.sleep(0 if count < 100 else 60)
        finally:
            self.closed = True

    @UseInterceptors(keeping)
    @SubscribeMessage("endless")
    async def endless(self) -> AsyncIterator[int]:
        try:
            for number in range(10**9):
                yield number
        finally:
            self.closed = True

    @UseInterceptors(at_once)
    @SubscribeMessage("never")
    async def never(self, word: str) -> str:
        self.calls += 1
        return word

    @UseInterceptors(Mapped)
    @SubscribeMessage("both")
    async def first(self) -> str:
        return "first"

    @SubscribeMessage("both")
    async def second(self) -> None:
        log.append("second")


@Module(providers=[Prefix, Gateway])
class Root: ...


async def test_mapping_a_result():
    async with TestApp(Root) as app:
        assert await (await app.connect()).emit_with_ack("mapped", "hi") == "> hi"


async def test_keeping_a_result():
    async with TestApp(Root) as app:
        alice = await app.connect()
        assert [await alice.emit_with_ack("cached", word) for word in ("a", "b", "a")] == [1, 2, 1]


async def test_ending_what_takes_too_long():
    async with TestApp(Root) as app:
        alice = await app.connect()
        answer = asyncio.ensure_future(alice.error_of("slow", timeout=30))
        await app.time.advance(3)
        assert (await answer)["message"] == "It took too long"


async def test_trying_again():
    async with TestApp(Root) as app:
        alice = await app.connect()
        assert await alice.emit_with_ack("flaky", 2) == 3
        assert log == ["again", "again"]


async def test_answering_instead_of_the_handler():
    async with TestApp(Root) as app:
        alice = await app.connect()
        assert await alice.emit_with_ack("never", "word") == "word"
        assert await alice.receive("instead") == "word"
        assert app.get(Gateway).calls == 0


async def test_a_stream_item_by_item():
    async with TestApp(Root) as app:
        alice = await app.connect()
        await alice.emit_with_ack("stream", 3)
        assert [await alice.receive("stream") for _ in range(2)] == [0, 20]
        assert log == ["sees 0", "sees 1", "sees 2"]
        assert app.get(Gateway).closed


def test_who_leaves_ends_the_handlers_own_stream(serve: Serve, node: Node):
    server = serve(Prefix, Gateway)
    gateway = server.app.get(Gateway)
    for event in ('"stream", 100', '"endless"'):
        gateway.closed = False
        name = event.partition(",")[0]
        node.run(server, f"const s = await connect(); s.emit({event}); await next(s, {name}); s.disconnect()")
        server.until(lambda: gateway.closed)


async def test_of_several_handlers_each_has_its_own():
    async with TestApp(Root) as app:
        assert await (await app.connect()).emit_with_ack("both") == "> first"
        assert log == ["second"]


async def test_they_see_what_the_handler_raises():
    class Told:
        async def intercept(self, context: ExecutionContext, call_next: NextHandler) -> Any:
            try:
                return await call_next()
            except ZeroDivisionError as error:
                return f"caught {error}"

    @WebSocketGateway("/failing")
    class Failing:
        @SubscribeMessage("divide")
        def divide(self, client: Socket, by: int) -> float:
            return 1 / by

    async with TestApp(Module(providers=[Failing])(type("Root", (), {})), interceptors=[Told]) as app:
        alice = await app.connect("/failing")
        assert await alice.emit_with_ack("divide", 0) == "caught division by zero"
        assert await alice.emit_with_ack("divide", 2) == 0.5


def noting(name: str) -> Any:
    def intercept(context: ExecutionContext, call_next: NextHandler) -> Any:
        log.append(name)
        return call_next()

    return intercept


@UseInterceptors(noting("base"))
class Base:
    @SubscribeMessage("inherited")
    async def inherited(self, number: int) -> int:
        return number


class Instance:
    async def intercept(self, context: ExecutionContext, call_next: NextHandler) -> Any:
        log.append("instance")
        return await call_next()


@UseInterceptors(Instance(), noting("gateway"))
@WebSocketGateway("/kinds")
class Kinds(Base):
    @SubscribeMessage("plain")
    def plain(self, number: int) -> int:
        return number

    @UseInterceptors(noting("handler"))
    @SubscribeMessage("async")
    async def asynchronous(self, number: int) -> int:
        return number

    @SubscribeMessage("threaded", threaded=True)
    def threaded(self, number: int) -> int:
        return number

    @SubscribeMessage("concurrent", concurrent=True)
    async def concurrent(self, number: int) -> int:
        return number

    @SubscribeMessage("ack")
    async def ack(self, number: int, ack: Ack) -> None:
        ack(number)


@pytest.mark.parametrize("event", ["inherited", "plain", "async", "threaded", "concurrent", "ack"])
async def test_they_stand_around_every_kind_of_handler(event: str):
    module = Module(providers=[Kinds, ValueProvider(APP_INTERCEPTOR, noting("module"))])(type("Root", (), {}))
    async with TestApp(module, interceptors=[noting("application")]) as app:
        assert await (await app.connect("/kinds")).emit_with_ack(event, 7) == 7
    assert log == ["module", "application", "base", "instance", "gateway", *(["handler"] if event == "async" else [])]


async def failing(context: ExecutionContext, call_next: NextHandler) -> AsyncIterator[Any]:
    kept.append(await call_next())
    async for item in kept[-1]:
        yield item
        raise WsException("no more")


async def limited(context: ExecutionContext, call_next: NextHandler) -> AsyncIterator[Any]:
    kept.append(await call_next())
    try:
        async with asyncio.timeout(2):
            async for item in kept[-1]:
                yield item
    except TimeoutError:
        raise WsException("no more") from None


@pytest.mark.parametrize("interceptor", [failing, limited])
async def test_an_error_around_a_stream_is_told_and_closes_the_handlers_own(interceptor: Any):
    closed: list[bool] = []

    @UseInterceptors(interceptor)
    @WebSocketGateway("/ended")
    class Ended:
        @SubscribeMessage("stream")
        async def stream(self) -> AsyncIterator[int]:
            try:
                yield 1
                await asyncio.sleep(30)
            finally:
                closed.append(True)

    async with TestApp(Module(providers=[Ended])(type("Root", (), {}))) as app:
        alice = await app.connect("/ended")
        answer = asyncio.ensure_future(alice.error_of("stream", timeout=20))
        assert await alice.receive("stream") == 1
        await app.time.advance(3)
        assert (await answer)["message"] == "no more"
        assert closed == [True]
        assert alice.connected


async def test_what_is_none_does_not_start():
    with pytest.raises(GatewayError, match=r"an interceptor is called with \(context, call_next\), got <lambda>"):
        async with TestApp(Root, interceptors=[lambda context: None]):
            pytest.fail("it has started")
