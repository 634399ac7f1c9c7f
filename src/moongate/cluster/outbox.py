"""What is to be sent to other nodes, in order, kept for a moment while the bus cannot take it."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from moongate.cluster.bus import Bus, Frame, Options, Unreachable
from moongate.cluster.health import Counters
from moongate.errors import ClusterError

__all__ = ["Outbox", "Sending"]

_LOGGER = logging.getLogger("moongate.cluster")

_BATCH = 256
_BATCH_BYTES = 65_536
"""How many messages, and about how many bytes, are written at once; as many wait for the bus's word at most."""

_PAUSE = 0.1
"""Seconds between two tries while the bus is away."""

_SETTLING = 2.5
"""Seconds that other nodes get to find back to a bus that was away."""

_TOO_LATE = "the cluster's bus took nothing for too long"


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

    @property
    def taken(self) -> bool:
        """Whether the bus took it."""
        return self._done and self._error is None

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


class _Queue:
    """What waits, in order; `size` is in bytes."""

    __slots__ = ("_sendings", "size")

    def __init__(self) -> None:
        self._sendings: deque[Sending] = deque()
        self.size: int = 0

    def __len__(self) -> int:
        return len(self._sendings)

    def __iter__(self) -> Iterator[Sending]:
        return iter(self._sendings)

    def append(self, sending: Sending) -> None:
        """Let *sending* wait behind the others."""
        self._sendings.append(sending)
        self.size += len(sending.frame.data)

    def popleft(self) -> Sending:
        """Take the first one."""
        sending = self._sendings.popleft()
        self.size -= len(sending.frame.data)
        return sending

    def put_back(self, batch: Sequence[Sending]) -> None:
        """Let those wait again that were taken, before the others."""
        self._sendings.extendleft(reversed(batch))
        self.size += sum(len(sending.frame.data) for sending in batch)


