"""One bare WebSocket connection: a client of a single namespace."""

import logging

from moongate.errors import ProtocolError, WsException
from moongate.ids import new_id
from moongate.namespace.arguments import decode_arguments
from moongate.namespace.codec import BareCodec
from moongate.namespace.connection import Session
from moongate.namespace.failures import failure_of
from moongate.namespace.handshake import Handshake
from moongate.namespace.namespace import Namespace
from moongate.namespace.socket import Socket
from moongate.types import DisconnectReason
from moongate.wire.socketio import PacketType
from moongate.wire.websocket import choose_subprotocol

__all__ = ["PlainConnection"]

_LOGGER = logging.getLogger("moongate.namespace")


class PlainConnection:
    """Hands the messages of one session to its socket. The client is in as soon as its connection is open."""

    __slots__ = ("_codec", "_namespace", "session", "socket")

    def __init__(self, session: Session, namespace: Namespace, codec: BareCodec) -> None:
        self.session: Session = session
        self._namespace = namespace
        self._codec = codec
        handshake = Handshake(session.request, {}, session.opened_at, namespace.params)
        known = namespace.handlers.subprotocols
        if known:
            handshake.subprotocol = choose_subprotocol(session.request.header("sec-websocket-protocol") or "", known)
        self.socket: Socket = Socket(new_id(), namespace, session, self, codec, handshake)

    @property
    def subprotocol(self) -> str | None:
        """What the client asked for and the gateway speaks (RFC 6455 section 1.9)."""
        return self.socket.handshake.subprotocol

    def on_open(self) -> None:
        """The connection is open."""
        self._namespace.enter(self.socket)

    def on_text(self, data: bytes, *, is_text: bool = True) -> None:
        """A message came: text in UTF-8, unless it is told to be binary."""
        if not self.socket.connected:
            return
        codec = self._codec
        try:
            packet = codec.decode_text(data) if is_text else codec.decode_binary(data)
            if packet.type == PacketType.ACK:
                if packet.ack_id is not None:
                    self.socket.answered(packet.ack_id, decode_arguments(packet))
                return
        except (ProtocolError, WsException) as error:
            self.violated(error)
            return
        self._namespace.receive(self.socket, packet)

    def on_bytes(self, data: bytes) -> None:
        """A binary message came."""
        self.on_text(data, is_text=False)

    def on_closed(self, reason: DisconnectReason) -> None:
        """The session has ended, perhaps before it was open."""
        if self.socket.connected or self.socket.gone:
            self._namespace.leave(self.socket, reason)
        else:
            self._namespace.turn_away(self.socket)

    def violated(self, error: ProtocolError | WsException) -> None:
        """The client sent what is no message: tell it what was expected; the connection lives."""
        _LOGGER.debug("client %s sent what is no message", self.socket.id, exc_info=error)
        told = error if isinstance(error, WsException) else WsException(str(error))
        self.socket.tell(None, failure_of(told, None, where="", sid=self.socket.id))

    def part(self, socket: Socket) -> None:
        """Put the client out: it has no other namespace, so its session ends."""
        self._namespace.leave(socket, DisconnectReason.SERVER_NAMESPACE_DISCONNECT)
        self.session.close(DisconnectReason.SERVER_NAMESPACE_DISCONNECT)

    def close(self) -> None:
        """Put the client out and end its session."""
        self.part(self.socket)
