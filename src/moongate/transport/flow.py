"""Corking: what is sent to a connection within one turn of the event loop leaves in one system call."""

import asyncio
import logging
from collections.abc import Awaitable, Generator
from typing import Protocol

__all__ = ["READY", "Cork", "Flushable", "Ready", "Turn"]


_LOGGER = logging.getLogger("moongate.transport")


class Flushable(Protocol):
    """A transport with something to send."""

    def flush(self) -> None:
        """Hand everything that waits to the operating system."""


class Cork:
    """Flushes the transports that were written to, once for each turn of the event loop.

    One serves all connections of a loop, so a turn costs one callback however many connections were written to.
    """

    __slots__ = ("_dirty", "_loop", "_scheduled")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None  # set when first needed: there may be no loop before
        self._dirty: list[Flushable] = []
        self._scheduled = False  # a flush is to come, by the loop or by whoever holds the cork

    def add(self, transport: Flushable) -> None:
        """Flush *transport* at the end of this turn. A transport adds itself once until it is flushed."""
        self._dirty.append(transport)
        if not self._scheduled:
            self._scheduled = True
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self.release)

    def hold(self) -> bool:
        """Promise to call `release`, which saves the loop's callback; False if a flush is to come anyway."""
        if self._scheduled:
            return False
        self._scheduled = True
        return True

    def release(self) -> None:
        """Flush every transport that was written to."""
        self._scheduled = False
        dirty, self._dirty = self._dirty, []
        for transport in dirty:
            try:
                transport.flush()
            except Exception:  # those behind it would never be flushed again
                _LOGGER.exception("a connection could not be written to")


class Ready:
    """An awaitable that is done: what `emit` returns while the client can take more."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        """Return at once."""
        yield from ()


class Turn:
    """An awaitable that lets the event loop take one turn, so that a loop of awaited emits starves nobody."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        """Yield to the event loop once."""
        yield


READY: Awaitable[None] = Ready()
