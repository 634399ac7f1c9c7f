"""What is to be sent to other nodes, in order, kept for a moment while the bus cannot take it."""

import asyncio
import logging
from collections import deque
from collections.abc import Generator, Sequence
from typing import Any

from moongate.cluster.bus import Bus, Frame, Options, Unreachable
from moongate.cluster.health import Counters
from moongate.errors import ClusterError

__all__ = ["Outbox", "Sending"]

_LOGGER = logging.getLogger("moongate.cluster")

_BATCH = 256
"""How many messages are written at once; as many wait for the bus's word at most."""

_PAUSE = 0.1
"""Seconds between two tries while the bus is away."""


class Sending:
    """One message on its way to the bus. Awaiting it says whether the bus took it; who does not care pays nothing."""

    __slots__ = ("_done", "_error", "_waiter", "deadline", "frame")

    def __init__(self, frame: Frame, deadline: float) -> None:
        self.frame: Frame = frame
        self.deadline: float = deadline  # in the loop's time
        self._done = False
        self._error: ClusterError | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def done(self) -> bool:
        """Whether its fate is known."""
        return self._done

    def finish(self, error: ClusterError | None = None) -> None:
        """The bus took it, or *error* says what became of it."""
        self._done = True
        self._error = error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __await__(self) -> Generator[Any, None, None]:
        """Wait until the bus took it; raises ClusterError."""
        if not self._done:
            if self._waiter is None or self._waiter.cancelled():
                self._waiter = asyncio.get_running_loop().create_future()
            yield from asyncio.shield(self._waiter).__await__()
        if self._error is not None:
            raise self._error


class Outbox:
    """Gives messages to the bus, one batch after the other."""

    __slots__ = ("_bus", "_counters", "_loop", "_options", "_stuck", "_task", "_waiting", "_wake")

    def __init__(self, bus: Bus, options: Options, counters: Counters) -> None:
        self._bus = bus
        self._options = options
        self._counters = counters
        self._waiting: deque[Sending] = deque()
        self._wake: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self._task: asyncio.Task[None] | None = None
        self._stuck = False  # since a batch could not be sent

    def start(self) -> None:
        """Send from now on."""
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._task = self._loop.create_task(self._run(), name="moongate cluster outbox")

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self._waiting)

    @property
    def stuck(self) -> bool:
        """Whether the bus took nothing at the last try."""
        return self._stuck

    def put(self, frame: Frame, *, timeout: float | None = None) -> Sending:
        """Send *frame* as soon as the bus takes it; not later than in *timeout* seconds (`outbox_timeout`)."""
        sending = Sending(frame, self._loop.time() + (self._options.outbox_timeout if timeout is None else timeout))
        if self._task is None:
            self._counters.dropped += 1
            sending.finish(ClusterError("the node has left the cluster"))
        elif len(self._waiting) >= self._options.outbox_size:
            self._counters.refused += 1
            sending.finish(ClusterError(f"{self._options.outbox_size} messages wait already for the cluster's bus"))
        else:
            if not self._waiting:
                self._wake.set()
            self._waiting.append(sending)
        return sending

    async def stop(self, timeout: float) -> None:
        """Send what waits, for *timeout* seconds at most, then stop."""
        task, self._task = self._task, None
        if task is None:
            return
        self._waiting.append(_LAST)
        self._wake.set()
        _, late = await asyncio.wait((task,), timeout=timeout)
        if late:
            task.cancel()
            await asyncio.wait((task,))
        while self._waiting:
            sending = self._waiting.popleft()
            if sending is not _LAST:
                self._drop(sending, "the node has left the cluster")

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            batch = self._take()
            ends = bool(batch) and batch[-1] is _LAST
            if ends:
                batch.pop()
            if batch and not await self._send(batch):
                if ends:
                    self._waiting.append(_LAST)
                await asyncio.sleep(_PAUSE)
            elif ends:
                return

    def _take(self) -> list[Sending]:
        """Return what is to be sent next; what is too old is dropped."""
        batch: list[Sending] = []
        now = self._loop.time()
        while self._waiting and len(batch) < _BATCH:
            sending = self._waiting.popleft()
            if sending.deadline < now:
                self._drop(sending, "the cluster's bus took nothing for too long")
            else:
                batch.append(sending)
            if sending is _LAST:
                break
        return batch

    async def _send(self, batch: list[Sending]) -> bool:
        """Send *batch*; return False if all of it waits again."""
        try:
            refusals = await self._bus.send([sending.frame for sending in batch])
        except Unreachable as error:
            self._stuck = True
            if not error.written:
                self._waiting.extendleft(reversed(batch))
                return False
            self._counters.unknown += len(batch)
            for sending in batch:
                sending.finish(ClusterError(error.reason, sent=None))
            return True
        except asyncio.CancelledError:
            self._counters.unknown += len(batch)
            for sending in batch:
                sending.finish(ClusterError("the node has left the cluster", sent=None))
            raise
        except Exception as error:  # the bus broke its promise; those behind must not pay for it
            _LOGGER.exception("the cluster's bus failed")
            refusals = [ClusterError(repr(error), sent=None)] * len(batch)
        self._stuck = False
        self._finish(batch, refusals)
        return True

    def _finish(self, batch: list[Sending], refusals: Sequence[ClusterError | None]) -> None:
        for sending, refusal in zip(batch, refusals, strict=True):
            if refusal is None:
                self._counters.published += 1
            elif refusal.sent is None:
                self._counters.unknown += 1
            else:
                self._counters.refused += 1
            sending.finish(refusal)

    def _drop(self, sending: Sending, reason: str) -> None:
        self._counters.dropped += 1
        sending.finish(ClusterError(reason))


_LAST = Sending(Frame("", b""), float("inf"))
"""Stands behind the last message of an outbox that stops."""
