"""Heartbeats: how the server learns that a client is gone without a word."""

from typing import Protocol

from moongate.config import Settings
from moongate.engine.deadlines import Deadlines, Entry
from moongate.types import DisconnectReason

__all__ = ["Beating", "ClientHeartbeats", "Heartbeats"]


class Beating(Protocol):
    """A session as its heartbeat knows it. The attributes are the heartbeat's own, kept there to save memory."""

    heartbeat: Entry | None
    """The next ping, or the end of the wait for the answer to the last one."""
    unanswered: bool
    """A ping waits for its answer."""
    extendable: bool
    """The wait may still be extended: see `Heartbeats.extend`."""

    @property
    def paused(self) -> bool:
        """Whether nothing of the client is read at the moment: its answer may be there already."""

    def ping(self) -> bool:
        """Ask the client whether it lives; False if that is not this server's business."""

    def close(self, reason: DisconnectReason) -> None:
        """End the session."""


class Heartbeats:
    """Pings each session `ping_interval` after its last answer, and ends it when `ping_timeout` brings none."""

    __slots__ = ("_intervals", "_timeouts")

    def __init__(self, settings: Settings) -> None:
        self._intervals: Deadlines[Beating] = Deadlines(settings.ping_interval, self._ask)
        self._timeouts: Deadlines[Beating] = Deadlines(settings.ping_timeout, self._give_up)

    def start(self, session: Beating) -> None:
        """Ping the session in an interval from now."""
        session.heartbeat = self._intervals.add(session)

    def stop(self, session: Beating) -> None:
        """Let the session alone."""
        session.unanswered = session.extendable = False
        if session.heartbeat is not None:
            Deadlines.cancel(session.heartbeat)
            session.heartbeat = None

    def answered(self, session: Beating) -> None:
        """The client has answered; an answer that nobody asked for says nothing."""
        if session.unanswered:
            self.stop(session)
            self.start(session)

    def extend(self, session: Beating) -> None:
        """Begin the wait for an answer anew: the client has sent something else, which the answer may stand behind.

        Only once for each ping, or a client that never answers would live for ever (engine.io 6.6.11 does the same).
        """
        session.extendable = False
        if session.heartbeat is not None:
            Deadlines.cancel(session.heartbeat)
        session.heartbeat = self._timeouts.add(session)

    def resumed(self, session: Beating) -> None:
        """The client is read from again: its answer may stand behind much else, so it is asked anew."""
        if session.unanswered:
            self.stop(session)
            self._ask(session)

    def _ask(self, session: Beating) -> None:
        session.heartbeat = None
        if session.ping():
            session.unanswered = session.extendable = True
            session.heartbeat = self._timeouts.add(session)

    def _give_up(self, session: Beating) -> None:
        if session.paused:
            self._ask(session)  # clients leave a server that asks no more
        else:
            session.close(DisconnectReason.PING_TIMEOUT)


class ClientHeartbeats:
    """Ends each session whose client does not ping for `ping_interval` and `ping_timeout` together.

    In Engine.IO's revision 3 it is the client that asks whether the server lives.
    """

    __slots__ = ("_deadlines",)

    def __init__(self, settings: Settings) -> None:
        self._deadlines: Deadlines[Beating] = Deadlines(settings.ping_interval + settings.ping_timeout, self._give_up)

    def start(self, session: Beating) -> None:
        """Wait for the next ping, or the first one."""
        if session.heartbeat is not None:
            Deadlines.cancel(session.heartbeat)
        session.heartbeat = self._deadlines.add(session)

    def _give_up(self, session: Beating) -> None:
        if session.paused:
            session.heartbeat = self._deadlines.add(session)
        else:
            session.close(DisconnectReason.PING_TIMEOUT)
