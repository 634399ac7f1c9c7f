"""Compressed messages over real connections (RFC 7692)."""

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moongate import Moongate, Namespace, Settings, Socket, SubscribeMessage, WebSocketGateway
from moongate.config import Compression
from tests.conformance.conftest import Root
from tests.conformance.peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, Peer, frame
from tests.support.live import LiveServer, application
from tests.support.node import Node

NAME = "permessage-deflate"
COMPRESSED = 4  # the first reserved bit
PROTOCOL_ERROR, INVALID, TOO_BIG = 1002, 1007, 1009
LONG = b"compress me, " * 200


def deflated(message: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def expanded(answer: Frame) -> bytes:
    assert answer.rsv == COMPRESSED
    return zlib.decompress(answer.payload + b"\x00\x00\xff\xff\x03\x00", -15)


@pytest.fixture(scope="module")
def compressing() -> Iterator[LiveServer]:
    with LiveServer(Moongate(Root, settings=Settings(message_compression=True))) as server:
        yield server


@pytest.fixture
def bystander(compressing: LiveServer) -> Iterator[Peer]:
    """A client without compression that must be served in the end."""
    with Peer(compressing.port) as peer:
        yield peer
        peer.text("still here")
        assert peer.frame() == Frame(TEXT, b"still here")


@pytest.fixture
def peer(compressing: LiveServer, bystander: Peer) -> Iterator[Peer]:
    with Peer(compressing.port, Sec_WebSocket_Extensions=NAME) as peer:
        assert peer.headers["sec-websocket-extensions"] == f"{NAME}; server_no_context_takeover"
        yield peer


def test_it_is_off_by_default(connect: Any):
    assert "sec-websocket-extensions" not in connect(Sec_WebSocket_Extensions=NAME).headers


@pytest.mark.parametrize(
    "header", ["__class__; __dict__, toString", "permessage-deflate; unknown", ",".join(["x"] * 2000)]
)
def test_offers_that_are_none_are_passed_over(compressing: LiveServer, header: str):
    with Peer(compressing.port, Sec_WebSocket_Extensions=header) as peer:
        assert peer.status == 101
        assert "sec-websocket-extensions" not in peer.headers


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_long_messages_are_compressed(peer: Peer, opcode: int):
    peer.send(frame(opcode, LONG))
    answer = peer.frame()
    assert expanded(answer) == LONG
    assert (answer.opcode, len(answer.payload) < 100) == (opcode, True)


def test_short_ones_are_not(peer: Peer):
    peer.send(frame(TEXT, b"short"))
    assert peer.frame() == Frame(TEXT, b"short")


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("message", [b"", b"short", LONG])
def test_compressed_messages_are_taken(peer: Peer, opcode: int, message: bytes):
    for _ in range(3):
        peer.send(frame(opcode, deflated(message), rsv=COMPRESSED))
        answer = peer.frame()
        assert (expanded(answer) if answer.rsv else answer.payload) == message


def test_compressed_fragments(peer: Peer):
    data = deflated("grüße".encode() * 3)
    parts = [frame(CONTINUATION, bytes([byte]), fin=False) for byte in data[1:]]
    peer.send(frame(TEXT, data[:1], fin=False, rsv=COMPRESSED), *parts, frame(PING, b"p"), frame(CONTINUATION))
    assert peer.frame() == Frame(PONG, b"p")
    assert peer.frame() == Frame(TEXT, "grüße".encode() * 3)


def test_the_order_of_compressed_and_other_messages(peer: Peer):
    peer.send(*(frame(TEXT, b"%d" % number + LONG * (number % 2)) for number in range(50)))
    for number in range(50):
        answer = peer.frame()
        assert (expanded(answer) if answer.rsv else answer.payload) == b"%d" % number + LONG * (number % 2)


@pytest.mark.parametrize(
    ("frames", "code"),
    {
        "a reserved bit on a continuation": (
            [frame(TEXT, b"a", fin=False), frame(CONTINUATION, b"b", rsv=COMPRESSED)], PROTOCOL_ERROR,
        ),
        "on a ping": ([frame(PING, b"", rsv=COMPRESSED)], PROTOCOL_ERROR),
        "on a close frame": ([frame(CLOSE, b"", rsv=COMPRESSED)], PROTOCOL_ERROR),
        "another reserved bit": ([frame(TEXT, deflated(b"a"), rsv=COMPRESSED | 2)], PROTOCOL_ERROR),
        "no compressed data": ([frame(TEXT, b"\xff\xff\xff", rsv=COMPRESSED)], INVALID),
        "text that is not UTF-8": ([frame(TEXT, deflated(b"\xff"), rsv=COMPRESSED)], INVALID),
        "a message that is too large": ([frame(TEXT, deflated(bytes(1_000_001)), rsv=COMPRESSED)], TOO_BIG),
    }.values(),
    ids=lambda value: str(value)[:3],
)  # fmt: skip
def test_what_is_refused(peer: Peer, frames: list[bytes], code: int):
    peer.send(*frames)
    answer = peer.frame()
    assert (answer.opcode, answer.close_code) == (CLOSE, code)


def resident() -> int:
    """KiB of memory that this process, which the server is a part of, has."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found
    return int(found[1])


def test_a_bomb_costs_no_memory(compressing: LiveServer, bystander: Peer):
    compressor = zlib.compressobj(9, wbits=-15)
    bomb = b"".join(compressor.compress(bytes(1_000_000)) for _ in range(100)) + compressor.flush(zlib.Z_SYNC_FLUSH)
    before = resident()
    for _ in range(5):
        with Peer(compressing.port, Sec_WebSocket_Extensions=NAME) as peer:
            peer.send(frame(TEXT, bomb[:-4], rsv=COMPRESSED))
            assert peer.frame().close_code == TOO_BIG
    assert resident() - before < 5 * 1024


@WebSocketGateway("/hall")
class Hall:
    server: Namespace

    @SubscribeMessage("shout")
    async def shout(self, client: Socket, text: str) -> str:
        self.server.emit("shouted", text, b"bytes" * 500)
        return text


@pytest.mark.parametrize(
    "compression", [Compression(), Compression(server_context_takeover=True, threshold=0, server_max_window_bits=10)]
)
def test_the_official_clients(node: Node, compression: Compression):
    with LiveServer(application(Hall, message_compression=compression)) as server:
        script = """
            const [a, b] = [await connect("/hall"), await connect("/hall", { perMessageDeflate: false })];
            const c = await bare("/ws/hall", { perMessageDeflate: true });
            const long = "text ".repeat(2000);
            const answers = [];
            for (let round = 0; round < 3; round++) {
              answers.push(await ack(a, "shout", long) === long, await ack(b, "shout", "short"));
              answers.push((await ask(c, "shout", long)).data === long);
            }
            const lengths = (socket) => Promise.all([1, 2, 3].map(() => all(socket, "shouted").then(
              ([text, bytes]) => [text.length, bytes.length])));
            return [answers, await lengths(a), await lengths(b), c.extensions];
        """
        answers, first, second, extensions = node.run(server, script)
    assert answers == [True, "short", True] * 3
    assert first == second == [[10_000, 2500], [5, 2500], [10_000, 2500]]
    assert NAME in extensions
