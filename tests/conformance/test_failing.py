"""Peers that are at fault: what they are told, and that nobody else notices (RFC 6455 sections 7.1.1 and 7.1.7)."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conformance.peer import CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, Peer, frame
from tests.support.live import LiveServer

PROTOCOL_ERROR, INVALID, TOO_BIG = 1002, 1007, 1009
MISTAKES = {
    "a reserved opcode": (frame(3, b"x"), PROTOCOL_ERROR),
    "a reserved bit": (frame(TEXT, b"x", rsv=2), PROTOCOL_ERROR),
    "no mask": (frame(TEXT, b"x", masked=False), PROTOCOL_ERROR),
    "a stray fragment": (frame(CONTINUATION, b"x"), PROTOCOL_ERROR),
    "a long ping": (frame(PING, b"x" * 126), PROTOCOL_ERROR),
    "half a close code": (frame(CLOSE, b"\x03"), PROTOCOL_ERROR),
    "a close code of nobody's": (frame(CLOSE, b"\x13\x88"), PROTOCOL_ERROR),
    "no UTF-8": (frame(TEXT, b"\xff"), INVALID),
    "a length beyond the limit": (frame(TEXT, b"x", length=2**40), TOO_BIG),
}


def resident() -> int:
    """KiB of memory that this process, which the server is a part of, has."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found
    return int(found[1])


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_what_came_before_a_mistake_is_answered_and_nothing_else_is(peer: Peer, mistake: str, count: int):
    data, code = MISTAKES[mistake]
    peer.send(frame(TEXT, b"before") * count, data, frame(TEXT, b"behind"))
    assert [peer.frame() for _ in range(count)] == [Frame(TEXT, b"before")] * count
    assert peer.frame() == Frame(CLOSE, code.to_bytes(2))
    assert peer.ended()


def test_a_pong_is_sent_before_the_close_frame(peer: Peer):
    peer.send(frame(PING, b"ping"), frame(3))
    assert peer.frame() == Frame(PONG, b"ping")
    assert peer.frame().close_code == PROTOCOL_ERROR


def test_who_sends_far_too_much_is_told_so_and_may_finish_sending(peer: Peer):
    peer.send(frame(TEXT, b"x" * 50_000_000))
    assert peer.frame() == Frame(CLOSE, TOO_BIG.to_bytes(2))
    assert peer.ended()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_follows_a_mistake_costs_no_memory(peer: Peer, mistake: str):
    before = resident()
    with suppress(ConnectionError):
        peer.send(MISTAKES[mistake][0], b"\xff" * 30_000_000)
    assert resident() - before < 5 * 1024


def test_the_end_of_a_close_is_clean_although_more_comes(peer: Peer):
    peer.send(frame(CLOSE, b"\x03\xe8bye"), frame(TEXT, b"x" * 1000) * 1000)
    assert peer.frame() == Frame(CLOSE, b"\x03\xe8bye")
    assert peer.receive() == b""  # the end, and no reset


def test_pings_of_who_does_not_read_cost_no_memory(peer: Peer):
    peer.send(frame(TEXT, b"x" * 1_000_000) * 15)  # the answers fill what the operating system holds for the peer
    time.sleep(0.2)
    before = resident()
    for _ in range(60):
        peer.send(frame(PING, b"old") * 20_000)
    peer.send(frame(PING, b"new"))
    assert resident() - before < 5 * 1024
    answers = [peer.frame() for _ in range(15)]
    while answers[-1] != Frame(PONG, b"new"):
        answers.append(peer.frame())
    assert len(answers) < 5000


@contextmanager
def flood(server: LiveServer, data: bytes, peers: int) -> Iterator[None]:
    """Several clients send *data* as fast as they can, and read what comes."""
    stopping = threading.Event()
    flooding = threading.Barrier(peers + 1)
    opened = [Peer(server.port) for _ in range(peers)]

    def send(peer: Peer) -> None:
        peer.send(data)
        flooding.wait(5)
        with suppress(OSError):
            while not stopping.is_set():
                peer.send(data)

    def read(peer: Peer) -> None:
        with suppress(OSError):
            while peer.receive():
                pass

    threads = [threading.Thread(target=work, args=(peer,)) for peer in opened for work in (send, read)]
    for thread in threads:
        thread.start()
    try:
        flooding.wait(5)
        yield
    finally:
        stopping.set()
        for peer in opened:
            peer.drop()
        for thread in threads:
            thread.join(10)
        for peer in opened:
            peer.__exit__(None, None, None)


@pytest.mark.parametrize(
    "data",
    {
        "pings": frame(PING, b"x") * 2000,
        "pongs": frame(PONG) * 2000,
        "short texts": frame(TEXT, b"x") * 2000,
        "fragments": (frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) * 2000 + frame(CONTINUATION)),
    }.items(),
    ids=lambda item: item[0],
)
def test_a_flood_of_tiny_frames_holds_up_nobody_else(server: LiveServer, bystander: Peer, data: tuple[str, bytes]):
    with flood(server, data[1], peers=2):
        times = []
        for _ in range(20):
            started = time.perf_counter()
            bystander.text("hello")
            assert bystander.frame() == Frame(TEXT, b"hello")
            times.append(time.perf_counter() - started)
    assert sorted(times)[-2] < 0.5
