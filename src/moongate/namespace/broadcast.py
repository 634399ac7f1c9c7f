"""Sending to some of a namespace's clients, and steering them."""

from collections.abc import Awaitable, Callable
from threading import get_ident
from typing import Any

from moongate.cluster.rooms import Target
from moongate.namespace.clients import Client, Clients, RemoteSocket, check_event
from moongate.transport.flow import READY, Turn
from moongate.types import Event, Room

__all__ = ["Broadcast"]

_EVERYBODY = Target()
_TURN = Turn()


class Broadcast:
    """Some clients of a namespace, and what can be done to all of them at once.

    Never changes: `to`, `except_`, `volatile` and `timeout` return another one. What `emit`, `sockets_join`,
    `sockets_leave` and `disconnect_sockets` do is done when they return; awaiting them lets others have their turn.
    """

    __slots__ = ("_clients", "_target", "_timeout", "_volatile")

    def __init__(
        self, clients: Clients, target: Target = _EVERYBODY, *, volatile: bool = False, timeout: float | None = None
    ) -> None:
        self._clients = clients
        self._target = target
        self._volatile = volatile
        self._timeout = timeout

    def to(self, *rooms: Room) -> "Broadcast":
        """Return a broadcast to the members of any of *rooms*, besides those already meant by name."""
        return self._derive(Target(self._target.rooms.union(rooms), self._target.excluded))

    def in_(self, *rooms: Room) -> "Broadcast":
        """Return the same as `to`."""
        return self.to(*rooms)

    def except_(self, *rooms: Room) -> "Broadcast":
        """Return a broadcast without the members of any of *rooms*; a client's id is a room of its own."""
        return self._derive(Target(self._target.rooms, self._target.excluded.union(rooms)))

    @property
    def local(self) -> "Broadcast":
        """The same broadcast, to clients of this server only."""
        return self._derive(self._target)

    @property
    def volatile(self) -> "Broadcast":
        """The same broadcast, dropped for clients that cannot take it at once."""
        return Broadcast(self._clients, self._target, volatile=True, timeout=self._timeout)

    def timeout(self, seconds: float) -> "Broadcast":
        """Return the same broadcast, whose `emit_with_ack` waits *seconds* for the answers."""
        return Broadcast(self._clients, self._target, volatile=self._volatile, timeout=seconds)

    def emit(self, event: Event, *arguments: Any) -> Awaitable[None]:
        """Send an event; raises EncodeError for arguments that cannot be sent, even if nobody is there."""
        check_event(event)
        clients = self._clients
        message = clients.codec.event(event, arguments)
        if get_ident() != clients.runtime.thread:
            return clients.runtime.run_in_loop(
                lambda: clients.deliver(self._target, event, arguments, message, volatile=self._volatile)
            )
        clients.deliver(self._target, event, arguments, message, volatile=self._volatile)
        return _TURN

    def send(self, *arguments: Any) -> Awaitable[None]:
        """Send the event `message`."""
        return self.emit("message", *arguments)

    async def emit_with_ack(self, event: Event, *arguments: Any) -> list[Any]:
        """Send an event and return what each client answered; who leaves meanwhile is left out.

        Waits as long as `timeout` says, by default `Settings.acknowledgement_timeout`. Raises AckTimeout, whose
        `answers` holds by id what did come, and EncodeError.
        """
        check_event(event)
        clients = self._clients
        if get_ident() != clients.runtime.thread:
            answers: list[Any] = await clients.runtime.answer_from_loop(self.emit_with_ack(event, *arguments))
            return answers
        seconds = clients.runtime.settings.acknowledgement_timeout if self._timeout is None else self._timeout
        ack_id = clients.next_ack_id()
        collector, asked = clients.ask(self._target, event, arguments, ack_id)
        try:
            return list((await collector.all_answers(event, seconds)).values())
        finally:
            for socket in asked:
                socket.forget(ack_id)

    async def fetch_sockets(self) -> list[RemoteSocket]:
        """Return the clients that are meant."""
        return list(self._selected())

    def sockets_join(self, *rooms: Room) -> Awaitable[None]:
        """Put the clients into *rooms*."""
        return self._for_each(lambda socket: socket.join(*rooms))

    def sockets_leave(self, *rooms: Room) -> Awaitable[None]:
        """Take the clients out of *rooms*."""
        return self._for_each(lambda socket: socket.leave(*rooms))

    def disconnect_sockets(self, close: bool = False) -> Awaitable[None]:  # noqa: FBT001, FBT002  # as in Socket.IO
        """Put the clients out of the namespace; with *close*, end their connections."""
        return self._for_each(lambda socket: socket.disconnect(close))

    def _derive(self, target: Target) -> "Broadcast":
        return Broadcast(self._clients, target, volatile=self._volatile, timeout=self._timeout)

    def _selected(self) -> list[Client]:
        return list(self._clients.select(self._target))

    def _for_each(self, action: Callable[[Client], object]) -> Awaitable[None]:
        def act() -> None:
            for socket in self._selected():
                action(socket)

        self._clients.runtime.run_in_loop(act)
        return READY
