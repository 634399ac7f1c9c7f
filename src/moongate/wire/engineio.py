"""Engine.IO packets (protocol revision 4): what a long-polling body holds, and the packets of the session itself."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from enum import IntEnum

import msgspec

from moongate.config import TransportName
from moongate.errors import ProtocolError

__all__ = [
    "CLOSE", "MESSAGE_TYPE", "NOOP", "PING", "PONG", "PROBE_ANSWER", "PROBE_PING", "UPGRADE",
    "ErrorCode", "Handshake", "decode_payload", "encode_payload", "error_body",
]  # fmt: skip

MESSAGE_TYPE: int = 0x34
"""The first byte of a packet that carries a message: `4`."""

CLOSE: bytes = b"1"
PING: bytes = b"2"
PONG: bytes = b"3"
UPGRADE: bytes = b"5"
NOOP: bytes = b"6"
PROBE_PING: bytes = b"2probe"
PROBE_ANSWER: bytes = b"3probe"

_SEPARATOR = b"\x1e"
_BINARY_MARK = b"b"
_TYPES = frozenset(b"0123456")


class ErrorCode(IntEnum):
    """Why the official server refuses a request (engine.io, `Server.errors`)."""

    UNKNOWN_TRANSPORT = 0
    UNKNOWN_SID = 1
    BAD_HANDSHAKE_METHOD = 2
    BAD_REQUEST = 3
    FORBIDDEN = 4
    UNSUPPORTED_PROTOCOL_VERSION = 5


_ERROR_TEXTS = (
    "Transport unknown",
    "Session ID unknown",
    "Bad handshake method",
    "Bad request",
    "Forbidden",
    "Unsupported protocol version",
)


class Handshake(msgspec.Struct, frozen=True, rename="camel"):
    """What the server says first. Times are in milliseconds, sizes in bytes."""

    sid: str
    upgrades: tuple[TransportName, ...]
    ping_interval: int
    ping_timeout: int
    max_payload: int

    def encode(self) -> bytes:
        """Return the open packet."""
        return b"0" + msgspec.json.encode(self)


def error_body(code: ErrorCode) -> bytes:
    """Return the JSON that tells a client of *code*, as the official server words it."""
    return b'{"code":%d,"message":"%b"}' % (code, _ERROR_TEXTS[code].encode())


def encode_payload(packets: Sequence[tuple[bool, bytes]]) -> bytes:
    """Join packets, each told to be text or binary, into one polling body; binary ones become Base64."""
    return _SEPARATOR.join(data if is_text else _BINARY_MARK + base64.b64encode(data) for is_text, data in packets)


def decode_payload(body: bytes) -> Iterator[tuple[bool, bytes]]:
    """Split a polling body into packets, each told to be text or binary.

    Raises ProtocolError at the first that is none, and for a body that is not UTF-8.
    """
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError("UTF-8", f"byte {body[error.start]:#04x} at {error.start}") from error
    for packet in body.split(_SEPARATOR):
        if packet[:1] == _BINARY_MARK:
            yield False, _decode_base64(packet[1:])
        elif packet and packet[0] in _TYPES:
            yield True, packet
        else:
            raise ProtocolError("a packet type from 0 to 6, or b", repr(packet[:20]))


def _decode_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ProtocolError("binary data in Base64", repr(text[:20])) from error
