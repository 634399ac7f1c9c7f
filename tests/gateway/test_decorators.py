"""What a declaration leaves behind, and what it refuses."""

# ruff: noqa: ANN001  # Some declarations are wrong on purpose.

from enum import StrEnum
from typing import Any

import pytest

from moongate.errors import GatewayError
from moongate.gateway.decorators import SubscribeMessage, WebSocketGateway
from moongate.gateway.metadata import PROTOCOLS, GatewayMetadata, Subscription, gateway_metadata, subscriptions


@pytest.mark.parametrize(("written", "namespace"), [("/", "/"), ("/chat", "/chat"), ("chat", "/chat"), ("a/b", "/a/b")])
def test_a_namespace_starts_with_a_slash(written: str, namespace: str):
    @WebSocketGateway(written)
    class Gateway: ...

    assert gateway_metadata(Gateway) == GatewayMetadata(namespace, PROTOCOLS)


def test_the_class_stays_what_it_is():
    class Gateway: ...

    before = set(vars(Gateway))
    assert WebSocketGateway()(Gateway) is Gateway
    assert len(set(vars(Gateway)) - before) == 1


def test_a_subclass_is_no_gateway_by_itself():
    @WebSocketGateway("/a")
    class Base: ...

    class Plain(Base): ...

    @WebSocketGateway("/b", protocols=["websocket"])
    class Other(Base): ...

    assert gateway_metadata(Plain) is None
    assert gateway_metadata(Other) == GatewayMetadata("/b", frozenset(("websocket",)))


@pytest.mark.parametrize(
    ("namespace", "problem"),
    [
        (3000, "moongate run module:app --port"),
        (None, "NoneType"),
        ({"cors": True}, "Settings"),
        ("", "`@WebSocketGateway()`"),
        ("/chat?x=1", "cannot contain '?'"),
        ("/a,b", "Write the name without it: '/a'"),
        ("/chat#top", "cannot contain '#'"),
    ],
)
def test_what_is_no_namespace_is_refused(namespace: Any, problem: str):
    with pytest.raises(GatewayError) as caught:
        WebSocketGateway(namespace)
    assert f"WebSocketGateway({namespace!r})" in str(caught.value)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("protocols", "problem"),
    [
        ("socketio", "Write protocols=('socketio',)"),
        ((), "at least one protocol"),
        (("socketio", "http"), "unknown protocol 'http'"),
        ((["socketio"],), "There are 'socketio' and 'websocket'"),
        (1, "expected a collection"),
    ],
)
def test_what_is_no_protocol_is_refused(protocols: Any, problem: str):
    with pytest.raises(GatewayError, match="WebSocketGateway") as caught:
        WebSocketGateway(protocols=protocols)
    assert problem in str(caught.value)


def test_a_gateway_without_parentheses_is_refused():
    class ChatGateway: ...

    decorator: Any = WebSocketGateway
    with pytest.raises(GatewayError, match=r"ChatGateway: WebSocketGateway is used without parentheses"):
        decorator(ChatGateway)


def test_a_gateway_declared_twice_is_refused():
    decorator = WebSocketGateway("/a")

    @WebSocketGateway("/b")
    class ChatGateway: ...

    with pytest.raises(GatewayError, match=r"ChatGateway: WebSocketGateway is there twice, for /b and /a"):
        decorator(ChatGateway)


def test_a_method_is_no_gateway():
    decorator: Any = WebSocketGateway()
    with pytest.raises(GatewayError, match="expected a class"):
        decorator(lambda: None)


def test_several_subscriptions_count_in_the_order_of_the_source():
    @SubscribeMessage("first", concurrent=True)
    @SubscribeMessage("second", threaded=True)
    def handler(self) -> None: ...

    assert subscriptions(handler) == (
        Subscription("first", threaded=False, concurrent=True),
        Subscription("second", threaded=True, concurrent=False),
    )


def test_a_method_without_subscriptions_has_none():
    assert subscriptions(lambda: None) == ()


def test_events_may_come_from_an_enumeration():
    class Events(StrEnum):
        MESSAGE = "message"

    @SubscribeMessage(Events.MESSAGE)
    def handler(self) -> None: ...

    assert [type(found.event) for found in subscriptions(handler)] == [str]


@pytest.mark.parametrize(
    ("event", "mend"),
    [
        ("connect", "handle_connection(self, client: Socket)"),
        ("connect_error", "another name"),
        ("disconnect", "handle_disconnect(self, client: Socket, reason: str)"),
        ("disconnecting", "handle_disconnect"),
        ("newListener", "another name"),
        ("removeListener", "another name"),
        ("exception", "tells errors"),
    ],
)
def test_reserved_events_are_refused(event: str, mend: str):
    with pytest.raises(GatewayError, match=f"'{event}' is reserved") as caught:
        SubscribeMessage(event)
    assert mend in caught.value.mend


@pytest.mark.parametrize("event", ["", 5, None, ("a", "b")])
def test_what_is_no_event_is_refused(event: Any):
    with pytest.raises(GatewayError) as caught:
        SubscribeMessage(event)
    assert "as 'message'" in str(caught.value)


def test_a_subscription_without_parentheses_is_refused():
    decorator: Any = SubscribeMessage

    def message(self) -> None: ...

    with pytest.raises(GatewayError, match="without parentheses") as caught:
        decorator(message)
    assert "@SubscribeMessage('message')" in str(caught.value)


def test_one_event_is_subscribed_once():
    with pytest.raises(GatewayError, match=r"handler: the event 'a' is subscribed twice"):

        @SubscribeMessage("a")
        @SubscribeMessage("b")
        @SubscribeMessage("a")
        def handler(self) -> None: ...


@pytest.mark.parametrize("target", [staticmethod(print), property(print), object, 5])
def test_only_functions_are_handlers(target: Any):
    with pytest.raises(GatewayError, match=r"expected a method below SubscribeMessage\('a'\)"):
        SubscribeMessage("a")(target)
