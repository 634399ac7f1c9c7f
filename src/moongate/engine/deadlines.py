"""Deadlines of many sessions, kept by one timer of the event loop for each kind of deadline."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any, Generic, TypeAlias, TypeVar

__all__ = ["Deadlines", "Entry"]

_LOGGER = logging.getLogger("moongate.engine")

T = TypeVar("T")

Entry: TypeAlias = list[Any]
"""One deadline: the time of the loop, and who it is for; None once it is over or cancelled."""

_LATE = 1.0
"""Seconds behind time at which the process must have been stopped, or the event loop blocked."""

_GRACE = 0.25
"""Seconds that the event loop then gets to read what clients have sent meanwhile; it may be what was waited for."""

_ROOM = 64
"""How many entries there may be before it is worth looking for cancelled ones."""


class Deadlines(Generic[T]):
    """Calls back for each entry *delay* seconds after it was added, to the precision of the loop's own timers.

    Because the delay is the same for all, they are due in the order in which they were added: a queue and one timer do.
    """

    __slots__ = ("_callback", "_delay", "_entries", "_grace", "_room", "_timer")

    def __init__(self, delay: float, callback: Callable[[T], object]) -> None:
        self._delay = delay
        self._callback = callback
        self._entries: deque[Entry] = deque()
        self._timer: asyncio.TimerHandle | None = None  # set while there are entries
        self._grace = False  # what is late was put off already
        self._room = _ROOM

    def add(self, item: T) -> Entry:
        """Call back for *item* in time; returns what cancels it."""
        loop = asyncio.get_running_loop()
        entry: Entry = [loop.time() + self._delay, item]
        if len(self._entries) >= self._room:
            self._compact()
        self._entries.append(entry)
        if self._timer is None:
            self._timer = loop.call_at(entry[0], self._expire)
        return entry

    @staticmethod
    def cancel(entry: Entry) -> None:
        """Call back for *entry* no more; it lets go of its item at once."""
        entry[1] = None

    def _compact(self) -> None:
        """Let go of what is cancelled: a client may have many entries made and cancelled before the first is due.

        It is done again when there are twice as many, so that it costs little for each. The first one stays, because
        the timer is its own.
        """
        entries = self._entries
        kept = [entries[0], *(entry for entry in islice(entries, 1, None) if entry[1] is not None)]
        entries.clear()
        entries.extend(kept)
        self._room = max(_ROOM, 2 * len(kept))

    def _expire(self) -> None:
        """Call back for what is due, then wait for the next that is not cancelled."""
        loop = asyncio.get_running_loop()
        entries = self._entries
        now = loop.time()
        if now - entries[0][0] > _LATE and not self._grace:
            self._grace = True
            self._timer = loop.call_at(now + _GRACE, self._expire)
            return
        self._grace = False
        # A timer may fire a little early, by the resolution of the clock.
        now = max(now, entries[0][0])
        while entries and (entries[0][1] is None or entries[0][0] <= now):
            item = entries[0][1]
            entries.popleft()[1] = None
            if item is not None:
                self._call(item)
        self._timer = loop.call_at(entries[0][0], self._expire) if entries else None

    def _call(self, item: T) -> None:
        try:
            self._callback(item)
        except Exception:
            # The others that are due must not pay for it.
            _LOGGER.exception("a timer failed")
