"""Deadlines of many sessions, kept by one timer of the event loop for each kind of deadline."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar

__all__ = ["Deadlines", "Entry"]

T = TypeVar("T")

Entry: TypeAlias = list[Any]
"""One deadline: the time of the loop, and who it is for; None once it is cancelled."""


class Deadlines(Generic[T]):
    """Calls back for each entry *delay* seconds after it was added, to the precision of the loop's own timers.

    Because the delay is the same for all, they are due in the order in which they were added: a queue and one timer do.
    """

    __slots__ = ("_callback", "_delay", "_entries", "_timer")

    def __init__(self, delay: float, callback: Callable[[T], object]) -> None:
        self._delay = delay
        self._callback = callback
        self._entries: deque[Entry] = deque()
        self._timer: asyncio.TimerHandle | None = None  # set while there are entries

    def add(self, item: T) -> Entry:
        """Call back for *item* in time; returns what cancels it."""
        loop = asyncio.get_running_loop()
        entry: Entry = [loop.time() + self._delay, item]
        self._entries.append(entry)
        if self._timer is None:
            self._timer = loop.call_at(entry[0], self._expire)
        return entry

    @staticmethod
    def cancel(entry: Entry) -> None:
        """Call back for *entry* no more; it lets go of its item at once."""
        entry[1] = None

    def _expire(self) -> None:
        """Call back for what is due, then wait for the next that is not cancelled."""
        loop = asyncio.get_running_loop()
        entries = self._entries
        self._timer = None
        due: list[T] = []
        # A timer may fire a little early, by the resolution of the clock.
        now = max(loop.time(), entries[0][0]) if entries else 0.0
        while entries and (entries[0][1] is None or entries[0][0] <= now):
            entry = entries.popleft()
            if entry[1] is not None:
                due.append(entry[1])
                entry[1] = None
        if entries:
            self._timer = loop.call_at(entries[0][0], self._expire)
        for item in due:
            self._callback(item)
