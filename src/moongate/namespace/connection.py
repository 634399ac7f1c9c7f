"""One Socket.IO connection: the packets of a client, and the namespaces that it is in."""

from typing import Any, Protocol

import msgspec

from moongate.errors import PayloadTooLarge, ProtocolError
from moongate.ids import new_id
from moongate.namespace.arguments import decode_arguments
from moongate.namespace.cancellation import NO_FAILURES, reraise_cancellation
from moongate.namespace.codec import PacketCodec
from moongate.namespace.directory import Directory
from moongate.namespace.failures import refusal_of, sendable
from moongate.namespace.handshake import Handshake
from moongate.namespace.namespace import Namespace
from moongate.namespace.sender import Link
from moongate.namespace.socket import Socket
from moongate.transport.base import Request
from moongate.types import DisconnectReason
from moongate.wire.outgoing import Outgoing
from moongate.wire.socketio import Packet, PacketType, check_namespace, decode

__all__ = ["EngineSession", "Session", "SocketIoConnection", "auth_of"]

_EVENTS = (PacketType.EVENT, PacketType.BINARY_EVENT)
_ACKS = (PacketType.ACK, PacketType.BINARY_ACK)
_AUTH = msgspec.json.Decoder(dict[str, Any])


class Session(Link, Protocol):
    """The session below."""

    request: Request
    opened_at: float
    closed: bool

    def joined(self) -> None:
        """The client is in a namespace."""


class EngineSession(Session, Protocol):
    """A session of Engine.IO."""

    id: str
    revision: int
    """Of its protocol."""

    def close(self, reason: DisconnectReason, *, farewell: bool = False) -> None:
        """End the session; with *farewell* the client is told, whatever the reason."""


