"""Time that a test moves."""

import asyncio
from typing import Any

from moongate.errors import ConfigurationError

__all__ = ["Clock"]

_TURNS = 1000
"""How many turns of the event loop may follow one timer before the next is due; tests that need more have a loop."""


class Clock:
    """Moves the time of the running event loop forward: heartbeats and timeouts come when a test wants them.

    Time goes on as usual beside. It needs asyncio's own event loop: raises ConfigurationError for uvloop's, whose time
    cannot be moved.
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
        self._real = loop.time
        self._offset = 0.0
        loop.time = self._time  # type: ignore[method-assign]

    def _time(self) -> float:
        return self._real() + self._offset

    def restore(self) -> None:
        """Let the event loop have its own time again."""
        self._loop.time = self._real

    async def advance(self, seconds: float) -> None:
        """Let *seconds* pass: each timer that is due by then fires at its time; what it starts runs before the next.

        Raises ValueError for a negative time.
        """
        if seconds < 0:
            raise ValueError(f"time only goes forward, got {seconds!r} s")
        end = self._time() + seconds
        while True:
            await self.settle()
            due = self._next_timer()
            if due is None or due > end:
                break
            self._offset += max(0.0, due - self._time())
        self._offset += max(0.0, end - self._time())
        await self.settle()

    async def settle(self) -> None:
        """Let everything run that is ready, until nothing is."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)
            if not self._loop._ready:  # noqa: SLF001  # nothing public tells
                return

    def _next_timer(self) -> float | None:
        timers = [timer.when() for timer in self._loop._scheduled if not timer.cancelled()]  # noqa: SLF001  # as above
        return min(timers, default=None)
