"""How clients in memory read what the server sends, in whatever form both have agreed on."""

from typing import Any, Protocol

import msgspec

from moongate.config import Settings
from moongate.namespace.arguments import decode_arguments
from moongate.wire.message import MessageCodec
from moongate.wire.parser import Parser, received
from moongate.wire.socketio import Packet, PacketType, decode

__all__ = ["BareMessage", "BareReader", "DefaultReader", "ParserReader", "Reader"]

_PREFIXED = 1  # the Engine.IO packet type is before each text


class Reader(Protocol):
    """Reads the Socket.IO packets of one connection."""

    def feed(self, data: bytes, *, is_text: bool) -> Packet | None:
        """Take the next message; return the packet that it completes, with its `event` and `arguments`."""


class DefaultReader:
    """Reads packets of Socket.IO's default parser."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._partial: Packet | None = None  # waits for its attachments

    def feed(self, data: bytes, *, is_text: bool) -> Packet | None:
        """Take the next message; raises ProtocolError."""
        packet = decode(data, self._settings.max_attachments, self._settings.max_depth) if is_text else self._partial
        if packet is None:
            raise ValueError("the server has sent an attachment that belongs to nothing")
        packet.buffers = packet.buffers or []
        if not is_text:
            packet.buffers.append(data)
        self._partial = packet if len(packet.buffers) < packet.attachments else None
        return _decoded(packet) if self._partial is None else None


class ParserReader:
    """Reads packets as a parser does."""

    def __init__(self, parser: Parser, max_depth: int) -> None:
        self._decoder = parser.decoder()
        self._max_depth = max_depth

    def feed(self, data: bytes, *, is_text: bool) -> Packet | None:
        """Take the next message; raises what the parser raises, and ProtocolError."""
        packet = self._decoder.feed(data[_PREFIXED:].decode() if is_text else data)
        return None if packet is None else received(packet, self._max_depth)


def _decoded(packet: Packet) -> Packet:
    """Return a packet of the default parser with what it carries, as those of other parsers have it."""
    if packet.type in (PacketType.EVENT, PacketType.BINARY_EVENT):
        packet.event = msgspec.json.decode(packet.payload)[0]
        packet.arguments = decode_arguments(packet)
    elif packet.type in (PacketType.ACK, PacketType.BINARY_ACK):
        packet.arguments = decode_arguments(packet)
    else:
        packet.arguments = [msgspec.json.decode(packet.payload)] if packet.payload else [None]
    return packet


class BareMessage(msgspec.Struct, frozen=True):
    """What the server has sent to a bare client: an event if it has a name, else an answer."""

    event: str | None
    arguments: list[Any]
    id: int | None


class BareReader:
    """Reads messages for bare clients: JSON unless a *codec* says otherwise."""

    def __init__(self, codec: MessageCodec | None) -> None:
        self._codec = codec

    def read(self, data: bytes, *, is_text: bool) -> BareMessage:
        """Read one message; raises what the codec raises, and ValueError for what is none."""
        if self._codec is not None:
            message = self._codec.decode(data.decode() if is_text else data)
            if message.event is None:
                return BareMessage(None, [message.data if message.error is None else message.error], message.id)
            return BareMessage(message.event, [] if message.data is None else [message.data], message.id)
        if not is_text:
            return BareMessage("message", [data], None)
        fields = msgspec.json.decode(data, type=dict[str, Any])
        if "event" in fields:
            return BareMessage(fields["event"], [fields["data"]] if "data" in fields else [], fields.get("id"))
        return BareMessage(None, [fields["error"] if "error" in fields else fields.get("data")], fields["id"])
