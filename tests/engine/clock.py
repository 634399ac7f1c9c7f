"""Time that the test moves."""

import asyncio
from typing import Any

import pytest

__all__ = ["Clock"]


class Clock:
    """The running event loop, with a time that the test moves and a list of the timers that were asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.timers: list[tuple[float, Any]] = []
        monkeypatch.setattr(asyncio, "get_running_loop", lambda: self)

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Any) -> object:
        self.timers.append((when, callback))
        return object()

    def run_until(self, now: float, *, stopped: bool = False) -> None:
        """Fire each timer when it is due; if the process was *stopped*, all only at the end."""
        while due := [timer for timer in self.timers if timer[0] <= now]:
            timer = min(due, key=lambda timer: timer[0])
            self.timers.remove(timer)
            self.now = now if stopped else max(self.now, timer[0])
            timer[1]()
        self.now = now
