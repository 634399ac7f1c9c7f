"""Polling bodies of Engine.IO's revision 3, which Socket.IO clients of the major versions 1 and 2 speak.

As text it is `<length>:<packet>` for each packet, the length in UTF-16 code units, as JavaScript counts. A body with
binary data is binary itself: for each packet a byte that tells text (0) from binary (1), the digits of the length in
bytes as bytes from 0 to 9, the byte 255, and the packet; a binary packet begins with its type.
"""

import base64
import re
from collections.abc import Iterator, Sequence

from moongate.errors import ProtocolError
from moongate.wire.engineio import BINARY_MARK, MESSAGE_TYPE, decode_binary

__all__ = ["MESSAGE", "base64_packet", "decode_base64_packet", "decode_binary_body", "decode_text_body", "encode_body"]

MESSAGE: bytes = bytes((MESSAGE_TYPE - 0x30,))
"""The type in front of a binary message."""

_BASE64_MESSAGE = b"b4"
_MAX_DIGITS = 9
_TEXT, _BINARY, _END_OF_LENGTH = 0, 1, 255

_HEADER = re.compile(rb"(?:0{1,9}:){0,999}([0-9]{1,9}):")
_WIDE_HEADER = re.compile(rb"(?:(?:0\x00){1,9}:\x00){0,999}((?:[0-9]\x00){1,9}):\x00")
"""The length of a packet, as ASCII or UTF-16, behind empty packets, of which a body may hold very many.

Every repetition has an end, so that a body takes linear time whatever is in it.
"""


def encode_body(packets: Sequence[tuple[bool, bytes]], *, takes_binary: bool) -> bytes:
    """Join packets, each told to be text or binary; binary data becomes Base64 unless the client takes it as it is."""
    if takes_binary and not all(is_text for is_text, _ in packets):
        return b"".join(_binary_entry(data, is_text=is_text) for is_text, data in packets)
    return b"".join(_text_entry(data if is_text else base64_packet(data)) for is_text, data in packets)


def base64_packet(data: bytes) -> bytes:
    """Return a binary message as text."""
    return _BASE64_MESSAGE + base64.b64encode(data)


def decode_base64_packet(packet: bytes) -> bytes:
    """Return the binary message that a text holds; raises ProtocolError."""
    if not packet.startswith(_BASE64_MESSAGE):
        raise ProtocolError("a binary message", repr(packet[:20]))
    return decode_binary(packet[1:])


def _text_entry(packet: bytes) -> bytes:
    length = len(packet) if packet.isascii() else len(packet.decode().encode("utf-16-le")) // 2
    return b"%d:%b" % (length, packet)


def _binary_entry(data: bytes, *, is_text: bool) -> bytes:
    packet = data if is_text else MESSAGE + data
    digits = bytes(digit - 0x30 for digit in b"%d" % len(packet))
    return bytes((_TEXT if is_text else _BINARY,)) + digits + bytes((_END_OF_LENGTH,)) + packet


def decode_text_body(body: bytes) -> Iterator[tuple[bool, bytes]]:
    """Split a body of text into packets, each told to be text or binary; raises ProtocolError."""
    try:
        # Where all is ASCII, bytes are what JavaScript counts.
        units = body if body.isascii() else body.decode().encode("utf-16-le")
    except UnicodeDecodeError as error:
        raise ProtocolError("UTF-8", f"byte {body[error.start]:#04x} at {error.start}") from error
    width, header = (1, _HEADER) if units is body else (2, _WIDE_HEADER)
    position = 0
    while position < len(units) or not units:
        found = header.match(units, position)
        start = found.end() if found else position
        length = int(found[1][::width]) * width if found else -1
        if length < 0 or start + length > len(units):
            raise ProtocolError("the length of a packet, a colon and the packet", repr(units[position : position + 20]))
        position = start + length
        if length:
            packet = units[start:position]
            yield _packet(packet if width == 1 else _utf8(packet))


def _packet(packet: bytes) -> tuple[bool, bytes]:
    return (False, decode_base64_packet(packet)) if packet[:1] == BINARY_MARK else (True, packet)


def _utf8(units: bytes) -> bytes:
    try:
        return units.decode("utf-16-le").encode()
    except UnicodeDecodeError as error:
        raise ProtocolError("lengths that end between characters", repr(units[-8:])) from error


def _length(digits: bytes) -> int:
    return int(digits) if digits.isdigit() else -1


def decode_binary_body(body: bytes) -> Iterator[tuple[bool, bytes]]:
    """Split a binary body into packets, each told to be text or binary; raises ProtocolError."""
    position = 0
    while position < len(body):
        end = body.find(_END_OF_LENGTH, position + 1, position + _MAX_DIGITS + 2)
        length = _length(bytes(0x30 + digit for digit in body[position + 1 : end] if digit < 10)) if end >= 0 else -1
        packet = body[end + 1 : end + 1 + length] if length > 0 else b""
        if not packet or len(packet) != length or body[position] not in {_TEXT, _BINARY}:
            raise ProtocolError(
                "the kind and the length of a packet, and the packet", repr(body[position : position + 20])
            )
        yield _text_packet(packet) if body[position] == _TEXT else _binary_packet(packet)
        position = end + 1 + length


def _text_packet(packet: bytes) -> tuple[bool, bytes]:
    try:
        packet.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError("text in UTF-8", repr(packet[:20])) from error
    return _packet(packet)


def _binary_packet(packet: bytes) -> tuple[bool, bytes]:
    if packet[:1] != MESSAGE:
        raise ProtocolError("a binary message", repr(packet[:20]))
    return False, packet[1:]
