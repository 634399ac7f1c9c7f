"""Messages of bare WebSocket clients: `{"event", "data", "id"}`, NestJS's `WsAdapter` format with an optional id."""

from typing import Any

import msgspec

from moongate.errors import ProtocolError
from moongate.wire.inspection import BUFFERS
from moongate.wire.outgoing import Outgoing
from moongate.wire.payload import PayloadEncoder, too_deep
from moongate.wire.socketio import MAX_ACK_ID, Packet, PacketType

__all__ = ["BINARY_EVENT", "PlainCodec"]

BINARY_EVENT = "message"
"""What a binary frame means that holds nothing but the bytes; `send` emits it."""


class _Message(msgspec.Struct, gc=False):
    """What a client may send: an event, or the answer to an event of ours that asked for one."""

    event: str | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    id: int | None = None


_DECODER = msgspec.json.Decoder(_Message)


class PlainCodec:
    """Speaks JSON to bare WebSocket clients. Bytes inside a value become Base64 text.

    Bytes that are the only value of the event `message` leave as they are, in a binary frame, unless an answer is asked
    for. With *binary*, binary frames of clients are such events too; otherwise they hold JSON, as text frames do.
    """

    __slots__ = ("_binary", "_encoder", "_max_depth")

    def __init__(self, encoder: PayloadEncoder, max_depth: int, *, binary: bool = False) -> None:
        self._encoder = encoder
        self._max_depth = max_depth
        self._binary = binary

    def decode_text(self, data: bytes) -> Packet:
        """Decode a message into a packet like those of Socket.IO; raises ProtocolError.

        The packet's payload is a JSON array whose first member only holds the place of the name.
        """
        if len(data) > 2 * self._max_depth and too_deep(data, self._max_depth):
            raise ProtocolError(f"JSON nested at most {self._max_depth} deep", "deeper")
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

    def decode_binary(self, data: bytes) -> Packet:
        """Decode a binary message; raises ProtocolError."""
        if self._binary:
            return Packet(PacketType.EVENT, b"", None, b"", 0, BINARY_EVENT, [], None, [data])
        return self.decode_text(data)

    def event(self, event: str, arguments: tuple[object, ...], ack_id: int | None = None) -> Outgoing:
        """Encode an event; several arguments become a list. Raises EncodeError for what cannot be sent."""
        if event == BINARY_EVENT and len(arguments) == 1 and isinstance(arguments[0], BUFFERS) and ack_id is None:
            return Outgoing(None, (bytes(arguments[0]),))  # type: ignore[call-overload]  # it is a buffer
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
