"""The WebSocket transport on picows, as our server drives it: whole connections over real sockets, bytes by hand."""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # not in picows' stubs

from moongate.config import Settings
from moongate.transport.base import Accepted, Request, Transport
from moongate.transport.flow import Cork
from moongate.transport.opening import open_connection
from moongate.wire.outgoing import Outgoing

pytestmark = pytest.mark.anyio

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A


class Recorder:
    """A receiver that keeps what comes."""

    def __init__(self) -> None:
        self.transport: Transport
        self.events: list[tuple[Any, ...]] = []
        self.came = asyncio.Event()

    def on_open(self, transport: Transport) -> None:
        self.transport = transport

    def on_text(self, data: bytes) -> None:
        self._add("text", data)

    def on_bytes(self, data: bytes) -> None:
        self._add("bytes", data)

    def on_pong(self) -> None:
        self._add("pong")

    def on_closed(self, code: int, reason: str) -> None:
        self._add("closed", code, reason)

    def _add(self, *event: Any) -> None:
        self.events.append(event)
        self.came.set()

    async def next(self) -> tuple[Any, ...]:
        """Return the next event, within five seconds."""
        async with asyncio.timeout(5):
            while not self.events:
                self.came.clear()
                await self.came.wait()
        return self.events.pop(0)


class Peer:
    """The client's end of a connection, which says what it is told to, byte for byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, receiver: Recorder) -> None:
        self.reader = reader
        self.writer = writer
        self.receiver = receiver

    @property
    def transport(self) -> Transport:
        return self.receiver.transport

    def send(self, first_byte: int, payload: bytes = b"") -> None:
        """Send one frame, masked as a client has to."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        length = len(payload)
        size = bytes((0x80 | length,)) if length < 126 else struct.pack("!BH", 0x80 | 126, length)
        self.writer.write(bytes((first_byte,)) + size + mask + masked)

    async def read(self) -> tuple[int, bytes]:
        """Read one frame of the server: its first byte and its payload."""
        async with asyncio.timeout(5):
            first, length = await self.reader.readexactly(2)
            if length == 126:
                (length,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
            return first, await self.reader.readexactly(length)

    async def is_closed(self) -> bool:
        """Wait for the end of the stream."""
        async with asyncio.timeout(5):
            return await self.reader.read() == b""

    async def vanish(self) -> None:
        """End the connection without a word, and wait until that is noticed."""
        self.writer.transport.abort()
        while (await self.receiver.next())[0] != "closed":
            pass


@asynccontextmanager
async def connected(settings: Settings | None = None, family: int = socket.AF_INET) -> AsyncIterator[Peer]:
    """Open a connection that picows serves, handshake done."""
    receiver = Recorder()
    loop = asyncio.get_running_loop()

    class Handover(asyncio.Protocol):
        """Hands the stream to picows as soon as it is there, as the server does with an upgrade request."""

        def connection_made(self, transport: Any) -> None:
            request = Request("/", "", b"", None, secure=False)
            accepted = Accepted(receiver)
            connection = open_connection(transport, KEY, request, accepted, Cork(), settings or Settings(), WSProtocol)
            loop.call_soon(transport.set_protocol, connection)

    ours, theirs = socket.socketpair(family) if family == socket.AF_UNIX else _tcp_pair()
    await loop.create_connection(Handover, sock=ours)
    reader, writer = await asyncio.open_connection(sock=theirs)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    try:
        yield Peer(reader, writer, receiver)
    finally:
        writer.close()


def _tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
async def test_messages_both_ways(family: int) -> None:
    async with connected(family=family) as peer:
        peer.send(TEXT, "Grüße".encode())
        peer.send(BINARY, b"\xff\x00")
        assert await peer.receiver.next() == ("text", "Grüße".encode())
        assert await peer.receiver.next() == ("bytes", b"\xff\x00")
        peer.transport.send_text(b"one")
        peer.transport.send_bytes(b"\xff")
        peer.transport.send(Outgoing(b"two", (b"x" * 200,)))
        assert [await peer.read() for _ in range(4)] == [
            (TEXT, b"one"),
            (BINARY, b"\xff"),
            (TEXT, b"two"),
            (BINARY, b"x" * 200),
        ]


async def test_fragments_with_a_ping_between_them() -> None:
    async with connected() as peer:
        peer.send(0x01, b"Gr" + b"\xc3")
        peer.send(PING, b"hi")
        peer.send(0x80, b"\xbc\xc3\x9fe")
        assert await peer.receiver.next() == ("text", "Grüße".encode())
        assert await peer.read() == (PONG, b"hi")


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([(TEXT, b"\xff")], 1007),
        ([(0x01, b"\xc3"), (0x80, b"\x28")], 1007),
        ([(0x80, b"x")], 1002),
        ([(0x01, b"x"), (TEXT, b"y")], 1002),
        ([(0xC1, b"x")], 1002),
        ([(0x83, b"x")], 1002),
        ([(0x09, b"x")], 1002),
        ([(TEXT, b"x" * 1001)], 1009),
        ([(0x01, b"x" * 600), (0x80, b"x" * 600)], 1009),
        ([(CLOSE, b"\x03\xed")], 1002),
        ([(CLOSE, b"\x00")], 1002),
    ],
)
async def test_what_rfc_6455_forbids_closes_the_connection(frames: list[tuple[int, bytes]], code: int) -> None:
    async with connected(Settings(max_payload=1000)) as peer:
        for first_byte, payload in frames:
            peer.send(first_byte, payload)
        opcode, payload = await peer.read()
        assert (opcode, struct.unpack("!H", payload[:2])[0]) == (CLOSE, code)
        peer.send(CLOSE, payload[:2])
        assert await peer.is_closed()
        assert (await peer.receiver.next())[0] == "closed"


