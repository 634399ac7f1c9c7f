"""Sessions of bare WebSocket clients: messages without Engine.IO around them."""

import time
from typing import Protocol

from moongate.config import Settings
from moongate.engine.heartbeat import Deadlines, Entry
from moongate.engine.session import Connection
from moongate.engine.timers import Timers
from moongate.transport.base import OpenTransport, Receiver, Request, Transport
from moongate.transport.closed import CLOSED
from moongate.transport.origin import check_origin
from moongate.types import DisconnectReason

__all__ = ["RawConnection", "RawEngine", "RawHandler", "RawSession"]

_GOING_AWAY = 1001


class RawConnection(Connection, Protocol):
    """The side of the layer above, for one session."""

    def on_open(self) -> None:
        """The connection is open."""


class RawHandler(Protocol):
    """The layer above."""

    async def admit(self, session: "RawSession", name: str) -> RawConnection:
        """Return what receives the messages of a client that asks for the namespace *name*; raises Refused."""


class RawSession:
    """A bare WebSocket client: one connection from beginning to end. Heartbeats are WebSocket pings."""

    __slots__ = (
        "_heartbeat", "_pinged", "_sessions", "_timers", "closed", "connection", "opened_at", "request", "transport",
    )  # fmt: skip

    def __init__(self, request: Request, timers: Timers, sessions: set["RawSession"]) -> None:
        self.request = request
        self.opened_at = time.time()
        self.closed = False
        self.transport: Transport = CLOSED
        self.connection: RawConnection
        self._timers = timers
        self._sessions = sessions
        self._pinged = False  # a heartbeat waits for its answer
        self._heartbeat: Entry | None = None  # the next heartbeat, or the end of the wait for its answer

    def on_open(self, transport: OpenTransport) -> None:
        """The connection is open."""
        self.transport = transport
        self._sessions.add(self)
        self._heartbeat = self._timers.ping.add(self)
        self.connection.on_open()

    def on_text(self, data: bytes) -> None:
        """A message came."""
        if not self.closed:
            self.connection.on_text(data)

    def on_bytes(self, data: bytes) -> None:
        """A binary message came."""
        if not self.closed:
            self.connection.on_bytes(data)

    def on_pong(self) -> None:
        """The client lives."""
        if self._pinged and self._heartbeat is not None:
            self._pinged = False
            Deadlines.cancel(self._heartbeat)
            self._heartbeat = self._timers.ping.add(self)

    def on_closed(self, code: int, reason: str) -> None:
        """The connection is gone."""
        del code, reason
        self.close(DisconnectReason.TRANSPORT_CLOSE)

    def joined(self) -> None:
        """A bare client is in its namespace from the beginning."""

    def close(self, reason: DisconnectReason) -> None:
        """End the session. This is the only way to, and it counts once."""
        if self.closed:
            return
        self.closed = True
        if self._heartbeat is not None:
            Deadlines.cancel(self._heartbeat)
        self._sessions.discard(self)
        transport, self.transport = self.transport, CLOSED
        transport.close(_GOING_AWAY if reason is DisconnectReason.SERVER_SHUTTING_DOWN else 1000, reason)
        self.connection.on_closed(reason)

    def send_ping(self) -> None:
        """It is time for a heartbeat, unless the host keeps its own."""
        if self.transport.ping():
            self._pinged = True
            self._heartbeat = self._timers.ping_timeout.add(self)

    def ping_timed_out(self) -> None:
        """The heartbeat was not answered in time."""
        self.close(DisconnectReason.PING_TIMEOUT)

    def connect_timed_out(self) -> None:
        """A bare client is in its namespace from the beginning."""


class RawEngine:
    """All sessions of bare WebSocket clients."""

    __slots__ = ("_handler", "_sessions", "_settings", "_timers")

    def __init__(self, settings: Settings, handler: RawHandler) -> None:
        self._settings = settings
        self._handler = handler
        self._timers = Timers(settings)
        self._sessions: set[RawSession] = set()

    async def open_websocket(self, request: Request) -> Receiver:
        """Return who receives the messages of a WebSocket; raises Refused before it is open."""
        check_origin(request.headers, self._settings.cors)
        name = request.path.removeprefix(self._settings.websocket_path) or "/"
        session = RawSession(request, self._timers, self._sessions)
        session.connection = await self._handler.admit(session, name)
        return session

    async def close(self) -> None:
        """End every session."""
        for session in list(self._sessions):
            session.close(DisconnectReason.SERVER_SHUTTING_DOWN)
