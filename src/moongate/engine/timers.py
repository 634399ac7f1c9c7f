"""The timers that all sessions of an engine share."""

from typing import Protocol

from moongate.config import Settings
from moongate.engine.heartbeat import Deadlines

__all__ = ["Timed", "Timers", "Upgrading"]


class Timed(Protocol):
    """A session, as far as its timers know it."""

    def send_ping(self) -> None:
        """It is time for a heartbeat."""

    def ping_timed_out(self) -> None:
        """The heartbeat was not answered in time."""

    def connect_timed_out(self) -> None:
        """The client joined no namespace in time."""


class Upgrading(Protocol):
    """An upgrade that has begun, as far as its timers know it."""

    def timed_out(self) -> None:
        """It did not end in time."""

    def release_poll(self) -> None:
        """It is time to end a poll that still waits."""


_POLL_CHECK = 0.1
"""Seconds between checks for a poll that keeps the client from completing its upgrade, as in Node's server."""


class Timers:
    """One queue of deadlines for each kind."""

    __slots__ = ("connect", "ping", "ping_timeout", "poll_check", "upgrade")

    def __init__(self, settings: Settings) -> None:
        self.ping: Deadlines[Timed] = Deadlines(settings.ping_interval, lambda session: session.send_ping())
        self.ping_timeout: Deadlines[Timed] = Deadlines(settings.ping_timeout, lambda session: session.ping_timed_out())
        self.connect: Deadlines[Timed] = Deadlines(
            settings.connect_timeout, lambda session: session.connect_timed_out()
        )
        self.upgrade: Deadlines[Upgrading] = Deadlines(settings.upgrade_timeout, lambda upgrade: upgrade.timed_out())
        self.poll_check: Deadlines[Upgrading] = Deadlines(_POLL_CHECK, lambda upgrade: upgrade.release_poll())