class SocketIoConnection:
    """Routes the packets of one session to the sockets of its namespaces.

    Nothing is decoded here but what routing needs: the arguments stay raw until the handler is known.
    """

    __slots__ = ("_admissions", "_directory", "_max_attachments", "_max_depth", "_partial", "_sockets", "session")

    def __init__(self, directory: Directory, session: EngineSession) -> None:
        self.session: EngineSession = session
        self._directory = directory
        settings = directory.runtime.settings
        self._max_attachments = settings.max_attachments
        self._max_depth = settings.max_depth
        self._sockets: dict[bytes, Socket | None] = {}  # None: the server has put the client out
        self._admissions = 0  # how many middlewares are being asked at the moment
        self._partial: Packet | None = None  # waits for its attachments

    def on_text(self, data: bytes) -> None:
        """A packet came; its first byte is the Engine.IO packet type."""
        try:
            if self._partial is not None:
                raise ProtocolError("a binary attachment", "a text packet")
            packet = decode(data, self._max_attachments, self._max_depth)
            if packet.attachments:
                packet.buffers = []
                self._partial = packet
                self._directory.runtime.partials.add(self)
            else:
                self._route(packet)
        except ProtocolError as error:
            self.violated(error)

    def on_bytes(self, data: bytes) -> None:
        """An attachment came."""
        packet = self._partial
        try:
            if packet is None or packet.buffers is None:
                raise ProtocolError("a text packet", "a binary message")
            packet.buffers.append(data)
            if sum(map(len, packet.buffers)) > self._directory.runtime.settings.max_payload:
                raise PayloadTooLarge(self._directory.runtime.settings.max_payload)
            if len(packet.buffers) == packet.attachments:
                self._drop_partial()
                self._route(packet)
        except ProtocolError as error:
            self.violated(error)

    def on_closed(self, reason: DisconnectReason) -> None:
        """The session has ended."""
        self._drop_partial()
        sockets, self._sockets = self._sockets, {}
        for socket in sockets.values():
            if socket is not None:
                socket.namespace.leave(socket, reason)

    def attachments_overdue(self) -> None:
        """The attachments of a packet did not come in time."""
        self.violated(ProtocolError("the attachments of a packet", "none in time"))

    def _drop_partial(self) -> None:
        if self._partial is not None:
            self._partial = None
            self._directory.runtime.partials.remove(self)

    def violated(self, error: ProtocolError) -> None:
        """The client sent what is no packet, or none that it may send now."""
        del error
        # As in Node's server, whose Engine.IO tells clients nothing if they break its own rules.
        self.session.close(DisconnectReason.PARSE_ERROR, farewell=True)

    def part(self, socket: Socket) -> None:
        """Put the client out of one namespace and tell it."""
        name = socket.namespace.name.encode()
        if self._sockets.get(name) is not socket:
            return
        self._remember_parted(name)
        self.session.transport.send(socket.namespace.clients.codec.disconnect)
        socket.namespace.leave(socket, DisconnectReason.SERVER_NAMESPACE_DISCONNECT)

    def _remember_parted(self, name: bytes) -> None:
        """What the client sends before it learns that it was put out is no violation; only so many are remembered."""
        del self._sockets[name]
        self._sockets[name] = None
        parted = [name for name, socket in self._sockets.items() if socket is None]
        if len(parted) > self._directory.runtime.settings.max_namespaces:
            del self._sockets[parted[0]]

    def close(self) -> None:
        """Put the client out of all its namespaces and end its session."""
        for socket in list(self._sockets.values()):
            if socket is not None:
                self.part(socket)
        self.session.close(DisconnectReason.FORCED_CLOSE)

    def _route(self, packet: Packet) -> None:
        kind = packet.type
        if kind == PacketType.CONNECT:
            self._connect(packet)
            return
        socket = self._sockets.get(packet.namespace)
        if socket is None:
            if packet.namespace not in self._sockets:
                raise ProtocolError("a namespace that the client is in", repr(packet.namespace[:40]))
        elif kind in _EVENTS:
            socket.namespace.route(socket, packet)
        elif kind in _ACKS:
            arguments = decode_arguments(packet)
            if packet.ack_id is not None:
                socket.answered(packet.ack_id, arguments)
        elif kind == PacketType.DISCONNECT:
            if packet.payload:
                raise ProtocolError("nothing behind the packet type", repr(packet.payload[:40]))
            del self._sockets[packet.namespace]
            socket.namespace.leave(socket, DisconnectReason.CLIENT_NAMESPACE_DISCONNECT)
        else:
            raise ProtocolError("a packet that clients may send", "CONNECT_ERROR")

    def _connect(self, packet: Packet) -> None:
        """A client asks for a namespace."""
        self._ask(packet.namespace, auth_of(packet))

    def _ask(self, name: bytes, auth: dict[str, Any]) -> None:
        """Let the client into a namespace, or refuse it; raises ProtocolError for what no client asks for."""
        check_namespace(name)
        if self._sockets.get(name) is not None:
            raise ProtocolError("one CONNECT for each namespace", f"another for {name!r}")
        namespace = self._directory.find(name.decode())
        if namespace is None or "socketio" not in namespace.handlers.protocols:
            self._refuse(name, "Invalid namespace")
        elif self._is_full():
            self._refuse(name, "Too many namespaces")
        else:
            self._invite(name, namespace, auth)

    def _is_full(self) -> bool:
        limit = self._directory.runtime.settings.max_namespaces - self._admissions
        return len(self._sockets) >= limit and sum(socket is not None for socket in self._sockets.values()) >= limit

    def _refuse(self, name: bytes, message: str) -> None:
        self.session.transport.send(self._directory.codec(name.decode()).refused({"message": message}))

    def _invite(self, name: bytes, namespace: Namespace, auth: dict[str, Any]) -> None:
        session = self.session
        codec = namespace.clients.codec
        handshake = Handshake(session.request, auth, session.opened_at, namespace.params)
        socket = Socket(self._new_id(name), namespace, session, self, codec, handshake)
        if namespace.guarded:
            self._admissions += 1
            self._directory.runtime.dispatcher.spawn(self._admit(name, socket, namespace, codec))
        else:
            self._enter(name, socket, namespace, codec)

    async def _admit(self, name: bytes, socket: Socket, namespace: Namespace, codec: PacketCodec) -> None:
        """Let the client in if every middleware does."""
        try:
            await namespace.admit(socket)
        except NO_FAILURES:
            raise
        except BaseException as error:  # noqa: BLE001  # whatever a middleware raises refuses the client
            refusal = refusal_of(error, where=f"a middleware of {namespace.name}", sid=socket.id)
            self.session.transport.send(self._refused(codec, sendable(refusal, self._directory.runtime.encoder)))
            reraise_cancellation(error)
            return
        finally:
            self._admissions -= 1
        if not self.session.closed and self._sockets.get(name) is None:
            self._enter(name, socket, namespace, codec)
        else:
            namespace.turn_away(socket)

    def _enter(self, name: bytes, socket: Socket, namespace: Namespace, codec: PacketCodec) -> None:
        self._sockets[name] = socket
        self.session.joined()
        self.session.transport.send(self._connected(codec, socket.id))
        namespace.enter(socket)

    def _new_id(self, name: bytes) -> str:
        """Return the id of a client in the namespace *name*."""
        del name
        return new_id()

    @staticmethod
    def _connected(codec: PacketCodec, sid: str) -> Outgoing:
        return codec.connected(sid)

    @staticmethod
    def _refused(codec: PacketCodec, refusal: dict[str, Any]) -> Outgoing:
        return codec.refused(refusal)


def auth_of(packet: Packet) -> dict[str, Any]:
    """Return what the client sent along with CONNECT; raises ProtocolError if it is no JSON object."""
    if packet.arguments is not None:
        auth: dict[str, Any] = packet.arguments[0]
        return auth
    payload = packet.payload
    if not payload:
        return {}
    try:
        return _AUTH.decode(payload)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ProtocolError("a JSON object behind CONNECT", repr(payload[:40])) from error
