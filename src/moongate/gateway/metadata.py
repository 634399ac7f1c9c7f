"""What a declaration leaves on a class or a method, and what the explorer makes of it."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from moongate.namespace.namespace import Namespace
from moongate.namespace.socket import Socket
from moongate.pipeline.params import Parameter
from moongate.types import Event
from moongate.wire.message import MessageCodec

__all__ = [
    "PROTOCOLS",
    "AfterInit",
    "GatewayMetadata",
    "GatewaySpec",
    "HandleConnection",
    "HandleDisconnect",
    "HandlerSpec",
    "ProtocolName",
    "Subscription",
    "gateway_metadata",
    "subscriptions",
]

ProtocolName: TypeAlias = Literal["socketio", "websocket"]
"""How clients may talk to a gateway: as official Socket.IO clients do, or over a bare WebSocket."""

PROTOCOLS: frozenset[ProtocolName] = frozenset(get_args(ProtocolName))
"""Both protocols."""

AfterInit: TypeAlias = Callable[[Namespace], Awaitable[None] | None]
"""A gateway's `after_init`, bound."""

HandleConnection: TypeAlias = Callable[[Socket], Awaitable[None] | None]
"""A gateway's `handle_connection`, bound."""

HandleDisconnect: TypeAlias = Callable[[Socket, str], Awaitable[None] | None]
"""A gateway's `handle_disconnect`, bound; it always takes the reason."""

# Their names on the classes and the functions that carry them.
_GATEWAY = "__moongate_gateway__"
_SUBSCRIPTIONS = "__moongate_subscriptions__"


class GatewayMetadata(msgspec.Struct, frozen=True):
    """What `WebSocketGateway` says of a class. `namespace` starts with a slash; it may be a pattern."""

    namespace: str
    protocols: frozenset[ProtocolName]
    subprotocols: tuple[str, ...] = ()
    codec: MessageCodec | None = None
    """What bare clients speak; None: what the application says."""

    def attach(self, target: type) -> None:
        """Leave it on *target*."""
        setattr(target, _GATEWAY, self)


class Subscription(msgspec.Struct, frozen=True):
    """What one `SubscribeMessage` says of a method."""

    event: Event
    threaded: bool
    concurrent: bool

    def attach(self, target: Callable[..., Any]) -> None:
        """Leave it on *target*, before those that are there: decorators are applied from the last line to the first."""
        setattr(target, _SUBSCRIPTIONS, (self, *subscriptions(target)))


def gateway_metadata(target: type) -> GatewayMetadata | None:
    """Return what `WebSocketGateway` said of this very class; a subclass of a gateway is none by itself."""
    metadata = vars(target).get(_GATEWAY)
    return metadata if isinstance(metadata, GatewayMetadata) else None


def subscriptions(target: object) -> tuple[Subscription, ...]:
    """Return what `SubscribeMessage` said of a function, in the order of the source; empty if it was not used."""
    found: tuple[Subscription, ...] = getattr(target, _SUBSCRIPTIONS, ())
    return found


class HandlerSpec(msgspec.Struct, frozen=True):
    """One event that one method of a gateway answers."""

    event: Event
    gateway: type
    name: str
    """The method's name."""
    method: Callable[..., Any]
    """The method, bound to the gateway's instance if there is only one."""
    parameters: tuple[Parameter, ...]
    threaded: bool
    """Whether it runs in a worker thread."""
    concurrent: bool
    """Whether the client's next message may be handled before this one is done."""
    function: Callable[..., Any]
    """The method, as its class has it."""


class GatewaySpec(msgspec.Struct, frozen=True):
    """One gateway, checked and ready to be served."""

    gateway: type
    instance: object
    """None if there is one for each client."""
    namespace: str
    protocols: frozenset[ProtocolName]
    handlers: tuple[HandlerSpec, ...]
    """In the order of the source, those of base classes first."""
    server_attributes: tuple[str, ...]
    """Attributes annotated `Namespace` without a value, to be filled in before `after_init`."""
    after_init: AfterInit | None
    handle_connection: HandleConnection | None
    handle_disconnect: HandleDisconnect | None
    """The hooks are methods of the class, not bound, if there is an instance for each client."""
