"""The change of a session from polling to WebSocket (Engine.IO protocol, "Upgrade")."""

from moongate.engine.deadlines import Deadlines, Entry
from moongate.engine.session import Registry, Session
from moongate.transport.base import NO_STATUS, OpenTransport, Transport
from moongate.transport.polling import PollingTransport
from moongate.wire.engineio import PROBE_ANSWER, PROBE_PING, UPGRADE

__all__ = ["Upgrade"]


class Upgrade:
    """A WebSocket that may become the transport of a session which polls. If it does not, the session goes on polling.

    The client sends a probe, waits for its answer and for the end of its last poll, and then says that it has changed:
    from then on everything goes by the WebSocket, first what no poll has fetched.
    """

    __slots__ = ("_engine", "_poll_check", "_session", "_timeout", "_transport")

    def __init__(self, session: Session, engine: Registry) -> None:
        self._session = session
        self._engine = engine
        self._transport: OpenTransport
        self._timeout: Entry | None = None  # set while it may still succeed
        self._poll_check: Entry | None = None  # set between the probe and the change

    def on_open(self, transport: OpenTransport) -> None:
        """The WebSocket is open."""
        self._transport = transport
        session = self._session
        if session.candidate is not None or not self._engine.polls(session):
            transport.close(NO_STATUS)
            return
        session.candidate = self
        self._timeout = self._engine.timers.upgrade.add(self)

    def on_text(self, data: bytes) -> None:
        """A packet came by the WebSocket."""
        if self._timeout is None:
            return
        if data == PROBE_PING:
            self._transport.send_text(PROBE_ANSWER)
            self.release_poll()
        elif data[:1] == UPGRADE:
            self._complete()
        else:
            self.abandon()

    def on_bytes(self, data: bytes) -> None:
        """Nothing binary belongs here."""
        del data
        self.abandon()

    def on_pong(self) -> None:
        """Nobody has pinged."""

    def on_closed(self, code: int, reason: str) -> None:
        """The WebSocket is gone, and the session goes on polling."""
        del code, reason
        self._finish()

    def abandon(self) -> None:
        """Close the WebSocket; the session goes on polling, or has ended."""
        if self._timeout is not None:
            self._finish()
            self._transport.close(NO_STATUS)

    def release_poll(self) -> None:
        """End the poll that waits, so that the client can complete the change; look again in a moment."""
        polling = self._session.transport
        if isinstance(polling, PollingTransport):
            polling.release()
        if self._poll_check is not None:
            Deadlines.cancel(self._poll_check)
        self._poll_check = self._engine.timers.poll_check.add(self)

    def _complete(self) -> None:
        """Make the WebSocket the session's transport: nothing is lost, and nothing changes its place."""
        self._finish()
        session, transport = self._session, self._transport
        if session.closed:
            self._send(session.dress(transport), self._engine.recall_farewell(session))
            transport.close(NO_STATUS)
            return
        polling, session.transport = session.transport, session.dress(transport)
        transport.receiver = session
        if isinstance(polling, PollingTransport):
            polling.flush()
            self._send(session.transport, polling.take())
            if polling.paused:
                transport.pause_reading()
            polling.close()

    @staticmethod
    def _send(transport: Transport, packets: list[tuple[bool, bytes]]) -> None:
        for is_text, data in packets:
            if is_text:
                transport.send_text(data)
            else:
                transport.send_bytes(data)

    def _finish(self) -> None:
        """Be a candidate no more."""
        for entry in (self._timeout, self._poll_check):
            if entry is not None:
                Deadlines.cancel(entry)
        if self._timeout is not None:
            self._session.candidate = None
        self._timeout = self._poll_check = None
