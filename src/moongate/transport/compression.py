"""Content codings of HTTP answers: which one a client wants, and how it is written (RFC 9110 sections 8.4, 12.5.3)."""

import gzip
import re
import zlib
from collections.abc import Callable
from typing import Literal, TypeAlias

__all__ = ["ContentCoding", "choose_coding", "compress"]

ContentCoding: TypeAlias = Literal["gzip", "deflate"]
"""Node offers Brotli too for some answers, which Python's standard library cannot write."""

_ENCODERS: dict[ContentCoding, Callable[[bytes], bytes]] = {
    "gzip": lambda content: gzip.compress(content, 6, mtime=0),
    "deflate": zlib.compress,
}

_MEMBER = re.compile(r"\s*([^\s;]+)\s*(?:;\s*q\s*=\s*([01](?:\.\d*)?)\s*)?", re.ASCII)
"""One member of Accept-Encoding and its weight."""


def choose_coding(accepted: str) -> ContentCoding | None:
    """Return the coding that a client wants most, of those that there are; None is the plain content.

    *accepted* is Accept-Encoding. Among codings of one weight the first counts (RFC 9110 leaves it open), as with Node.
    """
    weights: dict[str, float] = {}
    for member in accepted.lower().split(","):
        match = _MEMBER.fullmatch(member)
        if match:
            weights.setdefault(match[1], float(match[2] or 1))
    others = weights.get("*", 0)
    named = [coding for name in weights for coding in _ENCODERS if coding == name]
    candidates = [*named, *(coding for coding in _ENCODERS if coding not in weights)]
    best = max(candidates, key=lambda coding: weights.get(coding, others), default=None)
    return best if best is not None and weights.get(best, others) > 0 else None


def compress(content: bytes, coding: ContentCoding) -> bytes:
    """Return *content* in a coding."""
    return _ENCODERS[coding](content)
