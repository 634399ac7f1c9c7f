"""WebSocket messages as bytes: the frames that go out, and the assembly of those that come in (RFC 6455)."""

import re
from codecs import IncrementalDecoder, getincrementaldecoder
from collections.abc import Collection

from moongate.errors import PayloadTooLarge, ProtocolError

__all__ = [
    "MAX_FRAGMENTS",
    "PING_FRAME",
    "PONG_START",
    "Assembler",
    "InvalidText",
    "binary_frame",
    "choose_subprotocol",
    "close_frame",
    "compressed_frame",
    "first_subprotocol",
    "is_close_code",
    "pong_frame",
    "text_frame",
]

MAX_FRAGMENTS = 4096
"""How many fragments one message may have; empty ones count, or a peer could send them for ever."""

PING_FRAME = b"\x89\x00"
"""A ping without a payload (RFC 6455 section 5.5.2)."""

PONG_START = 0x8A
"""The first byte of a pong (RFC 6455 section 5.2)."""

_UNASSIGNED = frozenset((1004, 1005, 1006))
"""Close codes below 1015 that have no meaning on the wire (RFC 6455 section 7.4.1)."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
"""The name of a subprotocol (RFC 6455 section 4.1, RFC 9110 section 5.6.2)."""

_UTF8 = getincrementaldecoder("utf-8")

_CONTINUATION = 0x0
_TEXT = 0x1
_BINARY = 0x2

_FIN_TEXT = b"\x81"
_FIN_BINARY = b"\x82"
_FIN_CLOSE = b"\x88"
_FIN_PONG = b"\x8a"
_MAX_REASON = 123
"""Bytes of a close frame's payload behind the code (RFC 6455 section 5.5)."""
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


def compressed_frame(payload: bytes, *, is_text: bool) -> bytes:
    """Build the frame of a message that is compressed, which its first reserved bit says (RFC 7692 section 6)."""
    length = len(payload)
    first = b"\xc1" if is_text else b"\xc2"
    return first + (bytes((length,)) if length < 126 else _long_length(length)) + payload


def pong_frame(payload: bytes) -> bytes:
    """Build the answer to a ping, whose payload has at most 125 bytes (RFC 6455 section 5.5.3)."""
    return _FIN_PONG + bytes((len(payload),)) + payload


def close_frame(code: int | None, reason: str = "") -> bytes:
    """Build a close frame, one without a payload if *code* is None (RFC 6455 section 5.5.1)."""
    if code is None:
        return _FIN_CLOSE + b"\x00"
    text = reason.encode()[:_MAX_REASON].decode(errors="ignore").encode()  # cut between characters
    return _FIN_CLOSE + bytes((len(text) + 2,)) + code.to_bytes(2) + text


def _long_length(length: int) -> bytes:
    if length < 65536:
        return b"\x7e" + length.to_bytes(2, "big")
    return b"\x7f" + length.to_bytes(8, "big")


def is_close_code(code: int) -> bool:
    """Whether a peer may close with *code* (RFC 6455 section 7.4): those of the protocol, and 3000 to 4999."""
    return (1000 <= code < 1015 and code not in _UNASSIGNED) or 3000 <= code < 5000


def choose_subprotocol(offered: str, known: Collection[str]) -> str | None:
    """Return the first name in *offered*, a client's Sec-WebSocket-Protocol, that is *known*; None if there is none."""
    return next((name for part in offered.split(",") if (name := part.strip(" \t")) in known), None)


def first_subprotocol(offered: str) -> str:
    """Return the first name in *offered*, a client's Sec-WebSocket-Protocol; raises ProtocolError if it is no list."""
    names = [name.strip(" \t") for name in offered.split(",")]
    if not all(map(_TOKEN.fullmatch, names)) or len(set(names)) < len(names):
        raise ProtocolError("names separated by commas, each once", repr(offered[:40]))
    return names[0]


class InvalidText(ProtocolError):
    """Text is not UTF-8 (RFC 6455 section 8.1)."""

    def __init__(self) -> None:
        super().__init__("text in UTF-8")


class Assembler:
    """Joins the fragments of one message at a time (RFC 6455 section 5.4), bounded in bytes and in number."""

    __slots__ = ("_decoder", "_fragments", "_limit", "_opcode", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit  # bytes of a whole message
        self._opcode = _CONTINUATION  # of the message being joined; _CONTINUATION if there is none
        self._decoder: IncrementalDecoder | None = None  # of text, which fails as soon as it is not UTF-8
        self._fragments: list[bytes] = []
        self._size = 0

    @property
    def pending(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._opcode != _CONTINUATION

    def feed(self, opcode: int, payload: bytes, *, fin: bool) -> tuple[bool, bytes] | None:
        """Take the next data frame; return (is it text, the message) when it is whole. Text is UTF-8.

        Raises ProtocolError for frames out of order, PayloadTooLarge beyond the limits, InvalidText.
        """
        if self.pending != (opcode == _CONTINUATION):
            expected = "a continuation frame" if self.pending else "a text or binary frame"
            raise ProtocolError(expected, f"opcode {opcode}")
        if opcode != _CONTINUATION:
            self._opcode = opcode
            self._decoder = _UTF8() if opcode == _TEXT else None
        self._fragments.append(payload)
        self._size += len(payload)
        if self._size > self._limit or len(self._fragments) > MAX_FRAGMENTS:
            raise PayloadTooLarge(self._limit)
        if self._decoder is not None:
            self._check_text(self._decoder, payload, fin=fin)
        return self._finish() if fin else None

    @staticmethod
    def _check_text(decoder: IncrementalDecoder, payload: bytes, *, fin: bool) -> None:
        try:
            decoder.decode(payload, final=fin)
        except UnicodeDecodeError:
            raise InvalidText from None

    def _finish(self) -> tuple[bool, bytes]:
        is_text = self._opcode == _TEXT
        message = b"".join(self._fragments)
        self._opcode, self._fragments, self._size = _CONTINUATION, [], 0
        return is_text, message
