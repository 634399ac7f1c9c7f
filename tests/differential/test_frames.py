"""Frames, right and wrong (RFC 6455 sections 5, 7 and 8.1)."""

import pytest

from tests.conformance.peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame
from tests.differential.differences import ANSWER_BEFORE_CLOSE, FAIL_FAST, LENGTHS, PONGS
from tests.differential.pair import Pair
from tests.differential.side import Side

EVENT = b'42["back"]'
EURO = "\u20ac".encode()


def text(*parts: bytes) -> bytes:
    """A message in fragments."""
    return joined((TEXT, parts[0]), *((CONTINUATION, part) for part in parts[1:]))


def joined(*parts: tuple[int, bytes]) -> bytes:
    """Frames, of which only the last one and those that control end what they are."""
    last = len(parts) - 1
    return b"".join(
        frame(opcode, payload, fin=opcode >= CLOSE or number == last) for number, (opcode, payload) in enumerate(parts)
    )


def declared(length: int) -> bytes:
    """The beginning of a text of this length."""
    return b"\x81\xff" + length.to_bytes(8) + b"\x00" * 4 + EVENT


FRAMES: dict[str, bytes] = {
    "two events": frame(TEXT, EVENT) + frame(TEXT, EVENT),
    "fragments": text(b"42[", b'"ba', b'ck"]'),
    "empty fragments": text(b"", b"", EVENT, b""),
    "nothing in fragments": text(b"", b""),
    "very many fragments": text(*[EVENT[at : at + 1] for at in range(len(EVENT))], *[b""] * 1000),
    "ping between": joined((TEXT, b"42["), (PING, b"?"), (CONTINUATION, b'"back"]')),
    "pong between": joined((TEXT, b"42["), (PONG, b"?"), (CONTINUATION, b'"back"]')),
    "close between": joined((TEXT, b"42["), (CLOSE, b""), (CONTINUATION, b'"back"]')),
    "binary in fragments": frame(TEXT, b'451-["back",{"_placeholder":true,"num":0}]')
    + joined((BINARY, b"\x01"), (CONTINUATION, b"\xff")),
    "text in text": frame(TEXT, b"42[", fin=False) + frame(TEXT, EVENT),
    "binary in text": frame(TEXT, b"42[", fin=False) + frame(BINARY, b"\x01"),
    "continuation of nothing": frame(CONTINUATION, EVENT),
    "continuation of nothing, unfinished": frame(CONTINUATION, EVENT, fin=False),
    "continuation of what is finished": frame(TEXT, EVENT) + frame(CONTINUATION, b"x"),
    **{f"reserved opcode {opcode}": frame(opcode, b"abc") for opcode in (3, 7, 11, 15)},
    **{f"reserved bit {bit}": frame(TEXT, EVENT, rsv=bit) for bit in (1, 2, 4, 7)},
    "reserved bit of a ping": frame(PING, b"", rsv=4),
    "reserved bit of a continuation": frame(TEXT, b"42[", fin=False) + frame(CONTINUATION, b'"back"]', rsv=4),
    "no mask": frame(TEXT, EVENT, masked=False),
    "no mask on a ping": frame(PING, masked=False),
    "ping of 125 bytes": frame(PING, b"?" * 125),
    "ping of 126 bytes": frame(PING, b"?" * 126),
    "ping in fragments": frame(PING, b"?", fin=False),
    "close in fragments": frame(CLOSE, fin=False),
    "three pings": frame(PING, b"1") + frame(PING, b"2") + frame(PING, b"3"),
    "pongs": frame(PONG) + frame(PONG, b"?" * 125),
    "UTF-8 across fragments": text(b'42["back","' + EURO[:1], EURO[1:2], EURO[2:] + b'"]'),
    "not UTF-8": frame(TEXT, b'42["back","\xff"]'),
    "not UTF-8, in fragments": text(b'42["back","', b'\xff"]'),
    "not UTF-8, unfinished": frame(TEXT, b'42["back","\xff', fin=False),
    "UTF-8 cut off": frame(TEXT, b'42["back","' + EURO[:2]),
    "UTF-8 cut off, in fragments": text(b'42["back","', EURO[:2]),
    "a surrogate in UTF-8": frame(TEXT, b'42["back","\xed\xa0\x80"]'),
    "event, then junk": frame(TEXT, EVENT) + frame(3),
    "event, then not UTF-8": frame(TEXT, EVENT) + frame(TEXT, b"\xff"),
    "junk": b"GET / HTTP/1.1\r\n\r\n",
    "a length in two bytes": b"\x81\xfe" + len(EVENT).to_bytes(2) + b"\x00" * 4 + EVENT,
    "a length in eight bytes": b"\x81\xff" + len(EVENT).to_bytes(8) + b"\x00" * 4 + EVENT,
    "a length of 2**40": declared(2**40),
    "a length of 2**53": declared(2**53),
    "a length of 2**63": declared(2**63),
    "just not too large": frame(TEXT, b'42["back","' + b"x" * (1_000_000 - 13) + b'"]'),
    "too large": frame(TEXT, b"x" * 1_000_001),
    "too large, in fragments": frame(TEXT, b"4" + b"x" * 600_000, fin=False) + frame(CONTINUATION, b"x" * 600_000),
    "binary too large": frame(BINARY, b"x" * 1_000_001),
    "close": frame(CLOSE),
    "close with a reason": frame(CLOSE, b"\x03\xe8bye"),
    "close with a long reason": frame(CLOSE, b"\x03\xe8" + b"x" * 123),
    "close with a reason that is not UTF-8": frame(CLOSE, b"\x03\xe8\xff"),
    "close with one byte": frame(CLOSE, b"\x03"),
    "close without a mask": frame(CLOSE, masked=False),
    **{
        f"close {code}": frame(CLOSE, code.to_bytes(2))
        for code in (
            0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015,
            1016, 1100, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 65535,
        )
    },
    "close, then event": frame(CLOSE) + frame(TEXT, EVENT),
    "close twice": frame(CLOSE, b"\x03\xe8") + frame(CLOSE, b"\x03\xe9"),
    "close, then junk": frame(CLOSE) + frame(3),
    "event, then close": frame(TEXT, EVENT) + frame(CLOSE, b"\x03\xe8"),
}  # fmt: skip


DIFFERENT = {
    "three pings": PONGS,
    "not UTF-8, unfinished": FAIL_FAST,
    "a length in two bytes": LENGTHS,
    "a length in eight bytes": LENGTHS,
    "a length of 2**63": LENGTHS,
    "event, then close": ANSWER_BEFORE_CLOSE,
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames(pair: Pair, name: str):
    def script(side: Side) -> list[str]:
        channel = side.open_websocket("40/marker,", "40")
        channel.raw(FRAMES[name])
        return channel.settle("/marker,")

    pair.check(script, DIFFERENT.get(name))
