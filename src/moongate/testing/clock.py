"""Time that a test moves."""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moongate.errors import ConfigurationError

__all__ = ["Clock"]

_TURNS = 1000
"""How many turns of the event loop may follow one timer before the next is due; tests that need more have a loop."""


class _MovedTime:
    """Stands for the `time` of an event loop; one for all clocks of the loop."""

    def __init__(self, loop: asyncio.BaseEventLoop) -> None:
        self.clocks = 0  # how many use it
        self.offset = 0.0  # seconds ahead of the loop's own time
        self._own = loop.time

    def __call__(self) -> float:
        return self._own() + self.offset


class Clock:
    """Moves the time of the running event loop forward: heartbeats and timeouts come when a test wants them.

    Time goes on as usual beside, and several clocks of one loop move the same time. It needs asyncio's own event loop:
    raises ConfigurationError for uvloop's, whose time cannot be moved.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, asyncio.BaseEventLoop):
            raise ConfigurationError(
                f"the time of {type(loop).__module__}.{type(loop).__name__} cannot be moved",
                where="Clock",
                mend="Run the test on asyncio's own event loop: without uvloop's policy or loop factory.",
            )
        self._loop: Any = loop
        self._restored = False
        current: object = loop.time
        self._time: _MovedTime = current if isinstance(current, _MovedTime) else _MovedTime(loop)
        self._time.clocks += 1
        loop.time = self._time  # type: ignore[method-assign]  # an instance may have a time of its own

    def restore(self) -> None:
        """Give the event loop its own time again, unless another clock still moves it. Twice is once."""
        if self._restored:
            return
        self._restored = True
        self._time.clocks -= 1
        if not self._time.clocks:
            del self._loop.time  # and the class's own is there again

    async def advance(self, seconds: float) -> None:
        """Let *seconds* pass: each timer that is due by then fires at its time; what it starts runs before the next.

        Raises ValueError for a negative time, and RuntimeError after `restore`.
        """
        if seconds < 0:
            raise ValueError(f"time only goes forward, got {seconds!r} s")
        if self._restored:
            raise RuntimeError("the clock moves no time any more: its application has ended")
        with self._unmeasured():
            end = self._time() + seconds
            while True:
                await self.settle()
                due = self._next_timer()
                if due is None or due > end:
                    break
                self._time.offset += max(0.0, due - self._time())
            self._time.offset += max(0.0, end - self._time())
            await self.settle()

    @contextmanager
    def _unmeasured(self) -> Iterator[None]:
        """Keep asyncio's debug mode from taking what moves the time for something that takes so long."""
        allowed, self._loop.slow_callback_duration = self._loop.slow_callback_duration, math.inf
        try:
            yield
        finally:
            self._loop.slow_callback_duration = allowed

    async def settle(self) -> None:
        """Let everything run that is ready, until nothing is."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)
            if not self._loop._ready:  # noqa: SLF001  # nothing public tells
                return

    def _next_timer(self) -> float | None:
        timers = [timer.when() for timer in self._loop._scheduled if not timer.cancelled()]  # noqa: SLF001  # as above
        return min(timers, default=None)
