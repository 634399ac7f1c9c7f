"""Sending to one client with options: `client.volatile`, `client.timeout(5)`."""

from collections.abc import Awaitable
from typing import Any, Protocol

from moongate.namespace.broadcast import Broadcast
from moongate.transport.base import Transport
from moongate.transport.flow import READY
from moongate.types import DisconnectReason, Event, Room
from moongate.wire.socketio import check_event

__all__ = ["Link", "Sends", "SocketSender"]


class Link(Protocol):
    """A session, as far as its sockets need it."""

    transport: Transport

    def resume_reading(self) -> None:
        """Read from the client again, if its transport is paused."""

    def close(self, reason: DisconnectReason) -> None:
        """End the session."""


class Sends(Protocol):
    """A client, as far as it is sent to."""

    session: Link

    @property
    def broadcast(self) -> Broadcast:
        """A broadcast to all clients of the namespace, save this one."""

    def emit(self, event: Event, *arguments: Any) -> Awaitable[None]:
        """Send an event."""

    async def emit_with_ack(self, event: Event, *arguments: Any, timeout: float | None = None) -> Any:
        """Send an event and return the client's answer."""


class SocketSender:
    """Sends to one client with options: `client.volatile`, `client.timeout(5)`."""

    __slots__ = ("_socket", "_timeout", "_volatile")

    def __init__(self, socket: Sends, *, volatile: bool = False, timeout: float | None = None) -> None:
        self._socket = socket
        self._volatile = volatile
        self._timeout = timeout

    @property
    def volatile(self) -> "SocketSender":
        """The same sender, whose events are dropped if the client cannot take them at once."""
        return SocketSender(self._socket, volatile=True, timeout=self._timeout)

    def timeout(self, seconds: float) -> "SocketSender":
        """Return the same sender, whose `emit_with_ack` waits *seconds* for the answer."""
        return SocketSender(self._socket, volatile=self._volatile, timeout=seconds)

    @property
    def broadcast(self) -> Broadcast:
        """A broadcast with the same options to all clients of the namespace, save this one."""
        broadcast = self._socket.broadcast
        broadcast = broadcast.volatile if self._volatile else broadcast
        return broadcast if self._timeout is None else broadcast.timeout(self._timeout)

    def to(self, *rooms: Room) -> Broadcast:
        """Return a broadcast with the same options to the clients in any of *rooms*, save this one."""
        return self.broadcast.to(*rooms)

    def emit(self, event: Event, *arguments: Any) -> Awaitable[None]:
        """Send an event; raises EncodeError for arguments that cannot be sent."""
        if self._volatile and not self._socket.session.transport.writable:
            check_event(event)
            return READY
        return self._socket.emit(event, *arguments)

    async def emit_with_ack(self, event: Event, *arguments: Any) -> Any:
        """Send an event and return the client's answer; see `Socket.emit_with_ack`."""
        return await self._socket.emit_with_ack(event, *arguments, timeout=self._timeout)
