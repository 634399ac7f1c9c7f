"""Messages of bare WebSocket clients in any form that client and server agree on."""

from typing import Any, Protocol

import msgspec

from moongate.errors import EncodeError, ProtocolError, WsException
from moongate.wire.outgoing import Outgoing
from moongate.wire.payload import PayloadEncoder
from moongate.wire.socketio import MAX_ACK_ID, Packet, PacketType
from moongate.wire.values import check_values

__all__ = ["Message", "MessageCodec", "OwnCodec"]


class Message(msgspec.Struct, frozen=True):
    """One message.

    An event has a name in `event`, and an `id` if it asks for a reply. A reply has no name, the `id`, and `data` or, if
    the handler failed, `error`. `data` is None where there is none, and a list where there are several values. What
    goes out is made of dicts, lists, tuples, str, int, float, bool, None, bytes and `datetime`, whatever was emitted.
    """

    event: str | None = None
    data: Any = None
    id: int | None = None
    error: Any = None


class MessageCodec(Protocol):
    """Turns messages into what is on the wire and back: `WebSocketGateway("/feed", codec=...)`."""

    def decode(self, message: str | bytes) -> Message:
        """Return what a client sent, as text or as binary.

        What it raises is told to the client, which stays connected: as the event `exception`, with the text of a
        WsException or a ProtocolError.
        """

    def encode(self, message: Message) -> str | bytes:
        """Return what is sent to the client: text, or binary.

        What it raises is raised as EncodeError by the call that emits, in whose thread it is called.
        """


class OwnCodec:
    """Speaks to the bare clients of a namespace as a MessageCodec says."""

    __slots__ = ("_codec", "_encoder", "_max_depth")

    def __init__(self, codec: MessageCodec, encoder: PayloadEncoder, max_depth: int) -> None:
        self._codec = codec
        self._encoder = encoder
        self._max_depth = max_depth

    def decode_text(self, data: bytes) -> Packet:
        """Decode a text message; raises ProtocolError or WsException."""
        return self._decode(data.decode())

    def decode_binary(self, data: bytes) -> Packet:
        """Decode a binary message; raises ProtocolError or WsException."""
        return self._decode(data)

    def _decode(self, data: str | bytes) -> Packet:
        try:
            message = self._codec.decode(data)
        except (ProtocolError, WsException):
            raise
        except Exception as error:
            raise ProtocolError(f"a message that {type(self._codec).__name__} can read", repr(data[:40])) from error
        ack_id = message.id
        if ack_id is not None and not (type(ack_id) is int and 0 <= ack_id <= MAX_ACK_ID):
            raise ProtocolError(f"an id from 0 to {MAX_ACK_ID}", repr(ack_id)[:40])
        arguments = [] if message.data is None else [message.data]
        check_values(arguments, self._max_depth)
        event: object = message.event  # whatever the codec has put there
        if isinstance(event, str):
            return Packet(PacketType.EVENT, b"", ack_id, b"", 0, event, [], None, arguments)
        if event is not None or ack_id is None:
            raise ProtocolError("a message with an event", repr(data[:40]))
        return Packet(PacketType.ACK, b"", ack_id, b"", 0, "", [], None, arguments)

    def event(self, event: str, arguments: tuple[object, ...], ack_id: int | None = None) -> Outgoing:
        """Encode an event; several arguments become a list. Raises EncodeError for what cannot be sent."""
        return self._encode(Message(event, self._data(arguments), ack_id))

    def acknowledgement(self, ack_id: int, arguments: tuple[object, ...]) -> Outgoing:
        """Encode the reply to the message *ack_id*; raises EncodeError for what cannot be sent."""
        return self._encode(Message(None, self._data(arguments), ack_id))

    def failure(self, ack_id: int, error: object) -> Outgoing:
        """Encode the reply to a message whose handler failed."""
        return self._encode(Message(None, None, ack_id, self._encoder.builtins(error)))

    def _data(self, arguments: tuple[object, ...]) -> Any:
        if not arguments:
            return None
        return self._encoder.builtins(arguments[0] if len(arguments) == 1 else arguments)

    def _encode(self, message: Message) -> Outgoing:
        name = type(self._codec).__name__
        try:
            encoded = self._codec.encode(message)
        except EncodeError:
            raise
        except Exception as error:
            raise EncodeError(type(message.data), f"{name}: {error!r}") from error
        if isinstance(encoded, str):
            return Outgoing(encoded.encode())
        if not isinstance(encoded, bytes | bytearray | memoryview):
            raise EncodeError(type(encoded), f"{name}.encode returned it, and only str and bytes can be sent")
        return Outgoing(None, (bytes(encoded),))
