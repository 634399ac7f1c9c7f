"""Pings, pongs and the closing handshake (RFC 6455 sections 5.5, 7.1 and 7.4)."""

import pytest

from tests.conformance.peer import BINARY, CLOSE, PING, PONG, TEXT, Frame, Peer, frame

PROTOCOL_ERROR, INVALID = 1002, 1007


@pytest.mark.parametrize("payload", [b"", b"ping", bytes(range(125)), b"\xff\xfe"])
def test_a_ping_is_answered_with_its_payload(peer: Peer, payload: bytes):
    peer.send(frame(PING, payload))
    assert peer.frame() == Frame(PONG, payload)


def test_a_pong_that_nobody_asked_for_is_ignored(peer: Peer):
    peer.send(frame(PONG, b"unasked"), frame(TEXT, b"text"))
    assert peer.frame() == Frame(TEXT, b"text")


def test_the_newest_of_many_pings_is_answered(peer: Peer):
    peer.send(*(frame(PING, b"%d" % number) for number in range(1000)), frame(TEXT, b"end"))
    answers = [peer.frame()]
    while Frame(TEXT, b"end") not in answers or Frame(PONG, b"999") not in answers:
        answers.append(peer.frame())
    pongs = [int(answer.payload) for answer in answers if answer.opcode == PONG]
    assert pongs == sorted(pongs)


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_a_control_frame_with_too_much_payload(peer: Peer, opcode: int):
    peer.send(frame(opcode, b"\x03\xe8" + b"a" * 124))
    assert peer.frame().close_code == PROTOCOL_ERROR


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_a_fragmented_control_frame(peer: Peer, opcode: int):
    peer.send(frame(opcode, b"", fin=False))
    assert peer.frame().close_code == PROTOCOL_ERROR


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"\x03\xe8", b"\x03\xe8goodbye", b"\x03\xe8" + b"a" * 123, b"\x0b\xb8\xcf\x80",
        *(code.to_bytes(2) for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)),
    ],
)  # fmt: skip
def test_a_close_frame_is_answered_with_its_code(peer: Peer, payload: bytes):
    peer.send(frame(CLOSE, payload))
    answer = peer.frame()
    assert answer.opcode == CLOSE
    assert answer.payload[:2] == payload[:2]
    assert peer.ended()


@pytest.mark.parametrize("code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
@pytest.mark.parametrize("reason", [b"", b"reason"])
def test_a_code_that_nobody_may_send(peer: Peer, code: int, reason: bytes):
    peer.send(frame(CLOSE, code.to_bytes(2) + reason))
    answer = peer.frame()
    assert (answer.opcode, answer.close_code) == (CLOSE, PROTOCOL_ERROR)
    assert peer.ended()


def test_a_close_frame_of_one_byte(peer: Peer):
    peer.send(frame(CLOSE, b"\x03"))
    assert peer.frame().close_code == PROTOCOL_ERROR


@pytest.mark.parametrize(
    "reason", [b"\xff", b"\xed\xa0\x80", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80"]
)
def test_a_reason_that_is_not_utf8(peer: Peer, reason: bytes):
    peer.send(frame(CLOSE, b"\x03\xe8" + reason))
    assert peer.frame().close_code == INVALID


@pytest.mark.parametrize("late", [frame(TEXT, b"late"), frame(PING, b"late"), frame(BINARY, b"late")])
def test_what_follows_a_close_frame_is_ignored(peer: Peer, late: bytes):
    peer.send(frame(TEXT, b"before"), frame(CLOSE, b"\x03\xe8"), late)
    assert peer.frame() == Frame(TEXT, b"before")
    assert peer.frame() == Frame(CLOSE, b"\x03\xe8")
    assert peer.ended()


def test_a_second_close_frame(peer: Peer):
    peer.send(frame(CLOSE, b"\x03\xe8"), frame(CLOSE, b"\x03\xe8"))
    assert peer.frame().close_code in {1000, PROTOCOL_ERROR}
    assert peer.ended()


def test_a_close_frame_inside_a_message(peer: Peer):
    peer.send(frame(TEXT, b"a", fin=False), frame(CLOSE, b"\x03\xe8"))
    assert peer.frame() == Frame(CLOSE, b"\x03\xe8")
    assert peer.ended()


def test_an_end_without_a_close_frame(peer: Peer):
    peer.send(frame(TEXT, b"text"))
    assert peer.frame() == Frame(TEXT, b"text")
    peer.finish()
    assert peer.ended()
