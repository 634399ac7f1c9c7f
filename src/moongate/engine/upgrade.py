"""The change of a session from polling to WebSocket (Engine.IO protocol, "Upgrade")."""

from moongate.engine.heartbeat import Deadlines, Entry
from moongate.engine.session import Registry, Session
from moongate.transport.base import OpenTransport
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
        self._timeout: Entry | None = None
        self._poll_check: Entry | None = None  # set between the probe and the change

    def on_open(self, transport: OpenTransport) -> None:
        """The WebSocket is open."""
        self._transport = transport
        self._timeout = self._engine.timers.upgrade.add(self)

    def on_text(self, data: bytes) -> None:
        """A packet came by the WebSocket."""
        if data == PROBE_PING and self._poll_check is None:
            self._transport.send_text(PROBE_ANSWER)
            self._session.upgrading = True
            self.release_poll()
        elif data == UPGRADE and self._poll_check is not None and not self._session.closed:
            self._complete()
        else:
            self._transport.close()

    def on_bytes(self, data: bytes) -> None:
        """Nothing binary belongs here."""
        del data
        self._transport.close()

    def on_pong(self) -> None:
        """Nobody has pinged."""

    def on_closed(self, code: int, reason: str) -> None:
        """The WebSocket is gone, and the session goes on polling."""
        del code, reason
        self._stop_timers()
        self._session.upgrading = False

    def timed_out(self) -> None:
        """The client did not complete the change in time."""
        self._transport.close()

    def release_poll(self) -> None:
        """End the poll that waits, so that the client can complete the change; look again in a moment."""
        polling = self._session.transport
        if isinstance(polling, PollingTransport):
            polling.release()
        self._poll_check = self._engine.timers.poll_check.add(self)

    def _complete(self) -> None:
        self._stop_timers()
        session = self._session
        session.upgrading = False
        self._transport.receiver = session
        polling = session.replace_transport(self._transport)
        if isinstance(polling, PollingTransport):
            for is_text, data in polling.take():
                if is_text:
                    self._transport.send_text(data)
                else:
                    self._transport.send_bytes(data)
            polling.release()
            polling.close()

    def _stop_timers(self) -> None:
        for entry in (self._timeout, self._poll_check):
            if entry is not None:
                Deadlines.cancel(entry)
