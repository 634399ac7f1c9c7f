"""Long-polling requests, answered as an ASGI application."""

import asyncio
import logging
from collections.abc import Sequence
from typing import TypeAlias

from moongate.engine.admission import Headers
from moongate.engine.engine import Engine
from moongate.engine.forwarding import Forwarding
from moongate.errors import MoongateError, PayloadTooLarge, ProtocolError
from moongate.transport.base import Refused, Request
from moongate.transport.compression import choose_coding, compress
from moongate.transport.origin import check_origin, cors_headers, preflight_headers
from moongate.transport.polling import Misuse, PollingTransport, disconnected
from moongate.types import DisconnectReason, Receive, Scope, Send

__all__ = ["PollingEndpoint", "path_of", "request_of"]

_LOGGER = logging.getLogger("moongate.engine")

_Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

_NO_STORE = (b"cache-control", b"no-store")
_OCTETS = "application/octet-stream"
_BINARY_POLL_HEADERS = ((b"content-type", _OCTETS.encode()), _NO_STORE)
_POLL_HEADERS = ((b"content-type", b"text/plain; charset=UTF-8"), _NO_STORE)
# Plain text would make some browsers offer a download.
_POST_HEADERS = ((b"content-type", b"text/html"), _NO_STORE)

_XSS_OFF = (b"x-xss-protection", b"0")
"""Keeps Internet Explorer from warning of scripts in what is text, as Node's server does."""

_NO_CONTENT = 204
"""A status whose answer has no length (RFC 9110 section 8.6)."""


class Abandoned(MoongateError):
    """The client gave up before its request was answered."""


class Unsupported(MoongateError):
    """The body is compressed, which no client does: it is refused unread, because it might expand without limit."""


_FAILURES: dict[type[MoongateError], tuple[int | None, DisconnectReason | None]] = {
    Abandoned: (None, DisconnectReason.TRANSPORT_ERROR),
    Unsupported: (415, None),
    Misuse: (400, DisconnectReason.TRANSPORT_ERROR),
    PayloadTooLarge: (413, None),
    ProtocolError: (400, DisconnectReason.PARSE_ERROR),
}
"""The status that answers a request that fails in this way, and the reason with which its session ends, if it does."""


