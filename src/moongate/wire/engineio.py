"""Engine.IO packets (protocol revision 4): what a long-polling body holds, and the packets of the session itself."""

import base64
import binascii
from collections.abc import Iterator, Sequence

import msgspec

from moongate.config import TransportName
from moongate.errors import ProtocolError

__all__ = [
    "CLOSE",
    "NOOP",
    "PING",
    "PONG",
    "PROBE_ANSWER",
    "PROBE_PING",
    "UPGRADE",
    "Handshake",
    "decode_payload",
    "encode_payload",
]

MESSAGE_TYPE = 0x34
"""The first byte of a packet that carries a message: `4`."""

CLOSE = b"1"
PING = b"2"
PONG = b"3"
UPGRADE = b"5"
NOOP = b"6"
PROBE_PING = b"2probe"
PROBE_ANSWER = b"3probe"

_SEPARATOR = b"\x1e"
_BINARY_MARK = b"b"


class Handshake(msgspec.Struct, rename="camel"):
    """What the server says first. Times are in milliseconds, sizes in bytes."""

    sid: str
    upgrades: list[TransportName]
    ping_interval: int
    ping_timeout: int
    max_payload: int

    def encode(self) -> bytes:
        """Return the open packet."""
        return b"0" + msgspec.json.encode(self)


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
        raise ProtocolError("UTF-8", str(error)) from error
    for packet in body.split(_SEPARATOR):
        if packet[:1] == _BINARY_MARK:
            yield False, _decode_base64(packet[1:])
        else:
            yield True, packet


def _decode_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ProtocolError("binary data in Base64", repr(text[:40])) from error
