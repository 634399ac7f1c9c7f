"""Engine.IO packets and polling bodies."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moongate.errors import ProtocolError
from moongate.wire.engineio import ErrorCode, Handshake, decode_payload, encode_payload, error_body, error_text

TEXTS = st.builds(
    lambda kind, text: kind + text.encode(),
    st.sampled_from([b"0", b"1", b"2", b"3", b"4", b"5", b"6"]),
    st.text(st.characters(exclude_characters="\x1e", exclude_categories=["Cs"])),
)
PACKETS = st.one_of(st.tuples(st.just(True), TEXTS), st.tuples(st.just(False), st.binary()))


def test_texts_are_joined_as_the_protocol_says():
    body = encode_payload([(True, b"4hello"), (True, b"2"), (True, "4€".encode())])
    assert body == "4hello\x1e2\x1e4€".encode()


def test_binary_is_base64_behind_a_b():
    assert encode_payload([(True, b"4hello"), (False, b"\x01\x02\x03\x04")]) == b"4hello\x1ebAQIDBA=="


@given(st.lists(PACKETS, min_size=1))
def test_what_is_encoded_is_decoded(packets: list[tuple[bool, bytes]]):
    assert list(decode_payload(encode_payload(packets))) == packets


@given(st.binary())
def test_any_body_is_decoded_or_refused(body: bytes):
    try:
        packets = list(decode_payload(body))
    except ProtocolError:
        return
    assert list(decode_payload(encode_payload(packets))) == packets


def test_other_separators_of_lines_are_text():
    text = "4a\x1c\x1d\x0b\x0c\x85\u2028\r\nb".encode()
    assert list(decode_payload(text)) == [(True, text)]


@pytest.mark.parametrize("packet", [b"", b"7", b"a", b" 4", b"B", b"\xc3\xa9"])
def test_an_unknown_type_is_left_to_the_receiver(packet: bytes):
    assert list(decode_payload(b"4a\x1e" + packet)) == [(True, b"4a"), (True, packet)]


def test_what_stands_before_broken_base64_is_delivered():
    packets = decode_payload(b"4a\x1ebx\x1e4b")
    assert next(packets) == (True, b"4a")
    with pytest.raises(ProtocolError, match="Base64"):
        next(packets)


@pytest.mark.parametrize("text", [b"A", b"AQID", b"AQI=", b"AQ=="])
def test_base64_is_strict(text: bytes):
    assert (text != b"A") == _is_decoded(b"b" + text)


@pytest.mark.parametrize("text", [b"AQ", b"AQ=", b"A Q==", b"AQ==AQ==", b"AQ==\n", b"-_==", b"=AQ=", b"AQID!"])
def test_sloppy_base64_is_refused(text: bytes):
    assert not _is_decoded(b"b" + text)


@pytest.mark.parametrize("body", [b"4\xff", b"4\xed\xa0\x80", b"4a\x1e4\xc3"])
def test_text_is_utf8(body: bytes):
    with pytest.raises(ProtocolError, match="UTF-8"):
        list(decode_payload(body))


def test_many_tiny_packets_take_linear_time():
    started = time.perf_counter()
    assert sum(1 for _ in decode_payload(b"\x1e".join([b"6"] * 500_000))) == 500_000
    assert time.perf_counter() - started < 3


def test_the_open_packet():
    packet = Handshake(sid="x", upgrades=("websocket",), ping_interval=25000, ping_timeout=20000, max_payload=1000000)
    assert packet.encode()[:1] == b"0"
    assert json.loads(packet.encode()[1:]) == {
        "sid": "x",
        "upgrades": ["websocket"],
        "pingInterval": 25000,
        "pingTimeout": 20000,
        "maxPayload": 1000000,
    }


def test_errors_are_worded_as_by_the_official_server():
    assert [json.loads(error_body(code, error_text(code))) for code in ErrorCode] == [
        {"code": 0, "message": "Transport unknown"},
        {"code": 1, "message": "Session ID unknown"},
        {"code": 2, "message": "Bad handshake method"},
        {"code": 3, "message": "Bad request"},
        {"code": 4, "message": "Forbidden"},
        {"code": 5, "message": "Unsupported protocol version"},
    ]


def _is_decoded(body: bytes) -> bool:
    try:
        list(decode_payload(body))
    except ProtocolError:
        return False
    return True