class PollingEndpoint:
    """Answers the HTTP requests below the Socket.IO path."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = request_of(scope)
        headers = request.headers
        cors = cors_headers(headers, self._engine.settings.cors)
        try:
            if scope["method"] == "OPTIONS" and self._engine.settings.cors:
                check_origin(headers, self._engine.settings.cors)
                await _respond(send, _NO_CONTENT, b"", [*cors, *preflight_headers(headers, self._engine.settings)])
                return
            node = self._engine.elsewhere(request.query.get("sid"))
            if node is not None and self._engine.forwarding is not None:
                await self._forward(self._engine.forwarding, node, request, scope["method"], receive, send)
                return
            transport, session, added = await self._engine.open_polling(request, scope["method"])
        except Refused as refusal:
            own = [(name.encode(), value.encode()) for name, value in refusal.headers]
            own.append((b"content-type", refusal.content_type.encode()))
            await _respond(send, refusal.status, refusal.body, [*own, *cors])
            return
        try:
            status, body, own_headers = await self._exchange(transport, scope["method"], headers, receive)
        except tuple(_FAILURES) as error:
            _LOGGER.debug("a %s of a polling client failed: %s", scope["method"], error)
            failure, reason = next(_FAILURES[kind] for kind in type(error).__mro__ if kind in _FAILURES)
            if session is not None and reason is not None:
                session.close(reason)
            if failure is not None:
                await _respond(send, failure, b"", cors)
        except asyncio.CancelledError:
            # Some hosts tell in this way that the client is gone.
            if session is not None:
                session.close(DisconnectReason.TRANSPORT_ERROR)
            raise
        else:
            await _respond(send, status, body, _joined([*own_headers, *_for_old_browsers(headers), *cors], added))

    async def _forward(  # noqa: PLR0917  # the request, and where it goes
        self, forwarding: Forwarding, node: str, request: Request, method: str, receive: Receive, send: Send
    ) -> None:
        """Let the server that has the session answer; raises Refused if it does not."""
        body = b""
        if method == "POST":
            try:
                body = await _read_body(request.headers, receive, self._engine.settings.max_payload)
            except PayloadTooLarge:
                raise Refused(413, b"", "text/html") from None
            except Abandoned as error:
                _LOGGER.debug("a request for node %s failed: %s", node, error)
                return
        answer = await forwarding.ask(node, method, request, body, disconnected(receive))
        if answer is not None:
            status, headers, body = answer
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    async def _exchange(
        self, transport: PollingTransport, method: str, headers: dict[str, str], receive: Receive
    ) -> tuple[int, bytes, _Headers]:
        """Give the client its messages, or take its own; returns the answer, raises one of _FAILURES."""
        if method == "GET":
            body = await transport.poll(receive)
            if body is None:
                raise Abandoned("the client gave up its poll")
            own = _BINARY_POLL_HEADERS if transport.bodies.is_binary(body) else _POLL_HEADERS
            return 200, *self._compressed(body, own, headers)
        if method != "POST":
            return 500, b"", ()
        with transport.posting():
            is_binary = headers.get("content-type") == _OCTETS
            if is_binary and not transport.bodies.accepts_binary:
                raise Misuse("text", _OCTETS)
            if headers.get("content-encoding", "identity").lower() != "identity":
                raise Unsupported("expected a body that is not compressed")
            body = await _read_body(headers, receive, self._engine.settings.max_payload)
            await transport.deliver(body, is_binary=is_binary)
        return 200, b"ok", _POST_HEADERS

    def _compressed(self, body: bytes, own: _Headers, headers: dict[str, str]) -> tuple[bytes, _Headers]:
        """Return the body of a poll's answer, compressed if that is worth it and wanted, and its *own* headers."""
        threshold = self._engine.settings.http_compression
        if not threshold or len(body) < threshold:
            return body, own
        coding = choose_coding(headers.get("accept-encoding", ""))
        if coding is None:
            return body, own
        return compress(body, coding), (*own, (b"content-encoding", coding.encode()))


def path_of(scope: Scope) -> str:
    """Return the path of an ASGI scope without the prefix under which the application is mounted."""
    path: str = scope["path"]
    prefix: str = scope.get("root_path", "").rstrip("/")
    return path.removeprefix(prefix) if path.startswith(f"{prefix}/") else path


def request_of(scope: Scope) -> Request:
    """Return the request of an ASGI scope."""
    return Request.from_headers(
        path_of(scope),
        scope["query_string"].decode("latin-1"),
        list(scope["headers"]),
        tuple(scope["client"]) if scope.get("client") else None,
        secure=scope.get("scheme") in ("https", "wss"),
    )


def _for_old_browsers(headers: dict[str, str]) -> _Headers:
    agent = headers.get("user-agent", "")
    return (_XSS_OFF,) if ";MSIE" in agent or "Trident/" in agent else ()


def _joined(own: list[tuple[bytes, bytes]], added: Headers) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer; those that the application adds stand for the server's own of the same name."""
    if not added:
        return own
    names = {name.encode() for name, _ in added}
    return [
        *(header for header in own if header[0] not in names),
        *((name.encode(), value.encode()) for name, value in added),
    ]


async def _read_body(headers: dict[str, str], receive: Receive, limit: int) -> bytes:
    """Read the body; raises PayloadTooLarge as soon as it is, by its declared length or by what has come."""
    declared = headers.get("content-length", "0")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise PayloadTooLarge(limit)
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Abandoned("the client gave up its POST")
        body += message.get("body", b"")
        if len(body) > limit:
            raise PayloadTooLarge(limit)
        more = message.get("more_body", False)
    return bytes(body)


async def _respond(send: Send, status: int, body: bytes, headers: _Headers) -> None:
    if status != _NO_CONTENT:
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})
