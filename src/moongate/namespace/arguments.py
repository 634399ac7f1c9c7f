"""The arguments of a packet as plain Python values, for whoever has no type for them."""

from typing import Any

import msgspec

from moongate.errors import ProtocolError
from moongate.wire.payload import join_attachments
from moongate.wire.socketio import Packet, PacketType
from moongate.wire.values import copy_of

__all__ = ["decode_arguments", "raw_arguments"]

_ANY = msgspec.json.Decoder(list[Any])
_RAW = msgspec.json.Decoder(list[msgspec.Raw])


def decode_arguments(packet: Packet) -> list[Any]:
    """Decode all arguments, binary ones in their places; raises ProtocolError if the payload is no JSON array.

    Each call returns values of its own, which the caller may change.
    """
    if packet.arguments is not None:
        return [copy_of(argument) for argument in packet.arguments]
    try:
        arguments = _ANY.decode(packet.payload)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise ProtocolError("a JSON array of arguments", f"{packet.payload[:40]!r} ({error})") from error
    if packet.buffers:
        arguments = [join_attachments(argument, packet.buffers) for argument in arguments]
    return arguments if packet.type in (PacketType.ACK, PacketType.BINARY_ACK) else arguments[1:]


def raw_arguments(packet: Packet) -> list[msgspec.Raw]:
    """Split the payload of an event into its arguments without decoding them; raises ProtocolError."""
    try:
        return _RAW.decode(packet.payload)[1:]
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise ProtocolError("a JSON array of arguments", f"{packet.payload[:40]!r} ({error})") from error
