"""Exception filters: what becomes of errors, wherever they are raised."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from moongate import (
    APP_FILTER,
    BaseExceptionFilter,
    Catch,
    ExecutionContext,
    GatewayError,
    Module,
    Socket,
    SubscribeMessage,
    UseFilters,
    UseGuards,
    UseMiddleware,
    ValueProvider,
    WebSocketGateway,
    WsException,
    WsResponse,
)
from moongate.testing import ConnectRefused, TestApp

pytestmark = pytest.mark.anyio

log: list[str] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    log.clear()


class DomainError(Exception):
    pass


class NoMoney(DomainError):
    pass


@Catch(DomainError)
class DomainErrors:
    def catch(self, error: BaseException, context: ExecutionContext) -> Any:
        log.append(f"{type(error).__name__} in {context.where} for {context.event}")
        return {"status": "error", "message": f"domain: {error}"}


@Catch(NoMoney)
async def no_money(error: BaseException, context: ExecutionContext) -> Any:
    await asyncio.sleep(0)
    raise WsException("Pay first") from error


@Catch(KeyError)
def silent(error: BaseException) -> None:
    log.append("silent")


@Catch(IndexError)
def elsewhere(error: BaseException, context: ExecutionContext) -> Any:
    return WsResponse("failed", str(error))


class Coded(BaseExceptionFilter):
    def catch(self, error: BaseException, context: ExecutionContext) -> dict[str, Any]:
        return {**super().catch(error, context), "code": type(error).__name__}


def refuse_bob(context: ExecutionContext) -> bool:
    if context.client.handshake.auth.get("name") == "bob":
        raise DomainError("not bob")
    return True


async def refuse_eve(client: Socket, call_next: Any) -> None:
    if client.handshake.auth.get("name") == "eve":
        raise DomainError("not eve")
    await call_next()


@UseMiddleware(refuse_eve)
@UseGuards(refuse_bob)
@UseFilters(DomainErrors)
@WebSocketGateway()
class Gateway:
    async def handle_connection(self, client: Socket) -> None:
        if client.handshake.auth.get("name") == "carl":
            raise DomainError("not carl")

    async def handle_disconnect(self, client: Socket, reason: str) -> None:
        raise DomainError("gone")

    @SubscribeMessage("fail")
    async def fail(self) -> None:
        raise DomainError("plain")

    @UseFilters(no_money, silent, elsewhere)
    @SubscribeMessage("pay")
    async def pay(self, kind: str) -> None:
        raise {"money": NoMoney("x"), "key": KeyError("x"), "index": IndexError("x"), "domain": DomainError("x")}[kind]

    @SubscribeMessage("stream")
    async def stream(self) -> AsyncIterator[int]:
        yield 1
        raise DomainError("in a stream")

    @SubscribeMessage("thread", threaded=True)
    def thread(self) -> None:
        raise DomainError("in a thread")

    @SubscribeMessage("beside", concurrent=True)
    async def beside(self) -> None:
        raise DomainError("beside")

    @SubscribeMessage("plain")
    def plain(self) -> None:
        raise DomainError("in a def")

    @SubscribeMessage("body")
    async def body(self, number: int) -> None: ...

    @SubscribeMessage("unexpected")
    async def unexpected(self) -> None:
        raise RuntimeError("the password is 1234")

    @SubscribeMessage("unsendable")
    async def unsendable(self) -> object:
        return object()


@Module(providers=[Gateway])
class Root: ...


def message(told: Any) -> str:
    text: str = told["message"]
    return text


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ("fail", "domain: plain"),
        ("stream", "domain: in a stream"),
        ("thread", "domain: in a thread"),
        ("beside", "domain: beside"),
        ("plain", "domain: in a def"),
    ],
)
async def test_every_kind_of_handler(event: str, told: str):
    async with TestApp(Root) as app:
        alice = await app.connect()
        assert await alice.error_of(event) == {"status": "error", "message": told}
        await alice.emit(event)
        assert await alice.exception() == {"status": "error", "message": told}
        assert alice.connected
    assert log[0] == f"DomainError in Gateway.{event} for {event}"


async def test_the_closest_first_and_then_those_behind_it():
    async with TestApp(Root) as app:
        alice = await app.connect()
        told = await alice.error_of("pay", "money")
        assert told == {"status": "error", "message": "Pay first", "cause": {"pattern": "pay", "data": "money"}}
        assert await alice.error_of("pay", "domain") == {"status": "error", "message": "domain: x"}
        assert log == ["DomainError in Gateway.pay for pay"]


async def test_a_filter_may_say_nothing_or_something_else():
    async with TestApp(Root) as app:
        alice = await app.connect()
        assert await alice.emit_with_ack("pay", "key") is None
        assert log == ["silent"]
        assert await alice.emit_with_ack("pay", "index") == "x"
        assert await alice.receive("failed") == "x"
        await alice.emit("pay", "key")
        await alice.emit("fail")
        assert await alice.exception() == {"status": "error", "message": "domain: plain"}
        assert alice.received == []


async def test_bare_clients_are_told_in_their_way():
    async with TestApp(Root) as app:
        bare = await app.connect(protocol="websocket")
        assert await bare.error_of("fail") == {"status": "error", "message": "domain: plain"}
        await bare.emit("fail")
        assert await bare.exception() == {"status": "error", "message": "domain: plain"}


async def test_hooks(caplog: pytest.LogCaptureFixture):
    async with TestApp(Root) as app:
        carl = await app.connect(auth={"name": "carl"})
        assert await carl.exception() == {"status": "error", "message": "domain: not carl"}
        assert await carl.disconnected() == "server disconnect"
        await app.time.settle()
        assert log == [
            "DomainError in Gateway.handle_connection for None",
            "DomainError in Gateway.handle_disconnect for None",
        ]
    assert not caplog.records


@pytest.mark.parametrize("name", ["bob", "eve"])
async def test_who_is_refused_is_told_what_a_filter_makes_of_it(name: str):
    filters: list[Any] = [DomainErrors] if name == "eve" else []
    async with TestApp(Root, filters=filters) as app:
        with pytest.raises(ConnectRefused) as caught:
            await app.connect(auth={"name": name})
        assert (caught.value.message, caught.value.data) == (f"domain: not {name}", None)


async def test_filters_of_the_application_hear_of_everything(caplog: pytest.LogCaptureFixture):
    heard: list[Any] = []

    def note(error: BaseException, context: ExecutionContext) -> None:
        heard.append((type(error).__name__, context.event))
        raise error

    async with TestApp(Root, filters=[note]) as app:
        alice = await app.connect()
        assert message(await alice.error_of("unknown")) == "Unknown event"
        assert message(await alice.error_of("body", "x")) == "Validation failed"
        assert message(await alice.error_of("unexpected")) == "Internal server error"
        assert message(await alice.error_of("unsendable")) == "Internal server error"
        (client,) = await app.server().fetch_sockets()

        async def refuse(event: str, arguments: Any, call_next: Any) -> None:
            raise WsException("Not now")

        client.use(refuse)  # type: ignore[attr-defined]  # of this server, it is the socket itself
        assert message(await alice.error_of("body", 1)) == "Not now"
    assert heard == [
        ("WsException", "unknown"),
        ("ValidationFailed", "body"),
        ("RuntimeError", "unexpected"),
        ("EncodeError", "unsendable"),
        ("WsException", "body"),
    ]


async def test_the_default_tells_nothing_of_the_inside_and_logs_all_of_it(caplog: pytest.LogCaptureFixture):
    async with TestApp(Root) as app:
        alice = await app.connect()
        with caplog.at_level(logging.ERROR):
            told = await alice.error_of("unexpected", {"some": "data"})
        assert told == {
            "status": "error",
            "message": "Internal server error",
            "cause": {"pattern": "unexpected", "data": {"some": "data"}},
        }
        assert "Gateway.unexpected" in caplog.text
        assert alice.id in caplog.text
        assert "RuntimeError: the password is 1234" in caplog.text


async def test_the_default_can_be_extended():
    async with TestApp(Root, filters=[Coded]) as app:
        alice = await app.connect()
        told = await alice.error_of("body", "x")
        assert (told["code"], told["cause"]) == ("ValidationFailed", {"pattern": "body", "data": "x"})
    async with TestApp(Root, filters=[Coded(include_cause=False)]) as app:
        assert "cause" not in await (await app.connect()).error_of("body", "x")


async def test_a_filter_that_fails_is_an_error_too(caplog: pytest.LogCaptureFixture):
    @Catch(RuntimeError)
    def broken(error: BaseException) -> Any:
        raise ZeroDivisionError("in the filter")

    async with TestApp(Root, filters=[broken]) as app:
        alice = await app.connect()
        assert message(await alice.error_of("unexpected")) == "Internal server error"
        assert "in the filter" in caplog.text
        assert "the password is 1234" in caplog.text
        assert message(await alice.error_of("fail")) == "domain: plain"


async def test_what_a_filter_answers_may_be_unsendable(caplog: pytest.LogCaptureFixture):
    @Catch(RuntimeError)
    def broken(error: BaseException) -> Any:
        return {"status": "error", "message": "Sorry", "what": object()}

    async with TestApp(Root, filters=[broken]) as app:
        alice = await app.connect()
        assert await alice.error_of("unexpected") == {"status": "error", "message": "Sorry"}


@pytest.mark.parametrize(
    "answer", [object(), {object()}, [object()], WsResponse("failed", object()), WsResponse("connect")]
)
async def test_whatever_a_filter_answers_there_is_an_answer(answer: Any):
    async with TestApp(Root, filters=[lambda error, context: answer]) as app:
        for client in (await app.connect(), await app.connect(protocol="websocket")):
            assert message(await client.error_of("unexpected")) == "Internal server error"
            assert message(await client.error_of("unknown")) == "Internal server error"
            assert client.connected


def passing(name: str) -> Any:
    @Catch(LookupError)
    def catch(error: BaseException, context: ExecutionContext) -> None:
        log.append(f"{name} {type(error).__name__}")
        raise error if name != "handler" else IndexError("another one") from error

    return catch


async def test_what_a_filter_raises_is_the_next_ones():
    @UseFilters(passing("gateway"), Coded)
    @WebSocketGateway("/passing")
    class Passing:
        @UseFilters(passing("handler"), passing("handler, below"))
        @SubscribeMessage("fail")
        async def fail(self) -> None:
            raise KeyError("x")

    module = Module(providers=[Passing, ValueProvider(APP_FILTER, passing("module"))])(type("Root", (), {}))
    async with TestApp(module, filters=[passing("application")]) as app:
        assert (await (await app.connect("/passing")).error_of("fail"))["code"] == "IndexError"
    assert log == ["handler KeyError", "handler, below IndexError", "gateway IndexError"]


async def test_of_who_is_refused_the_closest_filter_says_the_last_word():
    def first(error: BaseException, context: ExecutionContext) -> Any:
        log.append(f"{type(error).__name__} in {context.where} of {context.gateway.__name__}")
        return {"status": "error", "message": "application", "why": 1}

    async with TestApp(Root, filters=[first]) as app:
        for name, told in (("bob", ("domain: not bob", None)), ("eve", ("application", {"why": 1}))):
            with pytest.raises(ConnectRefused) as caught:
                await app.connect(auth={"name": name})
            assert (caught.value.message, caught.value.data) == told
    assert log == ["DomainError in Gateway.connect for None", "DomainError in a middleware of object"]
    log.clear()
    empty = Module()(type("Root", (), {}))
    async with TestApp(empty, filters=[first], guards=[lambda context: False]) as app:
        with pytest.raises(ConnectRefused, match="application"):
            await app.connect()
    assert log == ["WsException in namespace / of object"]


async def test_a_filter_may_answer_by_an_event_wherever_the_error_was():
    @UseFilters(elsewhere)
    @WebSocketGateway("/elsewhere")
    class Elsewhere:
        async def handle_connection(self, client: Socket) -> None:
            if client.handshake.auth.get("name") == "carl":
                raise IndexError("carl")

    def not_bob(context: ExecutionContext) -> bool:
        if context.client.handshake.auth.get("name") == "bob":
            raise IndexError("bob")
        return True

    def event(error: BaseException, context: ExecutionContext) -> Any:
        return WsResponse("failed", {"text": str(error)})

    module = Module(providers=[Elsewhere])(type("Root", (), {}))
    async with TestApp(module, filters=[event], guards=[not_bob]) as app:
        alice = await app.connect("/elsewhere")
        assert await alice.emit_with_ack("unknown") == {"text": "Unknown event"}
        assert await alice.receive("failed") == {"text": "Unknown event"}
        carl = await app.connect("/elsewhere", auth={"name": "carl"})
        assert await carl.receive("failed") == "carl"
        assert await carl.disconnected() == "server disconnect"
        with pytest.raises(ConnectRefused) as caught:
            await app.connect("/elsewhere", auth={"name": "bob"})
        assert (caught.value.message, caught.value.data) == ("Forbidden resource", "bob")


def test_catch_takes_types_of_exceptions():
    with pytest.raises(GatewayError, match="expected types of exceptions, got 'ValueError'"):
        Catch("ValueError")  # type: ignore[arg-type]
