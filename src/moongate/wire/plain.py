"""Messages of bare WebSocket clients: `{"event", "data", "id"}`, NestJS's `WsAdapter` format with an optional id."""

from typing import Any

import msgspec

from moongate.errors import ProtocolError
from moongate.wire.outgoing import Outgoing
from moongate.wire.payload import PayloadEncoder, too_deep
from moongate.wire.socketio import MAX_ACK_ID, Packet, PacketType

__all__ = ["PlainCodec", "decode"]


class _Message(msgspec.Struct, gc=False):
    """What a client may send: an event, or the answer to an event of ours that asked for one."""

    event: str | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    id: int | None = None


_DECODER = msgspec.json.Decoder(_Message)


def decode(data: bytes, *, max_depth: int) -> Packet:
    """Decode one message into a packet like those of Socket.IO.

    The packet's payload is a JSON array whose first member only holds the place of the name. Raises ProtocolError.
    """
    if len(data) > 2 * max_depth and too_deep(data, max_depth):
        raise ProtocolError(f"JSON nested at most {max_depth} deep", "deeper")
    try:
        message = _DECODER.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ProtocolError('a message like {"event": "name", "data": ...}', f"{data[:40]!r} ({error})") from error
    ack_id = message.id
    if ack_id is not None and not 0 <= ack_id <= MAX_ACK_ID:
        raise ProtocolError(f"an id from 0 to {MAX_ACK_ID}", str(ack_id))
    event = message.event
    payload = message.data
    if event is msgspec.UNSET:
        if ack_id is None:
            raise ProtocolError('a message with "event"', repr(data[:40]))
        answer = b"[]" if payload is msgspec.UNSET else b"[%b]" % payload
        return Packet(PacketType.ACK, b"", ack_id, answer, 0)
    arguments = b'[""]' if payload is msgspec.UNSET else b'["",%b]' % payload
    return Packet(PacketType.EVENT, b"", ack_id, arguments, 0, event)


class PlainCodec:
    """Encodes events and replies for bare WebSocket clients. Bytes inside a value become Base64 text."""

    __slots__ = ("_encoder",)

    def __init__(self, encoder: PayloadEncoder) -> None:
        self._encoder = encoder

    def event(self, event: str, arguments: tuple[object, ...], ack_id: int | None = None) -> Outgoing:
        """Encode an event; several arguments become a list. Raises EncodeError for what cannot be sent."""
        message: dict[str, Any] = {"event": event}
        if arguments:
            message["data"] = arguments[0] if len(arguments) == 1 else arguments
        if ack_id is not None:
            message["id"] = ack_id
        return Outgoing(self._encoder.encode(message))

    def acknowledgement(self, ack_id: int, arguments: tuple[object, ...]) -> Outgoing:
        """Encode the reply to the message *ack_id*; raises EncodeError for what cannot be sent."""
        if not arguments:
            return Outgoing(b'{"id":%d,"data":null}' % ack_id)
        value = arguments[0] if len(arguments) == 1 else arguments
        return Outgoing(b'{"id":%d,"data":%b}' % (ack_id, self._encoder.encode(value)))

    def failure(self, ack_id: int, error: object) -> Outgoing:
        """Encode the reply to a message whose handler failed."""
        return Outgoing(b'{"id":%d,"error":%b}' % (ack_id, self._encoder.encode(error)))
