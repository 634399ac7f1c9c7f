"""A Socket.IO connection whose packets are read by another parser than the default one."""

import logging

from moongate.errors import ProtocolError
from moongate.namespace.connection import EngineSession, SocketIoConnection
from moongate.namespace.directory import Directory
from moongate.wire.parser import PacketDecoder, SocketIoPacket, received

__all__ = ["ParsedConnection"]

_LOGGER = logging.getLogger("moongate.namespace")


class ParsedConnection(SocketIoConnection):
    """Reads packets by a parser; all else is as with the default one."""

    __slots__ = ("_decoder",)

    def __init__(self, directory: Directory, session: EngineSession, decoder: PacketDecoder) -> None:
        super().__init__(directory, session)
        self._decoder = decoder

    def on_text(self, data: bytes) -> None:
        """A text message came; its first byte is the Engine.IO packet type."""
        self._take(data[1:].decode())

    def on_bytes(self, data: bytes) -> None:
        """A binary message came."""
        self._take(data)

    def _take(self, message: str | bytes) -> None:
        try:
            packet = self._feed(message)
            if packet is not None:
                self._route(received(packet, self._max_depth))
        except ProtocolError as error:
            self.violated(error)

    def _feed(self, message: str | bytes) -> SocketIoPacket | None:
        try:
            return self._decoder.feed(message)
        except ProtocolError:
            raise
        except Exception as error:
            _LOGGER.warning("%s.feed raised, which a ProtocolError was expected for", type(self._decoder).__name__)
            raise ProtocolError("a packet", repr(message[:40])) from error
