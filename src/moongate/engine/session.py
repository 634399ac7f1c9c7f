"""One Engine.IO session: a state machine over one transport at a time."""

import time
from typing import Protocol

from moongate.config import Settings
from moongate.engine.heartbeat import Deadlines, Entry
from moongate.engine.timers import Timers
from moongate.transport.base import OpenTransport, Request, Transport
from moongate.transport.closed import CLOSED
from moongate.transport.polling import PollingTransport
from moongate.types import DisconnectReason
from moongate.wire.engineio import CLOSE, MESSAGE_TYPE, PING, PONG, Handshake

__all__ = ["Connection", "EngineHandler", "Registry", "Session"]

_GOING_AWAY = 1001


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


class Registry(Protocol):
    """The engine, as its sessions know it."""

    settings: Settings
    timers: Timers
    handler: EngineHandler

    def remember(self, session: "Session") -> None:
        """The session is open."""

    def forget(self, session: "Session") -> None:
        """The session has ended."""

    def bid_farewell(self, sid: str, transport: PollingTransport) -> None:
        """The session has ended while no poll waited: keep its last words for the next one."""


class Session:
    """A client's session. It receives the messages of its transport, and survives the change to a better one.

    `transport` always takes what is sent: a transport that polls keeps it for the next poll, one that is gone drops it.
    """

    __slots__ = (
        "_connect_timer", "_engine", "_heartbeat", "_pinged", "closed", "connection", "id", "opened_at", "request",
        "transport", "upgrading",
    )  # fmt: skip

    def __init__(self, sid: str, request: Request, engine: Registry) -> None:
        self.id = sid  # secret: it is all that a request needs to speak for this client
        self.request = request
        self.opened_at = time.time()
        self.closed = False
        self.upgrading = False  # while a candidate for a better transport is tried
        self.transport: Transport = CLOSED
        self.connection: Connection
        self._engine = engine
        self._pinged = False  # a heartbeat waits for its answer
        self._heartbeat: Entry | None = None  # the next heartbeat, or the end of the wait for its answer
        self._connect_timer: Entry | None = None

    def on_open(self, transport: OpenTransport) -> None:
        """The first transport is there: say hello."""
        self.transport = transport
        self._engine.remember(self)
        settings = self._engine.settings
        upgradable = transport.name == "polling" and "websocket" in settings.transports
        handshake = Handshake(
            sid=self.id,
            upgrades=["websocket"] if upgradable else [],
            ping_interval=round(settings.ping_interval * 1000),
            ping_timeout=round(settings.ping_timeout * 1000),
            max_payload=settings.max_payload,
        )
        transport.send_text(handshake.encode())
        timers = self._engine.timers
        self._heartbeat = timers.ping.add(self)
        self._connect_timer = timers.connect.add(self)
        self.connection = self._engine.handler.connect(self)

    def on_text(self, data: bytes) -> None:
        """A packet came."""
        if self.closed:
            return
        if data and data[0] == MESSAGE_TYPE:
            self.connection.on_text(data)
        elif data == PONG:
            self._on_pong()
        elif data == CLOSE:
            self.close(DisconnectReason.TRANSPORT_CLOSE)
        elif data[:1] == PING:
            # Since revision 4 it is the server that pings; Node's server takes this for a failing transport.
            self.close(DisconnectReason.TRANSPORT_ERROR)
        elif data[:1] not in _KNOWN_TYPES:
            self.close(DisconnectReason.PARSE_ERROR)

    def on_bytes(self, data: bytes) -> None:
        """A binary message came."""
        if not self.closed:
            self.connection.on_bytes(data)

    def on_pong(self) -> None:
        """An answer to a WebSocket ping; the heartbeats of Engine.IO are packets instead."""

    def on_closed(self, code: int, reason: str) -> None:
        """The transport is gone."""
        del code, reason
        self.close(DisconnectReason.TRANSPORT_CLOSE)

    def joined(self) -> None:
        """The client is in a namespace: it may stay."""
        if self._connect_timer is not None:
            Deadlines.cancel(self._connect_timer)
            self._connect_timer = None

    def replace_transport(self, transport: Transport) -> Transport:
        """Send by *transport* from now on; returns the one that was used before."""
        previous, self.transport = self.transport, transport
        return previous

    def close(self, reason: DisconnectReason) -> None:
        """End the session. This is the only way to, and it counts once."""
        if self.closed:
            return
        self.closed = True
        for entry in (self._heartbeat, self._connect_timer):
            if entry is not None:
                Deadlines.cancel(entry)
        self._engine.forget(self)
        transport = self.replace_transport(CLOSED)
        if isinstance(transport, PollingTransport):
            transport.send_text(CLOSE)
            if not transport.writable:
                self._engine.bid_farewell(self.id, transport)
        transport.close(_GOING_AWAY if reason is DisconnectReason.SERVER_SHUTTING_DOWN else 1000)
        self.connection.on_closed(reason)

    def send_ping(self) -> None:
        """It is time for a heartbeat."""
        self.transport.send_text(PING)
        self._pinged = True
        self._heartbeat = self._engine.timers.ping_timeout.add(self)

    def ping_timed_out(self) -> None:
        """The heartbeat was not answered in time."""
        self.close(DisconnectReason.PING_TIMEOUT)

    def connect_timed_out(self) -> None:
        """The client joined no namespace in time."""
        self.close(DisconnectReason.FORCED_SERVER_CLOSE)

    def _on_pong(self) -> None:
        """The client lives; an answer that nobody asked for says nothing."""
        if self._pinged:
            self._pinged = False
            if self._heartbeat is not None:
                Deadlines.cancel(self._heartbeat)
            self._heartbeat = self._engine.timers.ping.add(self)


_KNOWN_TYPES = (b"0", b"3", b"5", b"6")
"""Packets without a meaning here; as in Node's server, they are passed over."""
