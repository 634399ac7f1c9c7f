"""One bare WebSocket connection: a client of a single namespace."""

from typing import Any

from moongate.errors import ProtocolError
from moongate.ids import new_id
from moongate.namespace.arguments import decode_arguments
from moongate.namespace.connection import Session
from moongate.namespace.handshake import Handshake
from moongate.namespace.namespace import Namespace
from moongate.namespace.socket import Socket
from moongate.types import DisconnectReason
from moongate.wire.plain import PlainCodec, decode
from moongate.wire.socketio import PacketType

__all__ = ["PlainConnection"]


class PlainConnection:
    """Hands the messages of one session to its socket. The client is in as soon as its connection is open."""

    __slots__ = ("_max_depth", "_namespace", "session", "socket")

    def __init__(self, session: Session, namespace: Namespace, codec: PlainCodec) -> None:
        self.session: Session = session
        self._namespace = namespace
        self._max_depth = namespace.clients.runtime.settings.max_depth
        self.socket: Socket = Socket(
            new_id(), namespace, session, self, codec, Handshake(session.request, {}, session.opened_at)
        )

    def on_open(self) -> None:
        """The connection is open."""
        self._namespace.enter(self.socket)

    def on_text(self, data: bytes) -> None:
        """A message came."""
        if not self.socket.connected:
            return
        try:
            packet = decode(data, max_depth=self._max_depth)
            if packet.type == PacketType.ACK:
                if packet.ack_id is not None:
                    self.socket.answered(packet.ack_id, decode_arguments(packet))
                return
        except ProtocolError as error:
            self.violated(error)
            return
        self._namespace.receive(self.socket, packet)

    def on_bytes(self, data: bytes) -> None:
        """A message came in a binary frame, as NestJS's adapter allows."""
        self.on_text(data)

    def on_closed(self, reason: DisconnectReason) -> None:
        """The session has ended."""
        self._namespace.leave(self.socket, reason)

    def violated(self, error: ProtocolError) -> None:
        """The client sent what is no message: tell it what was expected; the connection lives."""
        failure: dict[str, Any] = {"status": "error", "message": str(error)}
        self.socket.deliver(self.socket.codec.event("exception", (failure,)))

    def part(self, socket: Socket) -> None:
        """Put the client out: it has no other namespace, so its session ends."""
        self._namespace.leave(socket, DisconnectReason.SERVER_NAMESPACE_DISCONNECT)
        self.session.close(DisconnectReason.SERVER_NAMESPACE_DISCONNECT)

    def close(self) -> None:
        """Put the client out and end its session."""
        self.part(self.socket)
