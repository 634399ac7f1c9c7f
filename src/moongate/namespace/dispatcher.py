"""Who runs what, and in which order: one socket's messages one at a time, without a task for each.

A message is run by a worker, a task that takes what is ready until nothing is. Most handlers end without waiting for
anything, so one worker serves all sockets. When a handler does wait, its worker stays with it and another takes over;
what comes for the same socket meanwhile waits in the socket's backlog.
"""

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, Protocol, TypeAlias

from moongate.namespace.cancellation import NO_FAILURES, reraise_cancellation
from moongate.transport.flow import Cork

__all__ = ["Backlog", "Dispatcher", "Ordered", "Work"]

_LOGGER = logging.getLogger("moongate.namespace")

_IDLE_WORKERS = 16
"""How many workers stay for the next burst of waiting handlers."""

_LAST_MOMENT = 1.0
"""Seconds for what handlers do when they are cancelled at the end, and for what has waited behind them."""

Work: TypeAlias = Callable[[Any, Any], Coroutine[Any, Any, None] | None]
"""What is to be done for a socket: called with it and one argument, it may return a coroutine with the rest."""

Backlog: TypeAlias = deque[tuple[Work, Any]]
"""What waits until the handler that runs for a socket ends."""


class Ordered(Protocol):
    """Somebody whose work is done in order."""

    backlog: Backlog | None
    """None unless a handler waits for something."""

    def pause_reading(self) -> None:
        """Take no more messages: too many wait."""

    def resume_reading(self) -> None:
        """Take messages again."""


class _Continuation:
    """Awaits the rest of a coroutine that has already run up to its first wait, in its own context."""

    __slots__ = ("_context", "_coroutine", "_future")

    def __init__(self, coroutine: Coroutine[Any, Any, None], future: Any, context: contextvars.Context) -> None:
        self._coroutine = coroutine
        self._future = future  # what the coroutine waits for
        self._context = context

    def __await__(self) -> Generator[Any, Any, None]:
        coroutine, context, future = self._coroutine, self._context, self._future
        while True:
            try:
                value = yield future
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001  # whatever is thrown in belongs to the coroutine
                step = partial(coroutine.throw, error)
            else:
                step = partial(coroutine.send, value)
            try:
                future = context.run(step)
            except StopIteration:
                return
            except GeneratorExit as error:
                raise _misplaced(error) from error


