"""All namespaces of an application, and who comes into them."""

from moongate.config import Settings
from moongate.errors import ConfigurationError
from moongate.namespace.connection import Session, SocketIoConnection
from moongate.namespace.failures import failure_of, sendable
from moongate.namespace.namespace import Namespace
from moongate.namespace.plain import PlainConnection
from moongate.namespace.runtime import Runtime
from moongate.transport.base import Refused
from moongate.wire.plain import PlainCodec
from moongate.wire.socketio import SocketIoCodec

__all__ = ["Router"]


class Router:
    """Gives each new session its connection. The engines below know it by their handler protocols."""

    __slots__ = ("_namespaces", "_plain", "runtime")

    def __init__(self, settings: Settings) -> None:
        self.runtime: Runtime = Runtime(settings)
        self._namespaces: dict[bytes, tuple[Namespace, SocketIoCodec]] = {}
        self._plain = PlainCodec(self.runtime.encoder)
        self.namespace("/")

    def namespace(self, name: str) -> Namespace:
        """Return the namespace *name*; it is made if there is none. Raises ConfigurationError for what is no name."""
        if not name.startswith("/") or "," in name or "?" in name:
            raise ConfigurationError(f"expected a namespace like '/chat', got {name!r}", mend="Start it with a slash.")
        found = self._namespaces.get(name.encode())
        if found is None:
            codec = SocketIoCodec(name, self.runtime.encoder, self.runtime.settings.max_attachments)
            found = self._namespaces[name.encode()] = (Namespace(name, self.runtime, codec), codec)
        return found[0]

    @property
    def namespaces(self) -> list[Namespace]:
        """All namespaces, in the order in which they were made."""
        return [namespace for namespace, _ in self._namespaces.values()]

    def find(self, name: bytes) -> tuple[Namespace, SocketIoCodec] | None:
        """Return the namespace *name* and its codec, if there is one that Socket.IO clients may ask for."""
        found = self._namespaces.get(name)
        return found if found is not None and "socketio" in found[0].protocols else None

    def connect(self, session: Session) -> SocketIoConnection:
        """Return what receives the packets of a new Socket.IO session."""
        return SocketIoConnection(self, session)

    async def admit(self, session: Session, name: str) -> PlainConnection:
        """Return what receives the messages of a bare WebSocket client; raises Refused before anything is open."""
        found = self._namespaces.get(name.encode())
        if found is None or "websocket" not in found[0].protocols:
            raise Refused(404, self.runtime.encoder.encode({"status": "error", "message": "Invalid namespace"}))
        namespace = found[0]
        connection = PlainConnection(session, namespace, self._plain)
        if namespace.guarded:
            try:
                await namespace.admit(connection.socket)
            except Exception as error:
                failure = failure_of(error, None, where=f"a middleware of {name}", sid=connection.socket.id)
                encoder = self.runtime.encoder
                raise Refused(403, encoder.encode(sendable(failure, encoder))) from error
        return connection
