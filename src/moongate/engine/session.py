"""One Engine.IO session: a state machine over one transport at a time."""

import time
from typing import Protocol

from moongate.config import Settings
from moongate.engine.deadlines import Deadlines, Entry
from moongate.engine.timers import Timers
from moongate.errors import ProtocolError
from moongate.transport.base import NO_STATUS, OpenTransport, Request, Transport
from moongate.transport.closed import CLOSED
from moongate.transport.polling import PollingTransport
from moongate.types import DisconnectReason
from moongate.wire.engineio import BINARY_MARK, CLOSE, MESSAGE_TYPE, PING, PONG, Handshake, decode_binary

__all__ = ["Candidate", "Connection", "EngineHandler", "Registry", "Session"]

_GOING_AWAY = 1001

_NO_FAREWELL = frozenset((
    DisconnectReason.PING_TIMEOUT,
    DisconnectReason.TRANSPORT_CLOSE,
    DisconnectReason.TRANSPORT_ERROR,
    DisconnectReason.PARSE_ERROR,
))  # fmt: skip
"""Reasons on the client's side: as in Node's server it is told nothing more, unless the layer above wants it told."""


class Connection(Protocol):
    """The side of the layer above, for one session."""

    def on_text(self, data: bytes) -> None:
        """A message came; its first byte is the Engine.IO packet type."""

    def on_bytes(self, data: bytes) -> None:
        """A binary message came."""

    def on_closed(self, reason: DisconnectReason) -> None:
        """The session has ended. Called once."""


class EngineHandler(Protocol):
    """The layer above."""

    def connect(self, session: "Session") -> Connection:
        """Return what receives the messages of a new session."""


class Candidate(Protocol):
    """A transport that is tried for a session."""

    def abandon(self) -> None:
        """Close it; the session does not need it any more."""


class Registry(Protocol):
    """The engine, as its sessions know it."""

    settings: Settings
    timers: Timers
    handler: EngineHandler

    def remember(self, session: "Session") -> bool:
        """The session is open; False if another one has its id, which an application's own ids may bring about."""

    def forget(self, session: "Session") -> None:
        """The session has ended."""

    def bid_farewell(self, session: "Session", transport: PollingTransport) -> None:
        """The session has ended, and what it has to say is not fetched yet: keep it for the next polls."""

    def polls(self, session: "Session") -> bool:
        """Whether a session polls, or did and has its last words still to be fetched."""

    def recall_farewell(self, session: "Session") -> list[tuple[bool, bytes]]:
        """Return what is not fetched yet, text or binary and the data, because it may go another way."""


