"""WebSocket connections whose messages are compressed (RFC 7692)."""

from picows import WSFrame, WSMsgType

from moongate.config import Compression, Settings
from moongate.errors import PayloadTooLarge, ProtocolError
from moongate.transport.base import Receiver
from moongate.transport.flow import Cork
from moongate.transport.picows import PicowsTransport
from moongate.wire.deflate import Agreement, Deflater, Inflater
from moongate.wire.outgoing import Outgoing
from moongate.wire.websocket import binary_frame, compressed_frame, text_frame

__all__ = ["CompressedTransport"]

# Close codes (RFC 6455 section 7.4.1).
_INVALID_DATA = 1007
_TOO_BIG = 1009

_BINARY = 0x2


class CompressedTransport(PicowsTransport):
    """As its base, which most connections are; messages from a certain size on are compressed, either way."""

    __slots__ = ("_compressed_text", "_deflater", "_inflater", "_shared", "_threshold")

    def __init__(
        self, receiver: Receiver, cork: Cork, settings: Settings, agreement: Agreement, compression: Compression
    ) -> None:
        super().__init__(receiver, cork, settings)
        self._threshold = compression.threshold
        self._inflater = Inflater(agreement, settings.max_payload)
        self._deflater = Deflater(agreement, compression)
        # Whether what is compressed for one client is right for all others of this kind.
        self._shared = not agreement.server_takes_over and agreement.server_bits == compression.server_max_window_bits
        self._compressed_text: bool | None = None  # whether a compressed message that has begun is text; None: none has

    def send_text(self, data: bytes) -> None:
        """Send one text message."""
        self._send_frame(self._frame(data, is_text=True))

    def send_bytes(self, data: bytes) -> None:
        """Send one binary message."""
        self._send_frame(self._frame(data, is_text=False))

    def send(self, message: Outgoing) -> None:
        """Send a message that was encoded before, and perhaps compressed."""
        if not self._shared:
            self._send_frame(self._frames(message))
            return
        try:
            frame = message.compressed
        except AttributeError:
            frame = message.compressed = self._frames(message)
        self._send_frame(frame)

    def _frames(self, message: Outgoing) -> bytes:
        attachments = (self._frame(attachment, is_text=False) for attachment in message.attachments)
        text = b"" if message.text is None else self._frame(message.text, is_text=True)
        return b"".join((text, *attachments))

    def _frame(self, data: bytes, *, is_text: bool) -> bytes:
        if len(data) >= self._threshold:
            return compressed_frame(self._deflater.deflate(data), is_text=is_text)
        return text_frame(data) if is_text else binary_frame(data)

    def _take_reserved(self, frame: WSFrame) -> None:
        """The first reserved bit, on the first frame of a message, says that the message is compressed."""
        is_data = frame.msg_type in (WSMsgType.TEXT, WSMsgType.BINARY)
        if frame.rsv2 or frame.rsv3 or not is_data or self._assembler is not None:
            super()._take_reserved(frame)
            return
        self._compressed_text = frame.msg_type is WSMsgType.TEXT
        # Whether it is text can only be checked when it is expanded, so for now it is not.
        self._take_data(_BINARY, frame.get_payload_as_bytes(), fin=bool(frame.fin))

    def _deliver(self, data: bytes, *, is_text: bool) -> None:
        compressed_text, self._compressed_text = self._compressed_text, None
        if compressed_text is None:
            super()._deliver(data, is_text=is_text)
            return
        try:
            message = self._inflater.inflate(data)
        except PayloadTooLarge as error:
            self._fail_soon(_TOO_BIG, str(error))
        except ProtocolError as error:
            self._fail_soon(_INVALID_DATA, str(error))
        else:
            if not compressed_text or self._is_utf8(message):
                super()._deliver(message, is_text=compressed_text)
