"""The opening of WebSocket connections by picows, on streams that another server has accepted."""

import asyncio
import logging
import socket
import sys
from collections.abc import Sequence
from typing import Any

from picows import WSAutoPingStrategy, WSListener, WSUpgradeResponse, WSUpgradeResponseWithListener

from moongate.config import Compression, Settings
from moongate.transport.base import Accepted, Request
from moongate.transport.compressed import CompressedTransport
from moongate.transport.flow import Cork
from moongate.transport.picows import PicowsTransport
from moongate.wire.deflate import negotiate

__all__ = ["open_connection"]

_LOGGER = logging.getLogger("moongate.transport")

_READ_BUFFER = 2048
"""Bytes of the read buffer of a new connection; it grows with the messages that come."""

_HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n"
)
"""A handshake of the form that picows understands; browsers write theirs in other ways, too."""


class _PicowsLog:
    """What picows logs to. It is no `logging.Logger`, for which picows would make a child for every connection."""

    def isEnabledFor(self, _: int) -> bool:  # noqa: N802  # the name that picows calls
        """Nothing at the debug level, which is all that picows asks for."""
        return False

    def info(self, *_: object) -> None:
        """Connections are logged by the layers that know what they are for."""

    debug = log = info

    def error(self, message: str, *arguments: object) -> None:
        """A peer broke RFC 6455: its fault, and it is told so by the close code."""
        _LOGGER.debug(message, *arguments)

    warning = error

    def exception(self, message: str, *arguments: object) -> None:
        """One of our callbacks failed."""
        _LOGGER.log(logging.ERROR, message, *arguments, exc_info=sys.exception())


_PICOWS_LOG = _PicowsLog()


class _UnixSocket:
    """A stream whose socket ignores TCP's options, which picows sets whatever the socket's family is."""

    def __init__(self, stream: asyncio.Transport) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        value = self._stream.get_extra_info(name, default)
        return _OptionlessSocket(value.fileno()) if name == "socket" else value


class _OptionlessSocket:
    """A socket's number, and options that do nothing."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def setsockopt(self, *_: object) -> None:
        """UNIX sockets have no TCP options to set."""

    def getsockopt(self, *_: object) -> int:
        """Every option reads as zero."""
        return 0


def open_connection(  # noqa: PLR0917  # each is another kind of thing
    stream: asyncio.Transport,
    key: bytes,
    request: Request,
    accepted: Accepted,
    cork: Cork,
    settings: Settings,
    protocol: type,
) -> Any:
    """Answer a WebSocket handshake on *stream* and connect it to the receiver of *accepted*.

    *request*, whose Sec-WebSocket-Key is *key*, was checked by the server above; *protocol* is a subclass of picows'
    WSProtocol that knows what that server wants of its connections. Returns the protocol that the stream has to be
    given next.
    """
    answer = _answer(request, accepted, cork, settings)
    connection = protocol(
        None,
        "/",
        False,  # the server's side
        lambda _: answer,
        _PICOWS_LOG,
        True,  # close if a callback fails
        None,  # the handshake is here already
        False,  # the sessions above keep the heartbeat
        None,
        None,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        False,  # pongs are answered behind what is corked
        settings.max_payload,
        None,
        _READ_BUFFER,
    )
    is_unix = stream.get_extra_info("socket").family == socket.AF_UNIX
    connection.connection_made(_UnixSocket(stream) if is_unix else stream)
    handshake = _HANDSHAKE % key
    buffer = connection.get_buffer(len(handshake))
    buffer[: len(handshake)] = handshake
    connection.buffer_updated(len(handshake))
    return connection


def _answer(
    request: Request, accepted: Accepted, cork: Cork, settings: Settings
) -> WSListener | WSUpgradeResponseWithListener:
    """Return who serves the connection, and with it the headers of the answer if there are any."""
    headers: list[tuple[str, str]] = list(accepted.headers)
    if accepted.subprotocol is not None:
        headers.append(("Sec-WebSocket-Protocol", accepted.subprotocol))
    transport = PicowsTransport(accepted.receiver, cork, settings)
    if settings.message_compression:
        offers = request.header("sec-websocket-extensions")
        compression = Compression() if settings.message_compression is True else settings.message_compression
        agreement = negotiate(offers, compression) if offers else None
        if agreement is not None:
            transport = CompressedTransport(accepted.receiver, cork, settings, agreement, compression)
            headers.append(("Sec-WebSocket-Extensions", agreement.header))
    return _with_headers(transport, headers) if headers else transport


def _with_headers(transport: PicowsTransport, headers: Sequence[tuple[str, str]]) -> WSUpgradeResponseWithListener:
    return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(headers), transport)
