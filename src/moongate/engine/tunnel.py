"""A WebSocket that is open at one server, and whose session lives on another."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from moongate.config import TransportName
from moongate.engine.relay import Closed, Data, Ready, RelayMessage, Taken
from moongate.engine.window import Arrivals, Window
from moongate.errors import EncodeError
from moongate.transport.base import NO_STATUS, OpenTransport, Receiver
from moongate.transport.flow import READY
from moongate.wire.outgoing import Outgoing

__all__ = ["RemoteTransport", "Tunnel"]

_LOGGER = logging.getLogger("moongate.engine")

_REPEATED = 10.0
"""Seconds after which the owner is told again what has gone to the client, once there is something more."""

_ABNORMAL_CLOSURE = 1006
_TOO_LARGE = 1009
_INTERNAL_ERROR = 1011
"""WebSocket close codes (RFC 6455 section 7.4.1)."""


class Tunnel:
    """The end with the client: it gives what comes to the owner of the session, and what the owner sends to the client.

    *tell* sends to the owner. A message that is missing in between ends the connection: nothing is ever left out. The
    client is read from as long as no more than *high_water* bytes are on their way, in either direction.
    """

    __slots__ = (
        "_arrivals", "_closed", "_forget", "_next", "_number", "_sent", "_taking", "_tell", "_told_at", "_transport",
        "_waits", "_window",
    )  # fmt: skip

    def __init__(
        self, number: int, tell: Callable[[RelayMessage], object], forget: Callable[[int], object], high_water: int
    ) -> None:
        self._number = number
        self._tell = tell
        self._forget = forget
        self._transport: OpenTransport | None = None
        self._closed = False
        self._sent = 0  # how many messages went to the owner
        self._next = 0  # the place of the message that has to come next
        self._window = Window(high_water)  # what goes to the owner
        self._waits = False  # the client is not read from until the owner has taken some of it
        self._arrivals = Arrivals(high_water)  # what goes to the client
        self._told_at = 0.0  # when the owner was told about it, in the loop's time
        self._taking: asyncio.Task[None] | None = None

    def on_open(self, transport: OpenTransport) -> None:
        """The WebSocket is open."""
        self._transport = transport
        if self._closed:
            transport.close(NO_STATUS)
        else:
            self._told_at = asyncio.get_running_loop().time()
            self._tell(Ready(self._number))

    def on_text(self, data: bytes) -> None:
        """The client sent text."""
        self._give(data, is_text=True)

    def on_bytes(self, data: bytes) -> None:
        """The client sent bytes."""
        self._give(data, is_text=False)

    def _give(self, data: bytes, *, is_text: bool) -> None:
        if self._closed or self._transport is None:
            return
        try:
            self._tell(Data(self._number, False, self._sent, is_text, data))
        except EncodeError:
            self.cut(_TOO_LARGE)
            return
        self._sent += 1
        self._window.sent(len(data))
        if not self._window.is_open and not self._waits:
            self._waits = True
            self._transport.pause_reading()

    def taken(self, total: int) -> None:
        """So many bytes of the client have been taken by the session."""
        self._window.taken(total)
        if self._waits and self._window.is_open and self._transport is not None:
            self._waits = False
            self._transport.resume_reading()

    def on_pong(self) -> None:
        """Nobody has pinged: heartbeats are messages."""

    def on_closed(self, code: int, reason: str) -> None:
        """The WebSocket is gone."""
        self._end()
        self._tell(Closed(self._number, code, reason, owner=False))

    def take(self, message: Data) -> None:
        """The owner sends a message to the client."""
        if self._closed or self._transport is None:
            return
        if message.place != self._next:
            self.cut()
            return
        self._next += 1
        if message.is_text:
            self._transport.send_text(message.data)
        else:
            self._transport.send_bytes(message.data)
        self._arrivals.came(len(message.data))
        if self._taking is None and self._has_to_tell():
            self._taking = asyncio.get_running_loop().create_task(self._tell_taken(self._transport))

    def _has_to_tell(self) -> bool:
        # After a while also what is little: the last word may be lost, and the owner wait for it.
        late = asyncio.get_running_loop().time() - self._told_at > _REPEATED
        return self._arrivals.are_worth_telling or (late and self._arrivals.are_news)

    async def _tell_taken(self, transport: OpenTransport) -> None:
        """Tell the owner what has gone to the client, so that it may send more."""
        while self._has_to_tell() and not self._closed:
            self._told_at = asyncio.get_running_loop().time()
            total = self._arrivals.tell()
            await transport.drained()
            self._tell(Taken(self._number, False, total))
        self._taking = None

    def close(self, code: int, reason: str) -> None:
        """The owner closes the connection."""
        if not self._closed:
            self._end()
            if self._transport is not None:
                self._transport.close(code, reason)

    def cut(self, code: int = _INTERNAL_ERROR) -> None:
        """The owner is gone, or messages are: the client has to come anew."""
        if not self._closed:
            self.close(code, "")
            self._tell(Closed(self._number, _ABNORMAL_CLOSURE, "", owner=False))

    def _end(self) -> None:
        self._closed = True
        self._forget(self._number)
        if self._taking is not None:
            self._taking.cancel()


class RemoteTransport:
    """The end with the session: a transport whose peer is connected to another server. *tell* sends to that server."""

    __slots__ = (
        "_arrivals", "_closed", "_drained", "_forget", "_next", "_number", "_opened", "_sent", "_tell", "_window",
        "paused", "receiver",
    )  # fmt: skip

    name: TransportName = "websocket"

    def __init__(
        self,
        number: int,
        receiver: Receiver,
        tell: Callable[[RelayMessage], object],
        forget: Callable[[int], object],
        high_water: int,
    ) -> None:
        self.receiver: Receiver = receiver
        self.paused: bool = False  # whether the other server is to hear nothing of what is taken
        self._number = number
        self._tell = tell
        self._forget = forget
        self._opened = False
        self._closed = False
        self._sent = 0  # how many messages went to the client
        self._next = 0  # the place of the message that has to come next
        self._window = Window(high_water)  # what goes to the client
        self._arrivals = Arrivals(high_water)  # what comes from it
        self._drained: asyncio.Future[None] | None = None  # only while somebody waits

    @property
    def writable(self) -> bool:
        """Whether little enough is on its way."""
        return self._window.is_open and not self._closed

    def send_text(self, data: bytes) -> None:
        """Send one text message."""
        self._send(data, is_text=True)

    def send_bytes(self, data: bytes) -> None:
        """Send one binary message."""
        self._send(data, is_text=False)

    def send(self, message: Outgoing) -> None:
        """Send a message that was encoded before, its attachments right behind it."""
        if message.text is not None:
            self._send(message.text, is_text=True)
        for attachment in message.attachments:
            self._send(attachment, is_text=False)

    def _send(self, data: bytes, *, is_text: bool) -> None:
        if self._closed:
            return
        try:
            self._tell(Data(self._number, True, self._sent, is_text, data))
        except EncodeError:
            _LOGGER.warning("a message of %d bytes is too large for the cluster: its client is put out", len(data))
            self.close(_TOO_LARGE)
        else:
            self._sent += 1
            self._window.sent(len(data))

    def drained(self) -> Awaitable[None]:
        """Return an awaitable that is done when the client can take more, or is gone."""
        if self._window.is_open or self._closed:
            return READY
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()
        return asyncio.shield(self._drained)

    def taken(self, total: int) -> None:
        """So many bytes have gone to the client."""
        self._window.taken(total)
        if self._window.is_open:
            self._release_drained()

    def _release_drained(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def ping(self) -> bool:
        """There are no WebSocket pings by this way."""
        return False

    def pause_reading(self) -> None:
        """Take no more from the client; what is on its way still arrives, until the window is full."""
        self.paused = True

    def resume_reading(self) -> None:
        """Take messages again."""
        self.paused = False
        self._tell_taken()

    def _tell_taken(self) -> None:
        if self._arrivals.are_worth_telling and not self.paused and not self._closed:
            self._tell(Taken(self._number, True, self._arrivals.tell()))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the client's WebSocket."""
        if not self._closed:
            self._tell(Closed(self._number, code, reason, owner=True))
            self.closed(code, reason)

    def open(self) -> None:
        """The client's WebSocket is open."""
        if not self._opened and not self._closed:
            self._opened = True
            self.receiver.on_open(self)

    def take(self, message: Data) -> None:
        """The client sent a message."""
        if self._closed or not self._opened:
            return
        if message.place != self._next:
            self._tell(Closed(self._number, _INTERNAL_ERROR, "", owner=True))
            self.closed(_ABNORMAL_CLOSURE, "")
            return
        self._next += 1
        if message.is_text:
            self.receiver.on_text(message.data)
        else:
            self.receiver.on_bytes(message.data)
        self._arrivals.came(len(message.data))
        self._tell_taken()

    def closed(self, code: int, reason: str) -> None:
        """The client's WebSocket is gone, or the server where it was."""
        if self._closed:
            return
        self._closed = True
        self._forget(self._number)
        self._release_drained()
        # As from any other transport: not from inside the call that closes it.
        asyncio.get_running_loop().call_soon(self.receiver.on_closed, code, reason)
