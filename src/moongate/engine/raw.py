"""Sessions of bare WebSocket clients: messages without Engine.IO around them."""

import time
from typing import Protocol

import msgspec

from moongate.config import Settings
from moongate.engine.admission import Admission, Rejected
from moongate.engine.deadlines import Entry
from moongate.engine.heartbeat import Heartbeats
from moongate.engine.options import EngineOptions
from moongate.engine.session import Connection
from moongate.transport.base import Accepted, OpenTransport, Refused, Request, Transport
from moongate.transport.closed import CLOSED
from moongate.transport.origin import check_origin
from moongate.types import DisconnectReason

__all__ = ["RawConnection", "RawEngine", "RawHandler", "RawSession"]

_NORMAL = 1000
_GOING_AWAY = 1001


class RawConnection(Connection, Protocol):
    """The side of the layer above, for one session."""

    @property
    def subprotocol(self) -> str | None:
        """What was agreed on with the client; None if it asked for nothing that is known."""

    def on_open(self) -> None:
        """The connection is open."""


class RawHandler(Protocol):
    """The layer above."""

    async def admit(self, session: "RawSession", name: str) -> RawConnection:
        """Return what receives the messages of a client that asks for the namespace *name*; raises Refused."""


class RawSession:
    """A bare WebSocket client: one connection from beginning to end. Heartbeats are WebSocket pings."""

    __slots__ = (
        "_heartbeats", "_sessions", "closed", "connection", "extendable", "heartbeat", "opened_at", "request",
        "transport", "unanswered",
    )  # fmt: skip

    def __init__(self, request: Request, heartbeats: Heartbeats, sessions: set["RawSession"]) -> None:
        self.request: Request = request
        self.opened_at: float = time.time()
        self.closed: bool = False
        self.transport: Transport = CLOSED
        self.connection: RawConnection
        self.heartbeat: Entry | None = None
        self.unanswered: bool = False
        self.extendable: bool = False
        self._heartbeats = heartbeats
        self._sessions = sessions

    def on_open(self, transport: OpenTransport) -> None:
        """The connection is open."""
        self.transport = transport
        self._sessions.add(self)
        self._heartbeats.start(self)
        self.connection.on_open()

    def on_text(self, data: bytes) -> None:
        """A message came."""
        if self.extendable:
            self._heartbeats.extend(self)
        if not self.closed:
            self.connection.on_text(data)

    def on_bytes(self, data: bytes) -> None:
        """A binary message came."""
        if self.extendable:
            self._heartbeats.extend(self)
        if not self.closed:
            self.connection.on_bytes(data)

    def on_pong(self) -> None:
        """The client lives."""
        self._heartbeats.answered(self)

    def on_closed(self, code: int, reason: str) -> None:
        """The connection is gone."""
        del code, reason
        self.close(DisconnectReason.TRANSPORT_CLOSE)

    @property
    def paused(self) -> bool:
        """Whether nothing is read from the client at the moment."""
        return self.transport.paused

    def resume_reading(self) -> None:
        """Read from the client again."""
        if self.transport.paused:
            self.transport.resume_reading()
            self._heartbeats.resumed(self)

    def joined(self) -> None:
        """A bare client is in its namespace from the beginning."""

    def close(self, reason: DisconnectReason) -> None:
        """End the session. This is the only way to, and it counts once. What was sent before still leaves."""
        if self.closed:
            return
        self.closed = True
        self._heartbeats.stop(self)
        self._sessions.discard(self)
        transport, self.transport = self.transport, CLOSED
        transport.close(_GOING_AWAY if reason is DisconnectReason.SERVER_SHUTTING_DOWN else _NORMAL, reason)
        self.connection.on_closed(reason)

    def ping(self) -> bool:
        """Send a WebSocket ping, unless the host keeps its own heartbeat."""
        return self.transport.ping()


class RawEngine:
    """All sessions of bare WebSocket clients."""

    __slots__ = ("_admission", "_closed", "_handler", "_heartbeats", "_sessions", "_settings")

    def __init__(self, settings: Settings, handler: RawHandler, options: EngineOptions | None = None) -> None:
        self._admission = Admission(settings, options or EngineOptions())
        self._settings = settings
        self._handler = handler
        self._closed = False
        self._heartbeats = Heartbeats(settings)
        self._sessions: set[RawSession] = set()

    async def open_websocket(self, request: Request) -> Accepted:
        """Return who receives the messages of a WebSocket; raises Refused before it is open."""
        check_origin(request.headers, self._settings.cors)
        try:
            await self._admission.allow(request)
        except Rejected as rejected:
            raise Refused(403, msgspec.json.encode({"status": "error", "message": rejected.message})) from None
        headers = self._admission.headers(request, initial=True)
        name = request.path.removeprefix(self._settings.websocket_path) or "/"
        session = RawSession(request, self._heartbeats, self._sessions)
        session.connection = await self._handler.admit(session, name)
        if self._closed:
            session.close(DisconnectReason.SERVER_SHUTTING_DOWN)
            raise Refused(503, b"Not accepting clients", "text/plain")
        return Accepted(session, headers, session.connection.subprotocol)

    async def close(self) -> None:
        """End every session, and open no more."""
        self._closed = True
        for session in list(self._sessions):
            session.close(DisconnectReason.SERVER_SHUTTING_DOWN)
