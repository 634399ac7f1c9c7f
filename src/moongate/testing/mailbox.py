"""The events that a client has received."""

import asyncio
from typing import Any

__all__ = ["Mailbox"]

_DESCRIBED = 10
"""How many events the text of an error names."""


class Mailbox:
    """Keeps events until they are asked for, each under its name, in the order in which they came."""

    def __init__(self) -> None:
        self.fate: str | None = None  # why nothing can come any more
        self.waiting: list[tuple[str, Any]] = []
        self._takers: list[tuple[str, asyncio.Future[Any]]] = []

    def put(self, event: str, data: Any) -> None:
        """An event came: give it to who asked first, or keep it."""
        for position, (wanted, taker) in enumerate(self._takers):
            if wanted == event and not taker.done():
                del self._takers[position]
                taker.set_result(data)
                return
        self.waiting.append((event, data))

    @property
    def takers(self) -> list[asyncio.Future[Any]]:
        """What waits for an event."""
        return [taker for _, taker in self._takers]

    async def take(self, event: str, timeout: float) -> Any:
        """Return the data of the next *event*; raises TimeoutError, which says what came instead."""
        for position, (name, data) in enumerate(self.waiting):
            if name == event:
                del self.waiting[position]
                return data
        taker: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        entry = (event, taker)
        self._takers.append(entry)
        try:
            async with asyncio.timeout(timeout):
                return await taker
        except TimeoutError:
            raise TimeoutError(f"no {event!r} within {timeout:g} s; {self.describe()}") from None
        finally:
            if entry in self._takers:
                self._takers.remove(entry)

    def describe(self) -> str:
        """Return what came and was not asked for, and whether anything can still come, for an error."""
        came = ", ".join(f"{event} {data!r:.80}" for event, data in self.waiting[:_DESCRIBED])
        more = len(self.waiting) - _DESCRIBED
        text = f"what came: {came}" if came else "nothing else came"
        text += f" and {more} more" if more > 0 else ""
        return text if self.fate is None else f"{text}; the client has left: {self.fate}"
