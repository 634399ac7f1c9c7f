"""Who comes into which namespace."""

import asyncio

from moongate.config import Settings
from moongate.namespace.cancellation import NO_FAILURES, reraise_cancellation
from moongate.namespace.codec import BareCodec
from moongate.namespace.connection import EngineSession, Session, SocketIoConnection
from moongate.namespace.directory import Directory
from moongate.namespace.failures import failure_of, sendable
from moongate.namespace.handlers import Handlers
from moongate.namespace.legacy import LegacyConnection
from moongate.namespace.parsed import ParsedConnection
from moongate.namespace.plain import PlainConnection
from moongate.namespace.runtime import Runtime
from moongate.transport.base import Refused
from moongate.wire.message import MessageCodec, OwnCodec
from moongate.wire.parser import Parser
from moongate.wire.plain import PlainCodec

__all__ = ["Router"]

_REVISION = 4
"""Of Engine.IO, whose clients speak the Socket.IO protocol as it is today."""


class Router:
    """Gives each new session its connection. The engines below know it by their handler protocols."""

    __slots__ = ("_binary", "_plain", "directory", "runtime")

    def __init__(self, settings: Settings, *, parser: Parser | None = None, codec: MessageCodec | None = None) -> None:
        self.runtime: Runtime = Runtime(settings, parser)
        self.directory: Directory = Directory(self.runtime)
        own = None if codec is None else self.own_codec(codec)
        self._plain: BareCodec = own or PlainCodec(self.runtime.encoder, settings.max_depth)
        self._binary: BareCodec = own or PlainCodec(self.runtime.encoder, settings.max_depth, binary=True)
        self.directory.declare("/")

    def connect(self, session: EngineSession) -> SocketIoConnection:
        """Return what receives the packets of a new Socket.IO session."""
        if session.revision != _REVISION:
            connection = LegacyConnection(self.directory, session)
            # In the next turn, so that the session's first word stands alone in its answer, as with Node's server.
            asyncio.get_running_loop().call_soon(connection.join_root)
            return connection
        parser = self.runtime.parser
        if parser is not None:
            return ParsedConnection(self.directory, session, parser.decoder())
        return SocketIoConnection(self.directory, session)

    async def admit(self, session: Session, name: str) -> PlainConnection:
        """Return what receives the messages of a bare WebSocket client; raises Refused before anything is open."""
        namespace = self.directory.find(name)
        if namespace is None or "websocket" not in namespace.handlers.protocols:
            raise Refused(404, self.runtime.encoder.encode({"status": "error", "message": "Invalid namespace"}))
        connection = PlainConnection(session, namespace, self._bare_codec(namespace.handlers))
        if namespace.guarded:
            try:
                await namespace.admit(connection.socket)
            except NO_FAILURES:
                raise
            except BaseException as error:
                reraise_cancellation(error)
                failure = failure_of(error, None, where=f"a middleware of {name}", sid=connection.socket.id)
                encoder = self.runtime.encoder
                raise Refused(403, encoder.encode(sendable(failure, encoder))) from error
        return connection

    def own_codec(self, codec: MessageCodec) -> OwnCodec:
        """Return what speaks to bare clients as *codec* says."""
        return OwnCodec(codec, self.runtime.encoder, self.runtime.settings.max_depth)

    def _bare_codec(self, handlers: Handlers) -> BareCodec:
        """Return what the bare clients of a namespace speak."""
        return handlers.codec or (self._binary if handlers.takes_binary else self._plain)
