"""Socket.IO packets in MessagePack, as `socket.io-msgpack-parser` has them: each is one binary message."""

import datetime as dt
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from moongate.errors import ProtocolError
from moongate.wire.parser import PacketDecoder, SocketIoPacket

__all__ = ["MsgpackParser", "decode_msgpack"]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)

_OWN = 0
"""The extension type that notepack.io, which the official parser is built on, has for all that MessagePack lacks."""

_TIMESTAMP = 0xFF
"""The extension type of dates (MessagePack specification, "Timestamp extension type"): -1 as a byte."""

_LONG_TIMESTAMP = 12
"""The size of one with nanoseconds, or far from today."""

_FIXED_SIZES = {4: 0xD6, 8: 0xD7}
"""The first byte of an extension of so many bytes."""

_MIN_INTEGER = -(2**63)
_MAX_INTEGER = 2**64 - 1

_RARE = re.compile(rb"[\xc1\xc7-\xc9\xd4-\xd8\xdc-\xdf]")
"""Extensions, and arrays and objects of more than 15 members, as far as single bytes tell.

msgspec cannot tell an extension of a fixed size from another, and makes room for as many members as are announced.
"""


class MsgpackParser:
    """The parser of clients that use `socket.io-msgpack-parser`: `Moongate(..., parser=MsgpackParser())`.

    Binary data and dates stay what they are, both ways: `bytes`, and `datetime` with a time zone. A `datetime` without
    one becomes text, as in JSON. `undefined` is None in an array, and no member of an object.
    """

    __slots__ = ()

    def encode(self, packet: SocketIoPacket) -> Sequence[bytes]:
        """Return one binary message; raises TypeError, OverflowError or RecursionError for what has no form in it."""
        fields: dict[str, Any] = {"type": packet.type, "nsp": packet.namespace}
        if packet.data is not None:
            fields["data"] = _sendable(packet.data)
        if packet.id is not None:
            fields["id"] = packet.id
        return (msgspec.msgpack.encode(fields),)

    def decoder(self) -> PacketDecoder:
        """Return what decodes the messages of a new connection."""
        return _DECODER


