"""Serves an application by uvicorn; WebSocket requests on its own paths go straight to picows."""

import asyncio
import base64
import binascii
import logging
import signal
from collections.abc import Awaitable
from functools import partial
from http import HTTPStatus
from types import FrameType
from typing import Any, Protocol, cast
from urllib.parse import unquote

from moongate.config import Settings
from moongate.errors import MissingExtraError
from moongate.namespace.cancellation import NO_FAILURES, reraise_cancellation
from moongate.server.logs import configure_logging
from moongate.server.options import ServeOptions
from moongate.server.worker import Worker
from moongate.transport.base import Accepted, Refused, Request
from moongate.transport.flow import Cork

try:
    import uvicorn
    from picows.picows import WSProtocol  # type: ignore[attr-defined]  # not in picows' stubs
    from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol

    from moongate.server.http import HttpProtocol
    from moongate.server.proxies import Proxies
    from moongate.transport.opening import open_connection
except ImportError as _missing:
    raise MissingExtraError("Serving", extra="standard") from _missing

__all__ = ["Served", "create_server", "run"]

_LOGGER = logging.getLogger("moongate.server")

_ABNORMAL_CLOSURE = 1006
"""A close code (RFC 6455 section 7.4.1)."""

_GOING_AWAY = 1001
_KEY_LENGTH = 16
_STARTUP_FAILED = 3


class Served(Protocol):
    """An application as its server sees it."""

    settings: Settings

    @property
    def cork(self) -> Cork:
        """What joins the writes of all connections."""

    def handles(self, path: str) -> bool:
        """Whether WebSocket requests for *path* are its own; all others are for the application beside it."""

    def accept_websocket(self, request: Request) -> Accepted | Awaitable[Accepted]:
        """Return who receives the messages of a new connection; raises Refused."""

    async def stop(self) -> None:
        """Say goodbye to all clients and end."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as an ASGI application."""


class _Connection(WSProtocol):  # type: ignore[misc]  # a Cython class
    """A WebSocket connection that uvicorn waits for when it shuts down."""

    __slots__ = ("connections",)

    connections: set[Any]

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self.connections.discard(self)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server stops."""
        self.listener.close(_GOING_AWAY, "server shutting down")


class _Entry(asyncio.Protocol):
    """What uvicorn gives each WebSocket request to (its `ws=` option). It hands the connection on at once."""

    def __init__(
        self,
        served: Served,
        proxies: Proxies,
        *,
        config: uvicorn.Config,
        server_state: Any,
        app_state: dict[str, Any],
    ) -> None:
        self._served = served
        self._proxies = proxies
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._stream: asyncio.Transport = None  # type: ignore[assignment]  # set by connection_made
        self._admission: asyncio.Task[None] | None = None
        self._has_request = False  # whether the request's head has come

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Uvicorn hands over an open connection."""
        self._stream = transport  # type: ignore[assignment]  # a stream is what uvicorn has

    def data_received(self, data: bytes) -> None:
        """Uvicorn hands over the request's head."""
        if self._has_request:
            self._stream.close()  # a client must not send before the handshake is answered
            return
        self._has_request = True
        line, _, head = data.partition(b"\r\n")
        path, query = _split_target(line.split(b" ")[1].decode("latin-1"))
        if not self._served.handles(path):
            self._hand_to_uvicorn(data)
            return
        secure = self._stream.get_extra_info("sslcontext") is not None
        peer = self._stream.get_extra_info("peername")
        request = Request(path, query, head[:-2], tuple(peer[:2]) if peer else None, secure=secure)
        if b"\nx-forwarded-" in data:
            self._proxies.apply(request)
        try:
            if not line.startswith(b"GET "):
                raise Refused(400, b"Bad handshake method", "text/html")
            key = _handshake_key(request)
            accepted = self._served.accept_websocket(request)
        except Refused as refusal:
            self._refuse(refusal)
            return
        if not isinstance(accepted, Accepted):
            self._server_state.connections.add(self)
            self._admission = asyncio.get_running_loop().create_task(self._admit(request, accepted, key))
        else:
            # Uvicorn sets this entry as the protocol of the stream after it was called, so that of picows comes later,
            # and with it the answer to the handshake: the client may send as soon as it has that.
            asyncio.get_running_loop().call_soon(self._switch, request, accepted, key)

    def connection_lost(self, _: Exception | None) -> None:
        """The client left before it was let in."""
        self._server_state.connections.discard(self)
        if self._admission is not None:
            self._admission.cancel()

    def shutdown(self) -> None:
        """The server stops."""
        self._stream.close()

    async def _admit(self, request: Request, admission: Awaitable[Accepted], key: bytes) -> None:
        try:
            accepted = await admission
        except Refused as refusal:
            self._refuse(refusal)
        except NO_FAILURES:
            raise
        except BaseException as error:
            reraise_cancellation(error)
            _LOGGER.exception("a client could not be let in")
            self._refuse(Refused(500, b'{"status":"error","message":"Internal server error"}'))
        else:
            self._server_state.connections.discard(self)
            self._switch(request, accepted, key)

    def _switch(self, request: Request, accepted: Accepted, key: bytes) -> None:
        """Let picows serve the connection from now on, if it is still there."""
        if self._stream.is_closing():
            accepted.receiver.on_closed(_ABNORMAL_CLOSURE, "")
        else:
            self._stream.set_protocol(self._open(request, accepted, key))

    def _open(self, request: Request, accepted: Accepted, key: bytes) -> _Connection:
        """Give the connection to picows."""
        connection: _Connection = open_connection(
            self._stream, key, request, accepted, self._served.cork, self._served.settings, _Connection
        )
        connection.connections = self._server_state.connections
        connection.connections.add(connection)
        return connection

    def _hand_to_uvicorn(self, data: bytes) -> None:
        """Let uvicorn's own WebSocket protocol serve the application beside ours."""
        if AutoWebSocketsProtocol is None:
            self._refuse(Refused(501, b"Install 'moongate[standard]' to serve other WebSocket routes", "text/plain"))
            return
        protocol: Any = AutoWebSocketsProtocol(
            config=self._config, server_state=self._server_state, app_state=self._app_state
        )
        protocol.connection_made(self._stream)
        protocol.data_received(data)
        asyncio.get_running_loop().call_soon(self._stream.set_protocol, protocol)

    def _refuse(self, refusal: Refused) -> None:
        """Answer the request without opening anything."""
        headers = b"".join(b"%b: %b\r\n" % (name.encode(), value.encode()) for name, value in refusal.headers)
        self._stream.write(
            b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n%bconnection: close\r\n\r\n%b"
            % (
                refusal.status,
                HTTPStatus(refusal.status).phrase.encode(),
                refusal.content_type.encode(),
                len(refusal.body),
                headers,
                refusal.body,
            )
        )
        self._stream.close()


