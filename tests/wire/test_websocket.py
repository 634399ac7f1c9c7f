"""WebSocket frames that go out, and fragments that come in."""

import pytest

from moongate.errors import PayloadTooLarge, ProtocolError
from moongate.wire.outgoing import Outgoing
from moongate.wire.websocket import MAX_FRAGMENTS, Assembler, binary_frame, close_frame, text_frame

CONTINUATION, TEXT, BINARY = 0, 1, 2


@pytest.mark.parametrize(
    ("length", "header"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_the_length_takes_one_three_or_nine_bytes(length: int, header: bytes) -> None:
    payload = b"x" * length
    assert text_frame(payload) == header + payload
    assert binary_frame(payload) == b"\x82" + header[1:] + payload


def test_attachments_follow_their_text() -> None:
    assert Outgoing(b"a", (b"b", b"c")).frame == b"\x81\x01a\x82\x01b\x82\x01c"


def test_fragments_become_one_message() -> None:
    assembler = Assembler(limit=100)
    assert assembler.feed(TEXT, b"Hel", fin=False) is None
    assert assembler.feed(CONTINUATION, b"", fin=False) is None
    assert assembler.feed(CONTINUATION, b"lo", fin=True) == (True, b"Hello")
    assert not assembler.pending
    assert assembler.feed(BINARY, b"x", fin=True) == (False, b"x")


def test_frames_out_of_order_are_refused() -> None:
    with pytest.raises(ProtocolError):
        Assembler(limit=100).feed(CONTINUATION, b"", fin=True)
    assembler = Assembler(limit=100)
    assembler.feed(TEXT, b"", fin=False)
    with pytest.raises(ProtocolError):
        assembler.feed(TEXT, b"", fin=True)


def test_the_size_and_the_number_of_fragments_are_bounded() -> None:
    assembler = Assembler(limit=10)
    assembler.feed(TEXT, b"12345", fin=False)
    with pytest.raises(PayloadTooLarge):
        assembler.feed(CONTINUATION, b"678901", fin=False)
    endless = Assembler(limit=10)
    endless.feed(TEXT, b"", fin=False)
    for _ in range(MAX_FRAGMENTS - 1):
        endless.feed(CONTINUATION, b"", fin=False)
    with pytest.raises(PayloadTooLarge):
        endless.feed(CONTINUATION, b"", fin=False)


def test_a_close_frame_has_a_code_and_as_much_of_the_reason_as_fits() -> None:
    assert close_frame(None) == b"\x88\x00"
    assert close_frame(1000) == b"\x88\x02\x03\xe8"
    assert close_frame(4999, "grüße") == b"\x88\x09\x13\x87" + "grüße".encode()
    assert close_frame(1000, "ü" * 100) == b"\x88\x7c\x03\xe8" + "ü".encode() * 61