class Dispatcher:
    """Runs work in order for each socket, each in a context of its own (PEP 567)."""

    __slots__ = (
        "_context", "_cork", "_idle", "_inbox_size", "_ready", "_scheduled", "_stopped", "_tasks",
        "_unwanted",
    )  # fmt: skip

    def __init__(self, cork: Cork, inbox_size: int) -> None:
        self._cork = cork
        self._inbox_size = inbox_size
        self._ready: deque[tuple[Ordered, Work, Any]] = deque()
        self._scheduled = False  # a worker is about to take what is ready
        self._idle: list[asyncio.Future[None]] = []  # of workers that wait for something to do
        self._tasks: set[asyncio.Task[None]] = set()
        self._unwanted: type | None = None  # what is not done any more, once handlers were cancelled at the end
        self._stopped = False  # nothing is done any more
        self._context = contextvars.Context()

    def submit(self, socket: Ordered, work: Work, argument: Any) -> None:
        """Do *work* for *socket*, after all that was submitted for it before."""
        backlog = socket.backlog
        if backlog is not None and not self._ready:  # what is ready came before, perhaps from the same socket
            self._postpone(socket, backlog, work, argument)
            return
        self._ready.append((socket, work, argument))
        if not self._scheduled:
            self._wake()

    def discard(self, socket: Ordered, kind: type) -> None:
        """Let go of what waits to be done for *socket* with an argument of this type; what runs goes on."""
        ready = [entry for entry in self._ready if entry[0] is not socket or not isinstance(entry[2], kind)]
        if len(ready) < len(self._ready):
            self._ready.clear()
            self._ready.extend(ready)
        backlog = socket.backlog
        if backlog:
            may_be_paused = len(backlog) >= self._inbox_size // 2
            kept = [entry for entry in backlog if not isinstance(entry[1], kind)]
            backlog.clear()
            backlog.extend(kept)
            if may_be_paused:
                socket.resume_reading()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run *coroutine* beside everything else, until it ends or the dispatcher stops."""
        task = asyncio.get_running_loop().create_task(coroutine, context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def stop(self, timeout: float, unwanted: type) -> None:  # the limit is for the handlers, not for the caller
        """Let what runs end within *timeout* seconds, then cancel it.

        What waits behind it is done then, in a moment, unless its argument is of the type *unwanted*.
        """
        if not await self._settle(timeout):
            self._unwanted = unwanted
            await self._cancel()
            await self._settle(_LAST_MOMENT)
        self._stopped = True
        await self._cancel()

    async def _settle(self, timeout: float) -> bool:  # the limit is for the handlers, not for the caller
        """Return whether everything has been done within *timeout* seconds."""
        deadline = asyncio.get_running_loop().time() + timeout
        while busy := self._busy():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                _LOGGER.warning("%d handlers did not end within %g s", len(busy) - len(self._idle), timeout)
                return False
            await asyncio.wait(busy, timeout=min(left, 0.05), return_when=asyncio.FIRST_COMPLETED)
        return True

    async def _cancel(self) -> None:
        """Cancel all that runs; whoever does not mind that is waited for no longer than a moment."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST_MOMENT)

    def _busy(self) -> "list[asyncio.Task[None]]":
        """Return the tasks that have something to do: all but the idle workers and the caller."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        return tasks if len(tasks) > len(self._idle) or self._ready else []

    def _postpone(self, socket: Ordered, backlog: Backlog, work: Work, argument: Any) -> None:
        backlog.append((work, argument))
        if len(backlog) >= self._inbox_size:
            socket.pause_reading()

    def _wake(self) -> None:
        self._scheduled = True
        while self._idle:
            idle = self._idle.pop()
            if not idle.done():
                idle.set_result(None)
                return
        self.spawn(self._work())

    async def _work(self) -> None:
        """Take what is ready, for ever; a worker that had to wait ends when there are enough others."""
        loop = asyncio.get_running_loop()
        while True:
            suspended = self._run_ready()
            if suspended is not None:
                await self._finish(*suspended)
                suspended = None  # a worker that idles must not keep a client alive
                if self._ready and not self._scheduled:
                    self._scheduled = True
                    continue
                if len(self._idle) >= _IDLE_WORKERS:
                    return
            idle = loop.create_future()
            self._idle.append(idle)
            try:
                await idle
            except asyncio.CancelledError:
                if idle in self._idle:
                    self._idle.remove(idle)
                raise

    def _run_ready(self) -> "tuple[Ordered, _Continuation] | None":
        """Run what is ready until nothing is, or until something has to wait: then return it."""
        ready = self._ready
        held = self._cork.hold()
        suspended = None
        try:
            while ready and suspended is None:
                socket, work, argument = ready.popleft()
                backlog = socket.backlog
                if backlog is None:
                    suspended = self._start(socket, work, argument)
                else:
                    self._postpone(socket, backlog, work, argument)
        finally:  # whatever ends this worker must not silence everybody else
            if held:
                self._cork.release()
            self._scheduled = False
            if ready:
                self._wake()
        return suspended

    def _start(self, socket: Ordered, work: Work, argument: Any) -> "tuple[Ordered, _Continuation] | None":
        """Run *work* up to its first wait."""
        context = self._context.copy()
        try:
            waiting = context.run(_first_step, work, socket, argument)
        except BaseException as error:  # noqa: BLE001  # sorted out there
            _reraise_unless_handled(error)
            return None
        if waiting is None:
            return None
        socket.backlog = deque()
        return socket, _Continuation(*waiting, context)

    async def _finish(self, socket: Ordered, continuation: _Continuation) -> None:
        """Wait for a handler that waits, then do what has come for its socket meanwhile."""
        try:
            await self._finish_all(socket, continuation)
        except BaseException:
            self._hand_over(socket)
            raise

    async def _finish_all(self, socket: Ordered, continuation: _Continuation) -> None:
        backlog = socket.backlog
        while True:
            try:
                await continuation
            except BaseException as error:  # noqa: BLE001  # sorted out there
                _reraise_unless_handled(error)
            reraise_cancellation()  # or it would stay cancelled for all that follows
            following = None
            while backlog and following is None:
                work, argument = backlog.popleft()
                if len(backlog) == self._inbox_size // 2:
                    socket.resume_reading()
                following = self._start(socket, work, argument)
                if following is not None:
                    socket.backlog = backlog
            if following is None:
                socket.backlog = None
                return
            continuation = following[1]

    def _hand_over(self, socket: Ordered) -> None:
        """The worker of *socket* was cancelled together with a handler: let another one go on."""
        backlog, socket.backlog = socket.backlog, None
        if not backlog or self._stopped:
            return
        for work, argument in reversed(backlog):
            if self._unwanted is None or not isinstance(argument, self._unwanted):
                self._ready.appendleft((socket, work, argument))
        socket.resume_reading()  # it pauses again if there is too much
        if not self._scheduled:
            self._wake()


def _first_step(work: Work, socket: Any, argument: Any) -> tuple[Coroutine[Any, Any, None], Any] | None:
    """Call *work* and run what it returns up to its first wait; return it and what it waits for, if it waits."""
    coroutine = work(socket, argument)
    if coroutine is None:
        return None
    try:
        return coroutine, coroutine.send(None)
    except StopIteration:
        return None
    except GeneratorExit as error:
        raise _misplaced(error) from error


def _misplaced(error: GeneratorExit) -> RuntimeError:
    """Return what a handler means that raises what would end the worker."""
    return RuntimeError(f"a handler raised {error!r}")


def _reraise_unless_handled(error: BaseException) -> None:
    """Log what a handler let through; re-raise what is meant for the worker or the process."""
    reraise_cancellation(error)
    if isinstance(error, NO_FAILURES):
        raise error
    _LOGGER.error("an error escaped its handler", exc_info=error)
