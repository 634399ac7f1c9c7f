"""Rooms that clients of other nodes were just put into."""

import time
from collections.abc import Iterable

__all__ = ["Settling"]

_SECONDS = 2.0
"""For how long these nodes may have still to begin to listen to the room's channel."""


class Settling:
    """Channels of rooms that nobody can count on yet: what is for such a room goes by its namespace."""

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends: dict[str, float] = {}  # in the time of time.monotonic; those that end first stand first

    def add(self, channels: Iterable[str]) -> None:
        """Clients of other nodes were put into the rooms of *channels*."""
        now = time.monotonic()
        self._forget(now)
        for channel in channels:
            self._ends.pop(channel, None)
            self._ends[channel] = now + _SECONDS

    def __contains__(self, channel: str) -> bool:
        """Whether nobody can count on *channel*."""
        return bool(self._ends) and self._ends.get(channel, 0) > time.monotonic()

    def _forget(self, now: float) -> None:
        while self._ends:
            first = next(iter(self._ends))
            if self._ends[first] > now:
                return
            del self._ends[first]
