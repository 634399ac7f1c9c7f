"""Random frames, well-formed and not, cut anywhere: told to Node's `ws` and to ours."""

import os
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moongate import Moongate, Settings
from moongate.config import Compression
from tests.conformance.conftest import Root
from tests.conformance.peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Peer, frame
from tests.support.live import LiveServer

SERVER = Path(__file__).parent.parent / "clients" / "echo.mjs"
COMPRESSED = 4  # the first reserved bit
END = b"the end"
PROTOCOL_ERROR, TOO_BIG = b"\x03\xea", b"\x03\xf1"
COUNT = int(os.environ.get("MOONGATE_DIFFERENTIAL_COUNT", "600"))
"""How many sequences are compared, of each kind."""

Pair = tuple[int, int]
"""The ports of Node's server and of ours."""


@contextmanager
def pair(node: str, ours: Settings) -> Iterator[Pair]:
    command = ["node", str(SERVER), node]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        LiveServer(Moongate(Root, settings=ours)) as server,
    ):
        assert process.stdout
        yield int(process.stdout.readline()), server.port
        process.kill()


@pytest.fixture(scope="module")
def plain() -> Iterator[Pair]:
    with pair('{"maxPayload": 1000000}', Settings()) as ports:
        yield ports


@pytest.fixture(scope="module")
def compressing() -> Iterator[Pair]:
    compression = Compression(threshold=0, server_context_takeover=True)
    with pair(
        '{"maxPayload": 1000000, "perMessageDeflate": {"threshold": 0}}', Settings(message_compression=compression)
    ) as ports:
        yield ports


OPCODES = st.sampled_from([TEXT, BINARY])
CONTROL = st.sampled_from([frame(PING), frame(PING, b"ping"), frame(PONG), frame(PONG, b"pong")])
PAYLOADS = st.sampled_from([b"", b"a", "grüße".encode(), b"x" * 125, b"y" * 126, b"z" * 300])
TOO_LARGE = [frame(opcode, b"a", length=length) for opcode in (TEXT, BINARY) for length in (1_000_001, 2**40)]
INVALID = st.sampled_from([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xce\xba\xe1"])


def whole(opcode: int, payload: bytes) -> bytes:
    return frame(opcode, payload)


def in_fragments(opcode: int, payload: bytes, at: int, between: list[bytes], rsv: int = 0) -> bytes:
    parts = [frame(opcode, payload[:at], fin=False, rsv=rsv), *between, frame(CONTINUATION, payload[at:])]
    return b"".join(parts)


def compressed(opcode: int, payload: bytes, at: int | None) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    data = (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
    return frame(opcode, data, rsv=COMPRESSED) if at is None else in_fragments(opcode, data, at, [], COMPRESSED)


MESSAGES = st.one_of(
    st.builds(whole, OPCODES, PAYLOADS),
    st.builds(in_fragments, OPCODES, PAYLOADS, st.integers(0, 8), st.lists(CONTROL, max_size=2)),
    CONTROL,
)
MISTAKES = st.one_of(
    st.builds(whole, st.just(TEXT), INVALID),
    st.builds(
        frame,
        st.sampled_from([opcode for opcode in range(16) if opcode != CLOSE]),  # its mistakes stand below, one at a time
        PAYLOADS | INVALID,
        fin=st.just(value=True),
        rsv=st.sampled_from([0, 0, 1, 2, 4, 7]),
        masked=st.booleans(),
    ),
    st.builds(frame, st.integers(0, 15), PAYLOADS, fin=st.just(value=False)),
    st.sampled_from(TOO_LARGE),
    st.builds(
        frame,
        st.just(CLOSE),
        st.sampled_from([b"", b"\x03", b"\x03\xe8", b"\x03\xe8bye", b"\x03\xed", b"\x13\x88", b"\x03\xe8\xff"]),
    ),
)
COMPRESSED_MESSAGES = MESSAGES | st.builds(compressed, OPCODES, PAYLOADS | INVALID, st.none() | st.integers(0, 8))


def sequences(messages: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[bytes]]:
    """Mostly messages, with a mistake or two."""
    return st.lists(st.one_of(messages, messages, messages, MISTAKES), min_size=1, max_size=8)


def answers(port: int, data: bytes, cuts: list[int], **headers: str) -> list[tuple[int, bytes]]:
    """The messages and the close code that *data*, sent in pieces, is answered with."""
    received: list[tuple[int, bytes]] = []
    stream = zlib.decompressobj(-15)
    with Peer(port, **headers) as peer:
        try:
            for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
                peer.send(data[start:end])
            peer.send(frame(TEXT, END))
            while not received or (received[-1][0] != CLOSE and received[-1][1] != END):
                answer = peer.frame()
                payload = stream.decompress(answer.payload + b"\0\0\xff\xff") if answer.rsv else answer.payload
                if answer.opcode == CLOSE:
                    payload = payload[:2]  # Node gives no reasons
                # Only the newest ping needs an answer, and there is no order among them and messages.
                if answer.opcode != PONG:
                    received.append((answer.opcode, payload))
        except (BrokenPipeError, ConnectionResetError, EOFError):
            received.append((CLOSE, b"no close frame"))
    return received


def check(ports: Pair, frames: list[bytes], places: list[float], **headers: str) -> None:
    data = b"".join(frames)
    cuts = sorted(int(place * len(data)) for place in places)
    node, ours = (answers(port, data, cuts, **headers) for port in ports)
    if ours != node and any(mistake in frames for mistake in TOO_LARGE):
        # A frame may be too large and out of place as well: either may be said.
        assert {node.pop()[1], ours.pop()[1]} == {PROTOCOL_ERROR, TOO_BIG}
    assert ours == node


PLACES = st.lists(st.floats(0, 1), max_size=3)
fuzzed = settings(deadline=None, max_examples=COUNT, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fuzzed
@given(frames=sequences(MESSAGES), places=PLACES)
def test_frames(plain: Pair, frames: list[bytes], places: list[float]):
    check(plain, frames, places)


@fuzzed
@given(frames=sequences(COMPRESSED_MESSAGES), places=PLACES)
def test_compressed_frames(compressing: Pair, frames: list[bytes], places: list[float]):
    check(compressing, frames, places, Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits")
