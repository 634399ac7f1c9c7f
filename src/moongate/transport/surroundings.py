"""What picows is given for its log and its stream, so that it only parses: sending and ending is done elsewhere."""

import asyncio
import logging
import sys
from typing import Any, Protocol

from picows import WSCloseCode

__all__ = ["Breakable", "Surroundings"]

_LOGGER = logging.getLogger("moongate.transport")

_INTERNAL_ERROR = 1011
"""A close code (RFC 6455 section 7.4.1)."""


class Breakable(Protocol):
    """What is told that a connection cannot go on."""

    def on_broken(self, code: int, reason: str) -> None:
        """The peer broke the framing, or a callback failed; a message before it may still be handed over."""


class Surroundings:
    """Log and stream of one picows connection. What picows would do itself about an error is left out.

    It would send its close frame before what is corked, drop the message before a broken frame, and cut the connection
    while the peer still sends, which then never sees why.
    """

    __slots__ = ("_listener", "_opened", "stream")

    def __init__(self, stream: asyncio.Transport, listener: Breakable) -> None:
        self.stream: asyncio.Transport = stream
        self._listener = listener
        self._opened = False  # whether the handshake was answered

    def isEnabledFor(self, _: int) -> bool:  # noqa: N802  # the name that picows calls
        """Nothing at the debug level, which is all that picows asks for."""
        return False

    def info(self, *_: object) -> None:
        """Connections are logged by the layers that know what they are for."""

    def debug(self, *_: object) -> None:
        """Nothing at the debug level."""

    def log(self, *_: object) -> None:
        """Nothing at levels that picows makes up."""

    def warning(self, *_: object) -> None:
        """What picows warns of is the peer's way of leaving, which the session's end tells."""

    def error(self, message: str, *arguments: object) -> None:
        """A peer broke RFC 6455: its fault, and it is told so by the close code."""
        _LOGGER.debug(message, *arguments)
        match arguments:
            case ((WSCloseCode() as code, str(reason)),):
                self._listener.on_broken(code.value, reason)
            case _:
                self._listener.on_broken(_INTERNAL_ERROR, "")

    def exception(self, message: str, *arguments: object) -> None:
        """One of our callbacks failed."""
        _LOGGER.log(logging.ERROR, message, *arguments, exc_info=sys.exception())
        self._listener.on_broken(_INTERNAL_ERROR, "")

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the stream knows; of its socket, the number."""
        value = self.stream.get_extra_info(name, default)
        return _SocketNumber(value.fileno()) if name == "socket" else value

    def get_write_buffer_size(self) -> int:
        """Never nothing, or picows would send on the socket directly."""
        return 1

    def write(self, data: bytes) -> None:
        """The answer to the handshake is sent, and nothing more."""
        if not self._opened:
            self._opened = True
            self.stream.write(data)

    def close(self) -> None:
        """The listener does it."""

    def abort(self) -> None:
        """The listener does it."""


class _SocketNumber:
    """A socket that has no options: the event loop has set those of TCP, and UNIX sockets have none of them."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def setsockopt(self, *_: object) -> None:
        """Nothing is set."""

    def getsockopt(self, *_: object) -> int:
        """Every option reads as zero."""
        return 0
