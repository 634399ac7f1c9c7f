"""Socket.IO parsers other than the default one: packets in any form that client and server agree on."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Protocol

import msgspec

from moongate.errors import EncodeError, ProtocolError
from moongate.wire.outgoing import Outgoing
from moongate.wire.payload import PayloadEncoder
from moongate.wire.socketio import MAX_ACK_ID, Packet, PacketType, check_event_name, check_namespace
from moongate.wire.values import check_values

__all__ = ["PacketDecoder", "Parser", "ParserCodec", "SocketIoPacket", "SocketIoPacketType", "received"]


class SocketIoPacketType(IntEnum):
    """The packet types (Socket.IO protocol, "Packet types"), without those of the default parser's binary packets."""

    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4


class SocketIoPacket(msgspec.Struct, frozen=True):
    """One packet.

    `data` is a list for EVENT, the event's name first, and for ACK; a dict or None for CONNECT; a dict or a str for
    CONNECT_ERROR; None for DISCONNECT. What goes out is made of dicts, lists, tuples, str, int, float, bool, None,
    bytes and `datetime`, whatever was emitted. `id` is the number of the acknowledgement that is asked for or given.
    """

    type: SocketIoPacketType
    namespace: str = "/"
    data: Any = None
    id: int | None = None


class PacketDecoder(Protocol):
    """Decodes what one connection receives."""

    def feed(self, message: str | bytes) -> SocketIoPacket | None:
        """Take the next message, text or binary; return the packet that it completes, None if more is needed.

        Raises ProtocolError for what is no packet, which closes the connection. The packet's own rules, such as names
        that are reserved, are checked by the caller.
        """


class Parser(Protocol):
    """Turns packets into messages and back. Clients have to be given the same one, by their option `parser`."""

    def encode(self, packet: SocketIoPacket) -> Sequence[str | bytes]:
        """Return the messages that *packet* becomes: text, or binary, or text and then any number of binary ones.

        What it raises is raised as EncodeError by the call that emits, in whose thread it is called.
        """

    def decoder(self) -> PacketDecoder:
        """Return what decodes the messages of a new connection."""


def received(packet: SocketIoPacket, max_depth: int) -> Packet:
    """Check what a decoder returned and bring it into the form of the default parser's packets.

    Raises ProtocolError for what is none, as the default parser does.
    """
    if type(packet.type) not in (int, SocketIoPacketType) or not 0 <= packet.type <= SocketIoPacketType.CONNECT_ERROR:
        raise ProtocolError("a packet type from 0 to 4", repr(packet.type)[:40])
    kind = PacketType.CONNECT + packet.type  # they have the same order
    ack_id = packet.id
    if ack_id is not None and not (type(ack_id) is int and 0 <= ack_id <= MAX_ACK_ID):
        raise ProtocolError(f"an acknowledgement id up to {MAX_ACK_ID}", repr(ack_id)[:40])
    arguments = _arguments(kind, packet.data)
    check_values(arguments, max_depth)
    event = ""
    if kind == PacketType.EVENT:
        event = _event_name(arguments)
        del arguments[0]
    return Packet(kind, _namespace(packet.namespace), ack_id, b"", 0, event, [], None, arguments)


def _arguments(kind: int, data: Any) -> list[Any]:
    if kind in (PacketType.EVENT, PacketType.ACK):
        if isinstance(data, list):
            return data.copy()
    elif kind == PacketType.CONNECT:
        if data is None or isinstance(data, dict):
            return [data or {}]
    elif data is None if kind == PacketType.DISCONNECT else isinstance(data, dict | str):
        return [data]
    raise ProtocolError("data that fits the packet's type", repr(data)[:40])


def _namespace(name: object) -> bytes:
    try:
        namespace = str.encode(name)  # type: ignore[arg-type]  # anything else is a TypeError
    except (TypeError, UnicodeEncodeError) as error:
        raise ProtocolError("the name of a namespace", repr(name)[:40]) from error
    return check_namespace(namespace)


def _event_name(arguments: list[Any]) -> str:
    if not arguments or type(arguments[0]) not in (str, int):
        raise ProtocolError("an event name and its arguments", repr(arguments)[:40])
    return check_event_name(str(arguments[0]))


class ParserCodec:
    """Encodes the packets of one namespace by a parser."""

    __slots__ = ("_encoder", "_namespace", "_parser", "disconnect")

    def __init__(self, namespace: str, parser: Parser, encoder: PayloadEncoder) -> None:
        self._namespace = namespace
        self._parser = parser
        self._encoder = encoder
        self.disconnect: Outgoing = self._encode(SocketIoPacketType.DISCONNECT, None)

    def event(self, event: str, arguments: tuple[object, ...], ack_id: int | None = None) -> Outgoing:
        """Encode an event; raises EncodeError for arguments that cannot be sent."""
        return self._encode(SocketIoPacketType.EVENT, [event, *arguments], ack_id)

    def text_of(self, event: Outgoing) -> bytes:
        """Return nothing: what a parser has written is no JSON array of a name and arguments."""
        del event
        return b""

    def acknowledgement(self, ack_id: int, arguments: tuple[object, ...]) -> Outgoing:
        """Encode an acknowledgement; raises EncodeError for arguments that cannot be sent."""
        return self._encode(SocketIoPacketType.ACK, list(arguments), ack_id)

    def failure(self, ack_id: int, error: object) -> Outgoing:
        """Encode the acknowledgement of a message whose handler failed."""
        return self.acknowledgement(ack_id, (error,))

    def connected(self, sid: str | None) -> Outgoing:
        """Encode the answer to a client that may come in; None is for one that knows its id."""
        return self._encode(SocketIoPacketType.CONNECT, None if sid is None else {"sid": sid})

    def refused(self, error: object) -> Outgoing:
        """Encode CONNECT_ERROR: the answer to a client that may not come in."""
        return self._encode(SocketIoPacketType.CONNECT_ERROR, error)

    def _encode(self, kind: SocketIoPacketType, data: Any, ack_id: int | None = None) -> Outgoing:
        packet = SocketIoPacket(kind, self._namespace, self._encoder.builtins(data), ack_id)
        try:
            return _outgoing(self._parser.encode(packet))
        except EncodeError:
            raise
        except Exception as error:
            value = data[-1] if isinstance(data, list) and data else data
            raise EncodeError(type(value), f"{type(self._parser).__name__}: {error!r}") from error


def _outgoing(messages: Sequence[str | bytes]) -> Outgoing:
    """Join the messages of one packet, with Engine.IO's packet type before the text."""
    text = None
    attachments: list[bytes] = []
    for message in messages:
        if not isinstance(message, str):
            attachments.append(bytes(memoryview(message)))
        elif text is None and not attachments:
            text = b"4" + message.encode()
        else:
            raise TypeError("a packet is at most one text message, with the binary ones behind it")
    if text is None and not attachments:
        raise TypeError("a packet is at least one message")
    return Outgoing(text, tuple(attachments))
