"""Guards: who may come in, and which messages may reach their handler."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from moongate import (
    ConfigurationError,
    ExecutionContext,
    GatewayError,
    Inject,
    Module,
    Moongate,
    OnConnect,
    OnMessage,
    Socket,
    SubscribeMessage,
    UseGuards,
    UseMiddleware,
    WebSocketGateway,
    WsException,
)
from moongate.testing import ConnectRefused, TestApp
from tests.support.live import Serve
from tests.support.node import Node

pytestmark = pytest.mark.anyio


class Blacklist:
    def __init__(self) -> None:
        self.names = {"mallory"}


class Listed:
    """Injected, and named by no module."""

    def __init__(self, blacklist: Blacklist) -> None:
        self.blacklist = blacklist

    async def can_activate(self, context: ExecutionContext) -> bool:
        return context.client.handshake.auth.get("name") not in self.blacklist.names


class Needs:
    """An instance, with what it needs."""

    def __init__(self, word: str) -> None:
        self.word = word

    def can_activate(self, context: ExecutionContext) -> bool:
        return self.word in context.args


def root(*providers: Any) -> type:
    return Module(providers=list(providers))(type("Root", (), {}))


async def refusal(app: TestApp, namespace: str = "/", **options: Any) -> ConnectRefused:
    with pytest.raises(ConnectRefused) as caught:
        await app.connect(namespace, **options)
    return caught.value


@UseGuards(Listed)
@WebSocketGateway()
class Gateway:
    def __init__(self) -> None:
        self.came: list[str] = []

    async def handle_connection(self, client: Socket) -> None:
        self.came.append(client.id)

    @UseGuards(OnMessage(Needs("please")), lambda context: "now" in context.args)
    @SubscribeMessage("ask")
    async def ask(self, *words: str) -> str:
        return " ".join(words)


async def test_a_class_an_instance_and_a_function():
    async with TestApp(root(Blacklist, Gateway)) as app:
        assert (await refusal(app, auth={"name": "mallory"})).message == "Forbidden resource"
        alice = await app.connect(auth={"name": "alice"})
        assert await alice.emit_with_ack("ask", "please", "now") == "please now"
        for words in (["please"], ["now"], []):
            told = await alice.error_of("ask", *words)
            assert told["message"] == "Forbidden resource"
        assert alice.connected
        app.get(Blacklist).names.add("alice")
        assert (await alice.error_of("ask", "please", "now"))["message"] == "Forbidden resource"
        assert len(app.get(Gateway).came) == 1


def test_official_and_bare_clients_are_refused_in_their_own_ways(serve: Serve, node: Node):
    def only_by_name(context: ExecutionContext) -> bool:
        name = context.client.handshake.auth.get("name") or context.client.handshake.query.get("name")
        if name is None:
            raise WsException("Say your name", data={"code": 7})
        return bool(name != "mallory")

    server = serve(Gateway, Blacklist, enhancers={"guards": [only_by_name]})
    script = """
        const answers = [];
        for (const auth of [{}, {name: "mallory"}]) {
            const error = await refused("/", {auth});
            answers.push([error.message, error.data ?? null]);
        }
        for (const path of ["/ws", "/ws?name=mallory"]) answers.push(await bareRefused(path));
        const client = await bare("/ws?name=alice");
        return [answers, await ask(client, "ask", "please")];
    """
    told, answer = node.run(server, script)
    assert told[:2] == [["Say your name", {"code": 7}], ["Forbidden resource", None]]
    assert [(status, json.loads(body)) for status, body in told[2:]] == [
        (403, {"status": "error", "message": "Say your name", "code": 7}),
        (403, {"status": "error", "message": "Forbidden resource"}),
    ]
    assert answer["error"]["message"] == "Forbidden resource"


async def test_what_a_guard_raises_refuses_and_only_what_is_meant_for_clients_is_told(caplog: pytest.LogCaptureFixture):
    def breaks(context: ExecutionContext) -> bool:
        raise RuntimeError("the password is 1234")

    async with TestApp(root(Blacklist, Gateway), guards=[OnMessage(breaks)]) as app:
        alice = await app.connect()
        with caplog.at_level(logging.ERROR):
            told = await alice.error_of("ask", "please", "now")
        assert told["message"] == "Internal server error"
        assert "Gateway.ask" in caplog.text
        assert alice.id in caplog.text
        assert "the password is 1234" in caplog.text
    caplog.clear()
    async with TestApp(root(Blacklist, Gateway), guards=[OnConnect(breaks)]) as app:
        error = await refusal(app)
        assert (error.message, error.data) == ("Internal server error", None)
    assert "the password is 1234" in caplog.text
    assert "Gateway.connect failed for client" in caplog.text


async def test_an_answer_that_nobody_has_awaited_is_no_yes(caplog: pytest.LogCaptureFixture):
    async def allowed(context: ExecutionContext) -> bool:
        return True

    async def forgetful(context: ExecutionContext) -> Any:
        return allowed(context)

    async def items() -> AsyncIterator[bool]:
        yield True

    for guard in (forgetful, lambda context: items(), lambda context: (each for each in [True])):
        async with TestApp(root(Blacklist, Gateway), guards=[OnConnect(guard)]) as app:
            assert (await refusal(app)).message == "Internal server error"
            assert (await refusal(app, protocol="websocket")).message == "Internal server error"
        async with TestApp(root(Blacklist, Gateway), guards=[OnMessage(guard)]) as app:
            told = await (await app.connect()).error_of("ask", "please", "now")
            assert told["message"] == "Internal server error"
    assert "a guard answers True or False, got a coroutine that nobody has awaited" in caplog.text


async def test_a_guard_may_be_for_one_of_the_two():
    asked: list[str] = []

    def note(name: str) -> Any:
        def guard(context: ExecutionContext) -> bool:
            asked.append(f"{name} {context.event}")
            return True

        return guard

    guards = [note("both"), OnConnect(note("connect")), OnMessage(note("message"))]
    async with TestApp(root(Blacklist, Gateway), guards=guards) as app:
        alice = await app.connect()
        await alice.emit_with_ack("ask", "please", "now")
    assert asked == ["both None", "connect None", "both ask", "message ask"]


async def test_guards_of_the_application_hold_for_namespaces_without_a_gateway():
    from typing import Annotated

    from moongate import Namespace

    class News:
        def __init__(self, server: Annotated[Namespace, Inject("/news")]) -> None:
            self.server = server

    async with TestApp(root(News), guards=[lambda context: context.client.handshake.auth.get("ok", False)]) as app:
        for namespace in ("/news", "/"):
            assert (await refusal(app, namespace)).message == "Forbidden resource"
        alice = await app.connect("/news", auth={"ok": True})
        app.get(News).server.emit("headline", "x")
        assert await alice.receive("headline") == "x"


async def test_guards_of_every_gateway_of_a_namespace_are_asked():
    @UseGuards(lambda context: "a" in context.client.handshake.auth)
    @WebSocketGateway("/both")
    class First: ...

    @UseGuards(lambda context: "b" in context.client.handshake.auth)
    @WebSocketGateway("/both")
    class Second: ...

    async with TestApp(root(First, Second)) as app:
        for auth in ({}, {"a": 1}, {"b": 1}):
            assert (await refusal(app, "/both", auth=auth)).message == "Forbidden resource"
        await app.connect("/both", auth={"a": 1, "b": 1})


@UseGuards(lambda context: context.client.handshake.auth.get("base", False))
class Guarded:
    @UseGuards(lambda context: "open" in context.args)
    @SubscribeMessage("inherited")
    async def inherited(self, word: str) -> str:
        return word


@WebSocketGateway("/heir")
class Heir(Guarded): ...


async def test_guards_of_a_base_class_are_inherited():
    async with TestApp(root(Heir)) as app:
        await refusal(app, "/heir")
        alice = await app.connect("/heir", auth={"base": True})
        assert (await alice.error_of("inherited", "x"))["message"] == "Forbidden resource"
        assert await alice.emit_with_ack("inherited", "open") == "open"


async def test_nothing_but_a_yes_lets_anybody_in():
    for answer in (None, 0, "", False):
        async with TestApp(root(Blacklist, Gateway), guards=[lambda context, answer=answer: answer]) as app:
            assert (await refusal(app)).message == "Forbidden resource"


async def test_middleware_of_a_gateway_decides_before_the_guards():
    order: list[str] = []

    class Audit:
        def __init__(self, blacklist: Blacklist) -> None:
            self.blacklist = blacklist

        async def use(self, client: Socket, call_next: Any) -> None:
            order.append("middleware")
            if client.handshake.auth.get("name") in self.blacklist.names:
                raise WsException("Go away", data={"for": "ever"})
            await call_next()

    def guard(context: ExecutionContext) -> bool:
        order.append("guard")
        return True

    @UseMiddleware(Audit)
    @UseGuards(guard)
    @WebSocketGateway("/audited")
    class Audited: ...

    async with TestApp(root(Blacklist, Audited)) as app:
        error = await refusal(app, "/audited", auth={"name": "mallory"})
        assert (error.message, error.data) == ("Go away", {"for": "ever"})
        await app.connect("/audited")
    assert order == ["middleware", "middleware", "guard"]


def stray_method() -> type:
    @WebSocketGateway()
    class Stray:
        @UseGuards(lambda context: False)
        async def helper(self) -> None: ...

    return Stray


def stray_class() -> type:
    @UseGuards(Listed)
    class Stray: ...

    return Stray


def stray_hook() -> type:
    @WebSocketGateway()
    class Stray:
        @UseGuards(Listed)
        async def handle_connection(self, client: Socket) -> None: ...

    return Stray


@pytest.mark.parametrize(
    ("stray", "place"),
    [(stray_method, "Stray.helper"), (stray_class, "Stray"), (stray_hook, "Stray.handle_connection")],
)
def test_a_guard_that_nobody_would_ask_is_a_start_up_error(stray: Any, place: str):
    with pytest.raises(GatewayError) as caught:
        Moongate(root(stray()))
    assert caught.value.where == place
    assert "would never be asked" in str(caught.value)


class Yields:
    async def can_activate(self, context: ExecutionContext) -> AsyncIterator[bool]:
        yield False


@pytest.mark.parametrize(
    ("guard", "text"),
    [
        (5, "expected a guard, got 5"),
        (Yields, "Yields.can_activate has a `yield` in it and would never run"),
        (Blacklist, "expected a guard, got Blacklist"),
        (lambda: True, "a guard is called with (context), got <lambda>()"),
        (lambda context, other: True, "a guard is called with (context)"),
    ],
)
async def test_what_is_no_guard_is_a_start_up_error(guard: Any, text: str):
    with pytest.raises(ConfigurationError) as caught:
        async with TestApp(root(Blacklist, Gateway), guards=[guard]):
            pytest.fail("it has started")
    assert text in str(caught.value)


@pytest.mark.parametrize("name", ["guards", "pipes", "interceptors", "filters"])
def test_one_alone_is_no_list(name: str):
    options: dict[str, Any] = {name: lambda context: True}
    with pytest.raises(ConfigurationError, match=rf"Moongate\({name}=...\): expected a list, got <function"):
        Moongate(root(Blacklist, Gateway), **options)


async def test_nobody_changes_what_metadata_says():
    def meddle(context: ExecutionContext) -> bool:
        context.metadata["roles"] = []  # type: ignore[index]
        return True

    async with TestApp(root(Blacklist, Gateway), guards=[OnMessage(meddle)]) as app:
        alice = await app.connect()
        assert (await alice.error_of("ask", "please", "now"))["message"] == "Internal server error"