async def test_a_close_of_the_peer_is_answered_in_its_own_words() -> None:
    async with connected() as peer:
        peer.send(CLOSE, struct.pack("!H", 4321) + b"bye")
        assert await peer.read() == (CLOSE, struct.pack("!H", 4321) + b"bye")
        assert await peer.is_closed()
        assert await peer.receiver.next() == ("closed", 4321, "bye")


async def test_our_close_comes_behind_what_was_sent_before() -> None:
    async with connected() as peer:
        peer.transport.send_text(b"last")
        peer.transport.close(1001, "server shutting down")
        peer.transport.send_text(b"too late")
        assert await peer.read() == (TEXT, b"last")
        assert await peer.read() == (CLOSE, struct.pack("!H", 1001) + b"server shutting down")
        peer.send(CLOSE, struct.pack("!H", 1001))
        assert await peer.is_closed()
        assert (await peer.receiver.next())[:2] == ("closed", 1001)


async def test_a_peer_that_vanishes() -> None:
    async with connected() as peer:
        peer.writer.transport.abort()
        assert await peer.receiver.next() == ("closed", 1006, "")
        peer.transport.send_text(b"into the void")
        peer.transport.close()
        await peer.transport.drained()


async def test_waiting_until_the_peer_reads() -> None:
    async with connected() as peer:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(64):
            peer.transport.send_bytes(b"x" * 200_000)
        drained = asyncio.ensure_future(peer.transport.drained())
        done, _ = await asyncio.wait([drained], timeout=0.1)
        assert not done
        assert not peer.transport.writable
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(64):
            await peer.read()
        async with asyncio.timeout(5):
            await drained
        assert peer.transport.writable


async def test_reading_pauses_and_resumes() -> None:
    async with connected() as peer:
        peer.transport.pause_reading()
        peer.transport.pause_reading()
        peer.send(TEXT, b"later")
        peer.transport.send_text(b"still sending")
        assert await peer.read() == (TEXT, b"still sending")
        assert not peer.receiver.events
        peer.transport.resume_reading()
        assert await peer.receiver.next() == ("text", b"later")


async def test_a_ping_of_ours_is_answered() -> None:
    async with connected() as peer:
        assert peer.transport.ping()
        assert (await peer.read())[0] == PING
        peer.send(PONG)
        assert await peer.receiver.next() == ("pong",)


async def test_a_flood_is_read_whole_and_in_order_and_pauses_when_told() -> None:
    async with connected() as peer:
        for number in range(3000):
            peer.send(TEXT, b"%d" % number)
        assert [await peer.receiver.next() for _ in range(3000)] == [("text", b"%d" % number) for number in range(3000)]
        peer.transport.pause_reading()
        peer.send(TEXT, b"later")
        peer.transport.send_text(b"still sending")
        assert await peer.read() == (TEXT, b"still sending")
        assert not peer.receiver.events
        peer.transport.resume_reading()
        assert await peer.receiver.next() == ("text", b"later")


async def test_a_pause_holds_when_it_is_a_flood_that_is_paused() -> None:
    async with connected() as peer:
        peer.receiver.on_text = lambda data: peer.transport.pause_reading()  # type: ignore[method-assign]
        for _ in range(200):
            for _ in range(1000):
                peer.send(TEXT, b"x")
            await asyncio.sleep(0)
        peer.receiver.on_text = lambda data: peer.receiver._add("text", data)  # type: ignore[method-assign]
        peer.transport.send_text(b"still sending")
        assert await peer.read() == (TEXT, b"still sending")
        peer.receiver.events.clear()
        await asyncio.sleep(0.05)
        assert not peer.receiver.events
        peer.transport.resume_reading()
        assert await peer.receiver.next() == ("text", b"x")
        await peer.vanish()


async def test_an_emit_of_much_waits_until_it_is_sent() -> None:
    async with connected() as peer:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]

        async def emit() -> None:
            while True:
                peer.transport.send_bytes(b"x" * 1_000_000)
                await peer.transport.drained()

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(emit(), 0.2)
        assert not peer.transport.writable
        await peer.vanish()