def _split_target(target: str) -> tuple[str, str]:
    """Return the path and the query of a request's target, which may be a whole URI (RFC 6455 section 4.2.1)."""
    if not target.startswith("/"):
        target = "/" + target.partition("://")[2].partition("/")[2]
    path, _, query = target.partition("#")[0].partition("?")
    return unquote(path), query


def _handshake_key(request: Request) -> bytes:
    """Return the request's key; raises Refused for what is no handshake (RFC 6455 section 4.2.1)."""
    headers = request.headers
    if headers.get("sec-websocket-version") != "13":
        raise Refused(
            426, b"expected Sec-WebSocket-Version: 13", "text/plain", headers=(("sec-websocket-version", "13"),)
        )
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        raise Refused(400, b"expected a request without a body", "text/plain")
    key = headers.get("sec-websocket-key", "")
    try:
        valid = len(base64.b64decode(key, validate=True)) == _KEY_LENGTH
    except (binascii.Error, ValueError):
        valid = False
    if not valid:
        raise Refused(400, b"Missing or invalid Sec-WebSocket-Key header", "text/html")  # as Node's server
    return key.encode()


class _Server(uvicorn.Server):
    """Uvicorn's server, which lets the application say goodbye to its clients before connections are closed."""

    def __init__(self, config: uvicorn.Config, served: Served, worker: Worker | None) -> None:
        super().__init__(config)
        self._served = served
        self._worker = worker

    async def startup(self, sockets: Any = None) -> None:
        """Start the application, then listen."""
        await super().startup(sockets)
        if self._worker is not None:
            self._worker.ready(self._served.settings.shutdown_timeout)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop on the first signal, give up waiting on a second Ctrl-C. The process then ends with status 0."""
        del frame
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True

    async def shutdown(self, sockets: Any = None) -> None:
        """Accept nobody any more, stop the application, then close what is left."""
        if self._worker is not None:
            self._worker.leave()
        for server in self.servers:
            server.close()
        await self._served.stop()
        await super().shutdown(sockets)


def create_server(served: Served, options: ServeOptions, worker: Worker | None = None) -> uvicorn.Server:
    """Return a server that is not running yet: `await server.serve()` runs it in the running event loop."""
    config = uvicorn.Config(
        served,
        host=options.host,
        port=options.port,
        uds=options.uds,
        ssl_certfile=options.ssl_certfile,
        ssl_keyfile=options.ssl_keyfile,
        loop=options.loop,
        http=HttpProtocol,
        forwarded_allow_ips=options.forwarded_allow_ips,
        log_level=options.log_level,
        log_config=None,
        access_log=options.log_level in ("debug", "trace"),
        lifespan="on",
        timeout_graceful_shutdown=max(1, round(served.settings.shutdown_timeout)),
    )
    entry = partial(_Entry, served, Proxies(config.forwarded_allow_ips))
    config.ws = cast("type[asyncio.Protocol]", entry)
    return _Server(config, served, worker)


def run(served: Served, options: ServeOptions, worker: Worker | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit status of the process: 0, or 3 if the start failed.

    A *worker* is one of several processes and accepts from the sockets that it was given.
    """
    configure_logging(options.log_level, with_process=worker is not None)
    server = create_server(served, options, worker)
    server.run(None if worker is None else worker.listeners)
    return 0 if server.started else _STARTUP_FAILED