class Outbox:
    """Gives messages to the bus, one batch after the other.

    When the bus was away, the other nodes have to find back to it as well, and what is sent before they have is lost.
    So only urgent messages are sent at first, until `release` or for some seconds.
    """

    def __init__(self, bus: Bus, options: Options, counters: Counters) -> None:
        self._bus = bus
        self._options = options
        self._counters = counters
        self._urgent = _Queue()
        self._waiting = _Queue()
        self._wake: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self._task: asyncio.Task[None] | None = None
        self._stuck = False  # since a batch could not be sent
        self._trouble = ""  # why it could not, or why messages are held
        self._held_until = 0.0  # in the loop's time
        self.recovered: Callable[[], None] | None = None  # called when the bus takes messages again

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

    def put(self, frame: Frame, timeout: float | None = None) -> Sending:
        """Send *frame* as soon as the bus takes it, not later than in *timeout* seconds (`outbox_timeout`)."""
        sending = Sending(frame, self._loop.time() + (self._options.outbox_timeout if timeout is None else timeout))
        if self._task is None:
            self._drop(sending, "the node has left the cluster")
        elif self._is_full(len(frame.data)):
            self._counters.refused += 1
            count, size = len(self._waiting), self._waiting.size
            sending.finish(ClusterError(f"{count} messages wait already for the cluster's bus, with {size} bytes"))
        else:
            if not self._waiting:
                self._wake.set()
            self._waiting.append(sending)
        return sending

    def _is_full(self, size: int) -> bool:
        """Whether a message of *size* bytes would be too many; the first one never is."""
        options, waiting = self._options, self._waiting
        return len(waiting) >= options.outbox_size or (bool(waiting) and waiting.size + size > options.outbox_bytes)

    def put_urgent(self, frame: Frame, timeout: float) -> Sending:
        """Send *frame* before all others, not later than in *timeout* seconds; it is not counted."""
        sending = Sending(frame, self._loop.time() + timeout)
        self._urgent.append(sending)
        self._wake.set()
        return sending

    def hold(self, reason: str) -> None:
        """Send only what is urgent: other nodes may be cut off as well, for the same *reason*."""
        self._trouble = reason
        self._held_until = self._loop.time() + _SETTLING

    def release(self) -> None:
        """Send everything: the other nodes are there again."""
        self._held_until = 0.0
        self._wake.set()

    async def stop(self, timeout: float) -> None:
        """Send what waits, for *timeout* seconds at most, then stop."""
        task, self._task = self._task, None
        if task is None:
            return
        self._waiting.append(_LAST)
        self.release()
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
            urgent = self._take(self._urgent)
            batch = urgent or ([] if self._is_held() else self._take(self._waiting))
            ends = bool(batch) and batch[-1] is _LAST
            if ends:
                batch.pop()
            if batch and not await self._send(batch, self._urgent if urgent else self._waiting):
                if ends:
                    self._waiting.append(_LAST)
                self._drop_expired()
                await asyncio.sleep(_PAUSE)
            elif ends:
                return
            elif not batch:
                await self._sleep()

    def _is_held(self) -> bool:
        return (self._stuck and self._task is not None) or self._loop.time() < self._held_until

    async def _sleep(self) -> None:
        """Wait until there is something to send, or something that waits is too old."""
        self._wake.clear()
        if self._urgent or (self._waiting and not self._is_held()):
            return
        timer = self._loop.call_later(_PAUSE, self._wake.set) if self._waiting else None
        await self._wake.wait()
        if timer is not None:
            timer.cancel()
            self._drop_expired()

    def _drop_expired(self) -> None:
        now = self._loop.time()
        # They are in no order of their deadlines: questions have their own.
        if any(sending.deadline < now for sending in self._waiting):
            for _ in range(len(self._waiting)):
                sending = self._waiting.popleft()
                if sending.deadline < now:
                    self._drop_late(sending)
                else:
                    self._waiting.append(sending)

    def _take(self, queue: "_Queue") -> list[Sending]:
        """Return what is to be sent next; what is too old is dropped."""
        batch: list[Sending] = []
        size = 0
        now = self._loop.time()
        while queue and len(batch) < _BATCH and size < _BATCH_BYTES:
            sending = queue.popleft()
            if sending.deadline >= now:
                batch.append(sending)
                size += len(sending.frame.data)
            elif queue is self._urgent:
                sending.finish(ClusterError(_TOO_LATE))
            else:
                self._drop_late(sending)
            if sending is _LAST:
                break
        return batch

    async def _send(self, batch: list[Sending], queue: "_Queue") -> bool:
        """Send *batch* of *queue*; return False if all of it waits again."""
        counts = queue is self._waiting
        try:
            refusals = await self._bus.send([sending.frame for sending in batch])
        except Unreachable as error:
            self._stuck = True
            self._trouble = error.reason
            if not error.written:
                queue.put_back(batch)
                return False
            self._lose(batch, error.reason, counts=counts)
            return True
        except asyncio.CancelledError:
            self._lose(batch, "the node has left the cluster", counts=counts)
            raise
        except Exception as error:  # the bus broke its promise; those behind must not pay for it
            _LOGGER.exception("the cluster's bus failed")
            self._lose(batch, repr(error), counts=counts)
            return True
        if self._stuck:
            self._recover()
        self._finish(batch, refusals, counts=counts)
        if counts:
            self._trouble = ""  # which was to be told as long as messages were held
        return True

    def _recover(self) -> None:
        self._stuck = False
        self.hold(self._trouble)
        if self.recovered is not None:
            self.recovered()

    def _lose(self, batch: list[Sending], reason: str, *, counts: bool) -> None:
        """Nobody knows what became of *batch*: sent again, it might arrive twice."""
        self._counters.unknown += counts * len(batch)
        for sending in batch:
            sending.finish(ClusterError(reason, sent=None))

    def _finish(self, batch: list[Sending], refusals: Sequence[ClusterError | None], *, counts: bool) -> None:
        for sending, refusal in zip(batch, refusals, strict=True):
            sending.finish(refusal)
            if not counts:
                continue
            if refusal is None:
                self._counters.published += 1
            elif refusal.sent is None:
                self._counters.unknown += 1
            else:
                self._counters.refused += 1

    def _drop_late(self, sending: Sending) -> None:
        self._drop(sending, f"{self._trouble}; {_TOO_LATE}" if self._trouble else _TOO_LATE)

    def _drop(self, sending: Sending, reason: str) -> None:
        self._counters.dropped += 1
        sending.finish(ClusterError(reason))


_LAST = Sending(Frame("", b""), float("inf"))
"""Stands behind the last message of an outbox that stops."""
