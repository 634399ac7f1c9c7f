"""WebSocket messages as bytes: the frames that go out, and the assembly of those that come in (RFC 6455)."""

from moongate.errors import PayloadTooLarge, ProtocolError

__all__ = ["MAX_FRAGMENTS", "PING_FRAME", "Assembler", "binary_frame", "pong_frame", "text_frame"]

MAX_FRAGMENTS = 4096
"""How many fragments one message may have; empty ones count, or a peer could send them for ever."""

PING_FRAME = b"\x89\x00"
"""A ping without a payload (RFC 6455 section 5.5.2)."""

_CONTINUATION = 0x0
_TEXT = 0x1
_BINARY = 0x2

_FIN_TEXT = b"\x81"
_FIN_BINARY = b"\x82"
_FIN_PONG = b"\x8a"
_SHORT_TEXT_HEADERS = tuple(bytes((0x81, length)) for length in range(126))


def text_frame(payload: bytes) -> bytes:
    """Build an unmasked, unfragmented text frame (RFC 6455 section 5.2)."""
    length = len(payload)
    if length < 126:
        return _SHORT_TEXT_HEADERS[length] + payload
    return _FIN_TEXT + _long_length(length) + payload


def binary_frame(payload: bytes) -> bytes:
    """Build an unmasked, unfragmented binary frame (RFC 6455 section 5.2)."""
    length = len(payload)
    if length < 126:
        return _FIN_BINARY + bytes((length,)) + payload
    return _FIN_BINARY + _long_length(length) + payload


def pong_frame(payload: bytes) -> bytes:
    """Build the answer to a ping, whose payload has at most 125 bytes (RFC 6455 section 5.5.3)."""
    return _FIN_PONG + bytes((len(payload),)) + payload


def _long_length(length: int) -> bytes:
    if length < 65536:
        return b"\x7e" + length.to_bytes(2, "big")
    return b"\x7f" + length.to_bytes(8, "big")


class Assembler:
    """Joins the fragments of one message at a time (RFC 6455 section 5.4), bounded in bytes and in number."""

    __slots__ = ("_fragments", "_limit", "_opcode", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit  # bytes of a whole message
        self._opcode = _CONTINUATION  # of the message being joined; _CONTINUATION if there is none
        self._fragments: list[bytes] = []
        self._size = 0

    @property
    def pending(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._opcode != _CONTINUATION

    def feed(self, opcode: int, payload: bytes, *, fin: bool) -> tuple[bool, bytes] | None:
        """Take the next data frame; return (is it text, the message) when it is whole.

        Raises ProtocolError for frames out of order, PayloadTooLarge beyond the limits.
        """
        if self.pending != (opcode == _CONTINUATION):
            expected = "a continuation frame" if self.pending else "a text or binary frame"
            raise ProtocolError(expected, f"opcode {opcode}")
        if opcode != _CONTINUATION:
            self._opcode = opcode
        self._fragments.append(payload)
        self._size += len(payload)
        if self._size > self._limit or len(self._fragments) > MAX_FRAGMENTS:
            raise PayloadTooLarge(self._limit)
        return self._finish() if fin else None

    def _finish(self) -> tuple[bool, bytes]:
        is_text = self._opcode == _TEXT
        message = b"".join(self._fragments)
        self._opcode, self._fragments, self._size = _CONTINUATION, [], 0
        return is_text, message
