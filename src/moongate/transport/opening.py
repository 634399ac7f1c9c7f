"""The opening of WebSocket connections by picows, on streams that another server has accepted."""

import asyncio
from typing import Any

from picows import WSAutoPingStrategy, WSListener, WSUpgradeResponse, WSUpgradeResponseWithListener

from moongate.config import Compression, Settings
from moongate.transport.base import Accepted, Request
from moongate.transport.compressed import CompressedTransport
from moongate.transport.flow import Cork
from moongate.transport.picows import PicowsTransport
from moongate.transport.surroundings import Surroundings
from moongate.wire.deflate import negotiate

__all__ = ["open_connection"]

_READ_BUFFER = 2048
"""Bytes of the read buffer of a new connection; it grows with the messages that come."""

_HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n"
)
"""A handshake of the form that picows understands; browsers write theirs in other ways, too."""


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
    transport, headers = _negotiate(request, accepted, cork, settings)
    answer = _answer(transport, headers)
    surroundings = Surroundings(stream, transport)
    connection = protocol(
        None,
        "/",
        False,  # the server's side
        lambda _: answer,
        surroundings,
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
    connection.connection_made(surroundings)
    handshake = _HANDSHAKE % key
    buffer = connection.get_buffer(len(handshake))
    buffer[: len(handshake)] = handshake
    connection.buffer_updated(len(handshake))
    return connection


def _negotiate(
    request: Request, accepted: Accepted, cork: Cork, settings: Settings
) -> tuple[PicowsTransport, list[tuple[str, str]]]:
    """Return who serves the connection, and the headers of the answer beside those of every handshake."""
    headers: list[tuple[str, str]] = list(accepted.headers)
    if accepted.subprotocol is not None:
        headers.append(("Sec-WebSocket-Protocol", accepted.subprotocol))
    if settings.message_compression:
        offers = request.header("sec-websocket-extensions")
        compression = Compression() if settings.message_compression is True else settings.message_compression
        agreement = negotiate(offers, compression) if offers else None
        if agreement is not None:
            headers.append(("Sec-WebSocket-Extensions", agreement.header))
            return CompressedTransport(accepted.receiver, cork, settings, agreement, compression), headers
    return PicowsTransport(accepted.receiver, cork, settings), headers


def _answer(transport: PicowsTransport, headers: list[tuple[str, str]]) -> WSListener | WSUpgradeResponseWithListener:
    if not headers:
        return transport
    return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(headers), transport)
