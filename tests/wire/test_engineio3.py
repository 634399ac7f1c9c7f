"""Polling bodies of Engine.IO's revision 3."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moongate.errors import ProtocolError
from moongate.wire.engineio3 import decode_binary_body, decode_text_body, encode_body

Decode = Callable[[bytes], Iterator[tuple[bool, bytes]]]

# Text as Engine.IO has it, its type in front, and binary messages.
PACKETS = st.tuples(
    st.just(value=True), st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: f"4{text}".encode())
)
BUFFERS = st.tuples(st.just(value=False), st.binary(max_size=40))


@pytest.mark.parametrize(
    ("body", "packets"),
    [
        (b"1:2", [(True, b"2")]),
        (b"6:4hello2:4!", [(True, b"4hello"), (True, b"4!")]),
        ("2:4€3:4😀".encode(), [(True, "4€".encode()), (True, "4😀".encode())]),
        (b"10:b4AQIDBA==1:2", [(False, b"\x01\x02\x03\x04"), (True, b"2")]),
        (b"0:1:3", [(True, b"3")]),
        (b"1:20:00:000000000:", [(True, b"2")]),
        (b"0:" * 5000 + "3:4😀".encode(), [(True, "4😀".encode())]),
        (b"0:" * 999, []),
        (b"05:4four", [(True, b"4four")]),
    ],
)
def test_bodies_of_text(body: bytes, packets: list[tuple[bool, bytes]]):
    assert list(decode_text_body(body)) == packets


@pytest.mark.parametrize(
    ("body", "packets"),
    [
        (b"\x00\x01\xff2", [(True, b"2")]),
        (b"\x01\x04\xff\x04abc", [(False, b"abc")]),
        (b"\x00\x05\xff4\xe2\x82\xac!\x01\x01\xff\x04", [(True, "4€!".encode()), (False, b"")]),
        (b"\x00\x01\x02\xff4" + b"a" * 11, [(True, b"4" + b"a" * 11)]),
    ],
)
def test_binary_bodies(body: bytes, packets: list[tuple[bool, bytes]]):
    assert list(decode_binary_body(body)) == packets
    assert encode_body(packets, takes_binary=True) == body or all(is_text for is_text, _ in packets)


@pytest.mark.parametrize(
    ("decode", "body"),
    [
        *((decode_text_body, body) for body in (
            b"", b"2", b":", b"1", b"a:b", b"-1:a", b"+1:a", b"1e1:a", b" 1:a", b"5:4abc", b"1:44", b"99999999999:4",
            b"1:\xff", "1:4😀".encode(), "2:😀".encode() + b"1", "٣:abc".encode(),
            # Characters with a digit or a colon in one of their two bytes.
            "\u0131:2".encode(), "1ĺ2€".encode(), "㨱Ā2€".encode(), "0:\u0131:2".encode(),
            b"4:b4!!", b"4:b1YQ", b"1.0:a",
        )),
        *((decode_binary_body, body) for body in (
            b"\x00", b"\x00\xff", b"\x00\x01\xff", b"\x02\x01\xff4", b"\x00\x0a\xff4", b"\x01\x01\xff4",
            b"\x00\x02\xff4\xff",
            b"\x00" + b"\x09" * 12 + b"\xff4", b"1:2", b"\x00\x01\xff2\x00",
        )),
    ],
)  # fmt: skip
def test_what_is_no_body(decode: Decode, body: bytes):
    with pytest.raises(ProtocolError):
        list(decode(body))


@given(st.lists(PACKETS | BUFFERS, min_size=1), st.booleans())
def test_what_is_encoded_is_decoded(packets: list[tuple[bool, bytes]], takes_binary: bool):
    body = encode_body(packets, takes_binary=takes_binary)
    decode = decode_binary_body if body[:1] in {b"\x00", b"\x01"} else decode_text_body
    assert list(decode(body)) == packets


@given(st.binary(), st.sampled_from([decode_text_body, decode_binary_body]))
def test_any_body_is_decoded_or_refused(body: bytes, decode: Decode):
    with suppress(ProtocolError):
        assert all(isinstance(data, bytes) for _, data in decode(body))


@pytest.mark.parametrize(
    ("decode", "body"),
    [
        (decode_text_body, b"1:2" * 333_000),
        (decode_text_body, "2:4€".encode() * 150_000),
        (decode_text_body, b"0:" * 500_000 + "2:4€".encode()),
        (decode_text_body, b"9" * 1_000_000),
        (decode_text_body, b"999991:" + b"4" * 999_991),
        (decode_binary_body, b"\x00\x01\xff2" * 250_000),
        (decode_binary_body, b"\x00" + b"\x01" * 999_999),
    ],
    ids=lambda value: str(value)[:30],
)
def test_large_bodies_take_linear_time(decode: Decode, body: bytes):
    started = time.process_time()
    with suppress(ProtocolError):
        count(decode(body))
    assert time.process_time() - started < 3


@pytest.mark.parametrize("body", [b"0:" * 500_000, b"0:" * 500_000 + "2:4€".encode(), b"000000000:" * 100_000])
def test_empty_packets_do_not_hold_up_the_rest(body: bytes):
    started = time.process_time()
    list(decode_text_body(body))
    assert time.process_time() - started < 0.1


def count(items: Iterable[object]) -> int:
    return sum(1 for _ in items)
