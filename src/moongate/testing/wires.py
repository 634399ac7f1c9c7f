"""The client's side of both protocols, on a connection without a network."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from moongate.config import Settings
from moongate.namespace.codec import Codec, PacketCodec
from moongate.testing.reading import BareReader, DefaultReader, ParserReader, Reader
from moongate.transport.memory import MemoryTransport
from moongate.wire.engineio import PING, PONG
from moongate.wire.message import MessageCodec, OwnCodec
from moongate.wire.outgoing import Outgoing
from moongate.wire.parser import Parser, ParserCodec, SocketIoPacket, SocketIoPacketType
from moongate.wire.payload import PayloadEncoder
from moongate.wire.plain import PlainCodec
from moongate.wire.socketio import Packet, PacketType, SocketIoCodec

__all__ = ["BareWire", "Member", "NamespaceMember", "SocketIoWire", "Wire"]

_HANDSHAKE = b"0"
_MESSAGE = b"4"
_NORMAL = 1000


class Member(Protocol):
    """A client in one namespace, as its connection knows it."""

    def on_event(self, event: str, arguments: Sequence[Any], ack_id: int | None) -> None:
        """The server has sent an event."""

    def on_answer(self, ack_id: int, arguments: list[Any]) -> None:
        """The server has answered."""

    def on_left(self, reason: str) -> None:
        """It is in the namespace no more."""

    def on_failure(self, error: Exception) -> None:
        """Something failed at the client's side."""


class NamespaceMember(Member, Protocol):
    """The same, where the server decides who comes in."""

    def on_connected(self, sid: str) -> None:
        """The server has let it in."""

    def on_refused(self, error: Any) -> None:
        """The server has not let it in."""


class Wire:
    """What both protocols share: the transport, and who receives what comes."""

    def __init__(self) -> None:
        self.transport: MemoryTransport  # given before anything is sent
        self.answers_heartbeats: bool = True
        self.failure: Exception | None = None  # what failed while nobody waited

    def emit(self, namespace: str, event: str, arguments: tuple[Any, ...], ack_id: int | None) -> None:
        """Send an event."""
        self.send_all(self.codec(namespace).event(event, arguments, ack_id))

    def acknowledge(self, namespace: str, ack_id: int, arguments: tuple[Any, ...]) -> None:
        """Answer an event of the server."""
        self.send_all(self.codec(namespace).acknowledgement(ack_id, arguments))

    def codec(self, namespace: str) -> Codec:
        """Return what encodes for a namespace."""
        raise NotImplementedError

    def leave(self, namespace: str) -> None:
        """Leave a namespace."""
        raise NotImplementedError

    def everyone(self) -> Iterable[Member]:
        """Return the clients on this connection."""
        raise NotImplementedError

    def read(self, data: bytes, *, is_text: bool) -> None:
        """Read a message of the server and tell whom it is for; may raise anything."""
        raise NotImplementedError

    def drop(self) -> None:
        """Lose the connection."""
        self.transport.break_off()

    def send(self, data: bytes, *, is_text: bool = True) -> None:
        """Send a message as it is."""
        self.transport.take(data, is_text=is_text)

    def send_all(self, message: Outgoing) -> None:
        """Send a message that was encoded before, its attachments right behind it."""
        if message.text is not None:
            self.send(message.text)
        for attachment in message.attachments:
            self.send(attachment, is_text=False)

    def on_message(self, data: bytes, *, is_text: bool) -> None:
        """The server has sent a message."""
        try:
            self.read(data, is_text=is_text)
        except Exception as error:  # noqa: BLE001  # handed to the test
            for member in list(self.everyone()):
                member.on_failure(error)

    def on_ping(self) -> None:
        """The server has sent a WebSocket ping."""
        if self.answers_heartbeats:
            self.transport.take_pong()


