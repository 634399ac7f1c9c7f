"""Packets whose binary attachments are still to come: they are not waited for without end."""

import asyncio
from typing import Protocol

__all__ = ["Partials", "Waiting"]


class Waiting(Protocol):
    """A connection that waits for the attachments of a packet."""

    def attachments_overdue(self) -> None:
        """They did not come in time."""


class Partials:
    """The connections that wait, in the order in which their time is over; there is one timer for all of them."""

    __slots__ = ("_delay", "_timer", "_waiting")

    def __init__(self, delay: float) -> None:
        self._delay = delay  # seconds
        self._waiting: dict[Waiting, float] = {}  # until when, by the loop's clock
        self._timer: asyncio.TimerHandle | None = None  # set while somebody waits

    @property
    def count(self) -> int:
        """How many connections wait."""
        return len(self._waiting)

    def add(self, connection: Waiting) -> None:
        """*connection* waits from now on."""
        loop = asyncio.get_running_loop()
        self._waiting[connection] = due = loop.time() + self._delay
        if self._timer is None:
            self._timer = loop.call_at(due, self._expire)

    def remove(self, connection: Waiting) -> None:
        """*connection* waits no longer."""
        self._waiting.pop(connection, None)

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._waiting:
            connection, due = next(iter(self._waiting.items()))
            if due > now:
                self._timer = loop.call_at(due, self._expire)
                return
            self.remove(connection)
            connection.attachments_overdue()
        self._timer = None
