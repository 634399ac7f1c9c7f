"""WebSocket connections of any ASGI server: slower than our own, and the same to the layers above."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable
from typing import Any

from moongate.config import Settings, TransportName
from moongate.transport.base import NO_STATUS, Accepted, Acceptor, Receiver, Refused, Request
from moongate.transport.flow import READY, Cork
from moongate.types import Receive, Scope, Send
from moongate.wire.outgoing import Outgoing

__all__ = ["AsgiTransport", "serve_websocket"]

_LOGGER = logging.getLogger("moongate.transport")

_CLOSE_TIMEOUT = 5.0
"""Seconds that the host has to tell of the end of a connection that this side closed."""

# Close codes (RFC 6455 section 7.4.1).
_NORMAL = 1000
_ABNORMAL_CLOSURE = 1006
_POLICY = 1008
_TOO_BIG = 1009


class AsgiTransport:
    """One WebSocket connection of the host. What is sent goes out in order by one writer, a task only then."""

    __slots__ = (
        "_close", "_cork", "_drained", "_queue", "_queued", "_reading", "_resumed", "_send", "_settings", "_writer",
        "receiver",
    )  # fmt: skip

    name: TransportName = "websocket"

    def __init__(self, receiver: Receiver, send: Send, cork: Cork, settings: Settings) -> None:
        self.receiver: Receiver = receiver
        self._send = send
        self._cork = cork
        self._settings = settings
        self._queue: deque[tuple[dict[str, Any], int]] = deque()  # ASGI messages that wait for the host; their bytes
        self._queued = 0  # the sum of their bytes
        self._writer: asyncio.Task[None] | None = None  # while there is something to send
        self._close: tuple[int, str] | None = None  # what this side closed with
        self._reading: asyncio.Timeout | None = None  # what ends it once this side has closed the connection
        self._resumed: asyncio.Event | None = None  # only while reading is paused
        self._drained: asyncio.Future[None] | None = None  # only while somebody waits for the host to take more

    @property
    def writable(self) -> bool:
        """Whether the host has taken all that was sent."""
        return not self._queue

    @property
    def paused(self) -> bool:
        """Whether nothing is taken from the host at the moment."""
        return self._resumed is not None

    def send_text(self, data: bytes) -> None:
        """Send one text message."""
        self._enqueue({"type": "websocket.send", "text": data.decode()}, len(data))

    def send_bytes(self, data: bytes) -> None:
        """Send one binary message."""
        self._enqueue({"type": "websocket.send", "bytes": data}, len(data))

    def send(self, message: Outgoing) -> None:
        """Send a message that was encoded before, its attachments right behind it."""
        if message.text is not None:
            self.send_text(message.text)
        for attachment in message.attachments:
            self.send_bytes(attachment)

    def _enqueue(self, message: dict[str, Any], size: int) -> None:
        if self._close is not None:
            return
        if not self._queue and self._writer is None:
            self._cork.add(self)
        self._queue.append((message, size))
        self._queued += size

    def flush(self) -> None:
        """Start the writer, if there is something to write and none is at work."""
        if self._writer is None and self._queue:
            self._writer = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        """Give the host what waits, one message after another; a message counts as waiting until the host took it."""
        try:
            while self._queue:
                message, size = self._queue[0]
                await self._send(message)
                if self._queue:  # it is empty if the connection ended meanwhile
                    self._queue.popleft()
                    self._queued -= size
                if self._queued < self._settings.high_water:
                    self._release_drained()
        except Exception as error:  # noqa: BLE001  # hosts raise errors of their own for a peer that is gone
            _LOGGER.debug("the host could not send: %r", error)
            self._drop()
        finally:
            self._writer = None

    def drained(self) -> Awaitable[None]:
        """Return an awaitable that is done when the host has taken what waits; done at once while that is little."""
        if self._queued < self._settings.high_water:
            return READY
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()
        self.flush()
        return asyncio.shield(self._drained)

    def _release_drained(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def _drop(self) -> None:
        """Nobody takes messages any more."""
        self._close = self._close or (_ABNORMAL_CLOSURE, "")
        self._queue.clear()
        self._queued = 0
        self._release_drained()

    def ping(self) -> bool:
        """ASGI has no pings: the host keeps its own heartbeat."""
        return False

    def pause_reading(self) -> None:
        """Take nothing from the host, which then stops reading, too."""
        if self._resumed is None and self._close is None:
            self._resumed = asyncio.Event()

    def resume_reading(self) -> None:
        """Take messages again."""
        if self._resumed is not None:
            self._resumed.set()
            self._resumed = None

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send what waits, then close."""
        if self._close is not None:
            return
        told = _NORMAL if code == NO_STATUS else code  # ASGI knows no close without a code
        self._enqueue({"type": "websocket.close", "code": told, "reason": reason}, 0)
        self._close = (code, reason)
        self.flush()
        self.resume_reading()
        if self._reading is not None:
            self._reading.reschedule(asyncio.get_running_loop().time())

    async def run(self, receive: Receive) -> None:
        """Hand what the host receives to the receiver, until the connection is gone. *receive* is ASGI's."""
        code, reason = _ABNORMAL_CLOSURE, ""
        self._reading = reading = asyncio.timeout(None)
        try:
            async with reading:
                self.receiver.on_open(self)
                code, reason = await self._pump(receive)
        except TimeoutError:
            if not reading.expired():
                raise
            code, reason = await self._await_end(receive)
        finally:
            self._reading = None
            if self._close is not None and code == _ABNORMAL_CLOSURE:
                code, reason = self._close
            self._drop()
            self.receiver.on_closed(code, reason)

    async def _await_end(self, receive: Receive) -> tuple[int, str]:
        """Return what the host says of the end of a connection that this side has closed.

        It is asked only when it has the close: granian does not send one while it is asked for a message.
        """
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                if self._writer is not None:
                    await asyncio.wait([self._writer])
                return await self._pump(receive)
        except TimeoutError:
            _LOGGER.debug("the host did not tell of the end of a connection")
            return _ABNORMAL_CLOSURE, ""

    async def _pump(self, receive: Receive) -> tuple[int, str]:
        """Return the code and the reason with which the connection was closed."""
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return message.get("code", NO_STATUS), message.get("reason") or ""
            if self._close is None:
                self._take(message.get("text"), message.get("bytes"))
            if self._resumed is not None:
                await self._resumed.wait()

    def _take(self, text: str | None, data: bytes | None) -> None:
        content = data if text is None else text.encode()
        if content is None:
            return
        if len(content) > self._settings.max_payload:
            self.close(_TOO_BIG, f"expected at most {self._settings.max_payload} bytes")
        elif text is None:
            self.receiver.on_bytes(content)
        else:
            self.receiver.on_text(content)


