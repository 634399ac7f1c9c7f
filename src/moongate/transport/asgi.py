"""WebSocket connections of any ASGI server: slower than our own, and the same to the layers above."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from moongate.config import Settings, TransportName
from moongate.transport.base import Acceptor, Receiver, Refused, Request
from moongate.transport.flow import READY, Cork
from moongate.types import Receive, Scope, Send
from moongate.wire.outgoing import Outgoing

__all__ = ["AsgiTransport", "serve_websocket"]

_NO_STATUS = 1005
_TOO_BIG = 1009
_POLICY = 1008


class AsgiTransport:
    """One WebSocket connection of the host. What is sent goes out in order by one writer, a task only then."""

    __slots__ = (
        "_close",
        "_cork",
        "_drained",
        "_queue",
        "_queued",
        "_reading",
        "_send",
        "_settings",
        "_writer",
        "receiver",
    )

    name: TransportName = "websocket"

    def __init__(self, receiver: Receiver, send: Send, cork: Cork, settings: Settings) -> None:
        self.receiver = receiver
        self._send = send
        self._cork = cork
        self._settings = settings
        self._queue: list[dict[str, Any]] = []  # ASGI messages that the host has not taken yet
        self._queued = 0  # their bytes
        self._writer: asyncio.Task[None] | None = None  # while there is something to send
        self._close: dict[str, Any] | None = None  # what this side closed with
        self._reading: asyncio.Event | None = None  # only while reading is paused
        self._drained: asyncio.Future[None] | None = None  # only while somebody waits for the host to take more

    @property
    def writable(self) -> bool:
        """Whether the host has taken all that was sent."""
        return not self._queue

    @property
    def closing(self) -> bool:
        """Whether this side has closed the connection."""
        return self._close is not None

    def send_text(self, data: bytes) -> None:
        """Send one text message."""
        self._enqueue({"type": "websocket.send", "text": data.decode()}, len(data))

    def send_bytes(self, data: bytes) -> None:
        """Send one binary message."""
        self._enqueue({"type": "websocket.send", "bytes": data}, len(data))

    def send(self, message: Outgoing) -> None:
        """Send a message that was encoded before, its attachments right behind it."""
        self.send_text(message.text)
        for attachment in message.attachments:
            self.send_bytes(attachment)

    def _enqueue(self, message: dict[str, Any], size: int) -> None:
        if self._close is not None:
            return
        if not self._queue and self._writer is None:
            self._cork.add(self)
        self._queue.append(message)
        self._queued += size

    def flush(self) -> None:
        """Start the writer, if there is something to write and none is at work."""
        if self._writer is None and (self._queue or self._close is not None):
            self._writer = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._queue:
                waiting, self._queue = self._queue, []
                for message in waiting:
                    await self._send(message)
                self._queued = 0 if not self._queue else self._queued
                self._release_drained()
            if self._close is not None:
                await self._send(self._close)
        except Exception:  # noqa: BLE001  # hosts raise errors of their own for a peer that is gone, which `receive` tells as well
            self._queue.clear()
        finally:
            self._writer = None
            self._release_drained()

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

    def ping(self) -> bool:
        """ASGI has no pings: the host keeps its own heartbeat."""
        return False

    def pause_reading(self) -> None:
        """Take nothing from the host, which then stops reading, too."""
        if self._reading is None:
            self._reading = asyncio.Event()

    def resume_reading(self) -> None:
        """Take messages again."""
        if self._reading is not None:
            self._reading.set()
            self._reading = None

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send what waits, then close."""
        if self._close is None:
            self._close = {"type": "websocket.close", "code": code, "reason": reason}
            self.resume_reading()
            self.flush()

    async def pump(self, receive: Receive) -> None:
        """Hand what the host receives to the receiver, until the connection is gone."""
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                self._queue.clear()
                self._close = self._close or message
                self._release_drained()
                self.receiver.on_closed(message.get("code", _NO_STATUS), message.get("reason") or "")
                return
            if self._close is None:
                self._take(message.get("text"), message.get("bytes"))
            if self._reading is not None:
                await self._reading.wait()

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
    await receive()
    try:
        receiver = acceptor.accept_websocket(request)
        if isinstance(receiver, Awaitable):
            receiver = await receiver
    except Refused as refusal:
        await _refuse(refusal, scope, send)
        return
    await send({"type": "websocket.accept"})
    transport = AsgiTransport(receiver, send, acceptor.cork, acceptor.settings)
    receiver.on_open(transport)
    try:
        await transport.pump(receive)
    except BaseException:
        transport.receiver.on_closed(1006, "")
        raise


async def _refuse(refusal: Refused, scope: Scope, send: Send) -> None:
    """Answer by HTTP if the host can (ASGI's "Websocket Denial Response"), else by the close that it turns into 403."""
    if "websocket.http.response" in scope.get("extensions", {}):
        headers = [(b"content-type", refusal.content_type.encode()), (b"content-length", b"%d" % len(refusal.body))]
        headers += [(name.encode(), value.encode()) for name, value in refusal.headers]
        await send({"type": "websocket.http.response.start", "status": refusal.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": refusal.body})
    else:
        await send({"type": "websocket.close", "code": _POLICY, "reason": "refused"})
