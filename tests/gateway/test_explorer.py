"""Which gateways and handlers are found, and which declarations are refused at start-up."""

# ruff: noqa: ANN001  # Some declarations are wrong on purpose.

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from moongate.errors import GatewayError
from moongate.gateway.decorators import SubscribeMessage, WebSocketGateway
from moongate.gateway.explorer import check, explore
from moongate.gateway.metadata import GatewaySpec
from moongate.namespace.namespace import Namespace
from moongate.namespace.socket import Socket


def spec_of(target: type) -> GatewaySpec:
    (spec,) = explore([("AppModule", target, target())])
    return spec


def handlers_of(target: type) -> list[tuple[str, str]]:
    return [(handler.event, handler.name) for handler in spec_of(target).handlers]


def error_of(*targets: type) -> str:
    with pytest.raises(GatewayError) as caught:
        check(("AppModule", target) for target in targets)
    return str(caught.value)


def test_gateways_are_found_among_all_providers():
    class Service:
        def message(self, text): ...

    @WebSocketGateway("chat", protocols=("socketio",))
    class Chat:
        @SubscribeMessage("message", concurrent=True)
        async def message(self, client: Socket, text: str) -> str:
            return text

    instance = Chat()
    (spec,) = explore([("AppModule", Service, Service()), ("ChatModule", Chat, instance)])
    assert spec.gateway is Chat
    assert spec.instance is instance
    assert (spec.namespace, list(spec.protocols)) == ("/chat", ["socketio"])
    (handler,) = spec.handlers
    assert (handler.event, handler.name, handler.gateway) == ("message", "message", Chat)
    assert (handler.threaded, handler.concurrent) == (False, True)
    assert handler.method == instance.message
    assert [parameter.name for parameter in handler.parameters] == ["client", "text"]


def test_every_subscription_of_a_method_counts():
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("a")
        @SubscribeMessage("b")
        def both(self) -> None: ...

        @SubscribeMessage("a")
        def again(self) -> None: ...

    assert handlers_of(Gateway) == [("a", "both"), ("b", "both"), ("a", "again")]


def test_inherited_handlers_count():
    class Mixin:
        @SubscribeMessage("ping")
        def ping(self) -> str:
            return "pong"

    class Base:
        @SubscribeMessage("kept")
        def kept(self) -> None: ...

        @SubscribeMessage("removed")
        def removed(self) -> None: ...

        @SubscribeMessage("before")
        def renamed(self) -> None: ...

    @WebSocketGateway()
    class Gateway(Mixin, Base):
        @SubscribeMessage("own")
        def own(self) -> None: ...

        def removed(self) -> None: ...

        @SubscribeMessage("after")
        def renamed(self) -> None: ...

    assert handlers_of(Gateway) == [("kept", "kept"), ("after", "renamed"), ("ping", "ping"), ("own", "own")]


def test_a_decorator_above_may_wrap_a_handler():
    def traced(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any) -> Any:
            return [function(*args)]

        return wrapper

    @WebSocketGateway()
    class Gateway:
        @traced
        @SubscribeMessage("one")
        def one(self, value: int) -> int:
            return value

    (handler,) = spec_of(Gateway).handlers
    assert handler.parameters[0].annotation is int
    assert handler.method(3) == [3]


def test_attributes_annotated_as_namespace_are_the_server():
    class Base:
        server: Namespace

    @WebSocketGateway()
    class Gateway(Base):
        other: "Namespace"
        count: int
        missing: object
        given: Namespace
        inherited: Namespace = None  # type: ignore[assignment]  # as people write it
        __annotations__["missing"] = "Missing"

        def __init__(self) -> None:
            self.given = object()  # type: ignore[assignment]  # a namespace that was injected

    assert spec_of(Gateway).server_attributes == ("server", "other")


def test_a_namespace_that_is_imported_for_types_only_is_refused():
    @WebSocketGateway()
    class Gateway:
        server: object
        __annotations__["server"] = "sockets.Namespace"

    text = error_of(Gateway)
    assert "Gateway.server" in text
    assert "TYPE_CHECKING" in text


