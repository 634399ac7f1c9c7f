"""Text is UTF-8, in whatever pieces it comes (RFC 6455 section 8.1)."""

import pytest

from tests.conformance.peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, Peer, frame

INVALID = 1007
GREEK = "κόσμε".encode()
VALID = [
    b"", b"Hello", GREEK, "Hello-µ@ßöäüàá-UTF-8!!".encode(), b"\x00", b"\x7f", b"\xc2\x80", b"\xdf\xbf",
    b"\xe0\xa0\x80",
    b"\xef\xbf\xbf", b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf0\x90\x80\x80", b"\xf4\x8f\xbf\xbf",
]  # fmt: skip
BROKEN = [
    b"\xce", b"\xce\xba\xe1", b"\xce\xba\xe1\xbd", GREEK + b"\xed\xa0\x80edited", b"\x80", b"\xbf", b"\x80\xbf\x80",
    b"\xc0", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xc1\xbf",
    b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf",
    b"\xfe", b"\xff", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80", b"\xe2\x82\x28",
    b"\xf0\x28\x8c\xbc",
]  # fmt: skip


@pytest.mark.parametrize("text", VALID)
def test_valid_text(peer: Peer, text: bytes):
    peer.send(frame(TEXT, text))
    assert peer.frame() == Frame(TEXT, text)


@pytest.mark.parametrize("text", VALID)
def test_valid_text_in_fragments_of_one_byte(peer: Peer, text: bytes):
    peer.send(frame(TEXT, fin=False), *(frame(CONTINUATION, bytes([byte]), fin=False) for byte in text))
    peer.send(frame(PING), frame(CONTINUATION))
    assert peer.frame() == Frame(PONG, b"")
    assert peer.frame() == Frame(TEXT, text)


@pytest.mark.parametrize("text", BROKEN)
def test_text_that_is_not_utf8(peer: Peer, text: bytes):
    peer.send(frame(TEXT, text))
    answer = peer.frame()
    assert (answer.opcode, answer.close_code) == (CLOSE, INVALID)


@pytest.mark.parametrize("text", BROKEN)
def test_text_that_is_not_utf8_in_fragments_of_one_byte(peer: Peer, text: bytes):
    peer.send(frame(TEXT, fin=False), *(frame(CONTINUATION, bytes([byte]), fin=False) for byte in text))
    peer.send(frame(CONTINUATION))
    assert peer.frame().close_code == INVALID


def test_it_fails_as_soon_as_it_cannot_become_valid_any_more(peer: Peer):
    peer.send(frame(TEXT, GREEK + b"\xf4", fin=False), frame(CONTINUATION, b"\x90", fin=False))
    assert peer.frame().close_code == INVALID


@pytest.mark.parametrize("data", BROKEN)
def test_binary_may_be_anything(peer: Peer, data: bytes):
    peer.send(frame(BINARY, data[:1], fin=False), frame(CONTINUATION, data[1:]))
    assert peer.frame() == Frame(BINARY, data)
