"""WebSocket connections within the process: what a transport sends is handed to the peer, without a network."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from moongate.config import TransportName
from moongate.transport.base import Receiver
from moongate.transport.flow import Cork, Turn
from moongate.wire.outgoing import Outgoing

__all__ = ["MemoryPeer", "MemoryTransport"]

_ABNORMAL_CLOSURE = 1006


class MemoryPeer(Protocol):
    """The other end: a client in the same event loop."""

    def on_message(self, data: bytes, *, is_text: bool) -> None:
        """The server has sent a message."""

    def on_ping(self) -> None:
        """The server has sent a WebSocket ping."""

    def on_closed(self, code: int, reason: str) -> None:
        """The server has closed the connection."""


class MemoryTransport:
    """One connection. As with a real one, what is sent leaves at the end of the event loop's turn, in order."""

    __slots__ = ("_closed", "_cork", "_kept", "_peer", "_pending", "paused", "receiver")

    name: TransportName = "websocket"

    def __init__(self, receiver: Receiver, cork: Cork, peer: MemoryPeer) -> None:
        self.receiver: Receiver = receiver
        self.paused: bool = False  # whether the server reads nothing for now
        self._cork = cork
        self._peer = peer
        self._pending: list[tuple[bool, bytes]] = []  # what leaves at the end of the turn: text or binary, and the data
        self._kept: deque[Callable[[], None]] = deque()  # what came while nothing was read
        self._closed = False

    @property
    def writable(self) -> bool:
        """Whether a message would leave at once: always, until the connection is closed."""
        return not self._closed

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
        if not self._pending:
            self._cork.add(self)
        self._pending.append((is_text, data))

    def flush(self) -> None:
        """Hand over what was sent in this turn."""
        pending, self._pending = self._pending, []
        for is_text, data in pending:
            self._peer.on_message(data, is_text=is_text)

    def drained(self) -> Awaitable[None]:
        """Return one turn of the event loop: the peer takes everything."""
        return Turn()

    def ping(self) -> bool:
        """Send a WebSocket ping. As with a real one, the answer does not come before this returns."""
        asyncio.get_running_loop().call_soon(self._peer.on_ping)
        return True

    def pause_reading(self) -> None:
        """Keep what the peer sends until `resume_reading`."""
        self.paused = True

    def resume_reading(self) -> None:
        """Take what was kept, and what comes."""
        self.paused = False
        asyncio.get_running_loop().call_soon(self._take_kept)

    def _take_kept(self) -> None:
        while self._kept and not self.paused:
            self._kept.popleft()()

    def take(self, data: bytes, *, is_text: bool) -> None:
        """Take a message of the peer."""
        if self.paused or self._kept:
            self._kept.append(partial(self._hand_over, data, is_text=is_text))
        else:
            self._hand_over(data, is_text=is_text)

    def _hand_over(self, data: bytes, *, is_text: bool) -> None:
        if self._closed:
            return
        if is_text:
            self.receiver.on_text(data)
        else:
            self.receiver.on_bytes(data)

    def take_pong(self) -> None:
        """Take the peer's answer to a ping."""
        self._in_turn(self._pong)

    def _pong(self) -> None:
        if not self._closed:
            self.receiver.on_pong()

    def take_close(self, code: int) -> None:
        """Take the peer's closing handshake, behind all that it has sent."""
        self._in_turn(partial(self.break_off, code))

    def _in_turn(self, action: Callable[[], None]) -> None:
        if self.paused or self._kept:
            self._kept.append(action)
        else:
            action()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send what is waiting, then close."""
        if self._closed:
            return
        self.flush()
        self._closed = True
        self._kept.clear()
        self._peer.on_closed(code, reason)
        asyncio.get_running_loop().call_soon(self.receiver.on_closed, code, reason)

    def break_off(self, code: int = _ABNORMAL_CLOSURE) -> None:
        """The peer is gone at once, without a closing handshake unless *code* says otherwise."""
        if not self._closed:
            self._closed = True
            self._pending.clear()
            self._kept.clear()
            self.receiver.on_closed(code, "")
