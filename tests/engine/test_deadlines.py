"""Deadlines of many, by one timer."""

import asyncio
import time
import tracemalloc
from typing import Any

import pytest

from moongate.engine.deadlines import Deadlines
from tests.engine.clock import Clock

pytestmark = pytest.mark.anyio

LIMIT = 5.0


async def test_each_is_called_back_to_the_millisecond():
    fired: list[tuple[int, float]] = []
    done = asyncio.Event()

    def fire(number: int) -> None:
        fired.append((number, time.perf_counter()))
        if number == 2:
            done.set()

    deadlines = Deadlines(0.05, fire)
    added = []
    for number in range(3):
        added.append(time.perf_counter())
        deadlines.add(number)
        await asyncio.sleep(0.01)
    async with asyncio.timeout(LIMIT):
        await done.wait()
    assert [number for number, _ in fired] == [0, 1, 2]
    assert all(fired_at - added_at >= 0.048 for added_at, (_, fired_at) in zip(added, fired, strict=True))


def test_there_is_one_timer_for_all(clock: Clock):
    fired: list[int] = []
    deadlines = Deadlines(10, fired.append)
    for number in range(1000):
        clock.now += 0.001
        deadlines.add(number)
    assert len(clock.timers) == 1
    clock.run_until(1010.5005)
    assert fired == list(range(500))
    assert len(clock.timers) == 1
    clock.run_until(1020)
    assert fired == list(range(1000))
    assert not clock.timers


def test_what_is_cancelled_is_not_called_back_and_let_go(clock: Clock):
    fired: list[int] = []
    deadlines = Deadlines(10, fired.append)
    entries = [deadlines.add(number) for number in range(4)]
    for entry in (entries[0], entries[2]):
        deadlines.cancel(entry)
        assert entry[1] is None
    clock.run_until(1011)
    assert fired == [1, 3]


def test_what_is_put_off_again_and_again_takes_no_room(clock: Clock):
    fired: list[tuple[int, float]] = []
    deadlines: Deadlines[int] = Deadlines(10, lambda number: fired.append((number, clock.now)))
    deadlines.add(0)
    entries = [deadlines.add(number) for number in range(1, 100)]
    tracemalloc.start()
    for _ in range(200):
        clock.now += 0.01
        for number, entry in enumerate(entries):
            deadlines.cancel(entry)
            entries[number] = deadlines.add(number + 1)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 200_000
    clock.run_until(1011.9)
    assert fired == [(0, 1010)]
    clock.run_until(1013)
    assert [number for number, _ in fired[1:]] == list(range(1, 100))
    assert [at for _, at in fired[1:]] == pytest.approx([1012] * 99)


def test_what_is_cancelled_by_a_callback_is_not_called_back(clock: Clock):
    fired: list[int] = []
    entries: list[Any] = []

    def fire(number: int) -> None:
        fired.append(number)
        deadlines.cancel(entries[1])

    deadlines = Deadlines(10, fire)
    entries += [deadlines.add(number) for number in range(3)]
    clock.run_until(1011)
    assert fired == [0, 2]


def test_a_callback_may_add(clock: Clock):
    fired: list[float] = []

    def fire(number: int) -> None:
        fired.append(clock.now)
        deadlines.add(number)

    deadlines = Deadlines(10, fire)
    deadlines.add(1)
    clock.run_until(1030)
    assert fired == [1010, 1020, 1030]
    assert len(clock.timers) == 1


def test_nothing_is_made_up_for_after_a_stop_of_the_process(clock: Clock):
    fired: list[float] = []

    def fire(number: int) -> None:
        fired.append(clock.now)
        deadlines.add(number)

    deadlines = Deadlines(10, fire)
    deadlines.add(1)
    clock.run_until(1100, stopped=True)
    assert not fired, "what came meanwhile is read first"
    clock.run_until(1101)
    clock.run_until(1110)
    assert fired == [1100.25]


def test_an_error_in_one_does_not_touch_the_others(clock: Clock, caplog: pytest.LogCaptureFixture):
    fired: list[int] = []

    def fire(number: int) -> None:
        if number == 1:
            raise ValueError("broken")
        fired.append(number)

    deadlines = Deadlines(10, fire)
    for number in range(3):
        deadlines.add(number)
    clock.run_until(1011)
    assert fired == [0, 2]
    assert "broken" in caplog.text
