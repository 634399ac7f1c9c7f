"""What is done with the clients of a namespace and with what they send."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeAlias

import msgspec

from moongate.namespace.codec import BareCodec
from moongate.namespace.failures import cause_of, failure_of
from moongate.namespace.middleware import CallNext
from moongate.namespace.socket import Socket
from moongate.types import Event
from moongate.wire.payload import PayloadEncoder
from moongate.wire.socketio import Packet, event_key

__all__ = ["ALL_PROTOCOLS", "ConnectGuard", "ErrorFilter", "Handlers", "Hooks", "Invoke", "Middleware"]

Invoke: TypeAlias = Callable[[Socket, Packet], Coroutine[Any, Any, None] | None]
"""Handles one message of a client, its answer and its errors included."""

Middleware: TypeAlias = Callable[[Socket, CallNext], Awaitable[None]]
"""Decides whether a client may come in: it does if *call_next* is awaited; raising WsException refuses it."""

ConnectGuard: TypeAlias = Callable[[Socket], Awaitable[None]]
"""Returns if a client may come in, raises what it is refused with; asked after every middleware."""

ALL_PROTOCOLS: frozenset[str] = frozenset(("socketio", "websocket"))


class Hooks(msgspec.Struct, frozen=True):
    """What a gateway wants to be told of: called with the client, and with the reason when it has left.

    `failed` is called with the client and what one of the two has raised.
    """

    connect: Callable[[Socket], Any] | None
    disconnect: Callable[[Socket, str], Any] | None
    connect_failed: Callable[[Socket, BaseException], Awaitable[None]]
    disconnect_failed: Callable[[Socket, BaseException], Awaitable[None]]


class ErrorFilter(Protocol):
    """What becomes of errors that belong to no gateway."""

    async def refusal(self, socket: Socket, error: BaseException) -> BaseException:
        """Return what a client is refused with that a middleware does not let in."""

    async def fail(self, socket: Socket, packet: Packet, error: BaseException, where: str) -> None:
        """Tell the client of an error before its message has reached a handler."""


class DefaultErrorFilter:
    """Tells every error as it is."""

    __slots__ = ("_error_cause",)

    def __init__(self, *, error_cause: bool) -> None:
        self._error_cause = error_cause

    async def refusal(self, socket: Socket, error: BaseException) -> BaseException:
        """Return *error*."""
        del socket
        return error

    async def fail(self, socket: Socket, packet: Packet, error: BaseException, where: str) -> None:
        """Tell the client what went wrong."""
        cause = cause_of(packet.event, packet) if self._error_cause else None
        socket.tell(packet.ack_id, failure_of(error, cause, where=where, sid=socket.id))


class Handlers:
    """The handlers, hooks and middlewares of a namespace, or of all namespaces of a pattern."""

    __slots__ = (
        "_usual_errors", "by_event", "codec", "errors", "guards", "hooks", "left", "middleware", "protocols", "routes",
        "subprotocols", "takes_binary",
    )  # fmt: skip

    def __init__(self, *, error_cause: bool) -> None:
        self.by_event: dict[Event, Invoke] = {}
        self.routes: dict[bytes, tuple[Event, Invoke]] = {}  # the same, by the beginning of a payload
        self.hooks: list[Hooks] = []
        self.middleware: list[Middleware] = []
        self.guards: list[ConnectGuard] = []
        self.left: Callable[[Socket], Awaitable[None]] | None = None  # lets go of what a client had of its own
        self._usual_errors = DefaultErrorFilter(error_cause=error_cause)
        self.errors: ErrorFilter = self._usual_errors
        self.protocols: frozenset[str] = ALL_PROTOCOLS  # which clients may come in
        self.codec: BareCodec | None = None  # of the bare clients; None: the application's
        self.takes_binary: bool = False  # whether the event `message` is for binary messages of bare clients
        self.subprotocols: tuple[str, ...] = ()  # what bare WebSocket clients may ask for (RFC 6455 section 1.9)

    def reset(self, middleware: list[Middleware]) -> None:
        """Forget what gateways have given, because their start has failed; *middleware* stays."""
        self.by_event.clear()
        self.routes.clear()
        self.hooks.clear()
        self.guards.clear()
        self.left = None
        self.errors = self._usual_errors
        self.middleware[:] = middleware

    def handle(self, event: Event, invoke: Invoke, encoder: PayloadEncoder) -> None:
        """Handle *event* by *invoke*. There is one for each event; the layer above joins several handlers."""
        self.by_event[event] = invoke
        self.routes[event_key(encoder.encode([event]))] = (event, invoke)
