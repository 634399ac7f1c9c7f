"""Reading from peers that send more than is healthy for the others."""

import asyncio
from typing import Any

__all__ = ["Throttle"]

_SLICE = 8192
"""Bytes that are read in one turn of the event loop: about a thousand of the smallest frames."""


class Throttle(asyncio.BufferedProtocol):
    """Stands before the protocol of a stream and reads a little in each turn, so that a flood holds up nobody else.

    Event loops read as much as the protocol has room for, several times in one turn, and picows makes room for as much
    as comes: megabytes of frames of a few bytes. Most connections never need this, and those it costs nothing.
    """

    __slots__ = ("_protocol", "_stream", "paused")

    def __init__(self, stream: asyncio.Transport) -> None:
        self._stream = stream
        self._protocol: Any = stream.get_protocol()
        self.paused: bool = not stream.is_reading()  # by the receiver, until it says otherwise
        stream.set_protocol(self)

    def pause(self) -> None:
        """Read nothing until `resume`."""
        self.paused = True
        self._hold()

    def resume(self) -> None:
        """Read again."""
        self.paused = False
        self._go_on()

    def _hold(self) -> None:
        if self._stream.is_reading():
            self._stream.pause_reading()

    def _go_on(self) -> None:
        if not self.paused and not self._stream.is_closing() and not self._stream.is_reading():
            self._stream.resume_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to put what comes next."""
        buffer: memoryview = self._protocol.get_buffer(sizehint)
        return buffer[:_SLICE]

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came. More of them are for the next turn."""
        self._hold()
        self._protocol.buffer_updated(nbytes)
        asyncio.get_running_loop().call_soon(self._go_on)

    def eof_received(self) -> bool | None:
        """The peer sends nothing more."""
        return bool(self._protocol.eof_received())

    def pause_writing(self) -> None:
        """The peer reads slower than is sent to it."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._protocol.connection_lost(exc)
