"""Engine.IO packets (protocol revision 4): what a long-polling body holds, and the packets of the session itself."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from enum import IntEnum

import msgspec

from moongate.config import TransportName
from moongate.errors import ProtocolError

__all__ = [
    "BINARY_MARK", "CLOSE", "MESSAGE_TYPE", "NOOP", "PING", "PONG", "PROBE_ANSWER", "PROBE_PING", "UPGRADE",
    "ErrorCode", "Handshake", "decode_binary", "decode_payload", "encode_payload", "error_body", "error_text",
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

BINARY_MARK: bytes = b"b"
"""The first byte of a binary message that is written in Base64, where there is nothing but text."""

_SEPARATOR = b"\x1e"


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
    ping_interval: int | float
    ping_timeout: int | float
    max_payload: int

    def encode(self) -> bytes:
        """Return the open packet."""
        return b"0" + msgspec.json.encode(self)


def error_text(code: ErrorCode) -> str:
    """Return what the official server says of *code*."""
    return _ERROR_TEXTS[code]


def error_body(code: ErrorCode, message: str) -> bytes:
    """Return the JSON that tells a client of an error."""
    return msgspec.json.encode({"code": code, "message": message})


def encode_payload(packets: Sequence[tuple[bool, bytes]]) -> bytes:
    """Join packets, each told to be text or binary, into one polling body; binary ones become Base64."""
    return _SEPARATOR.join(data if is_text else BINARY_MARK + base64.b64encode(data) for is_text, data in packets)


def decode_payload(body: bytes) -> Iterator[tuple[bool, bytes]]:
    """Split a polling body into packets, each told to be text or binary; what a text is worth, its receiver knows.

    Raises ProtocolError for a body that is not UTF-8, and at the first packet that is not the Base64 it claims to be.
    """
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError("UTF-8", f"byte {body[error.start]:#04x} at {error.start}") from error
    for packet in body.split(_SEPARATOR):
        if packet[:1] == BINARY_MARK:
            yield False, decode_binary(packet)
        else:
            yield True, packet


def decode_binary(packet: bytes) -> bytes:
    """Return the binary message in a packet that begins with `b`; raises ProtocolError."""
    try:
        return base64.b64decode(memoryview(packet)[1:], validate=True)
    except binascii.Error as error:
        raise ProtocolError("binary data in Base64", repr(packet[1:20])) from error
