"""The clients of one namespace, and the fan-out of an event to some of them."""

from collections.abc import Awaitable, Callable, Collection
from itertools import count
from typing import Any, Protocol

from moongate.cluster.adapter import Adapter
from moongate.cluster.rooms import Rooms, Target
from moongate.namespace.acks import AckReceiver
from moongate.namespace.codec import Codec, PacketCodec
from moongate.namespace.handshake import Handshake
from moongate.namespace.runtime import Runtime
from moongate.types import Event, Room, Sid
from moongate.wire.outgoing import Outgoing

__all__ = ["Client", "Clients", "RemoteSocket"]


class RemoteSocket(Protocol):
    """A client that was fetched, wherever it is connected."""

    id: Sid
    handshake: Handshake

    @property
    def rooms(self) -> frozenset[Room]:
        """The rooms that the client is in, its own included."""

    @property
    def data(self) -> dict[str, Any]:
        """What the application keeps about the client."""

    def emit(self, event: Event, *arguments: Any) -> Awaitable[None]:
        """Send an event to the client."""

    def join(self, *rooms: Room) -> Awaitable[None]:
        """Put the client into *rooms*."""

    def leave(self, *rooms: Room) -> Awaitable[None]:
        """Take the client out of *rooms*."""

    def disconnect(self, close: bool = False) -> Awaitable[None]:  # noqa: FBT001, FBT002  # as in Socket.IO
        """Put the client out of the namespace; with *close*, end its connection."""


class Client(RemoteSocket, Protocol):
    """A client of this node, as far as a broadcast needs it."""

    joined: set[Room] | None
    codec: Codec
    session: Any
    outgoing: list[Callable[..., object]] | None
    """Who wants to see what goes to this client; None as long as nobody does."""

    def observe_outgoing(self, event: Event, arguments: tuple[Any, ...]) -> None:
        """Show an event to whoever wants to see it."""

    def expect(self, ack_id: int, receiver: AckReceiver) -> None:
        """Give the client's answer to *receiver*."""

    def forget(self, ack_id: int) -> None:
        """Wait for an answer no longer."""


class Clients:
    """The clients of the namespace `name`, by id and by room."""

    __slots__ = ("__weakref__", "_ack_ids", "adapter", "codec", "name", "rooms", "runtime")

    def __init__(self, name: str, runtime: Runtime, codec: PacketCodec, *, ack_ids: "count[int] | None" = None) -> None:
        self.name: str = name
        self.runtime: Runtime = runtime
        self.codec: PacketCodec = codec  # what most clients speak
        self.rooms: Rooms[Client] = Rooms()
        self.adapter: Adapter | None = None  # what reaches the clients of other servers
        self._ack_ids = ack_ids or count()

    def next_ack_id(self) -> int:
        """Return a number for an event that asks for acknowledgements."""
        return next(self._ack_ids)

    def select(self, target: Target) -> Collection[Client]:
        """Return the clients that *target* means, each once. Do not keep the result: it may be the index itself."""
        return self.rooms.select(target)

    def deliver(
        self, target: Target, event: Event, arguments: tuple[Any, ...], message: Outgoing, *, volatile: bool
    ) -> None:
        """Send an event to those whom *target* means. *message* is the event as most clients want it."""
        codec = self.codec
        others: list[Client] = []
        if volatile:
            for socket in self.rooms.select(target):
                if socket.codec is not codec or socket.outgoing is not None:
                    others.append(socket)
                elif socket.session.transport.writable:
                    socket.session.transport.send(message)
        else:
            for socket in self.rooms.select(target):
                if socket.codec is codec and socket.outgoing is None:
                    socket.session.transport.send(message)
                else:
                    others.append(socket)
        if others:
            self._deliver_to_others(others, event, arguments, message, volatile=volatile)

    def ask(
        self,
        target: Target,
        event: Event,
        arguments: tuple[Any, ...],
        message: Outgoing,
        *,
        ack_id: int,
        receiver: AckReceiver,
    ) -> list[Client]:
        """Send an event that asks for acknowledgements, which *receiver* gets; return who was asked.

        *message* is the event, with *ack_id*, as most clients want it.
        """
        asked: list[Client] = list(self.select(target))
        for socket in asked:
            socket.expect(ack_id, receiver)
        self._deliver_to_others(asked, event, arguments, message, volatile=False, ack_id=ack_id)
        return asked

    def _deliver_to_others(
        self,
        sockets: list[Client],
        event: Event,
        arguments: tuple[Any, ...],
        message: Outgoing,
        *,
        volatile: bool,
        ack_id: int | None = None,
    ) -> None:
        """Send to clients that may speak another protocol, or are looked at."""
        messages: dict[Codec, Outgoing] = {self.codec: message}
        for socket in sockets:
            codec = socket.codec
            if codec not in messages:
                messages[codec] = codec.event(event, arguments, ack_id)
            if volatile and not socket.session.transport.writable:
                continue
            if socket.outgoing is not None:
                socket.observe_outgoing(event, arguments)
            socket.session.transport.send(messages[codec])
