"""The order of a socket's work, and that nobody waits for somebody else's."""

import asyncio
import contextvars
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from moongate.namespace.dispatcher import Backlog, Dispatcher
from moongate.transport.flow import Cork

pytestmark = pytest.mark.anyio


class Somebody:
    """A socket with nothing but its order."""

    def __init__(self) -> None:
        self.backlog: Backlog | None = None
        self.paused = False
        self.log: list[Any] = []

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


@pytest.fixture
def dispatcher() -> Dispatcher:
    return Dispatcher(Cork(), inbox_size=4)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds, for five seconds at most."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


def waiting_for(event: asyncio.Event) -> Callable[[Somebody, Any], Coroutine[Any, Any, None]]:
    """Return work that logs its argument, waits for *event*, and logs the end."""

    async def work(socket: Somebody, argument: Any) -> None:
        socket.log.append(f"{argument} begins")
        await event.wait()
        socket.log.append(f"{argument} ends")

    return work


async def test_the_work_of_a_socket_is_done_one_after_another(dispatcher: Dispatcher) -> None:
    socket, event = Somebody(), asyncio.Event()
    for number in range(3):
        dispatcher.submit(socket, waiting_for(event), number)
    await eventually(lambda: socket.log == ["0 begins"])
    event.set()
    await eventually(lambda: len(socket.log) == 6)
    assert socket.log == [f"{number} {what}" for number in range(3) for what in ("begins", "ends")]
    assert socket.backlog is None


async def test_a_socket_that_waits_holds_up_nobody_else(dispatcher: Dispatcher) -> None:
    event, waiting, others = asyncio.Event(), [Somebody() for _ in range(20)], [Somebody() for _ in range(20)]
    for socket, other in zip(waiting, others, strict=True):
        dispatcher.submit(socket, waiting_for(event), "work")
        dispatcher.submit(other, lambda socket, argument: socket.log.append(argument), "done")
    await eventually(lambda: all(socket.log == ["done"] for socket in others))
    event.set()
    await eventually(lambda: all(socket.log[-1] == "work ends" for socket in waiting))


async def test_reading_pauses_while_too_much_waits(dispatcher: Dispatcher) -> None:
    socket, event = Somebody(), asyncio.Event()
    for number in range(5):
        dispatcher.submit(socket, waiting_for(event), number)
    await eventually(lambda: socket.paused)
    event.set()
    await eventually(lambda: not socket.paused and socket.backlog is None)
    assert len(socket.log) == 10


async def test_each_work_has_a_context_of_its_own(dispatcher: Dispatcher) -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
    sockets = [Somebody() for _ in range(3)]

    async def work(socket: Somebody, name: str) -> None:
        socket.log.append(user.get())
        user.set(name)
        await asyncio.sleep(0)
        socket.log.append(user.get())

    for number, socket in enumerate(sockets):
        dispatcher.submit(socket, work, f"user {number}")
        dispatcher.submit(socket, work, f"user {number}")
    await eventually(lambda: all(len(socket.log) == 4 for socket in sockets))
    assert [socket.log for socket in sockets] == [
        ["nobody", f"user {number}", "nobody", f"user {number}"] for number in range(3)
    ]


async def test_a_timeout_in_the_work_cancels_that_work_only(dispatcher: Dispatcher) -> None:
    socket = Somebody()

    async def work(socket: Somebody, _: Any) -> None:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            socket.log.append("timed out")

    dispatcher.submit(socket, work, None)
    dispatcher.submit(socket, lambda socket, _: socket.log.append("next"), None)
    await eventually(lambda: socket.log == ["timed out", "next"])


async def test_an_error_that_escapes_is_logged_and_the_next_work_is_done(
    dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    socket = Somebody()

    async def fail(_: Somebody, when: str) -> None:
        if when == "later":
            await asyncio.sleep(0)
        raise LookupError(when)

    dispatcher.submit(socket, fail, "at once")
    dispatcher.submit(socket, fail, "later")
    dispatcher.submit(socket, lambda socket, _: socket.log.append("next"), None)
    await eventually(lambda: socket.log == ["next"])
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["at once", "later"]


async def test_stopping_waits_for_what_runs_and_cancels_what_does_not_end(dispatcher: Dispatcher) -> None:
    brief, endless, event = Somebody(), Somebody(), asyncio.Event()
    tasks = asyncio.all_tasks()
    dispatcher.submit(brief, waiting_for(event), "brief")
    dispatcher.submit(endless, waiting_for(asyncio.Event()), "endless")
    await eventually(lambda: bool(brief.log and endless.log))
    asyncio.get_running_loop().call_soon(event.set)
    await dispatcher.stop(0.2, str)
    assert brief.log == ["brief begins", "brief ends"]
    assert endless.log == ["endless begins"]
    assert asyncio.all_tasks() == tasks


async def test_a_handler_that_raises_generator_exit_stops_nobody(
    dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    socket = Somebody()

    async def fail(_: Somebody, when: str) -> None:
        if when == "later":
            await asyncio.sleep(0)
        raise GeneratorExit

    for when in ("at once", "later"):
        dispatcher.submit(socket, fail, when)
        dispatcher.submit(socket, lambda socket, when: socket.log.append(when), when)
    await eventually(lambda: socket.log == ["at once", "later"])
    assert caplog.text.count("an error escaped its handler") == 2


async def test_a_worker_that_idles_keeps_nobody_alive(dispatcher: Dispatcher) -> None:
    async def work(_: Somebody, started: asyncio.Event) -> None:
        await asyncio.sleep(0)
        started.set()

    socket, done = Somebody(), asyncio.Event()
    alive = weakref.ref(socket)
    dispatcher.submit(socket, work, done)
    del socket
    await done.wait()
    await eventually(lambda: alive() is None)


async def test_what_waits_behind_a_handler_that_does_not_end_is_done_save_what_nobody_wants(
    dispatcher: Dispatcher,
) -> None:
    socket = Somebody()
    tasks = asyncio.all_tasks()
    dispatcher.submit(socket, waiting_for(asyncio.Event()), "endless")
    dispatcher.submit(socket, lambda socket, argument: socket.log.append(argument), "message")
    dispatcher.submit(socket, lambda socket, argument: socket.log.append(argument), 1)
    await eventually(lambda: bool(socket.log))
    await dispatcher.stop(0.05, str)
    assert socket.log == ["endless begins", 1]
    assert asyncio.all_tasks() == tasks


async def test_stopping_does_not_wait_for_a_handler_that_will_not_be_cancelled(
    dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moongate.namespace.dispatcher._LAST_MOMENT", 0.05)
    socket, event = Somebody(), asyncio.Event()

    async def stubborn(socket: Somebody, _: Any) -> None:
        while not event.is_set():
            try:
                await event.wait()
            except asyncio.CancelledError:
                socket.log.append("not yet")

    dispatcher.submit(socket, stubborn, None)
    async with asyncio.timeout(5):
        await dispatcher.stop(0.05, str)
    assert socket.log == ["not yet", "not yet"]
    event.set()
