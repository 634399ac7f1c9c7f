"""The end of connections whose peer may still be sending."""

import asyncio
from collections.abc import Callable

__all__ = ["linger"]


def linger(stream: asyncio.Transport, limit: float) -> None:
    """Send nothing more on *stream*, and let the peer finish what it sends, for *limit* seconds at most.

    A connection that is closed while the peer still sends is reset, and the peer may never read the close frame
    (RFC 6455 section 7.1.1).
    """
    if stream.is_closing():
        return
    timer = asyncio.get_running_loop().call_later(limit, stream.abort)
    stream.set_protocol(_Lingering(stream.get_protocol().connection_lost, timer))
    if not stream.can_write_eof():
        stream.close()  # TLS says goodbye in its own way, and waits for the peer's
        return
    stream.write_eof()
    if not stream.is_reading():
        stream.resume_reading()


class _Lingering(asyncio.BufferedProtocol):
    """Drops what comes until the peer ends the connection."""

    __slots__ = ("_ended", "_timer")

    def __init__(self, ended: Callable[[Exception | None], None], timer: asyncio.TimerHandle) -> None:
        self._ended = ended  # of the protocol before this one
        self._timer = timer

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return where to put what is not looked at."""
        del sizehint
        return bytearray(4096)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._timer.cancel()
        self._ended(exc)
