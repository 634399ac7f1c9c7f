"""Sessions of Engine.IO's revision 3, whose clients keep the heartbeat themselves."""

from collections.abc import Iterator, Sequence

from moongate.engine.session import Session
from moongate.errors import ProtocolError
from moongate.transport.base import OpenTransport, Transport
from moongate.transport.prefixed import PrefixedTransport
from moongate.types import DisconnectReason
from moongate.wire.engineio import BINARY_MARK, PING, PONG
from moongate.wire.engineio3 import MESSAGE, decode_base64_packet, decode_binary_body, decode_text_body, encode_body

__all__ = ["LegacyBodies", "LegacySession"]


class LegacyBodies:
    """The polling bodies of one client, which takes binary ones or does not."""

    __slots__ = ("_takes_binary",)

    accepts_binary = True

    def __init__(self, *, takes_binary: bool) -> None:
        self._takes_binary = takes_binary

    def encode(self, packets: Sequence[tuple[bool, bytes]]) -> bytes:
        """Join packets, each told to be text or binary."""
        return encode_body(packets, takes_binary=self._takes_binary)

    def decode(self, body: bytes, *, is_binary: bool) -> Iterator[tuple[bool, bytes]]:
        """Split a body into packets, each told to be text or binary.

        What is no packet is told to be an empty one, which ends the session: as with Node's server, the request that
        brought it is answered as any other.
        """
        try:
            yield from decode_binary_body(body) if is_binary else decode_text_body(body)
        except ProtocolError:
            yield True, b""

    def is_binary(self, body: bytes) -> bool:
        """Whether *body* is no text."""
        return body[:1] in {b"\x00", b"\x01"}


class LegacySession(Session):
    """A session of revision 3. A client that is silent for `ping_interval` and `ping_timeout` together is gone."""

    __slots__ = ()

    revision = 3

    @property
    def takes_binary(self) -> bool:
        """Whether the client can take binary data; it says so if it cannot."""
        return not self.request.query.get("b64")

    def dress(self, transport: OpenTransport) -> Transport:
        """Return what to send by instead of *transport*."""
        if transport.name == "websocket":
            return PrefixedTransport(transport, takes_binary=self.takes_binary)
        return transport

    def start_heartbeat(self) -> None:
        """Wait for the client's first ping."""
        self._engine.timers.client_heartbeats.start(self)

    def _extend_heartbeat(self) -> None:
        self.start_heartbeat()

    def _on_packet(self, data: bytes) -> None:
        kind = data[:1]
        if kind == PING:
            self.start_heartbeat()
            self.transport.send_text(PONG)
        elif kind == PONG:
            self.close(DisconnectReason.TRANSPORT_ERROR)
        elif kind == BINARY_MARK:
            self._on_base64(data)
        else:
            super()._on_packet(data)

    def _on_base64(self, packet: bytes) -> None:
        try:
            message = decode_base64_packet(packet)
        except ProtocolError:
            self.close(DisconnectReason.PARSE_ERROR)
        else:
            super().on_bytes(message)

    def on_bytes(self, data: bytes) -> None:
        """A binary message came, by WebSocket with its type in front."""
        if self.transport.name == "polling":
            super().on_bytes(data)
        elif data[:1] == MESSAGE:
            super().on_bytes(data[1:])
        else:
            self.close(DisconnectReason.PARSE_ERROR)
