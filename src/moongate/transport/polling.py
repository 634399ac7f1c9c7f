"""Long-polling: messages go out as the answer to a GET that waits for them, and come in by POST."""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from moongate.config import TransportName
from moongate.errors import ProtocolError
from moongate.transport.base import Receiver
from moongate.transport.flow import READY, Cork
from moongate.types import Receive
from moongate.wire.engineio import CLOSE, NOOP, decode_payload, encode_payload
from moongate.wire.outgoing import Outgoing

__all__ = ["Bodies", "Misuse", "PollingTransport", "disconnected"]

_GOODBYE = ((True, NOOP), (True, CLOSE))
"""What a poll gets that comes when all has been said; Node's server words it so."""

_TURN = 512
"""How many packets of one POST are handled before other clients get a turn."""


class Misuse(ProtocolError):
    """A client broke a rule of long-polling, such as one request of a kind at a time."""


class Bodies(Protocol):
    """How packets, each told to be text or binary, are written into the bodies of requests and answers."""

    accepts_binary: bool
    """Whether a client may send a body that is no text."""

    def encode(self, packets: Sequence[tuple[bool, bytes]]) -> bytes:
        """Join packets."""

    def decode(self, body: bytes, *, is_binary: bool) -> Iterator[tuple[bool, bytes]]:
        """Split a body into packets; raises ProtocolError."""

    def is_binary(self, body: bytes) -> bool:
        """Whether a body that was encoded is no text."""


class _TextBodies:
    """The bodies of revision 4, which are always text."""

    accepts_binary = False

    def encode(self, packets: Sequence[tuple[bool, bytes]]) -> bytes:
        return encode_payload(packets)

    def decode(self, body: bytes, *, is_binary: bool) -> Iterator[tuple[bool, bytes]]:
        del is_binary
        return decode_payload(body)

    def is_binary(self, body: bytes) -> bool:
        del body
        return False


_TEXT_BODIES = _TextBodies()


class PollingTransport:
    """The messages of one client that polls. What is sent while no poll waits is kept for the next one."""

    __slots__ = (
        "_closed", "_cork", "_drained", "_high_water", "_packets", "_poll", "_posting", "_resumed", "_size", "bodies",
        "parted", "receiver",
    )  # fmt: skip

    name: TransportName = "polling"

    def __init__(self, receiver: Receiver, cork: Cork, high_water: int, bodies: Bodies = _TEXT_BODIES) -> None:
        self.receiver: Receiver = receiver
        self.bodies: Bodies = bodies
        self._cork = cork
        self._high_water = high_water
        self.parted: bool = False  # the goodbye has been fetched
        self._closed = False
        self._packets: list[tuple[bool, bytes]] = []  # what no poll has fetched yet: text or binary, and the data
        self._size = 0  # their bytes
        self._poll: asyncio.Future[bytes] | None = None  # a poll that waits for messages
        self._posting = False  # while a POST is answered
        self._resumed: asyncio.Event | None = None  # only while reading is paused
        self._drained: asyncio.Future[None] | None = None  # only while somebody waits for the next poll

    @property
    def writable(self) -> bool:
        """Whether a poll waits."""
        return self._poll is not None

    @property
    def unfetched(self) -> bool:
        """Whether there are messages that no poll has fetched yet."""
        return bool(self._packets)

    @property
    def paused(self) -> bool:
        """Whether no POST is answered at the moment."""
        return self._resumed is not None

    def send_text(self, data: bytes) -> None:
        """Send one text message."""
        self._enqueue(data, is_text=True)

    def send_bytes(self, data: bytes) -> None:
        """Send one binary message."""
        self._enqueue(data, is_text=False)

    def send(self, message: Outgoing) -> None:
        """Send a message that was encoded before, its attachments right behind it."""
        if message.text is not None:
            self._enqueue(message.text, is_text=True)
        for attachment in message.attachments:
            self._enqueue(attachment, is_text=False)

    def _enqueue(self, data: bytes, *, is_text: bool) -> None:
        if self._closed:
            return
        if not self._packets and self._poll is not None:
            self._cork.add(self)
        self._packets.append((is_text, data))
        self._size += len(data)

    def flush(self) -> None:
        """Answer the poll that waits with what there is."""
        if self._packets and self._poll is not None:
            self._poll.set_result(self.bodies.encode(self.take()))
            self._poll = None

    def drained(self) -> Awaitable[None]:
        """Return an awaitable that is done when a poll has fetched what waits; done at once while that is little."""
        if self._size < self._high_water:
            return READY
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()
        return asyncio.shield(self._drained)

    def ping(self) -> bool:
        """There are no WebSocket pings in polling."""
        return False

    def pause_reading(self) -> None:
        """Answer no POST until `resume_reading`, so that the client has to wait with the next."""
        if self._resumed is None and not self._closed:
            self._resumed = asyncio.Event()

    def resume_reading(self) -> None:
        """Answer again."""
        if self._resumed is not None:
            self._resumed.set()
            self._resumed = None

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye, to the poll that waits if there is nothing else for it, else to the one that finds nothing else.

        The official client would not act on messages that come together with the goodbye.
        """
        del code, reason
        if self._closed:
            return
        self.flush()
        self._closed = True
        if self._poll is not None:
            self._poll.set_result(self.bodies.encode(((True, CLOSE),)))
            self._poll = None
            self.parted = True
        self._release_drained()
        self.resume_reading()

    def release(self) -> None:
        """Answer the poll that waits, if one does, with a packet that means nothing unless there is more to say."""
        if self._poll is not None:
            if not self._packets:
                self.send_text(NOOP)
            self.flush()

    def take(self) -> list[tuple[bool, bytes]]:
        """Return what no poll has fetched yet, text or binary and the data, and let go of it."""
        taken, self._packets, self._size = self._packets, [], 0
        self._release_drained()
        return taken

    async def poll(self, receive: Receive) -> bytes | None:
        """Wait for messages and return them as a body; None if the client gave up before there were any.

        *receive* is ASGI's. Raises Misuse if another poll waits.
        """
        if self._poll is not None:
            raise Misuse("one poll at a time", "a second one")
        if self._packets:
            return self.bodies.encode(self.take())
        if self._closed:
            self.parted = True
            return self.bodies.encode(_GOODBYE)
        poll = self._poll = asyncio.get_running_loop().create_future()
        watch = asyncio.ensure_future(disconnected(receive))
        try:
            await asyncio.wait((poll, watch), return_when=asyncio.FIRST_COMPLETED)
        finally:
            watch.cancel()
            if self._poll is poll:
                self._poll = None
        return poll.result() if poll.done() else None

    @contextmanager
    def posting(self) -> Iterator[None]:
        """Take one POST; raises Misuse if another is not answered yet."""
        if self._posting:
            raise Misuse("one POST at a time", "a second one")
        self._posting = True
        try:
            yield
        finally:
            self._posting = False

    async def deliver(self, body: bytes, *, is_binary: bool = False) -> None:
        """Hand the packets of a POST to the receiver; returns when it can take more. Raises ProtocolError."""
        for number, (is_text, data) in enumerate(self.bodies.decode(body, is_binary=is_binary), 1):
            if is_text:
                self.receiver.on_text(data)
            else:
                self.receiver.on_bytes(data)
            if self._resumed is not None:
                await self._resumed.wait()
            elif not number % _TURN:
                await asyncio.sleep(0)
            if self._closed:
                return

    def _release_drained(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None


async def disconnected(receive: Receive) -> None:
    """Return when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        continue
