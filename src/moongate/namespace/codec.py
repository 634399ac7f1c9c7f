"""What a namespace needs of a protocol to speak to a client."""

from typing import Protocol

from moongate.wire.outgoing import Outgoing
from moongate.wire.socketio import Packet

__all__ = ["BareCodec", "Codec", "PacketCodec"]


class Codec(Protocol):
    """Encodes what goes to the clients of one protocol. Raises EncodeError for what cannot be sent."""

    def event(self, event: str, arguments: tuple[object, ...], ack_id: int | None = None) -> Outgoing:
        """Encode an event, which asks for an acknowledgement if it has an id."""

    def acknowledgement(self, ack_id: int, arguments: tuple[object, ...]) -> Outgoing:
        """Encode the answer to a client's message."""

    def failure(self, ack_id: int, error: object) -> Outgoing:
        """Encode the answer to a client's message whose handler failed."""


class PacketCodec(Codec, Protocol):
    """Encodes what goes to the Socket.IO clients of one namespace, whatever the parser."""

    disconnect: Outgoing
    """DISCONNECT: the server has put the client out of the namespace."""

    def text_of(self, event: Outgoing) -> bytes:
        """Return the name and the arguments of an encoded event as a JSON array; empty if there is binary data."""

    def connected(self, sid: str | None) -> Outgoing:
        """Encode the answer to a client that may come in; None is for one that knows its id."""

    def refused(self, error: object) -> Outgoing:
        """Encode CONNECT_ERROR: the answer to a client that may not come in."""


class BareCodec(Codec, Protocol):
    """Speaks to bare WebSocket clients, both ways. Decoding raises ProtocolError or WsException."""

    def decode_text(self, data: bytes) -> Packet:
        """Decode a text message, in UTF-8."""

    def decode_binary(self, data: bytes) -> Packet:
        """Decode a binary message."""
