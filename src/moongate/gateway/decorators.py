"""Declarations: what turns a class into a gateway and a method into a handler."""

import inspect
import re
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from moongate.errors import ConfigurationError, GatewayError
from moongate.gateway.metadata import (
    PROTOCOLS,
    GatewayMetadata,
    ProtocolName,
    Subscription,
    gateway_metadata,
    subscriptions,
)
from moongate.namespace.formats import check_methods
from moongate.namespace.pattern import Pattern, is_pattern
from moongate.wire.message import MessageCodec

__all__ = ["SubscribeMessage", "WebSocketGateway"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What names may consist of in HTTP (RFC 9110 section 5.6.2)."""

_Class = TypeVar("_Class", bound=type)
_Method = TypeVar("_Method", bound=Callable[..., Any])

# Events that never come from a client, and what is meant instead. The first six are Socket.IO's own (Socket.IO
# documentation, "Emit cheatsheet", reserved events); errors are told under the last.
_RESERVED = {
    "connect": "Write a method `handle_connection(self, client: Socket)`.",
    "connect_error": "Only clients see it. Choose another name.",
    "disconnect": "Write a method `handle_disconnect(self, client: Socket, reason: str)`.",
    "disconnecting": "Write a method `handle_disconnect(self, client: Socket, reason: str)`; it still sees the rooms.",
    "newListener": "Choose another name.",
    "removeListener": "Choose another name.",
    "exception": "The server tells errors under this name. Choose another one.",
}


class WebSocketGateway:
    """Declares a class to be a gateway: its `SubscribeMessage` methods answer the clients of *namespace*.

    *namespace* gets a leading slash if it has none. With parameters, as `/rooms/{room_id:int}`, it stands for every
    namespace that matches: `client.handshake.params` has their values, `client.namespace` is the one that the client is
    in, and `server` means all of them. Kinds are `str` (the default), `int`, `float`, `uuid` and `path`.

    *protocols* says which clients may come: those that speak Socket.IO (`"socketio"`), those with a bare WebSocket
    (`"websocket"`), or both. *subprotocols* are what bare clients may ask for (RFC 6455 section 1.9), *codec* is how
    their messages are written, JSON by default. The class has to be among a module's providers. Subclasses are gateways
    only if they are declared so themselves. Raises GatewayError.
    """

    def __init__(
        self,
        namespace: str = "/",
        *,
        protocols: Collection[ProtocolName] | tuple[ProtocolName, ...] = PROTOCOLS,
        subprotocols: Collection[str] = (),
        codec: MessageCodec | None = None,
    ) -> None:
        _check_namespace(namespace)
        _check_protocols(protocols)
        _check_subprotocols(subprotocols)
        if codec is not None:
            where = f"WebSocketGateway({namespace!r}, codec=...)"
            check_methods(codec, "a message codec", ("decode", "encode"), where=where, error=GatewayError)
        self._metadata = GatewayMetadata(
            namespace=namespace if namespace.startswith("/") else f"/{namespace}",
            protocols=frozenset(protocols),
            subprotocols=tuple(subprotocols),
            codec=codec,
        )

    def __call__(self, target: _Class) -> _Class:
        """Attach the metadata to *target*, and nothing else."""
        if not inspect.isclass(target):
            raise GatewayError(
                f"expected a class below WebSocketGateway, got {target!r}",
                mend="Write it above a class; methods take `@SubscribeMessage(event)`.",
            )
        earlier = gateway_metadata(target)
        if earlier is not None:
            raise GatewayError(
                f"WebSocketGateway is there twice, for {earlier.namespace} and {self._metadata.namespace}",
                where=target.__qualname__,
                mend="Keep one. To serve two namespaces alike, declare a subclass for each of them.",
            )
        self._metadata.attach(target)
        return target


class SubscribeMessage:
    """Declares a method to be the handler of *event*. Several on one method make it the handler of each.

    The method's annotations say what it takes of the message; what it returns is the answer. *threaded* runs a plain
    `def` in a worker thread; without it, it runs on the event loop and must not block. *concurrent* lets the client's
    next message be handled before this one is done. Raises GatewayError.
    """

    def __init__(self, event: str, *, threaded: bool = False, concurrent: bool = False) -> None:
        _check_event(event)
        # The text itself: a member of an enumeration of texts is one too, but prints otherwise.
        self._subscription = Subscription(event=str.__str__(event), threaded=threaded, concurrent=concurrent)

    def __call__(self, target: _Method) -> _Method:
        """Attach the subscription to *target*, and nothing else."""
        event = self._subscription.event
        if not inspect.isfunction(target):
            raise GatewayError(
                f"expected a method below SubscribeMessage({event!r}), got {_what(target)}",
                where=getattr(target, "__qualname__", ""),
                mend="Write it above a `def` or `async def`; decorators below it have to return a function.",
            )
        if any(earlier.event == event for earlier in subscriptions(target)):
            raise GatewayError(
                f"the event {event!r} is subscribed twice",
                where=target.__qualname__,
                mend="Remove one SubscribeMessage.",
            )
        self._subscription.attach(target)
        return target


def _check_namespace(namespace: object) -> None:
    if inspect.isclass(namespace):
        raise GatewayError(
            "WebSocketGateway is used without parentheses",
            where=namespace.__qualname__,
            mend="Write `@WebSocketGateway()`, or the namespace in them: `@WebSocketGateway('/chat')`.",
        )
    where = f"WebSocketGateway({namespace!r})"
    if isinstance(namespace, int):
        raise GatewayError(
            "expected a namespace, got a number; a gateway has no port of its own",
            where=where,
            mend="Write its name, as '/chat'. All gateways share one port: `moongate run module:app --port 3000`.",
        )
    if not isinstance(namespace, str):
        raise GatewayError(
            f"expected a namespace, got {_what(namespace)}",
            where=where,
            mend="Write its name, as '/chat'. Limits and allowed origins belong in Settings.",
        )
    if not namespace:
        raise GatewayError(
            "the namespace is empty", where=where, mend="Write `@WebSocketGateway()` for the namespace '/'."
        )
    for character, reason in {
        "?": "starts a query",
        "#": "starts a fragment",
        ",": "ends the name on the wire",
    }.items():
        if character in namespace:
            raise GatewayError(
                f"a namespace cannot contain {character!r}, which {reason}",
                where=where,
                mend=f"Write the name without it: {namespace.partition(character)[0] or '/'!r}.",
            )
    if is_pattern(namespace):
        try:
            Pattern(namespace)
        except ConfigurationError as error:
            raise GatewayError(error.problem, where=where, mend=error.mend) from None


def _check_subprotocols(subprotocols: object) -> None:
    where = f"WebSocketGateway(subprotocols={subprotocols!r})"
    if isinstance(subprotocols, str) or not isinstance(subprotocols, Collection):
        raise GatewayError(
            f"expected a collection of names, got {_what(subprotocols)}",
            where=where,
            mend=f"Write subprotocols=({subprotocols!r},)." if isinstance(subprotocols, str) else "Write their names.",
        )
    for name in subprotocols:
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise GatewayError(
                f"a subprotocol is named by letters, digits and some signs (RFC 9110, token), got {name!r}",
                where=where,
                mend="Write a name like 'chat.v2'.",
            )


def _check_protocols(protocols: object) -> None:
    where = f"WebSocketGateway(protocols={protocols!r})"
    known = " and ".join(repr(name) for name in sorted(PROTOCOLS))
    if isinstance(protocols, str) or not isinstance(protocols, Collection):
        raise GatewayError(
            f"expected a collection of protocols, got {_what(protocols)}",
            where=where,
            mend=f"Write protocols=({protocols!r},)." if isinstance(protocols, str) else f"There are {known}.",
        )
    if not protocols:
        raise GatewayError("no client could come", where=where, mend=f"Name at least one protocol; there are {known}.")
    unknown = [name for name in protocols if not isinstance(name, str) or name not in PROTOCOLS]
    if unknown:
        raise GatewayError(f"unknown protocol {unknown[0]!r}", where=where, mend=f"There are {known}.")


def _check_event(event: object) -> None:
    if inspect.isroutine(event):
        raise GatewayError(
            "SubscribeMessage is used without parentheses",
            where=getattr(event, "__qualname__", ""),
            mend=f"Write the event in them: `@SubscribeMessage({getattr(event, '__name__', 'event')!r})`.",
        )
    where = f"SubscribeMessage({event!r})"
    if not isinstance(event, str):
        raise GatewayError(
            f"expected the name of an event, got {_what(event)}", where=where, mend="Write it as text, as 'message'."
        )
    if not event:
        raise GatewayError("the event has no name", where=where, mend="Write its name, as 'message'.")
    if event in _RESERVED:
        raise GatewayError(f"the event {str.__str__(event)!r} is reserved", where=where, mend=_RESERVED[event])


def _what(value: object) -> str:
    return "a class" if inspect.isclass(value) else f"a value of type {type(value).__qualname__}"