class Session:
    """A client's session. It receives the messages of its transport, and survives the change to a better one.

    `transport` always takes what is sent: a transport that polls keeps it for the next poll, one that is gone drops it.
    """

    __slots__ = (
        "_connect_timer", "_engine", "candidate", "closed", "connection", "extendable", "heartbeat", "id",
        "opened_at", "request", "transport", "unanswered",
    )  # fmt: skip

    revision = 4
    """Of the Engine.IO protocol."""

    def __init__(self, sid: str, request: Request, engine: Registry) -> None:
        self.id: str = sid  # secret: it is all that a request needs to speak for this client
        self.request: Request = request
        self.opened_at: float = time.time()
        self.closed: bool = False
        self.candidate: Candidate | None = None  # while a better transport is tried
        self.transport: Transport = CLOSED
        self.connection: Connection
        self.heartbeat: Entry | None = None
        self.unanswered: bool = False
        self.extendable: bool = False
        self._engine = engine
        self._connect_timer: Entry | None = None

    def on_open(self, transport: OpenTransport) -> None:
        """The first transport is there: say hello."""
        engine = self._engine
        if not engine.remember(self):
            self.closed = True
            transport.close(NO_STATUS)
            return
        self.transport = self.dress(transport)
        settings = engine.settings
        upgradable = settings.allow_upgrades and transport.name == "polling" and "websocket" in settings.transports
        handshake = Handshake(
            sid=self.id,
            upgrades=("websocket",) if upgradable else (),
            ping_interval=_milliseconds(settings.ping_interval),
            ping_timeout=_milliseconds(settings.ping_timeout),
            max_payload=settings.max_payload,
        )
        transport.send_text(handshake.encode())
        self.start_heartbeat()
        self._connect_timer = engine.timers.connect.add(self)
        self.connection = engine.handler.connect(self)

    def dress(self, transport: OpenTransport) -> Transport:
        """Return what to send by instead of *transport*."""
        return transport

    def start_heartbeat(self) -> None:
        """Ping the client in an interval from now."""
        self._engine.timers.heartbeats.start(self)

    @property
    def paused(self) -> bool:
        """Whether nothing is read from the client at the moment."""
        return self.transport.paused

    def resume_reading(self) -> None:
        """Read from the client again."""
        if self.transport.paused:
            self.transport.resume_reading()
            self._extend_heartbeat()

    def _extend_heartbeat(self) -> None:
        self._engine.timers.heartbeats.resumed(self)

    def on_text(self, data: bytes) -> None:
        """A packet came."""
        if data and data[0] == MESSAGE_TYPE and not self.closed:
            if self.extendable:
                self._engine.timers.heartbeats.extend(self)
            self.connection.on_text(data)
        elif not self.closed:
            self._on_packet(data)
        elif data[:1] == CLOSE:
            self._engine.recall_farewell(self)  # the client goes without it

    def _on_packet(self, data: bytes) -> None:
        """Handle a packet that is not a message."""
        kind = data[:1]
        if kind == PONG:
            self._engine.timers.heartbeats.answered(self)
        elif kind == CLOSE and isinstance(self.transport, PollingTransport):
            self.transport.release()
            self.close(DisconnectReason.TRANSPORT_CLOSE)
        elif kind == PING:
            # Since revision 4 it is the server that pings; Node's server takes this for a failing transport.
            self.close(DisconnectReason.TRANSPORT_ERROR)
        elif kind == BINARY_MARK:
            self._on_binary_text(data)
        elif kind not in _MEANINGLESS:
            self.close(DisconnectReason.PARSE_ERROR)
        elif self.extendable:
            self._engine.timers.heartbeats.extend(self)

    def _on_binary_text(self, data: bytes) -> None:
        """Handle a binary message that came as text by a WebSocket; polling has decoded it before."""
        try:
            message = decode_binary(data)
        except ProtocolError:
            self.close(DisconnectReason.PARSE_ERROR)
        else:
            self.on_bytes(message)

    def on_bytes(self, data: bytes) -> None:
        """A binary message came."""
        if self.closed:
            return
        if self.extendable:
            self._engine.timers.heartbeats.extend(self)
        self.connection.on_bytes(data)

    def on_pong(self) -> None:
        """An answer to a WebSocket ping; the heartbeats of Engine.IO are packets instead."""

    def on_closed(self, code: int, reason: str) -> None:
        """The transport is gone."""
        del code, reason
        if self.transport is not CLOSED:  # as it is before it was open
            self.close(DisconnectReason.TRANSPORT_CLOSE)

    def joined(self) -> None:
        """The client is in a namespace: it may stay."""
        if self._connect_timer is not None:
            Deadlines.cancel(self._connect_timer)
            self._connect_timer = None

    def close(self, reason: DisconnectReason, *, farewell: bool = False) -> None:
        """End the session. This is the only way to, and it counts once. What was sent before still leaves.

        A client that polls is told of it unless the reason is on its own side; with *farewell* it is in any case.
        """
        if self.closed:
            return
        self.closed = True
        self._engine.timers.heartbeats.stop(self)
        if self._connect_timer is not None:
            Deadlines.cancel(self._connect_timer)
        self._engine.forget(self)
        transport, self.transport = self.transport, CLOSED
        transport.close(_GOING_AWAY if reason is DisconnectReason.SERVER_SHUTTING_DOWN else NO_STATUS)
        told = farewell or reason not in _NO_FAREWELL
        if told and isinstance(transport, PollingTransport) and not transport.parted:
            # A client that is about to change does not poll: it fetches the goodbye by its new transport.
            self._engine.bid_farewell(self, transport)
        elif self.candidate is not None:
            self.candidate.abandon()
        self.connection.on_closed(reason)

    def ping(self) -> bool:
        """Send a heartbeat."""
        self.transport.send_text(PING)
        return True

    def connect_timed_out(self) -> None:
        """The client joined no namespace in time."""
        self.close(DisconnectReason.FORCED_SERVER_CLOSE)


_MEANINGLESS = (b"0", CLOSE, b"5", b"6")
"""Packets without a meaning here, as a goodbye by a WebSocket is, which has its own; Node's server passes them over."""


def _milliseconds(seconds: float) -> int | float:
    """Return a time as clients are told it: a fraction only where there is one."""
    milliseconds = round(seconds * 1000.0, 3)
    return int(milliseconds) if milliseconds.is_integer() else milliseconds
