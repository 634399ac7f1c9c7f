"""The transport of a session that has none (yet, or any more)."""

from collections.abc import Awaitable

from moongate.config import TransportName
from moongate.transport.flow import Turn
from moongate.wire.outgoing import Outgoing

__all__ = ["CLOSED", "ClosedTransport"]


class ClosedTransport:
    """Drops whatever it is given: there is nobody to take it."""

    __slots__ = ()

    name: TransportName = "websocket"
    writable = False
    paused = False

    def send_text(self, data: bytes) -> None:
        """Drop it."""

    def send_bytes(self, data: bytes) -> None:
        """Drop it."""

    def send(self, message: Outgoing) -> None:
        """Drop it."""

    def drained(self) -> Awaitable[None]:
        """Return one turn of the event loop: a handler that emits without end must not hold up everybody else."""
        return Turn()

    def ping(self) -> bool:
        """There is nobody to ping."""
        return False

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""

    def close(self, code: int = 1000, reason: str = "") -> None:
        """It is closed."""


CLOSED = ClosedTransport()
