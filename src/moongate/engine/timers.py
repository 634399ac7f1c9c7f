"""The timers that all Socket.IO sessions of an engine share."""

from typing import Protocol

from moongate.config import Settings
from moongate.engine.deadlines import Deadlines
from moongate.engine.heartbeat import ClientHeartbeats, Heartbeats

__all__ = ["Joining", "Timers", "Upgrading"]


class Joining(Protocol):
    """A session that is in no namespace yet, as its timer knows it."""

    def connect_timed_out(self) -> None:
        """The client joined no namespace in time."""


class Upgrading(Protocol):
    """An upgrade that has begun, as far as its timers know it."""

    def abandon(self) -> None:
        """It did not end in time."""

    def release_poll(self) -> None:
        """It is time to end a poll that still waits."""


_POLL_CHECK = 0.1
"""Seconds between checks for a poll that keeps the client from completing its upgrade, as in Node's server."""


class Timers:
    """One queue of deadlines for each kind."""

    __slots__ = ("client_heartbeats", "connect", "heartbeats", "poll_check", "upgrade")

    def __init__(self, settings: Settings) -> None:
        self.heartbeats: Heartbeats = Heartbeats(settings)
        self.client_heartbeats: ClientHeartbeats = ClientHeartbeats(settings)
        self.connect: Deadlines[Joining] = Deadlines(
            settings.connect_timeout, lambda joining: joining.connect_timed_out()
        )
        self.upgrade: Deadlines[Upgrading] = Deadlines(settings.upgrade_timeout, lambda upgrade: upgrade.abandon())
        self.poll_check: Deadlines[Upgrading] = Deadlines(_POLL_CHECK, lambda upgrade: upgrade.release_poll())
