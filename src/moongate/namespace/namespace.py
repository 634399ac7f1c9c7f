"""A namespace: its clients, who may come in, and what is done with what they send."""

import inspect
import logging
from collections.abc import Awaitable, Coroutine, Mapping
from threading import get_ident
from typing import Any

from moongate.cluster.node import Node
from moongate.cluster.requests import Answers
from moongate.errors import ProtocolError, WsException
from moongate.namespace.arguments import decode_arguments
from moongate.namespace.broadcast import Broadcast
from moongate.namespace.cancellation import NO_FAILURES, reraise_cancellation
from moongate.namespace.clients import Clients
from moongate.namespace.failures import UNKNOWN_EVENT
from moongate.namespace.handlers import Handlers, Hooks, Invoke, Middleware
from moongate.namespace.local import LocalClients, ServerListener
from moongate.namespace.middleware import pass_through
from moongate.namespace.observers import NOBODY, Observers
from moongate.namespace.socket import Socket
from moongate.transport.flow import READY
from moongate.types import DisconnectReason, Event
from moongate.wire.socketio import Packet, check_event, event_key, event_name

__all__ = ["Namespace"]

_LOGGER = logging.getLogger("moongate.namespace")

_NO_PARAMETERS: Mapping[str, Any] = {}


class Namespace(Broadcast):
    """All clients of one namespace. Gateways have it as `server`; any provider can have it injected.

    It is the broadcast to everybody: whatever can be done to some clients can be done to all. The one that is named by
    a pattern, as `/rooms/{room_id:int}`, means the clients of all namespaces that match; each of these is a Namespace
    too, with its parameters in `params`.
    """

    __slots__ = ("__weakref__", "_handlers", "_here", "_routes", "_submit", "name", "params", "unknown_events")

    def __init__(self, clients: Clients, handlers: Handlers, params: Mapping[str, Any] = _NO_PARAMETERS) -> None:
        super().__init__(clients)
        self.name: str = clients.name
        self.params: Mapping[str, Any] = params  # of the pattern, by name
        self.unknown_events: int = 0  # how many events came that nobody handles
        self._here = LocalClients(clients)  # for other servers
        self._handlers = handlers
        self._routes = handlers.routes
        self._submit = clients.runtime.dispatcher.submit

    @property
    def clients(self) -> Clients:
        """The clients of this server, for the layers that connect them."""
        return self._clients

    @property
    def handlers(self) -> Handlers:
        """What is done with the clients and their messages; one for all namespaces of a pattern."""
        return self._handlers

    def join_cluster(self, node: Node) -> None:
        """Be one namespace with those of the same name on the other servers of the cluster that *node* is in."""
        clients = self._clients
        clients.adapter = clients.rooms.watcher = node.open(self._here)

    def on(self, event: Event, listener: ServerListener) -> None:
        """Call *listener*, sync or async, with the arguments of *event* when another server emits it to the servers.

        What the first listener of an event returns is the answer, if one is wanted.
        """
        check_event(event)
        self._here.listeners[event] = (*self._here.listeners.get(event, ()), listener)

    def off(self, event: Event, listener: ServerListener | None = None) -> None:
        """Call *listener*, or any that was given to `on` for *event*, no more."""
        left = [each for each in self._here.listeners.pop(event, ()) if listener is not None and each != listener]
        if left:
            self._here.listeners[event] = tuple(left)

    def server_side_emit(self, event: Event, *arguments: Any) -> Awaitable[None]:
        """Send an event to the other servers of the cluster themselves; raises EncodeError.

        Awaiting the result raises ClusterError if it could not be sent.
        """
        check_event(event)
        adapter = self._clients.adapter
        if adapter is None:
            return READY
        runtime = self._clients.runtime
        if get_ident() != runtime.thread:
            return runtime.run_in_loop(adapter.server_event, (event, *arguments))
        return adapter.server_event((event, *arguments))

    async def server_side_emit_with_ack(
        self, event: Event, *arguments: Any, timeout: float | None = None
    ) -> Answers[Any]:
        """Send an event to the other servers of the cluster themselves, and return what each answered.

        Waits *timeout* seconds, by default the cluster's `request_timeout`; `missing` of the result are the ids of the
        servers that have not answered then. A server without a listener for the event answers None.
        """
        check_event(event)
        adapter, runtime = self._clients.adapter, self._clients.runtime
        if adapter is None:
            return Answers()
        if get_ident() != runtime.thread:
            asked = self.server_side_emit_with_ack(event, *arguments, timeout=timeout)
            answers: Answers[Any] = await runtime.answer_from_loop(asked)
            return answers
        return await adapter.ask_servers((event, *arguments), timeout)

    def use(self, middleware: Middleware) -> None:
        """Let *middleware* decide over each client that wants to come in, after those given before."""
        self._handlers.middleware.append(middleware)

    def handle(self, event: Event, invoke: Invoke) -> None:
        """Handle *event* by *invoke*."""
        self._handlers.handle(event, invoke, self._clients.runtime.encoder)

    def watch(self, hooks: Hooks) -> None:
        """Call *hooks* when clients come and go, after those given before."""
        self._handlers.hooks.append(hooks)

    @property
    def guarded(self) -> bool:
        """Whether somebody has to be asked before a client may come in."""
        return bool(self._handlers.middleware or self._handlers.guards)

    async def admit(self, socket: Socket) -> None:
        """Ask every middleware and every guard; returns if the client may come in, raises what refuses it."""
        try:
            await self._ask_middleware(socket)
            for guard in self._handlers.guards:
                await guard(socket)
        except NO_FAILURES:
            raise
        except BaseException:
            self.turn_away(socket)
            raise

    async def _ask_middleware(self, socket: Socket) -> None:
        try:
            await pass_through(tuple(self._handlers.middleware), socket)
        except NO_FAILURES:
            raise
        except BaseException as error:
            reraise_cancellation(error)
            raise await self._handlers.errors.refusal(socket, error) from error

    def turn_away(self, socket: Socket) -> None:
        """The client does not come in after all: let go of what was made for it."""
        socket.abandon(DisconnectReason.FORCED_SERVER_CLOSE)
        if self._handlers.left is not None:
            self._submit(socket, self._let_go, None)

    def enter(self, socket: Socket) -> None:
        """The client is in: run the gateways' hooks before its first message."""
        socket.connected = True
        self._clients.rooms.add(socket)
        if self._handlers.hooks:
            socket.incoming = NOBODY  # the hooks may say who looks at what comes while they run
            self._submit(socket, self._run_connect_hooks, None)

    def route(self, socket: Socket, packet: Packet) -> None:
        """Handle an event whose name is still to be read; raises ProtocolError if there is none."""
        route = self._routes.get(event_key(packet.payload))
        if route is None or socket.incoming is not None:
            if packet.arguments is None:
                packet.event = event_name(packet.payload)
            self.receive(socket, packet)
        else:
            packet.event, work = route
            self._submit(socket, work, packet)

    def receive(self, socket: Socket, packet: Packet) -> None:
        """Handle an event of a client in its turn."""
        work = self._handlers.by_event.get(packet.event)
        if work is None or socket.incoming is not None:
            work = self._observed if socket.incoming is not None else self._refuse
        self._submit(socket, work, packet)

    def leave(self, socket: Socket, reason: DisconnectReason) -> None:
        """The client is gone: tell the gateways after its last message. It can still read its rooms then."""
        if not socket.connected:
            return
        socket.connected = False
        if reason is DisconnectReason.SERVER_NAMESPACE_DISCONNECT:
            # Whoever was put out is not listened to any more, whatever it has sent by then.
            self._clients.runtime.dispatcher.discard(socket, Packet)
        self._clients.rooms.remove(socket)
        socket.abandon(reason)
        if self._handlers.hooks:
            self._submit(socket, self._run_disconnect_hooks, reason)
        if self._handlers.left is not None:
            self._submit(socket, self._let_go, None)

    async def _run_connect_hooks(self, socket: Socket, _: None) -> None:
        for hooks in self._handlers.hooks:
            if hooks.connect is None:
                continue
            try:
                result = hooks.connect(socket)
                if inspect.isawaitable(result):
                    await result
            except NO_FAILURES:
                raise
            except BaseException as error:  # noqa: BLE001  # whatever a hook raises is told to the client and logged
                await hooks.connect_failed(socket, error)
                socket.disconnect()
                reraise_cancellation(error)
                return

    async def _run_disconnect_hooks(self, socket: Socket, reason: DisconnectReason) -> None:
        for hooks in self._handlers.hooks:
            if hooks.disconnect is None:
                continue
            try:
                result = hooks.disconnect(socket, reason)
                if inspect.isawaitable(result):
                    await result
            except NO_FAILURES:
                raise
            except BaseException as error:  # noqa: BLE001  # the other gateways have to know too
                await hooks.disconnect_failed(socket, error)
                reraise_cancellation(error)

    async def _let_go(self, socket: Socket, _: None) -> None:
        """Close what lived as long as the client was here, after everything else."""
        if self._handlers.left is not None:
            await self._handlers.left(socket)

    async def _observed(self, socket: Socket, packet: Packet) -> None:
        """Show an event to those who want to see it, then to its handler if they let it pass."""
        observers = socket.incoming
        try:
            if observers == NOBODY:
                socket.incoming = None
            elif observers is not None:
                await self._show(socket, packet, observers)
        except ProtocolError as error:
            socket.violated(error)
            return
        except NO_FAILURES:
            raise
        except BaseException as error:  # noqa: BLE001  # whatever a middleware raises is told to the client and logged
            await self._handlers.errors.fail(socket, packet, error, f"a middleware of client {socket.id}")
            reraise_cancellation(error)
            return
        rest = self._handlers.by_event.get(packet.event, self._refuse)(socket, packet)
        if rest is not None:
            await rest

    async def _show(self, socket: Socket, packet: Packet, observers: Observers) -> None:
        """Raises what a middleware raises, and ProtocolError for arguments that are no JSON."""
        arguments = tuple(decode_arguments(packet))
        for listener in observers.listeners:
            try:
                result = listener(packet.event, *arguments)
                if inspect.isawaitable(result):
                    await result
            except Exception:
                _LOGGER.exception("a listener of on_any failed for client %s", socket.id)
        if observers.middleware:
            await pass_through(observers.middleware, packet.event, arguments)

    def _refuse(self, socket: Socket, packet: Packet) -> Coroutine[Any, Any, None] | None:
        """Handle an event that nobody subscribed to."""
        try:
            decode_arguments(packet)
        except ProtocolError as error:
            socket.violated(error)
            return None
        self.unknown_events += 1
        _LOGGER.debug("client %s sent %r, which nothing in %s handles", socket.id, packet.event, self.name)
        if packet.ack_id is None:
            return None
        return self._handlers.errors.fail(socket, packet, WsException(UNKNOWN_EVENT), packet.event)

    def __repr__(self) -> str:
        return f"<Namespace {self.name}>"