def _sendable(value: Any) -> Any:
    """Return *value* with dates as notepack.io has them, and integers that are too large as JavaScript has them."""
    kind = type(value)
    if kind is dict:
        return {key: _sendable(member) for key, member in value.items()}
    if kind is list or kind is tuple:
        return [_sendable(member) for member in value]
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return msgspec.msgpack.Ext(_OWN, ((value - _EPOCH) // _MILLISECOND).to_bytes(8, signed=True))
    if kind is int and not _MIN_INTEGER <= value <= _MAX_INTEGER:
        return float(value)
    return value


class _MsgpackDecoder:
    """Decodes packets, each of which is one binary message."""

    __slots__ = ()

    def feed(self, message: str | bytes) -> SocketIoPacket:
        """Decode one packet; raises ProtocolError."""
        if isinstance(message, str):
            raise ProtocolError("a packet in MessagePack", f"the text {message[:40]!r}")
        fields = decode_msgpack(message)
        if type(fields) is not dict or type(fields.get("type")) is not int or type(fields.get("nsp")) is not str:
            raise ProtocolError("a packet with a type and a namespace", repr(message[:40]))
        return SocketIoPacket(fields["type"], fields["nsp"], fields.get("data"), fields.get("id"))


_DECODER = _MsgpackDecoder()


def decode_msgpack(message: bytes, *, timestamps: bool = False) -> Any:
    """Decode MessagePack as notepack.io writes it, with *timestamps* its version 3; raises ProtocolError for all else.

    Makes no room for what is announced but not there, and takes time linear to the length.
    """
    try:
        if _RARE.search(message) is None:
            return msgspec.msgpack.decode(message)
        return _decode(message, timestamps=timestamps)
    except (msgspec.DecodeError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ProtocolError("a packet in MessagePack", f"{message[:40]!r} ({error})") from error


class _Undefined:
    """JavaScript's `undefined`."""


_UNDEFINED = _Undefined()


def _decode(message: bytes, *, timestamps: bool) -> Any:
    """Decode any MessagePack; raises ValueError, OverflowError or RecursionError for what notepack.io does not send."""
    reader = _Reader(message, timestamps=timestamps)
    value = reader.value()
    reader.check_end()
    return value


class _Reader:
    """Reads one value after another (MessagePack specification, "Formats"), and makes room for none before it comes."""

    __slots__ = ("_message", "_position", "_timestamps")

    def __init__(self, message: bytes, *, timestamps: bool) -> None:
        self._message = message
        self._position = 0
        self._timestamps = timestamps  # whether MessagePack's own form of dates may come

    def check_end(self) -> None:
        """Raise ValueError if anything is left."""
        left = len(self._message) - self._position
        if left:
            raise ValueError(f"{left} bytes behind the packet")

    def value(self) -> Any:
        """Read a value of any kind."""
        read, size = _FORMATS[self.binary(1)[0]]
        return read(self, size)

    def binary(self, size: int) -> bytes:
        """Read *size* bytes."""
        end = self._position + size
        taken = self._message[self._position : end]
        if len(taken) < size:
            raise ValueError("it ends too early")
        self._position = end
        return taken

    def text(self, size: int) -> str:
        """Read text of *size* bytes."""
        return self.binary(size).decode()

    def array(self, size: int) -> list[Any]:
        """Read *size* values."""
        array = []
        for _ in range(size):
            value = self.value()
            array.append(None if value is _UNDEFINED else value)
        return array

    def map(self, size: int) -> dict[Any, Any]:
        """Read *size* keys and values."""
        members: dict[Any, Any] = {}
        for _ in range(size):
            key = self.value()
            if type(key) not in (str, int):
                raise ValueError("a key is no text")
            value = self.value()
            if value is not _UNDEFINED:
                members[key] = value
        return members

    def buffer(self, size: int) -> Any:
        """Read an extension of any size: an ArrayBuffer, or a date."""
        kind, data = self.binary(1)[0], self.binary(size)
        if self._timestamps and kind == _TIMESTAMP and size == _LONG_TIMESTAMP:
            return msgspec.msgpack.decode(bytes((0xC7, size, kind)) + data)
        if kind != _OWN:
            raise ValueError(f"an extension of type {kind}")
        return data

    def extension(self, size: int) -> Any:
        """Read an extension of a fixed size: `undefined`, or a date, in milliseconds or as newer versions write it."""
        kind, data = self.binary(1)[0], self.binary(size)
        if self._timestamps and kind == _TIMESTAMP and size in _FIXED_SIZES:
            return msgspec.msgpack.decode(bytes((_FIXED_SIZES[size], kind)) + data)
        if kind != _OWN or size not in (1, 8):
            raise ValueError(f"an extension of type {kind} with {size} bytes")
        return _UNDEFINED if size == 1 else _EPOCH + int.from_bytes(data, signed=True) * _MILLISECOND


_Read: TypeAlias = Callable[[_Reader, Any], Any]


def _constant(_: _Reader, value: Any) -> Any:
    return value


def _number(reader: _Reader, form: struct.Struct) -> Any:
    return form.unpack(reader.binary(form.size))[0]


def _sized(read: _Read) -> _Read:
    """Return what reads a size of so many bytes, and then what has it."""
    return lambda reader, width: read(reader, int.from_bytes(reader.binary(width)))


def _nothing(*_: Any) -> Any:
    raise ValueError("no value begins with 0xc1")


_FORMATS: tuple[tuple[_Read, Any], ...] = (
    *((_constant, number) for number in range(0x80)),
    *((_Reader.map, size) for size in range(16)),
    *((_Reader.array, size) for size in range(16)),
    *((_Reader.text, size) for size in range(32)),
    (_constant, None), (_nothing, None), (_constant, False), (_constant, True),
    *((_sized(_Reader.binary), width) for width in (1, 2, 4)),
    *((_sized(_Reader.buffer), width) for width in (1, 2, 4)),
    *((_number, struct.Struct(f">{code}")) for code in "fdBHIQbhiq"),
    *((_Reader.extension, size) for size in (1, 2, 4, 8, 16)),
    *((_sized(_Reader.text), width) for width in (1, 2, 4)),
    *((_sized(_Reader.array), width) for width in (2, 4)),
    *((_sized(_Reader.map), width) for width in (2, 4)),
    *((_constant, number) for number in range(-32, 0)),
)  # fmt: skip
"""How a value is read, by its first byte, and with which argument."""
