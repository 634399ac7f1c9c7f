"""The client's side of both protocols, on a connection without a network."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from moongate.config import Settings
from moongate.namespace.arguments import decode_arguments
from moongate.transport.memory import MemoryTransport
from moongate.wire.engineio import PING, PONG
from moongate.wire.outgoing import Outgoing
from moongate.wire.payload import PayloadEncoder
from moongate.wire.plain import PlainCodec
from moongate.wire.socketio import Packet, PacketType, SocketIoCodec, decode

__all__ = ["BareWire", "Member", "SocketIoWire", "Wire"]

_EVENTS = (PacketType.EVENT, PacketType.BINARY_EVENT)
_MESSAGE = b"4"
_HANDSHAKE = b"0"


class Member(Protocol):
    """A client in one namespace, as its connection knows it."""

    def on_event(self, event: str, arguments: Sequence[Any], ack_id: int | None) -> None:
        """The server has sent an event."""

    def on_answer(self, ack_id: int, arguments: list[Any]) -> None:
        """The server has answered."""

    def on_left(self, reason: str) -> None:
        """It is in the namespace no more."""


class NamespaceMember(Member, Protocol):
    """The same, where the server decides who comes in."""

    def on_connected(self, sid: str) -> None:
        """The server has let it in."""

    def on_refused(self, error: dict[str, Any]) -> None:
        """The server has not let it in."""


class Wire:
    """What both protocols share: the transport, and who receives what comes."""

    def __init__(self) -> None:
        self.transport: MemoryTransport  # given before anything is sent
        self.answers_heartbeats: bool = True

    def emit(self, namespace: str, event: str, arguments: tuple[Any, ...], ack_id: int | None) -> None:
        """Send an event."""
        raise NotImplementedError

    def acknowledge(self, namespace: str, ack_id: int, arguments: tuple[Any, ...]) -> None:
        """Answer an event of the server."""
        raise NotImplementedError

    def leave(self, namespace: str) -> None:
        """Leave a namespace."""
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

    def on_ping(self) -> None:
        """The server has sent a WebSocket ping."""
        if self.answers_heartbeats:
            self.transport.pong()


class SocketIoWire(Wire):
    """Socket.IO over one WebSocket: any number of namespaces, each with one client."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.members: dict[str, NamespaceMember] = {}
        self.handshake: Mapping[str, Any] = {}  # what the server has said first
        self._settings = settings
        self._encoder = PayloadEncoder()
        self._partial: Packet | None = None

    def join(self, namespace: str, auth: Any) -> None:
        """Ask for a namespace."""
        prefix = b"40" if namespace == "/" else b"40%b," % namespace.encode()
        self.send(prefix if auth is None else prefix + self._encoder.encode(auth))

    def emit(self, namespace: str, event: str, arguments: tuple[Any, ...], ack_id: int | None) -> None:
        """Send an event."""
        self.send_all(self._codec(namespace).event(event, arguments, ack_id))

    def acknowledge(self, namespace: str, ack_id: int, arguments: tuple[Any, ...]) -> None:
        """Answer an event of the server."""
        self.send_all(self._codec(namespace).acknowledgement(ack_id, arguments))

    def leave(self, namespace: str) -> None:
        """Leave a namespace."""
        self.members.pop(namespace, None)
        self.send_all(self._codec(namespace).disconnect)

    def on_message(self, data: bytes, *, is_text: bool) -> None:
        """The server has sent a packet, or what belongs to the one before."""
        if not is_text:
            self._attach(data)
        elif data == PING:
            if self.answers_heartbeats:
                self.send(PONG)
        elif data[:1] == _HANDSHAKE:
            self.handshake = msgspec.json.decode(data[1:])
        elif data[:1] == _MESSAGE:
            packet = decode(data, self._settings.max_attachments, self._settings.max_depth)
            if packet.attachments:
                packet.buffers = []
                self._partial = packet
            else:
                self._route(packet)

    def on_closed(self, code: int, reason: str) -> None:
        """The server has closed the connection."""
        del code, reason
        members, self.members = self.members, {}
        for member in members.values():
            member.on_left("transport close")

    def _attach(self, data: bytes) -> None:
        packet = self._partial
        if packet is not None and packet.buffers is not None:
            packet.buffers.append(data)
            if len(packet.buffers) == packet.attachments:
                self._partial = None
                self._route(packet)

    def _route(self, packet: Packet) -> None:
        namespace = packet.namespace.decode()
        member = self.members.get(namespace)
        if member is None:
            return
        if packet.type in _EVENTS:
            member.on_event(_name(packet), decode_arguments(packet), packet.ack_id)
        elif packet.type in (PacketType.ACK, PacketType.BINARY_ACK):
            if packet.ack_id is not None:
                member.on_answer(packet.ack_id, decode_arguments(packet))
        elif packet.type == PacketType.CONNECT:
            member.on_connected(msgspec.json.decode(packet.payload)["sid"])
        elif packet.type == PacketType.CONNECT_ERROR:
            del self.members[namespace]
            member.on_refused(msgspec.json.decode(packet.payload))
        else:
            del self.members[namespace]
            member.on_left("server disconnect")

    def _codec(self, namespace: str) -> SocketIoCodec:
        return SocketIoCodec(namespace, self._encoder, self._settings.max_attachments)


class BareWire(Wire):
    """A bare WebSocket with the format that Moongate gives it unless a codec says otherwise."""

    def __init__(self, settings: Settings, subprotocol: str | None) -> None:
        super().__init__()
        self.subprotocol: str | None = subprotocol  # what the server has agreed to
        self.member: Member | None = None
        self._codec = PlainCodec(PayloadEncoder(), settings.max_depth)

    def emit(self, namespace: str, event: str, arguments: tuple[Any, ...], ack_id: int | None) -> None:
        """Send an event."""
        del namespace
        self.send_all(self._codec.event(event, arguments, ack_id))

    def acknowledge(self, namespace: str, ack_id: int, arguments: tuple[Any, ...]) -> None:
        """Answer an event of the server."""
        del namespace
        self.send_all(self._codec.acknowledgement(ack_id, arguments))

    def leave(self, namespace: str) -> None:
        """Close the connection."""
        del namespace
        self.transport.break_off(1000)

    def on_message(self, data: bytes, *, is_text: bool) -> None:
        """The server has sent a message."""
        if self.member is None:
            return
        if not is_text:
            self.member.on_event("message", [data], None)
            return
        message = msgspec.json.decode(data)
        if "event" in message:
            arguments = [message["data"]] if "data" in message else []
            self.member.on_event(message["event"], arguments, message.get("id"))
        else:
            self.member.on_answer(message["id"], [message["error"] if "error" in message else message.get("data")])

    def on_closed(self, code: int, reason: str) -> None:
        """The server has closed the connection."""
        if self.member is not None:
            self.member.on_left(f"{code} {reason}".rstrip())


def _name(packet: Packet) -> str:
    name: str = msgspec.json.decode(packet.payload)[0]
    return name
