"""Long-polling requests, answered as an ASGI application."""

import logging

from moongate.engine.engine import Engine
from moongate.errors import MoongateError, PayloadTooLarge, ProtocolError
from moongate.transport.base import Refused, Request
from moongate.transport.origin import cors_headers
from moongate.transport.polling import Overlap, PollingTransport
from moongate.types import DisconnectReason, Receive, Scope, Send

__all__ = ["PollingEndpoint"]

_LOGGER = logging.getLogger("moongate.engine")

_TEXT = b"text/plain; charset=UTF-8"

_NO_CONTENT = 204
"""A status whose answer has no length (RFC 9110 section 8.6)."""


class PollingEndpoint:
    """Answers the HTTP requests below the Socket.IO path."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = request_of(scope)
        cors = cors_headers(request.headers, self._engine.settings.cors)
        if scope["method"] == "OPTIONS":
            await _respond(send, _NO_CONTENT, b"", [*cors, *_preflight(request)])
            return
        try:
            transport, session = self._engine.open_polling(request, scope["method"])
        except Refused as refusal:
            headers = [(b"content-type", refusal.content_type.encode()), *cors]
            await _respond(send, refusal.status, refusal.body, headers)
            return
        try:
            await self._exchange(transport, request, scope["method"], receive, send)
        except tuple(_FAILURES) as error:
            _LOGGER.debug("a %s of a polling client failed: %s", scope["method"], error)
            reason, status = next(_FAILURES[kind] for kind in type(error).__mro__ if kind in _FAILURES)
            if session is not None:
                session.close(reason)
            if status is not None:
                await _respond(send, status, b"", cors)

    async def _exchange(
        self, transport: PollingTransport, request: Request, method: str, receive: Receive, send: Send
    ) -> None:
        """Give the client its messages, or take its own; raises one of _FAILURES."""
        cors = cors_headers(request.headers, self._engine.settings.cors)
        if method == "GET":
            body = await transport.poll(receive)
            if body is None:
                raise Abandoned
            await _respond(send, 200, body, [(b"content-type", _TEXT), (b"cache-control", b"no-store"), *cors])
        elif method == "POST":
            if request.header("content-type") == "application/octet-stream":
                raise ProtocolError("text", "application/octet-stream")
            with transport.posting():
                await transport.deliver(await _read_body(request, receive, self._engine.settings.max_payload))
            await _respond(send, 200, b"ok", [(b"content-type", b"text/html"), *cors])
        else:
            raise ProtocolError("GET or POST", method)


class Abandoned(MoongateError):
    """The client gave up before its request was answered."""


_FAILURES: dict[type[BaseException], tuple[DisconnectReason, int | None]] = {
    Overlap: (DisconnectReason.TRANSPORT_ERROR, 400),
    PayloadTooLarge: (DisconnectReason.TRANSPORT_ERROR, 413),
    ProtocolError: (DisconnectReason.PARSE_ERROR, 400),
    Abandoned: (DisconnectReason.TRANSPORT_ERROR, None),
}
"""Why a session ends whose request fails in this way, and the status that answers it if somebody is there."""


def _preflight(request: Request) -> list[tuple[bytes, bytes]]:
    """Return what a page of another site may ask for (the Fetch standard, "CORS-preflight request")."""
    asked = request.header("access-control-request-headers")
    headers = [(b"access-control-allow-methods", b"GET,HEAD,PUT,PATCH,POST,DELETE")]
    return [*headers, (b"access-control-allow-headers", asked.encode("latin-1"))] if asked else headers


def request_of(scope: Scope) -> Request:
    """Return the request of an ASGI scope, its path without the prefix under which the application is mounted."""
    return Request.from_headers(
        scope["path"].removeprefix(scope.get("root_path", "")),
        scope["query_string"].decode("latin-1"),
        list(scope["headers"]),
        tuple(scope["client"]) if scope.get("client") else None,
        secure=scope.get("scheme") in ("https", "wss"),
    )


async def _read_body(request: Request, receive: Receive, limit: int) -> bytes:
    """Read the body; raises PayloadTooLarge as soon as it is, by its declared length or by what has come."""
    declared = request.header("content-length") or "0"
    if declared.isdigit() and int(declared[:20]) > limit:
        raise PayloadTooLarge(limit)
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Abandoned
        body += message.get("body", b"")
        if len(body) > limit:
            raise PayloadTooLarge(limit)
        more = message.get("more_body", False)
    return bytes(body)


async def _respond(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    if status != _NO_CONTENT:
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
