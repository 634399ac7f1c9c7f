"""A WebSocket that is opened only to be closed, because Node's server answers a request of this kind so."""

from moongate.transport.base import NO_STATUS, OpenTransport

__all__ = ["Unwanted"]


class Unwanted:
    """Receives nothing."""

    __slots__ = ()

    def on_open(self, transport: OpenTransport) -> None:
        """The connection is open: that is all."""
        transport.close(NO_STATUS)

    def on_text(self, data: bytes) -> None:
        """A message that was on its way."""

    def on_bytes(self, data: bytes) -> None:
        """A message that was on its way."""

    def on_pong(self) -> None:
        """Nobody has pinged."""

    def on_closed(self, code: int, reason: str) -> None:
        """The connection is gone."""
