"""One client in one namespace."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from threading import get_ident
from typing import Any, Protocol

from moongate.cluster.requests import Answers
from moongate.config import TransportName
from moongate.errors import ClientDisconnected, EncodeError, ProtocolError, WsException
from moongate.namespace.acks import AckReceiver, Collector, PendingAcks
from moongate.namespace.broadcast import Broadcast
from moongate.namespace.clients import Clients, RemoteSocket
from moongate.namespace.codec import Codec
from moongate.namespace.dispatcher import Backlog
from moongate.namespace.failures import Failure, gist_of
from moongate.namespace.handshake import Handshake
from moongate.namespace.middleware import EventMiddleware
from moongate.namespace.observers import NOBODY, Listener, Observers
from moongate.namespace.sender import Link, SocketSender
from moongate.transport.flow import READY
from moongate.types import DisconnectReason, Event, Room, Sid
from moongate.wire.outgoing import Outgoing
from moongate.wire.socketio import Packet, check_event

__all__ = ["Connection", "Home", "Socket"]

_LOGGER = logging.getLogger("moongate.namespace")

_PATIENCE = 16
"""How many inboxes of messages may wait while an answer of the client is waited for."""


class Connection(Protocol):
    """The protocol's side of the session that a socket belongs to."""

    def part(self, socket: "Socket") -> None:
        """Tell the client that the server has put it out of the namespace."""

    def close(self) -> None:
        """Put the client out of all its namespaces and end its session."""

    def violated(self, error: ProtocolError) -> None:
        """The client sent what the protocol does not allow."""


class Cancellable(Protocol):
    """A task or a timer."""

    def cancel(self) -> object:
        """End it."""


class Home(Protocol):
    """The namespace that a socket is in, which is a `Namespace`: the broadcast to all of its clients."""

    name: str
    params: Mapping[str, Any]

    def emit(self, event: Event, *arguments: Any) -> Awaitable[None]:
        """Send an event to all clients."""

    async def emit_with_ack(self, event: Event, *arguments: Any) -> list[Any]:
        """Send an event to all clients and return what each answered."""

    def to(self, *rooms: Room) -> Broadcast:
        """Return a broadcast to the clients in any of *rooms*."""

    def except_(self, *rooms: Room) -> Broadcast:
        """Return a broadcast to all clients save those in any of *rooms*."""

    async def fetch_sockets(self) -> Answers[RemoteSocket]:
        """Return all clients."""

    @property
    def clients(self) -> Clients:
        """Its clients."""

    def route(self, socket: "Socket", packet: Packet) -> None:
        """Handle an event whose name is still to be read; raises ProtocolError if there is none."""

    def receive(self, socket: "Socket", packet: Packet) -> None:
        """Handle an event of a client in its turn."""

    def leave(self, socket: "Socket", reason: DisconnectReason) -> None:
        """The client is gone."""


