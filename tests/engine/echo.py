"""An application of Engine.IO alone: it echoes whatever comes, and keeps how its sessions ended."""

import asyncio
import json
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from typing import Any

from moongate.config import Settings
from moongate.engine.engine import Engine
from moongate.engine.http import PollingEndpoint, request_of
from moongate.engine.options import EngineOptions
from moongate.engine.session import Session
from moongate.transport.asgi import serve_websocket
from moongate.transport.base import Accepted, OpenTransport, Receiver, Request
from moongate.transport.flow import READY, Cork
from moongate.types import DisconnectReason
from moongate.wire.outgoing import Outgoing

__all__ = ["LIMIT", "Answer", "EchoApp", "Peer", "Poller", "Wire", "request"]

LIMIT = 5.0
"""Seconds that anything may take."""


@dataclass
class Answer:
    """An HTTP answer. Of a header that is repeated, `headers` has the last."""

    status: int
    headers: dict[str, str]
    body: bytes
    all_headers: list[tuple[str, str]] = field(default_factory=list)


class Peer:
    """The layer above a session: an echo."""

    def __init__(self, session: Session, ends: "asyncio.Queue[DisconnectReason]") -> None:
        self.session = session
        self.received: list[bytes] = []
        self.reasons: list[DisconnectReason] = []
        self._ends = ends

    def on_text(self, data: bytes) -> None:
        self.received.append(data)
        self.session.transport.send_text(data)

    def on_bytes(self, data: bytes) -> None:
        self.received.append(data)
        self.session.transport.send_bytes(data)

    def on_closed(self, reason: DisconnectReason) -> None:
        self.reasons.append(reason)
        self._ends.put_nowait(reason)


class EchoApp:
    """An ASGI application with nothing but an engine."""

    def __init__(self, *, joins: bool = True, options: EngineOptions | None = None, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.cork = Cork()
        self.engine = Engine(self.settings, self, self.cork, options)
        self.polling = PollingEndpoint(self.engine)
        self.peers: list[Peer] = []
        self.ends: asyncio.Queue[DisconnectReason] = asyncio.Queue()
        self._joins = joins

    def connect(self, session: Session) -> Peer:
        if self._joins:
            session.joined()
        self.peers.append(Peer(session, self.ends))
        return self.peers[-1]

    def accept_websocket(self, request: Request) -> Accepted | Awaitable[Accepted]:
        return self.engine.open_websocket(request)

    def accepted(self, request: Request) -> Accepted:
        """The same where nothing is asked before."""
        accepted = self.accept_websocket(request)
        assert isinstance(accepted, Accepted)
        return accepted

    async def ended(self) -> DisconnectReason:
        """The reason of the next session that ends."""
        async with asyncio.timeout(LIMIT):
            return await self.ends.get()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self.polling(scope, receive, send)
        elif scope["type"] == "websocket":
            await serve_websocket(self, request_of(scope), scope, receive, send)
        else:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self.engine.close()
            await send({"type": "lifespan.shutdown.complete"})


async def request(
    app: Any,
    method: str,
    query: str,
    body: bytes | Iterable[bytes] = b"",
    headers: dict[str, str] | None = None,
    *,
    gone: asyncio.Event | None = None,
    log: list[str] | None = None,
) -> Answer | None:
    """Make a request as an ASGI server does; None if it was not answered. The client leaves when *gone* is set.

    *log* gets "body" for each part of the body that the application has asked for.
    """
    parts = iter([body] if isinstance(body, bytes) else body)
    upcoming: bytes | None = next(parts)
    answer: list[dict[str, Any]] = []
    left = gone or asyncio.Event()

    async def receive() -> dict[str, Any]:
        nonlocal upcoming
        if upcoming is None:
            await left.wait()
            return {"type": "http.disconnect"}
        part, upcoming = upcoming, next(parts, None)
        if log is not None:
            log.append("body")
        return {"type": "http.request", "body": part, "more_body": upcoming is not None}

    async def send(message: dict[str, Any]) -> None:
        answer.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": "/socket.io/",
        "query_string": query.encode(),
        "headers": [
            (name.encode(), value.encode()) for name, value in {"host": "localhost", **(headers or {})}.items()
        ],
        "client": ("127.0.0.1", 1),
        "scheme": "http",
    }
    async with asyncio.timeout(LIMIT):
        await app(scope, receive, send)
    if not answer:
        return None
    start, content = answer
    answered = [(name.decode(), value.decode()) for name, value in start["headers"]]
    return Answer(start["status"], dict(answered), content["body"], answered)


class Poller:
    """A client that polls."""

    def __init__(self, app: EchoApp, sid: str, handshake: dict[str, Any]) -> None:
        self.app = app
        self.sid = sid
        self.handshake = handshake
        self.query = f"EIO=4&transport=polling&sid={sid}"

    @classmethod
    async def open(cls, app: EchoApp) -> "Poller":
        answer = await request(app, "GET", "EIO=4&transport=polling")
        assert answer
        assert answer.status == 200
        handshake = json.loads(answer.body[1:])
        return cls(app, handshake["sid"], handshake)

    @property
    def peer(self) -> Peer:
        return next(peer for peer in self.app.peers if peer.session.id == self.sid)

    async def get(self) -> Answer:
        answer = await request(self.app, "GET", self.query)
        assert answer
        return answer

    async def post(
        self, body: bytes | Iterable[bytes], headers: dict[str, str] | None = None, *, log: list[str] | None = None
    ) -> Answer:
        answer = await request(self.app, "POST", self.query, body, headers, log=log)
        assert answer
        return answer

    async def waiting(self) -> "asyncio.Task[Answer]":
        """A poll that waits for messages."""
        poll = asyncio.ensure_future(self.get())
        async with asyncio.timeout(LIMIT):
            while not self.peer.session.transport.writable:
                await asyncio.sleep(0)
        return poll


@dataclass
class Wire:
    """A WebSocket that keeps what is sent by it."""

    receiver: Receiver
    sent: list[bytes] = field(default_factory=list)
    closed: int | None = None
    paused: bool = False
    pings: int = 0
    name: Any = "websocket"
    writable: bool = True

    def open(self) -> "Wire":
        transport: OpenTransport = self
        self.receiver.on_open(transport)
        return self

    def send_text(self, data: bytes) -> None:
        self.sent.append(data)

    send_bytes = send_text

    def send(self, message: Outgoing) -> None:
        self.sent += [*([] if message.text is None else [message.text]), *message.attachments]

    def drained(self) -> Any:
        return READY

    def ping(self) -> bool:
        self.pings += 1
        return True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self.closed is None:
            self.closed = code
