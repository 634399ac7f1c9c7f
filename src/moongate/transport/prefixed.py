"""A WebSocket whose binary messages are packets of Engine.IO's revision 3."""

from collections.abc import Awaitable

from moongate.config import TransportName
from moongate.transport.base import Transport
from moongate.wire.engineio3 import MESSAGE, base64_packet
from moongate.wire.outgoing import Outgoing

__all__ = ["PrefixedTransport"]


class PrefixedTransport:
    """Puts the packet type before binary messages, or makes text of them for clients that take nothing else."""

    __slots__ = ("_takes_binary", "_transport")

    name: TransportName = "websocket"

    def __init__(self, transport: Transport, *, takes_binary: bool) -> None:
        self._transport = transport
        self._takes_binary = takes_binary

    @property
    def writable(self) -> bool:
        """Whether a message would leave at once."""
        return self._transport.writable

    @property
    def paused(self) -> bool:
        """Whether nothing is read from the peer at the moment."""
        return self._transport.paused

    def send_text(self, data: bytes) -> None:
        """Send one text message."""
        self._transport.send_text(data)

    def send_bytes(self, data: bytes) -> None:
        """Send one binary message."""
        if self._takes_binary:
            self._transport.send_bytes(MESSAGE + data)
        else:
            self._transport.send_text(base64_packet(data))

    def send(self, message: Outgoing) -> None:
        """Send a message that was encoded before, its attachments right behind it."""
        if not message.attachments:
            self._transport.send(message)
            return
        if message.text is not None:
            self._transport.send_text(message.text)
        for attachment in message.attachments:
            self.send_bytes(attachment)

    def drained(self) -> Awaitable[None]:
        """Return an awaitable that is done when the peer can take more, or is gone."""
        return self._transport.drained()

    def ping(self) -> bool:
        """Send a WebSocket ping; False if this transport cannot."""
        return self._transport.ping()

    def pause_reading(self) -> None:
        """Take no more messages from the peer until `resume_reading`."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take messages again."""
        self._transport.resume_reading()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send what is waiting, then close."""
        self._transport.close(code, reason)
