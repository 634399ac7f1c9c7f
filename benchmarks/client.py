"""The load generator: picows clients that count exact replies and answer each with the next message."""

from __future__ import annotations

import asyncio
import time
from collections import deque

import picows

from benchmarks.protocols import Protocol

__all__ = ["Client", "WrongReplyError", "connect", "connect_many", "frame"]

CONNECT_TIMEOUT = 10.0


class WrongReplyError(Exception):
    """A server answered something else than the protocol says, or hung up."""


class Client(picows.WSListener):
    """One connection.

    Every reply that equals `awaited` is counted in `count`. While `next_frame` is set, each reply is
    owed the next message; what is owed to the replies of one read leaves in one write, as a busy client sends it, by
    the connection of `publisher`: its own, unless it is told another one.
    """

    def __init__(self, protocol: Protocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.awaited = b""
        self.next_frame = b""
        self.count = 0
        self.owed = 0
        self.publisher: Client = self
        self.sent_at: deque[float] | None = None
        self.latencies: list[float] = []
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: picows.WSTransport
        self._handshake = list(protocol.handshake)

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport
        if not self._handshake:
            self.ready.set_result(None)

    def on_ws_frame(self, _transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        data: bytes = frame.get_payload_as_bytes()
        if data == self.awaited:
            self.count += 1
            self.owed += 1
            if self.sent_at is not None:
                self.latencies.append(time.perf_counter() - self.sent_at.popleft())
        elif frame.msg_type == picows.WSMsgType.TEXT:
            self._on_other(data)
        if frame.last_in_buffer and self.owed and self.next_frame:
            self.publisher.write(self.next_frame * self.owed)
            self.owed = 0

    def on_ws_disconnected(self, _transport: picows.WSTransport) -> None:
        self._fail("the connection ended")

    def write(self, frames: bytes) -> None:
        self.transport.underlying_transport.write(frames)

    def close(self) -> None:
        if not self.failed.done():
            self.failed.cancel()
        self.transport.disconnect(graceful=False)

    def _on_other(self, data: bytes) -> None:
        heartbeat = self.protocol.heartbeat
        if heartbeat is not None and data == heartbeat[0]:
            self.transport.send(picows.WSMsgType.TEXT, heartbeat[1])
        elif self._handshake and data.startswith(self._handshake[0][0]):
            _, answer = self._handshake.pop(0)
            if answer:
                self.transport.send(picows.WSMsgType.TEXT, answer)
            if not self._handshake:
                self.ready.set_result(None)
        else:
            self._fail(f"expected {self.awaited!r}, got {data!r}")

    def _fail(self, text: str) -> None:
        for future in (self.ready, self.failed):
            if not future.done():
                future.set_exception(WrongReplyError(text))
                future.exception()  # Read by whoever waits; unread, it need not be told twice.


async def connect(port: int, protocol: Protocol) -> Client:
    """Connects and passes the handshake; raises WrongReplyError, OSError or picows.WSError."""
    client = Client(protocol)
    async with asyncio.timeout(CONNECT_TIMEOUT):
        await picows.ws_connect(lambda: client, f"ws://127.0.0.1:{port}{protocol.path}")
        await client.ready
    return client


async def connect_many(port: int, protocol: Protocol, number: int) -> list[Client]:
    """Connects one after another, so that what is measured is the work and not a queue."""
    return [await connect(port, protocol) for _ in range(number)]


def frame(text: bytes) -> bytes:
    """A masked text frame of RFC 6455, section 5.2, below 64 KiB. A mask of zeros needs no masking."""
    if len(text) < 126:
        return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text
    return bytes((0x81, 0x80 | 126)) + len(text).to_bytes(2, "big") + bytes(4) + text
