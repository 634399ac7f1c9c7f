"""A namespace: its clients, who may come in, and what is done with what they send."""

import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeAlias

import msgspec

from moongate.errors import ProtocolError, WsException
from moongate.namespace.arguments import decode_arguments
from moongate.namespace.broadcast import Broadcast
from moongate.namespace.clients import Clients
from moongate.namespace.codec import Codec
from moongate.namespace.failures import UNKNOWN_EVENT, cause_of, failure_of
from moongate.namespace.runtime import Runtime
from moongate.namespace.socket import Socket
from moongate.types import DisconnectReason, Event
from moongate.wire.socketio import Packet, event_key, event_name

__all__ = ["CallNext", "Hooks", "Invoke", "Middleware", "Namespace"]

_LOGGER = logging.getLogger("moongate.namespace")

Invoke: TypeAlias = Callable[[Socket, Packet], Coroutine[Any, Any, None] | None]
"""Handles one message of a client, its answer and its errors included."""

CallNext: TypeAlias = Callable[[], Awaitable[None]]
"""Lets the next middleware decide."""

Middleware: TypeAlias = Callable[[Socket, CallNext], Awaitable[None]]
"""Decides whether a client may come in: it does if *call_next* is awaited; raising WsException refuses it."""

ALL_PROTOCOLS: frozenset[str] = frozenset(("socketio", "websocket"))


class Hooks(msgspec.Struct, frozen=True):
    """What a gateway wants to be told of: called with the client, and with the reason when it has left."""

    gateway: type
    connect: Callable[[Socket], Any] | None
    disconnect: Callable[[Socket, str], Any] | None


class Namespace(Broadcast):
    """All clients of one namespace. Gateways have it as `server`; any provider can have it injected.

    It is the broadcast to everybody: whatever can be done to some clients can be done to all.
    """

    __slots__ = ("_handlers", "_hooks", "_middleware", "_routes", "_submit", "name", "protocols", "unknown_events")

    def __init__(self, name: str, runtime: Runtime, codec: Codec) -> None:
        super().__init__(Clients(name, runtime, codec))
        self.name: str = name
        self.protocols: frozenset[str] = ALL_PROTOCOLS  # which clients may come in, by protocol
        self.unknown_events: int = 0  # how many events came that nobody handles
        self._handlers: dict[Event, Invoke] = {}
        self._routes: dict[bytes, tuple[Event, Invoke]] = {}  # the same, by the beginning of a payload
        self._submit = runtime.dispatcher.submit
        self._hooks: list[Hooks] = []
        self._middleware: list[Middleware] = []

    @property
    def clients(self) -> Clients:
        """The clients of this server, for the layers that connect them."""
        return self._clients

    def use(self, middleware: Middleware) -> None:
        """Let *middleware* decide over each client that wants to come in, after those given before."""
        self._middleware.append(middleware)

    def handle(self, event: Event, invoke: Invoke) -> None:
        """Handle *event* by *invoke*. There is one for each event; the layer above joins several handlers."""
        self._handlers[event] = invoke
        self._routes[event_key(self._clients.runtime.encoder.encode([event]))] = (event, invoke)

    def watch(self, hooks: Hooks) -> None:
        """Call *hooks* when clients come and go, after those given before."""
        self._hooks.append(hooks)

    @property
    def guarded(self) -> bool:
        """Whether somebody has to be asked before a client may come in."""
        return bool(self._middleware)

    async def admit(self, socket: Socket) -> None:
        """Ask every middleware; returns if the client may come in, raises what refuses it."""
        admitted = False

        async def call(position: int) -> None:
            nonlocal admitted
            if position == len(self._middleware):
                admitted = True
            else:
                await self._middleware[position](socket, lambda: call(position + 1))

        await call(0)
        if not admitted:
            raise WsException("Forbidden resource")

    def enter(self, socket: Socket) -> None:
        """The client is in: run the gateways' hooks before its first message."""
        socket.connected = True
        self._clients.rooms.add(socket)
        if self._hooks:
            self._submit(socket, self._run_connect_hooks, None)

    def route(self, socket: Socket, packet: Packet) -> None:
        """Handle an event whose name is still to be read; raises ProtocolError if there is none."""
        route = self._routes.get(event_key(packet.payload))
        if route is None or socket.incoming is not None:
            packet.event = event_name(packet.payload)
            self.receive(socket, packet)
        else:
            packet.event, work = route
            self._submit(socket, work, packet)

    def receive(self, socket: Socket, packet: Packet) -> None:
        """Handle an event of a client in its turn."""
        work = self._handlers.get(packet.event)
        if work is None or socket.incoming is not None:
            work = self._observed if socket.incoming is not None else self._refuse
        self._submit(socket, work, packet)

    def leave(self, socket: Socket, reason: DisconnectReason) -> None:
        """The client is gone: tell the gateways after its last message. It can still read its rooms then."""
        if not socket.connected:
            return
        socket.connected = False
        self._clients.rooms.remove(socket)
        socket.abandon(reason)
        if self._hooks:
            self._submit(socket, self._run_disconnect_hooks, reason)

    async def _run_connect_hooks(self, socket: Socket, _: None) -> None:
        for hooks in self._hooks:
            if hooks.connect is None:
                continue
            try:
                result = hooks.connect(socket)
                if inspect.isawaitable(result):
                    await result
            except Exception as error:  # noqa: BLE001  # whatever a hook raises is told to the client and logged
                self._tell_hook_failure(socket, hooks, "handle_connection", error)
                socket.disconnect()
                return

    async def _run_disconnect_hooks(self, socket: Socket, reason: DisconnectReason) -> None:
        for hooks in self._hooks:
            if hooks.disconnect is None:
                continue
            try:
                result = hooks.disconnect(socket, reason)
                if inspect.isawaitable(result):
                    await result
            except Exception as error:  # noqa: BLE001  # the other gateways have to know too
                failure_of(error, None, where=f"{hooks.gateway.__name__}.handle_disconnect", sid=socket.id)

    def _tell_hook_failure(self, socket: Socket, hooks: Hooks, name: str, error: Exception) -> None:
        cause = cause_of(name) if self._clients.runtime.settings.error_cause else None
        socket.emit("exception", failure_of(error, cause, where=f"{hooks.gateway.__name__}.{name}", sid=socket.id))

    async def _observed(self, socket: Socket, packet: Packet) -> None:
        """Call the client's `on_any` listeners, then the handler."""
        try:
            arguments = decode_arguments(packet)
            for listener in socket.incoming or ():
                result = listener(packet.event, *arguments)
                if inspect.isawaitable(result):
                    await result
        except ProtocolError as error:
            socket.violated(error)
            return
        except Exception:
            _LOGGER.exception("a listener of on_any failed for client %s", socket.id)
        rest = self._handlers.get(packet.event, self._refuse)(socket, packet)
        if rest is not None:
            await rest

    def _refuse(self, socket: Socket, packet: Packet) -> None:
        """Handle an event that nobody subscribed to."""
        try:
            decode_arguments(packet)
        except ProtocolError as error:
            socket.violated(error)
            return
        self.unknown_events += 1
        _LOGGER.debug("client %s sent %r, which nothing in %s handles", socket.id, packet.event, self.name)
        if packet.ack_id is not None:
            cause = cause_of(packet.event, packet) if self._clients.runtime.settings.error_cause else None
            failure = failure_of(WsException(UNKNOWN_EVENT), cause, where=packet.event, sid=socket.id)
            socket.fail(packet.ack_id, failure)

    def __repr__(self) -> str:
        return f"<Namespace {self.name}>"
