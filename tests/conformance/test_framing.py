"""Frames and their lengths, fragments, reserved bits (RFC 6455 sections 5.2 to 5.4)."""

import pytest

from tests.conformance.peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, Peer, frame

PROTOCOL_ERROR, TOO_BIG = 1002, 1009
LENGTHS = [0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 999_999, 1_000_000]


def failed(peer: Peer, code: int) -> bool:
    """Whether the server fails the connection with *code*: a close frame, and then the end."""
    answer = peer.frame()
    assert (answer.opcode, answer.close_code) == (CLOSE, code)
    peer.send(frame(CLOSE, code.to_bytes(2)))
    return peer.ended()


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_of_any_length(peer: Peer, opcode: int, length: int):
    payload = b"*" * length
    peer.send(frame(opcode, payload))
    assert peer.frame() == Frame(opcode, payload)


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65536])
def test_a_message_that_comes_byte_by_byte(peer: Peer, length: int):
    data = frame(TEXT, b"*" * length)
    for index in range(min(len(data), 200)):
        peer.send(data[index : index + 1])
    peer.send(data[200:])
    assert peer.frame() == Frame(TEXT, b"*" * length)


@pytest.mark.parametrize(("length", "form"), [(5, 126), (5, 127), (70_000, 127)])
def test_a_length_in_a_longer_form_than_needed(peer: Peer, length: int, form: int):
    size = length.to_bytes(2 if form == 126 else 8)
    peer.send(bytes([0x81, 0x80 | form]), size, b"\0\0\0\0", b"a" * length)
    answer = peer.frame()
    assert answer == Frame(TEXT, b"a" * length) or answer.close_code == PROTOCOL_ERROR


def test_many_messages_at_once(peer: Peer):
    peer.send(*(frame(TEXT, b"%d" % number) for number in range(500)))
    assert [peer.frame().payload for _ in range(500)] == [b"%d" % number for number in range(500)]


@pytest.mark.parametrize("parts", [2, 3, 100, 4096])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_fragments_are_joined(peer: Peer, opcode: int, parts: int):
    for index in range(parts):
        peer.send(frame(CONTINUATION if index else opcode, b"%d," % index, fin=index == parts - 1))
    assert peer.frame() == Frame(opcode, b"".join(b"%d," % index for index in range(parts)))


def test_empty_fragments(peer: Peer):
    peer.send(frame(TEXT, fin=False), frame(CONTINUATION, fin=False), frame(CONTINUATION))
    assert peer.frame() == Frame(TEXT, b"")
    peer.send(frame(TEXT, fin=False), frame(CONTINUATION, b"middle", fin=False), frame(CONTINUATION))
    assert peer.frame() == Frame(TEXT, b"middle")


def test_control_frames_between_fragments(peer: Peer):
    peer.send(frame(TEXT, b"a", fin=False), frame(PING, b"ping"))
    assert peer.frame() == Frame(PONG, b"ping")
    peer.send(frame(PONG, b"unasked"), frame(CONTINUATION, b"b", fin=False), frame(PING), frame(CONTINUATION, b"c"))
    assert {peer.frame(), peer.frame()} == {Frame(PONG, b""), Frame(TEXT, b"abc")}


@pytest.mark.parametrize(
    "frames",
    {
        "a continuation of nothing": [frame(CONTINUATION, b"a")],
        "an unfinished continuation of nothing": [frame(CONTINUATION, b"a", fin=False)],
        "a continuation after a whole message": [
            frame(TEXT, b"a", fin=False),
            frame(CONTINUATION),
            frame(CONTINUATION),
        ],
        "a text inside a message": [frame(TEXT, b"a", fin=False), frame(TEXT, b"b")],
        "a binary inside a message": [frame(TEXT, b"a", fin=False), frame(BINARY, b"b")],
        "a text inside a binary message": [frame(BINARY, b"a", fin=False), frame(TEXT, b"b", fin=False)],
    }.items(),
    ids=lambda item: item[0],
)
def test_fragments_out_of_order(peer: Peer, frames: tuple[str, list[bytes]]):
    peer.send(*frames[1][:-1])
    peer.send(frames[1][-1])
    answer = peer.frame()
    while answer.opcode == TEXT:
        answer = peer.frame()
    assert answer.close_code == PROTOCOL_ERROR


@pytest.mark.parametrize("rsv", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
def test_reserved_bits(peer: Peer, opcode: int, rsv: int):
    peer.send(frame(opcode, b"", rsv=rsv))
    assert failed(peer, PROTOCOL_ERROR)


@pytest.mark.parametrize("rsv", [1, 2, 4])
def test_reserved_bits_in_a_fragment(peer: Peer, rsv: int):
    peer.send(frame(TEXT, b"a", fin=False), frame(CONTINUATION, b"b", rsv=rsv))
    assert failed(peer, PROTOCOL_ERROR)


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF])
@pytest.mark.parametrize("payload", [b"", b"payload"])
def test_reserved_opcodes(peer: Peer, opcode: int, payload: bytes):
    peer.send(frame(opcode, payload))
    assert failed(peer, PROTOCOL_ERROR)


@pytest.mark.parametrize("opcode", [TEXT, PING, CLOSE])
@pytest.mark.parametrize("payload", [b"", b"payload"])
def test_a_frame_without_a_mask(peer: Peer, opcode: int, payload: bytes):
    peer.send(frame(opcode, payload, masked=False))
    assert failed(peer, PROTOCOL_ERROR)


def test_one_byte_too_many(peer: Peer):
    peer.send(frame(TEXT, b"*" * 1_000_001))
    assert failed(peer, TOO_BIG)


@pytest.mark.parametrize("length", [1_000_001, 2**32, 2**40, 2**62])
@pytest.mark.parametrize("fin", [True, False])
def test_a_length_that_is_too_large_is_refused_before_the_payload_comes(peer: Peer, length: int, fin: bool):
    peer.send(frame(TEXT, b"a", length=length, fin=fin))
    assert failed(peer, TOO_BIG)


@pytest.mark.parametrize("length", [2**63, 2**64 - 1])
def test_a_length_with_the_highest_bit(peer: Peer, length: int):
    peer.send(frame(TEXT, b"a", length=length))
    answer = peer.frame()
    assert answer.close_code in {PROTOCOL_ERROR, TOO_BIG}


def test_fragments_that_are_too_much_together(peer: Peer):
    peer.send(frame(TEXT, b"*" * 600_000, fin=False), frame(CONTINUATION, b"*" * 400_001, fin=False))
    assert failed(peer, TOO_BIG)


@pytest.mark.parametrize("payload", [b"", b"x"])
def test_fragments_without_end(peer: Peer, payload: bytes):
    peer.send(frame(TEXT, payload, fin=False), frame(CONTINUATION, payload, fin=False) * 4096)
    assert failed(peer, TOO_BIG)