class SocketIoWire(Wire):
    """Socket.IO over one WebSocket: any number of namespaces, each with one client."""

    def __init__(self, settings: Settings, parser: Parser | None) -> None:
        super().__init__()
        self.members: dict[str, NamespaceMember] = {}
        self.handshake: Mapping[str, Any] = {}  # what the server has said first
        self._settings = settings
        self._parser = parser
        self._encoder = PayloadEncoder()
        self._reader: Reader = DefaultReader(settings) if parser is None else ParserReader(parser, settings.max_depth)

    def join(self, namespace: str, auth: Any) -> None:
        """Ask for a namespace."""
        if self._parser is not None:
            packet = SocketIoPacket(SocketIoPacketType.CONNECT, namespace, self._encoder.builtins(auth))
            for message in self._parser.encode(packet):
                is_text = isinstance(message, str)
                self.send(_MESSAGE + message.encode() if isinstance(message, str) else message, is_text=is_text)
            return
        prefix = b"40" if namespace == "/" else b"40%b," % namespace.encode()
        self.send(prefix if auth is None else prefix + self._encoder.encode(auth))

    def codec(self, namespace: str) -> PacketCodec:
        """Return what encodes for a namespace."""
        if self._parser is not None:
            return ParserCodec(namespace, self._parser, self._encoder)
        return SocketIoCodec(namespace, self._encoder, self._settings.max_attachments)

    def leave(self, namespace: str) -> None:
        """Leave a namespace."""
        self.members.pop(namespace, None)
        self.send_all(self.codec(namespace).disconnect)

    def everyone(self) -> Iterable[Member]:
        """Return the clients on this connection."""
        return self.members.values()

    def read(self, data: bytes, *, is_text: bool) -> None:
        """Read a packet of the server, or what belongs to the one before."""
        if is_text and data == PING:
            if self.answers_heartbeats:
                self.send(PONG)
        elif is_text and data[:1] == _HANDSHAKE:
            self.handshake = msgspec.json.decode(data[1:])
        elif not is_text or data[:1] == _MESSAGE:
            packet = self._reader.feed(data, is_text=is_text)
            if packet is not None:
                self._route(packet)

    def on_closed(self, code: int, reason: str) -> None:
        """The server has closed the connection."""
        del code, reason
        members, self.members = self.members, {}
        for member in members.values():
            member.on_left("transport close")

    def _route(self, packet: Packet) -> None:
        namespace, arguments = packet.namespace.decode(), packet.arguments or []
        member = self.members.get(namespace)
        if member is None:
            return
        if packet.type in (PacketType.EVENT, PacketType.BINARY_EVENT):
            member.on_event(packet.event, arguments, packet.ack_id)
        elif packet.type in (PacketType.ACK, PacketType.BINARY_ACK):
            if packet.ack_id is not None:
                member.on_answer(packet.ack_id, arguments)
        elif packet.type == PacketType.CONNECT:
            member.on_connected(arguments[0]["sid"])
        elif packet.type == PacketType.CONNECT_ERROR:
            del self.members[namespace]
            member.on_refused(arguments[0])
        else:
            del self.members[namespace]
            member.on_left("server disconnect")


class BareWire(Wire):
    """A bare WebSocket with the format that Moongate gives it unless a codec says otherwise."""

    def __init__(self, settings: Settings, subprotocol: str | None, codec: MessageCodec | None) -> None:
        super().__init__()
        self.subprotocol: str | None = subprotocol  # what the server has agreed to
        self.member: Member | None = None
        self._reader = BareReader(codec)
        depth, encoder = settings.max_depth, PayloadEncoder()
        self._codec: Codec = PlainCodec(encoder, depth) if codec is None else OwnCodec(codec, encoder, depth)

    def codec(self, namespace: str) -> Codec:
        """Return what encodes its messages."""
        del namespace
        return self._codec

    def leave(self, namespace: str) -> None:
        """Close the connection."""
        del namespace
        self.transport.take_close(_NORMAL)

    def everyone(self) -> Iterable[Member]:
        """Return its only client."""
        return () if self.member is None else (self.member,)

    def read(self, data: bytes, *, is_text: bool) -> None:
        """Read a message of the server."""
        message = self._reader.read(data, is_text=is_text)
        if self.member is None:
            return
        if message.event is not None:
            self.member.on_event(message.event, message.arguments, message.id)
        elif message.id is not None:
            self.member.on_answer(message.id, message.arguments)

    def on_closed(self, code: int, reason: str) -> None:
        """The server has closed the connection."""
        if self.member is not None:
            self.member.on_left(f"{code} {reason}".rstrip())