async def serve_websocket(acceptor: Acceptor, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one connection of the host from its request to its end."""
    if (await receive())["type"] != "websocket.connect":
        return
    try:
        accepted = acceptor.accept_websocket(request)
        if not isinstance(accepted, Accepted):
            accepted = await accepted
    except Refused as refusal:
        await _refuse(refusal, scope, send)
        return
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in accepted.headers]
    try:
        await send({"type": "websocket.accept", "subprotocol": accepted.subprotocol, "headers": headers})
    except BaseException:
        accepted.receiver.on_closed(_ABNORMAL_CLOSURE, "")
        raise
    await AsgiTransport(accepted.receiver, send, acceptor.cork, acceptor.settings).run(receive)


async def _refuse(refusal: Refused, scope: Scope, send: Send) -> None:
    """Answer by HTTP if the host can (ASGI's "Websocket Denial Response"), else by the close that it turns into 403."""
    if "websocket.http.response" in (scope.get("extensions") or {}):
        headers = [(b"content-type", refusal.content_type.encode()), (b"content-length", b"%d" % len(refusal.body))]
        headers += [(name.encode(), value.encode()) for name, value in refusal.headers]
        await send({"type": "websocket.http.response.start", "status": refusal.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": refusal.body})
    else:
        await send({"type": "websocket.close", "code": _POLICY, "reason": "refused"})
