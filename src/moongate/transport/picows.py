"""WebSocket connections by picows, the fast path under our own server."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from picows import WSFrame, WSListener, WSMsgType, WSTransport

from moongate.config import Settings, TransportName
from moongate.errors import PayloadTooLarge, ProtocolError
from moongate.transport.base import NO_STATUS, Receiver
from moongate.transport.flow import READY, Cork
from moongate.transport.lingering import linger
from moongate.transport.throttle import Throttle
from moongate.wire.outgoing import Outgoing
from moongate.wire.websocket import (
    PING_FRAME,
    PONG_START,
    Assembler,
    InvalidText,
    binary_frame,
    close_frame,
    is_close_code,
    pong_frame,
    text_frame,
)

__all__ = ["PicowsTransport"]

_TEXT = WSMsgType.TEXT
_PING = WSMsgType.PING
_PONG = WSMsgType.PONG

_CLOSE_TIMEOUT = 5.0
"""Seconds that the peer has to answer a close frame before the connection is cut."""

_AWAIT_AFTER = 64
"""How many unflushed messages make an awaited `emit` flush them and let the event loop take a turn."""

_LARGE = 16_384
"""Bytes of a frame that makes an awaited `emit` do so by itself."""

_TINY = 128
_FLOOD = 8192
"""Bytes of a small message, and how many may have come behind one before the peer is read more slowly."""

# Close codes (RFC 6455 section 7.4.1).
_PROTOCOL_ERROR = 1002
_ABNORMAL_CLOSURE = 1006
_INVALID_TEXT = 1007
_TOO_BIG = 1009

_DATA = {WSMsgType.CONTINUATION: 0x0, WSMsgType.TEXT: 0x1, WSMsgType.BINARY: 0x2}
"""Opcodes of data frames (RFC 6455 section 5.2)."""


class PicowsTransport(WSListener):
    """One WebSocket connection: picows reads and parses, frames that go out are corked here."""

    __slots__ = (
        "_assembler", "_close", "_cork", "_deaf", "_descriptor", "_direct", "_drained", "_late_pong", "_pending",
        "_settings", "_stream", "_throttle", "receiver",
    )  # fmt: skip

    name: TransportName = "websocket"

    def __init__(self, receiver: Receiver, cork: Cork, settings: Settings) -> None:
        super().__init__()
        self.receiver: Receiver = receiver
        self._cork = cork
        self._settings = settings
        self._pending: list[bytes] = []  # frames of this turn
        self._stream: Any = None  # the event loop's transport; None before it is open and after it is gone
        self._throttle: Throttle | None = None  # of peers that send very much
        self._descriptor = -1  # the socket's, to send on directly; -1 where that is impossible
        self._direct = False  # whether nothing is left in the loop's transport, so that the socket is free
        self._assembler: Assembler | None = None  # only for peers that send fragments
        self._drained: asyncio.Future[None] | None = None  # only while somebody waits for the peer to take more
        self._close: tuple[int, str] | None = None  # what this side closed with
        self._late_pong: bytes | None = None  # the answer to the newest ping of a peer that does not read
        self._deaf = False  # either side has closed: what still comes is ignored

    @property
    def writable(self) -> bool:
        """Whether the peer reads as fast as we send: the operating system has taken all that was flushed."""
        return self._stream is not None and not self._stream.get_write_buffer_size()

    @property
    def paused(self) -> bool:
        """Whether nothing is read from the peer at the moment."""
        if self._throttle is not None:
            return self._throttle.paused
        return self._stream is not None and not self._stream.is_reading()

    def send_text(self, data: bytes) -> None:
        """Send one text message."""
        self._send_frame(text_frame(data))

    def send_bytes(self, data: bytes) -> None:
        """Send one binary message."""
        self._send_frame(binary_frame(data))

    def _send_frame(self, frame: bytes) -> None:
        if not self._pending:
            self._cork.add(self)
        self._pending.append(frame)

    def send(self, message: Outgoing) -> None:
        """Send a message that was encoded before."""
        pending = self._pending
        if not pending:
            self._cork.add(self)
        pending.append(message.frame)

    def flush(self) -> None:
        """Send what was corked: directly on the socket if nothing is queued before it."""
        pending = self._pending
        if not pending:
            return
        data = pending[0] if len(pending) == 1 else b"".join(pending)
        pending.clear()
        stream = self._stream
        if stream is None or self._close is not None:
            return
        if self._direct or self._is_direct_again(stream):
            try:
                sent = os.write(self._descriptor, data)
            except OSError:
                sent = 0  # full or broken: the loop's transport tells one from the other
            if sent == len(data):
                return
            data = data[sent:]
            self._direct = False
        stream.write(data)

    def _is_direct_again(self, stream: Any) -> bool:
        """Whether the loop's transport has sent all that it was given, so that it may be passed by."""
        self._direct = self._descriptor >= 0 and not stream.get_write_buffer_size()
        return self._direct

    def drained(self) -> Awaitable[None]:
        """Return an awaitable that is done when the peer can take more; done at once while little waits."""
        pending = self._pending
        if self._drained is None and (not pending or (len(pending) < _AWAIT_AFTER and len(pending[-1]) < _LARGE)):
            return READY
        return _Drained(self._wait_until_drained)

    async def _wait_until_drained(self) -> None:
        self.flush()
        if self._drained is not None:
            await asyncio.shield(self._drained)
        else:
            await asyncio.sleep(0)

    def ping(self) -> bool:
        """Send a WebSocket ping."""
        self._send_frame(PING_FRAME)
        return True

    def pause_reading(self) -> None:
        """Leave what the peer sends in the operating system's buffers, so that the peer has to wait."""
        if self._throttle is not None:
            self._throttle.pause()
        elif self._stream is not None and self._stream.is_reading():
            self._stream.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._throttle is not None:
            self._throttle.resume()
        elif self._stream is not None and not self._stream.is_closing() and not self._stream.is_reading():
            self._stream.resume_reading()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send what is corked and a close frame, then wait a little for the peer's (RFC 6455 section 7.1.2)."""
        stream = self._stream
        if stream is None or self._close is not None:
            return
        self._deaf = True
        self._send_close(code, reason)
        self.resume_reading()
        asyncio.get_running_loop().call_later(_CLOSE_TIMEOUT, stream.abort)

    def _send_close(self, code: int, reason: str) -> None:
        """Send what is corked and a close frame, the last thing that is sent."""
        self._pending.append(close_frame(None if code == NO_STATUS else code, reason))
        self.flush()
        self._close = (code, reason)

    def on_ws_connected(self, connection: WSTransport) -> None:
        """The handshake is done."""
        stream = connection.underlying_transport.stream  # type: ignore[attr-defined]  # of its Surroundings
        self._stream = stream
        if not connection.is_secure:
            self._descriptor = stream.get_extra_info("socket").fileno()
        stream.set_write_buffer_limits(high=self._settings.high_water)
        self.receiver.on_open(self)

    def on_ws_frame(self, _: WSTransport, frame: WSFrame) -> None:
        """A frame came: almost always a whole text message."""
        if self._deaf and frame.msg_type is not WSMsgType.CLOSE:
            return
        if frame.tail_size > _FLOOD:
            self._notice_flood(frame)
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._take_reserved(frame)
        elif frame.msg_type is _TEXT and frame.fin and self._assembler is None:
            data = frame.get_payload_as_bytes()
            if data.isascii() or self._is_utf8(data):
                self.receiver.on_text(data)
        else:
            self._take(frame)

    def _notice_flood(self, frame: WSFrame) -> None:
        """Read more slowly if a tiny frame has very much behind it, and not just the beginning of a large one."""
        is_tiny = frame.payload_size < _TINY and not frame.last_in_buffer
        if is_tiny and self._throttle is None and self._stream is not None:
            self._throttle = Throttle(self._stream)

    def _take_reserved(self, frame: WSFrame) -> None:
        """Nothing was agreed on that reserved bits could mean (RFC 6455 section 5.2)."""
        del frame
        self._fail_soon(_PROTOCOL_ERROR, "reserved bits are set")

    def _take(self, frame: WSFrame) -> None:
        """Handle every kind of frame that is not a whole text message."""
        opcode = frame.msg_type
        if opcode in _DATA:
            self._take_data(_DATA[opcode], frame.get_payload_as_bytes(), fin=bool(frame.fin))
        elif opcode is _PING:
            self._answer_ping(frame.get_payload_as_bytes())
        elif opcode is _PONG:
            self.receiver.on_pong()
        else:
            self._take_close(frame.get_payload_as_bytes())

    def _take_data(self, opcode: int, payload: bytes, *, fin: bool) -> None:
        if self._assembler is None:
            self._assembler = Assembler(self._settings.max_payload)
        try:
            message = self._assembler.feed(opcode, payload, fin=fin)
        except PayloadTooLarge as error:
            self._fail_soon(_TOO_BIG, str(error))
        except InvalidText as error:
            self._fail_soon(_INVALID_TEXT, str(error))
        except ProtocolError as error:
            self._fail_soon(_PROTOCOL_ERROR, str(error))
        else:
            if message is None:
                return
            self._assembler = None
            is_text, data = message
            self._deliver(data, is_text=is_text)

    def _deliver(self, data: bytes, *, is_text: bool) -> None:
        """Hand over a message that came in fragments or is binary."""
        if is_text:
            self.receiver.on_text(data)
        else:
            self.receiver.on_bytes(data)

    def _answer_ping(self, payload: bytes) -> None:
        """Answer a ping. Of several in a row only the newest needs it (RFC 6455 section 5.5.3)."""
        if self._drained is not None:
            self._late_pong = pong_frame(payload)
            return
        if self._pending and self._pending[-1][0] == PONG_START:
            self._pending.pop()
        self._send_frame(pong_frame(payload))

    def _is_utf8(self, data: bytes) -> bool:
        """Whether *data* is UTF-8; if not, the connection closes (RFC 6455 section 8.1)."""
        try:
            data.decode()
        except UnicodeDecodeError:
            self._fail_soon(_INVALID_TEXT, "text is not UTF-8")
            return False
        return True

    def _take_close(self, payload: bytes) -> None:
        """The peer closes. What its last messages are answered with at once leaves before the close frame."""
        code = int.from_bytes(payload[:2]) if payload else NO_STATUS
        if payload and not is_close_code(code):
            self._fail_soon(_PROTOCOL_ERROR, f"{code} is no close code")
            return
        self._deaf = True
        asyncio.get_running_loop().call_soon(self._answer_close, code, payload[2:].decode())

    def _answer_close(self, code: int, reason: str) -> None:
        """Answer the peer's close frame in its own words, unless ours came first (RFC 6455 section 5.5.1)."""
        stream = self._stream
        if stream is None:
            return
        if self._close is None:
            self._send_close(code, reason)
        self._end(code, reason)
        linger(stream, _CLOSE_TIMEOUT)

    def on_broken(self, code: int, reason: str) -> None:
        """Picows cannot go on. It hands over the message before what broke the framing only after this."""
        self.pause_reading()
        asyncio.get_running_loop().call_soon(self._take_broken, code, reason)

    def _take_broken(self, code: int, reason: str) -> None:
        if self._close is not None or not self._deaf:  # else the peer's close frame came before
            self._fail_soon(code, reason)

    def _fail_soon(self, code: int, reason: str) -> None:
        """Hear no more. What the messages before are answered with at once leaves before the close frame."""
        self._deaf = True
        asyncio.get_running_loop().call_soon(self._fail, code, reason)

    def _fail(self, code: int, reason: str) -> None:
        """Fail the connection: it ends without the peer's close frame (RFC 6455 section 7.1.7)."""
        stream = self._stream
        if stream is None:
            return
        self._deaf = True
        if self._close is None:
            self._send_close(code, "")  # the reason is for the log: Node's server gives the code alone
            self._close = (code, reason)
        self._end(*self._close)
        linger(stream, _CLOSE_TIMEOUT)

    def on_ws_disconnected(self, _: WSTransport) -> None:
        """The connection is gone."""
        if self._stream is not None:
            self._end(*(self._close or (_ABNORMAL_CLOSURE, "")))

    def _end(self, code: int, reason: str) -> None:
        self._descriptor = -1
        self._direct = False
        self._stream = None
        self._pending.clear()
        self.resume_writing()
        self.receiver.on_closed(code, reason)

    def pause_writing(self) -> None:
        """The peer reads slower than we send: awaited emits wait from here on."""
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """The peer has caught up, or is gone."""
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None
        if self._late_pong is not None:
            late, self._late_pong = self._late_pong, None
            self._send_frame(late)


class _Drained:
    """Calls *wait* only when it is awaited: a coroutine that is ignored would be complained about."""

    __slots__ = ("_wait",)

    def __init__(self, wait: Callable[[], Awaitable[None]]) -> None:
        self._wait = wait

    def __await__(self) -> Generator[Any, Any, None]:
        return self._wait().__await__()
