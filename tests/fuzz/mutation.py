"""Bytes that are almost what a parser expects: valid ones with something wrong."""

import os
from collections.abc import Iterator, Sequence
from random import Random

__all__ = ["mutations"]

COUNT = int(os.environ.get("MOONGATE_FUZZ_COUNT", "30000"))
"""How many inputs each parser gets; `MOONGATE_FUZZ_COUNT=1000000 scripts/test tests/fuzz` looks longer."""

# What parsers stumble over: separators, signs, digits that are none, lone surrogates, huge lengths.
FRAGMENTS = (
    b"\x00", b"\x1e", b"\x7f", b"\xff", b"-", b"+", b",", b"/", b"[", b"]", b"{", b"}", b'"', b"\\",
    b"\\u0000", b"\\ud800",
    b"0", b"9", b"99999999999999999999", b"-1", b"1e999", b"NaN", b"null", b"\xc2\xb2", b"\xd9\xa3", b"\xed\xa0\x80",
    b'{"_placeholder":true,"num":0}', b'{"_placeholder":true,"num":-1}', b"__proto__", b"__class__",
    b"\r\n", b" ", b"\t",
    b"[" * 80, b'{"a":' * 80, b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff",
    b"\xc1", b"\xd4\x00\x00",
)  # fmt: skip


def mutations(corpus: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """Yield the members of *corpus*, then changed ones: the same for the same *seed*."""
    random = Random(seed)  # noqa: S311  # no secret
    yield from corpus
    for _ in range(COUNT):
        data = bytearray(random.choice(corpus))
        for _ in range(random.randint(1, 4)):
            _change(data, random, corpus)
        yield bytes(data)


def _change(data: bytearray, random: Random, corpus: Sequence[bytes]) -> None:
    start = random.randint(0, len(data))
    end = min(len(data), start + random.randint(0, 8))
    match random.randint(0, 5):
        case 0:
            data[start:end] = b""
        case 1:
            data[start:start] = random.choice(FRAGMENTS)
        case 2:
            data[start:end] = random.choice(FRAGMENTS)
        case 3:
            data[start:end] = random.randbytes(end - start)
        case 4:
            other = random.choice(corpus)
            data[start:] = other[random.randint(0, len(other)) :]
        case _:
            data[start:start] = data[start:end] * random.randint(1, 40)