def test_hooks_are_bound():
    @WebSocketGateway()
    class Gateway:
        def after_init(self, server: Namespace) -> None: ...

        async def handle_connection(self, client: Socket) -> None: ...

        async def handle_disconnect(self, client: Socket, reason: str) -> None: ...

    spec = spec_of(Gateway)
    assert isinstance(spec.instance, Gateway)
    assert spec.after_init == spec.instance.after_init
    assert spec.handle_connection == spec.instance.handle_connection
    assert spec.handle_disconnect == spec.instance.handle_disconnect


def test_hooks_that_are_not_there_are_none():
    @WebSocketGateway()
    class Gateway: ...

    spec = spec_of(Gateway)
    assert (spec.after_init, spec.handle_connection, spec.handle_disconnect) == (None, None, None)


def test_a_disconnect_hook_need_not_take_the_reason():
    gone: list[object] = []

    @WebSocketGateway()
    class Gateway:
        def handle_disconnect(self, client: Socket) -> None:
            gone.append(client)

    client: Any = object()
    hook = spec_of(Gateway).handle_disconnect
    assert hook is not None
    hook(client, "transport close")
    assert gone == [client]


def test_handlers_in_a_class_that_is_no_gateway_are_refused():
    class ChatService:
        @SubscribeMessage("message")
        def message(self) -> None: ...

    text = error_of(ChatService)
    assert "ChatService.message" in text
    assert "AppModule" in text
    assert "Write `@WebSocketGateway()` above `class ChatService`" in text


def test_a_subclass_of_a_gateway_has_to_be_declared_too():
    @WebSocketGateway("/a")
    class Base:
        @SubscribeMessage("message")
        def message(self) -> None: ...

    class Derived(Base): ...

    text = error_of(Base, Derived)
    assert "Derived.message" in text
    assert "Base is a gateway, but that is not inherited" in text


def test_a_gateway_is_provided_once():
    @WebSocketGateway()
    class Gateway: ...

    with pytest.raises(GatewayError) as caught:
        check([("ChatModule", Gateway), ("AppModule", Gateway)])
    assert "Gateway: ChatModule and AppModule both provide it" in str(caught.value)
    assert "Provide it in one module" in str(caught.value)


def test_gateways_of_one_namespace_agree_on_the_protocols():
    @WebSocketGateway("/chat", protocols=("socketio",))
    class One: ...

    @WebSocketGateway("/chat")
    class Two: ...

    text = error_of(One, Two)
    assert "Two: the protocols of /chat would be socketio and websocket, but One says socketio" in text
    with pytest.raises(GatewayError):
        explore([("AppModule", One, One()), ("AppModule", Two, Two())])


def test_gateways_of_one_namespace_may_be_several():
    @WebSocketGateway("/chat")
    class One: ...

    @WebSocketGateway("chat")
    class Two: ...

    assert [spec.gateway for spec in explore([("A", One, One()), ("B", Two, Two())])] == [One, Two]


def test_a_wrong_parameter_names_class_and_method():
    @WebSocketGateway()
    class ChatGateway:
        @SubscribeMessage("message")
        def message(self, text) -> None: ...

    assert error_of(ChatGateway).startswith("ChatGateway.message, parameter 'text': it has no annotation")


def test_a_plain_generator_is_refused():
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("count")
        def count(self) -> Iterator[int]:
            yield 1

    text = error_of(Gateway)
    assert "Gateway.count" in text
    assert "Write `async def count`" in text


def test_threads_are_for_plain_functions():
    @WebSocketGateway()
    class Coroutine:
        @SubscribeMessage("work", threaded=True)
        async def work(self) -> None: ...

    @WebSocketGateway()
    class Stream:
        @SubscribeMessage("work", threaded=True)
        async def work(self) -> AsyncIterator[int]:
            yield 1

    for gateway in (Coroutine, Stream):
        text = error_of(gateway)
        assert f"{gateway.__name__}.work: threaded=True is for a plain `def`" in text
        assert "Write `def work`, or remove threaded=True" in text


@pytest.mark.parametrize("decorator", [staticmethod, classmethod, property, functools.cached_property])
def test_a_handler_is_a_method(decorator: Any):
    @WebSocketGateway()
    class Gateway:
        @decorator
        @SubscribeMessage("message")
        def message(self) -> None: ...

    text = error_of(Gateway)
    assert f"Gateway.message: a handler is a method, got a {decorator.__name__}" in text
    assert f"Remove `@{decorator.__name__}`" in text
