"""permessage-deflate (RFC 7692): what is agreed on, and what messages become."""

import time
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moongate.config import Compression
from moongate.errors import PayloadTooLarge, ProtocolError
from moongate.wire.deflate import Agreement, Deflater, Inflater, negotiate

NAME = "permessage-deflate"
ALL = (
    f"{NAME}; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; "
    "client_max_window_bits=11"
)
PLAIN = Compression(server_context_takeover=True)


def answer(header: str, compression: Compression = PLAIN) -> str | None:
    agreement = negotiate(header, compression)
    return agreement.header if agreement else None


@pytest.mark.parametrize(
    ("offer", "expected"),
    [
        (NAME, NAME),
        ("PerMessage-Deflate", NAME),
        (f"foo, {NAME}", NAME),
        (f"{NAME}; client_max_window_bits", NAME),
        (f"{NAME};client_max_window_bits=10", f"{NAME}; client_max_window_bits=10"),
        (f'{NAME}; client_max_window_bits="10"', f"{NAME}; client_max_window_bits=10"),
        (f"{NAME}; client_max_window_bits=8", f"{NAME}; client_max_window_bits=8"),
        (f"{NAME}; server_max_window_bits=15", NAME),
        (f"{NAME}; server_max_window_bits=9", f"{NAME}; server_max_window_bits=9"),
        (f"{NAME}; server_max_window_bits=8", None),
        (f"{NAME}; server_max_window_bits=8, {NAME}", NAME),
        (f"{NAME}; server_no_context_takeover", f"{NAME}; server_no_context_takeover"),
        (f"{NAME}; client_no_context_takeover", f"{NAME}; client_no_context_takeover"),
        (ALL, ALL),
        ("", None),
        ("x-webkit-deflate-frame", None),
        ("__class__; __dict__, hasOwnProperty", None),
        (f"{NAME}; server_max_window_bits", None),
        (f"{NAME}; server_max_window_bits=", None),
        (f"{NAME}; server_max_window_bits=7", None),
        (f"{NAME}; server_max_window_bits=16", None),
        (f"{NAME}; server_max_window_bits=010", None),
        (f"{NAME}; server_max_window_bits=1_0", None),
        (f"{NAME}; server_max_window_bits=1\u0660", None),
        (f"{NAME}; client_max_window_bits=16", None),
        (f"{NAME}; client_max_window_bits=10; client_max_window_bits=10", None),
        (f"{NAME}; server_no_context_takeover=true", None),
        (f'{NAME}; client_max_window_bits="10', None),
        (f'{NAME}; client_max_window_bits=""', None),
        (f'x; y="a, {NAME}, b"', None),
        (f'x; y="a\\", {NAME}", {NAME}; server_max_window_bits=10', f"{NAME}; server_max_window_bits=10"),
        (f"{NAME}; unknown", None),
        (f"{NAME}; unknown, {NAME}; client_no_context_takeover", f"{NAME}; client_no_context_takeover"),
    ],
)
def test_what_is_agreed_on(offer: str, expected: str | None):
    assert answer(offer) == expected


@pytest.mark.parametrize(
    "header", [NAME + "," * 50_000, '"\\' * 25_000, '"' * 50_001, 'x; y="' + "a\\" * 25_000, "x;" * 30_000]
)
def test_a_header_of_any_form_is_read_in_linear_time(header: str):
    started = time.perf_counter()
    answer(header)
    assert time.perf_counter() - started < 0.2


def test_what_the_settings_ask_for():
    frugal = Compression(client_context_takeover=False, server_max_window_bits=11, client_max_window_bits=10)
    taken = f"{NAME}; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11"
    assert answer(NAME, frugal) == taken
    assert answer(f"{NAME}; client_max_window_bits", frugal) == f"{taken}; client_max_window_bits=10"
    assert answer(f"{NAME}; server_max_window_bits=14", frugal) == taken


AGREEMENTS = st.builds(
    Agreement,
    server_takes_over=st.booleans(),
    client_takes_over=st.booleans(),
    server_bits=st.integers(9, 15),
    client_bits=st.integers(9, 15),
    client_bits_offered=st.just(value=True),
)


def mirrored(agreement: Agreement) -> Agreement:
    """The same, as the client's inflater and deflater see it."""
    return Agreement(
        server_takes_over=agreement.client_takes_over,
        client_takes_over=agreement.server_takes_over,
        server_bits=agreement.client_bits,
        client_bits=agreement.server_bits,
        client_bits_offered=True,
    )


@settings(deadline=None)
@given(AGREEMENTS, st.lists(st.binary(max_size=300) | st.text(max_size=50).map(str.encode), max_size=8))
def test_messages_come_back_as_they_went(agreement: Agreement, messages: list[bytes]):
    deflater, inflater = Deflater(agreement, Compression()), Inflater(mirrored(agreement), 1000)
    for message in messages:
        assert inflater.inflate(deflater.deflate(message)) == message


@settings(deadline=None)
@given(AGREEMENTS, st.lists(st.binary(max_size=60), min_size=1, max_size=5))
def test_any_data_expands_or_is_refused(agreement: Agreement, messages: list[bytes]):
    inflater = Inflater(agreement, 1000)
    with suppress(ProtocolError):
        for message in messages:
            assert len(inflater.inflate(message)) <= 1000


AGREEMENT = Agreement(
    server_takes_over=True, client_takes_over=True, server_bits=15, client_bits=15, client_bits_offered=False
)


@pytest.mark.parametrize(
    "messages",
    [
        [bytes.fromhex("f248cdc9c90700"), bytes.fromhex("f200110000")],  # section 7.2.3.2, sharing the window
        [bytes.fromhex("000500faff48656c6c6f00")],  # section 7.2.3.3, not compressed
        [bytes.fromhex("f348cdc9c9070000")],  # section 7.2.3.4, with a final block
        [bytes.fromhex("f248050000 00ffffcac9c90700")],  # section 7.2.3.5, two blocks
        [bytes.fromhex("f348cdc9c9070000"), bytes.fromhex("f248cdc9c90700")],  # after a final block
    ],
)
def test_the_examples_of_the_rfc(messages: list[bytes]):
    inflater = Inflater(AGREEMENT, 100)
    assert {inflater.inflate(message) for message in messages} == {b"Hello"}


def test_what_expands_too_far_is_refused_without_expanding_it():
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(compressor.compress(bytes(1_000_000)) for _ in range(100)) + compressor.flush(zlib.Z_SYNC_FLUSH)
    assert len(bomb) < 110_000
    with pytest.raises(PayloadTooLarge):
        Inflater(AGREEMENT, 1_000_000).inflate(bomb[:-4])
    exact = Deflater(AGREEMENT, PLAIN).deflate(bytes(1000))
    assert Inflater(AGREEMENT, 1000).inflate(exact) == bytes(1000)
    with pytest.raises(PayloadTooLarge):
        Inflater(AGREEMENT, 999).inflate(exact)


def test_many_empty_blocks_take_linear_time():
    inflater = Inflater(AGREEMENT, 1_000_000)
    assert inflater.inflate(b"\x00\x00\x00\xff\xff" * 200_000) == b""
    with pytest.raises(ProtocolError):
        inflater.inflate(b"\x03\x00" * 500_000)
