"""Long-polling: messages go out as the answer to a GET that waits for them, and come in by POST."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager

from moongate.config import TransportName
from moongate.errors import ProtocolError
from moongate.transport.base import Receiver
from moongate.transport.flow import READY, Cork
from moongate.types import Receive
from moongate.wire.engineio import NOOP, decode_payload, encode_payload
from moongate.wire.outgoing import Outgoing

__all__ = ["Overlap", "PollingTransport"]

_AWAIT_AFTER = 64
"""How many messages that no poll has fetched make an awaited `emit` wait."""


class Overlap(ProtocolError):
    """A client sent a second request of a kind while the first was not answered."""


class PollingTransport:
    """The messages of one client that polls. What is sent while no poll waits is kept for the next one."""

    __slots__ = ("_cork", "_drained", "_poll", "_posting", "_queue", "_reading", "receiver")

    name: TransportName = "polling"

    def __init__(self, receiver: Receiver, cork: Cork) -> None:
        self.receiver = receiver
        self._cork = cork
        self._queue: list[tuple[bool, bytes]] = []  # what no poll has fetched yet
        self._poll: asyncio.Future[None] | None = None  # a poll that waits for messages
        self._posting = False  # while a POST is answered
        self._reading: asyncio.Event | None = None  # only while reading is paused
        self._drained: asyncio.Future[None] | None = None  # only while somebody waits for the next poll

    @property
    def writable(self) -> bool:
        """Whether a poll waits."""
        return self._poll is not None and not self._poll.done()

    @property
    def waiting(self) -> list[tuple[bool, bytes]]:
        """What no poll has fetched yet: text or binary, and the data."""
        return self._queue

    def send_text(self, data: bytes) -> None:
        """Send one text message."""
        self._enqueue((True, data))

    def send_bytes(self, data: bytes) -> None:
        """Send one binary message."""
        self._enqueue((False, data))

    def send(self, message: Outgoing) -> None:
        """Send a message that was encoded before, its attachments right behind it."""
        self._enqueue((True, message.text), *((False, attachment) for attachment in message.attachments))

    def _enqueue(self, *packets: tuple[bool, bytes]) -> None:
        if not self._queue and self._poll is not None:
            self._cork.add(self)
        self._queue.extend(packets)

    def flush(self) -> None:
        """Let the poll that waits, if one does, take what there is."""
        if self._queue and self._poll is not None and not self._poll.done():
            self._poll.set_result(None)

    def drained(self) -> Awaitable[None]:
        """Return an awaitable that is done when a poll has fetched what waits; done at once while that is little."""
        if len(self._queue) < _AWAIT_AFTER:
            return READY
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()
        return asyncio.shield(self._drained)

    def ping(self) -> bool:
        """There are no WebSocket pings in polling."""
        return False

    def pause_reading(self) -> None:
        """Answer no POST until `resume_reading`, so that the client has to wait with the next."""
        if self._reading is None:
            self._reading = asyncio.Event()

    def resume_reading(self) -> None:
        """Answer again."""
        if self._reading is not None:
            self._reading.set()
            self._reading = None

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Answer the poll that waits, if one does; what it does not take can still be fetched by `poll`."""
        del code, reason
        self.resume_reading()
        self._release_drained()
        self.flush()

    def release(self) -> None:
        """Answer the poll that waits, if one does, with a packet that means nothing."""
        if self.writable and not self._queue:
            self.send_text(NOOP)
            self.flush()

    def take(self) -> list[tuple[bool, bytes]]:
        """Return what no poll has fetched yet, for the transport that follows this one."""
        taken, self._queue = self._queue, []
        self._release_drained()
        return taken

    async def poll(self, receive: Receive) -> bytes | None:
        """Wait for messages and return them as a body; None if the client gave up before there were any.

        *receive* is ASGI's. Raises Overlap if another poll waits.
        """
        if self._poll is not None:
            raise Overlap("one poll at a time", "a second one")
        self._poll = asyncio.get_running_loop().create_future()
        try:
            if not self._queue and not await self._wait(self._poll, receive):
                return None
            return encode_payload(self.take())
        finally:
            self._poll = None

    @staticmethod
    async def _wait(poll: "asyncio.Future[None]", receive: Receive) -> bool:
        """Wait until the poll may be answered; False if the client is gone first."""
        watch = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait((poll, watch), return_when=asyncio.FIRST_COMPLETED)
        finally:
            watch.cancel()
        return poll.done()

    @contextmanager
    def posting(self) -> Iterator[None]:
        """Take one POST; raises Overlap if another is not answered yet."""
        if self._posting:
            raise Overlap("one POST at a time", "a second one")
        self._posting = True
        try:
            yield
        finally:
            self._posting = False

    async def deliver(self, body: bytes) -> None:
        """Hand the packets of a POST to the receiver; returns when it can take more. Raises ProtocolError."""
        for is_text, data in decode_payload(body):
            if is_text:
                self.receiver.on_text(data)
            else:
                self.receiver.on_bytes(data)
        if self._reading is not None:
            await self._reading.wait()

    def _release_drained(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None


async def _disconnected(receive: Receive) -> None:
    """Return when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        continue