class Socket:
    """One client in one namespace. Handlers get it by annotating a parameter with `Socket`.

    `id` is public: others may know it, and it is the name of a room in which only this client is. What `emit`,
    `join`, `leave` and `disconnect` do is done when they return; awaiting it waits until the client can take more.
    """

    __slots__ = (
        "_clients", "_concurrent", "_connection", "_data", "_pending", "_running", "backlog", "codec", "connected",
        "gone", "handshake", "id", "incoming", "joined", "namespace", "outgoing", "session",
    )  # fmt: skip

    recovered = False
    """Whether the client came back with its id, rooms and data after its connection was lost."""

    def __init__(  # noqa: PLR0917  # each is another kind of thing
        self, sid: Sid, namespace: Home, session: Link, connection: Connection, codec: Codec, handshake: Handshake
    ) -> None:
        self.id: Sid = sid
        self.namespace: Home = namespace
        self._clients = namespace.clients
        self.handshake: Handshake = handshake
        self.connected: bool = False  # from the moment it is let in until it leaves
        self.gone: bool = False  # whether it has left, or was not let in
        self.session: Link = session
        self.codec: Codec = codec
        self.joined: set[Room] | None = None  # besides the room of its own id
        self.backlog: Backlog | None = None  # what waits for the handler that runs
        self._connection = connection
        self._data: dict[str, Any] | None = None  # made when first asked for
        self.incoming: Observers | None = None  # what was given to on_any and use
        self.outgoing: list[Listener] | None = None  # what was given to on_any_outgoing
        self._pending: PendingAcks | None = None  # only once an acknowledgement was asked for
        self._running: set[Cancellable] | None = None  # streams and timers, which end when the client leaves
        self._concurrent = 0  # how many concurrent handlers run

    @property
    def data(self) -> dict[str, Any]:
        """What the application keeps about this client."""
        if self._data is None:
            self._data = {}
        return self._data

    @property
    def rooms(self) -> frozenset[Room]:
        """The rooms that this client is in, its own included."""
        return frozenset((self.id, *(self.joined or ())))

    @property
    def transport(self) -> TransportName:
        """How the client is connected at the moment."""
        return self.session.transport.name

    def emit(self, event: Event, *arguments: Any) -> Awaitable[None]:
        """Send an event to this client; raises EncodeError for arguments that cannot be sent."""
        check_event(event)
        message = self.codec.event(event, arguments)
        if self.outgoing is not None:
            self.observe_outgoing(event, arguments)
        if get_ident() != self._clients.runtime.thread:
            return self._clients.runtime.run_in_loop(self.deliver, message)
        transport = self.session.transport
        transport.send(message)
        return transport.drained()

    def send(self, *arguments: Any) -> Awaitable[None]:
        """Send the event `message`."""
        return self.emit("message", *arguments)

    async def emit_with_ack(self, event: Event, *arguments: Any, timeout: float | None = None) -> Any:
        """Send an event and return the client's answer: its only argument, None, or a list of several.

        *timeout* is in seconds (`Settings.acknowledgement_timeout` by default). Raises AckTimeout, ClientDisconnected
        if the client leaves first, and EncodeError.
        """
        check_event(event)
        if get_ident() != self._clients.runtime.thread:
            return await self._clients.runtime.answer_from_loop(self.emit_with_ack(event, *arguments, timeout=timeout))
        if not self.connected:
            raise ClientDisconnected(self.id, "it is not connected")
        limit = self._clients.runtime.settings.acknowledgement_timeout if timeout is None else timeout
        ack_id = self._clients.next_ack_id()
        message = self.codec.event(event, arguments, ack_id)
        if self.outgoing is not None:
            self.observe_outgoing(event, arguments)
        collector = Collector({self.id})
        self.expect(ack_id, collector)
        self.session.transport.send(message)
        try:
            return await collector.one_answer(self.id, event, limit)
        finally:
            self.forget(ack_id)

    def join(self, *rooms: Room) -> Awaitable[None]:
        """Put this client into *rooms*; in a cluster, awaiting it waits until messages of others to them arrive."""
        clients = self._clients
        done = clients.runtime.run_in_loop(clients.rooms.join, self, rooms)
        return done if clients.adapter is None else clients.adapter.settled

    def leave(self, *rooms: Room) -> Awaitable[None]:
        """Take this client out of *rooms*."""
        return self._clients.runtime.run_in_loop(self._clients.rooms.leave, self, rooms)

    def to(self, *rooms: Room) -> Broadcast:
        """Return a broadcast to the clients in any of *rooms*, save this one."""
        return self.broadcast.to(*rooms)

    def in_(self, *rooms: Room) -> Broadcast:
        """Return the same as `to`."""
        return self.broadcast.to(*rooms)

    def except_(self, *rooms: Room) -> Broadcast:
        """Return a broadcast to all clients of the namespace, save this one and those in any of *rooms*."""
        return self.broadcast.except_(*rooms)

    @property
    def broadcast(self) -> Broadcast:
        """A broadcast to all clients of the namespace, save this one."""
        return Broadcast(self._clients).except_(self.id)

    @property
    def volatile(self) -> "SocketSender":
        """A sender whose events are dropped if the client cannot take them at once."""
        return SocketSender(self, volatile=True)

    def timeout(self, seconds: float) -> "SocketSender":
        """Return a sender whose `emit_with_ack` waits *seconds* for the answer."""
        return SocketSender(self, timeout=seconds)

    def on_any(self, listener: Listener) -> None:
        """Call *listener* with the name and the arguments of each event from this client, before its handler."""
        observers = self.incoming or NOBODY
        self.incoming = Observers((*observers.listeners, listener), observers.middleware)

    def off_any(self, listener: Listener | None = None) -> None:
        """Call *listener*, or any that was given to `on_any`, no more."""
        observers = self.incoming or NOBODY
        kept = () if listener is None else tuple(other for other in observers.listeners if other != listener)
        self.incoming = Observers(kept, observers.middleware)

    def use(self, middleware: EventMiddleware) -> None:
        """Let *middleware* decide over each event from this client, after the listeners of `on_any`.

        It is called with the event's name, its arguments and `call_next`; the handler is called if it awaits
        `call_next`. Raising WsException tells the client why not.
        """
        observers = self.incoming or NOBODY
        self.incoming = Observers(observers.listeners, (*observers.middleware, middleware))

    def on_any_outgoing(self, listener: Listener) -> None:
        """Call *listener* with the name and the arguments of each event to this client, broadcasts included."""
        self.outgoing = [*(self.outgoing or ()), listener]

    def off_any_outgoing(self, listener: Listener | None = None) -> None:
        """Call *listener*, or any that was given to `on_any_outgoing`, no more."""
        kept = [] if listener is None else [other for other in self.outgoing or () if other != listener]
        self.outgoing = kept or None

    def disconnect(self, close: bool = False) -> Awaitable[None]:  # noqa: FBT001, FBT002  # as in Socket.IO
        """Put this client out of the namespace; with *close*, out of all its namespaces, and end its connection."""
        if not self.connected:
            return READY
        action = self._connection.close if close else self._part
        return self._clients.runtime.run_in_loop(action)

    def _part(self) -> None:
        self._connection.part(self)

    def observe_outgoing(self, event: Event, arguments: tuple[Any, ...]) -> None:
        """Show an event to those who want to see what goes to this client."""
        for listener in self.outgoing or ():
            try:
                listener(event, *arguments)
            except Exception:
                # The client, and whoever else the event goes to, must not pay for it.
                _LOGGER.exception("a listener of on_any_outgoing failed for client %s", self.id)

    def deliver(self, message: Outgoing) -> None:
        """Send what is encoded already."""
        self.session.transport.send(message)

    def acknowledge(self, ack_id: int, arguments: tuple[Any, ...]) -> Awaitable[None]:
        """Answer the client's message *ack_id*; raises EncodeError for arguments that cannot be sent."""
        message = self.codec.acknowledgement(ack_id, arguments)
        return self._clients.runtime.run_in_loop(self.deliver, message)

    def tell(self, ack_id: int | None, failure: Failure) -> None:
        """Say what went wrong: as the answer that was asked for, else as the event `exception`.

        If an exception carries what cannot be sent, that is logged, and only its message is said.
        """
        try:
            self._tell(ack_id, failure)
        except EncodeError:
            _LOGGER.exception("an error cannot be told to client %s as it is: %r", self.id, failure)
            self._tell(ack_id, gist_of(failure))

    def _tell(self, ack_id: int | None, failure: Failure) -> None:
        if ack_id is None:
            self.emit("exception", failure)
        else:
            self._clients.runtime.run_in_loop(self.deliver, self.codec.failure(ack_id, failure))

    def violated(self, error: ProtocolError) -> None:
        """The client sent what the protocol does not allow."""
        self._connection.violated(error)

    def expect(self, ack_id: int, receiver: AckReceiver) -> None:
        """Give the client's answer *ack_id* to *receiver*."""
        if self._pending is None:
            self._pending = PendingAcks(self.id)
        self._pending.expect(ack_id, receiver)
        if self._is_busy(1):
            self.resume_reading()

    def forget(self, ack_id: int) -> None:
        """Wait for the answer *ack_id* no longer."""
        if self._pending is not None:
            self._pending.forget(ack_id)

    def answered(self, ack_id: int, arguments: list[Any]) -> None:
        """The client answered an event of ours."""
        if self._pending is not None:
            self._pending.answer(ack_id, arguments)

    def abandon(self, reason: DisconnectReason) -> None:
        """The client is gone: end what was waiting for it or running for it alone."""
        self.gone = True
        if self._pending is not None:
            self._pending.abandon(lambda: str(reason))
        for each in tuple(self._running or ()):
            each.cancel()

    def stream(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run *coroutine* until it ends or the client leaves; raises WsException if too many run for it already."""
        runtime = self._clients.runtime
        if self._running is None:
            self._running = set()
        if len(self._running) >= runtime.settings.max_streams:
            coroutine.close()
            raise WsException("Too many streams")
        task = runtime.dispatcher.spawn(coroutine)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def call_later(self, delay: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Call *callback* in *delay* seconds unless the client leaves before, or the timer is cancelled.

        It may be called before the client is let in, by what decides that.
        """
        running = self._running = set() if self._running is None else self._running

        def due() -> None:
            running.discard(timer)
            callback()

        timer = asyncio.get_running_loop().call_later(delay, due)
        for other in tuple(running):
            if isinstance(other, asyncio.TimerHandle) and other.cancelled():
                running.discard(other)
        running.add(timer)
        return timer

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run *coroutine* beside the client's messages; too many pause reading, as they would in the inbox."""
        task = self._clients.runtime.dispatcher.spawn(coroutine)
        self._concurrent += 1
        if self._concurrent >= self._clients.runtime.settings.inbox_size:
            self.pause_reading()
        task.add_done_callback(self._spawned_done)

    def _spawned_done(self, _: "asyncio.Task[None]") -> None:
        self._concurrent -= 1
        if self._concurrent == self._clients.runtime.settings.inbox_size // 2:
            self.resume_reading()

    def pause_reading(self) -> None:
        """Read nothing from this client: too much of it waits.

        While an answer of it is waited for, which may stand behind the messages, more of them are read.
        """
        if self._pending is None or not self._pending.due or self._is_busy(_PATIENCE):
            self.session.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read from this client again."""
        self.session.resume_reading()

    def _is_busy(self, patience: int) -> bool:
        """Whether *patience* inboxes would be full of what waits or runs for this client."""
        busy = max(self._concurrent, len(self.backlog or ()))
        return busy >= patience * self._clients.runtime.settings.inbox_size

    def __repr__(self) -> str:
        return f"<Socket {self.id} in {self.namespace.name}>"
