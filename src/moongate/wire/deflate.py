"""Compressed WebSocket messages: the extension permessage-deflate (RFC 7692), negotiated and applied."""

import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from moongate.config import Compression
from moongate.errors import PayloadTooLarge, ProtocolError

__all__ = ["Agreement", "Deflater", "Inflater", "negotiate"]

_NAME = "permessage-deflate"
_MAX_BITS = 15

_MIN_SENT_BITS = 9
"""zlib writes no raw deflate with a smaller window (its manual, `deflateInit2`)."""

_FLUSHED = b"\x00\x00\xff\xff"
"""What ends a flushed deflate block; it is left out on the wire (RFC 7692 section 7.2.1)."""

_FINAL_BLOCK = b"\x00"
"""What a sender appends whose last block is marked as final (RFC 7692 section 7.2.3.4)."""

_OFFER = re.compile(r'(?:"(?:[^"\\]|\\.?)*+"?|[^",])+', re.ASCII)
"""An offer up to the comma behind it; one within quotation marks is a part of it (RFC 6455 section 9.1).

Marks that are not closed reach to the end: looking at what stands behind each of them again would take quadratic time.
"""

_BITS = re.compile(r"[89]|1[0-5]", re.ASCII)

_PARAMETERS = (
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
)


class Agreement(msgspec.Struct, frozen=True):
    """What both sides have agreed on (RFC 7692 section 7.1). Windows are 2 to the power of *bits* bytes."""

    server_takes_over: bool
    """Whether the server compresses each message with what it has sent before in mind."""
    client_takes_over: bool
    """Whether the client may do so."""
    server_bits: int
    client_bits: int
    client_bits_offered: bool
    """Whether the client lets the server limit its window."""

    @property
    def header(self) -> str:
        """The answer to the client's offer, the value of Sec-WebSocket-Extensions."""
        parts = [_NAME]
        if not self.server_takes_over:
            parts.append("server_no_context_takeover")
        if not self.client_takes_over:
            parts.append("client_no_context_takeover")
        if self.server_bits != _MAX_BITS:
            parts.append(f"server_max_window_bits={self.server_bits}")
        if self.client_bits_offered and self.client_bits != _MAX_BITS:
            parts.append(f"client_max_window_bits={self.client_bits}")
        return "; ".join(parts)


def negotiate(header: str, settings: Compression) -> Agreement | None:
    """Return what the first acceptable offer in *header*, Sec-WebSocket-Extensions, leads to; None if there is none.

    An offer with a parameter that is unknown, repeated or invalid is not acceptable (RFC 7692 section 7.1), whatever
    is written wrongly is no offer.
    """
    for parameters in _offers(header):
        agreement = _agree(parameters, settings)
        if agreement is not None:
            return agreement
    return None


def _offers(header: str) -> Iterator[Mapping[str, str | None]]:
    """Yield the parameters of each offer of the extension; a repeated one makes the offer none."""
    for offer in _OFFER.findall(header):
        name, *texts = (part.strip(" \t") for part in offer.split(";"))
        if name.lower() != _NAME or len(texts) > len(_PARAMETERS):
            continue
        parameters: dict[str, str | None] = {}
        for text in texts:
            key, equals, value = text.partition("=")
            parameters[key.strip(" \t").lower()] = _unquoted(value.strip(" \t")) if equals else None
        if len(parameters) == len(texts):
            yield parameters


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _agree(parameters: Mapping[str, str | None], settings: Compression) -> Agreement | None:
    if not parameters.keys() <= set(_PARAMETERS):
        return None
    if any(parameters.get(name) is not None for name in _PARAMETERS[:2]):
        return None
    server_bits = _bits(parameters, "server_max_window_bits", settings.server_max_window_bits, bare=False)
    client_bits = _bits(parameters, "client_max_window_bits", settings.client_max_window_bits, bare=True)
    if server_bits is None or client_bits is None or server_bits < _MIN_SENT_BITS:
        return None
    offered = "client_max_window_bits" in parameters
    return Agreement(
        server_takes_over=settings.server_context_takeover and "server_no_context_takeover" not in parameters,
        client_takes_over=settings.client_context_takeover and "client_no_context_takeover" not in parameters,
        server_bits=server_bits,
        client_bits=client_bits if offered else _MAX_BITS,
        client_bits_offered=offered,
    )


def _bits(parameters: Mapping[str, str | None], name: str, limit: int, *, bare: bool) -> int | None:
    """Return the window to use, None for a value that is none; *bare* is whether the name may stand alone."""
    if name not in parameters:
        return limit
    value = parameters[name]
    if value is None:
        return limit if bare else None
    return min(limit, int(value)) if _BITS.fullmatch(value) else None


class Inflater:
    """Expands the messages of one client, each to *limit* bytes at most."""

    __slots__ = ("_bits", "_limit", "_stream", "_takes_over")

    def __init__(self, agreement: Agreement, limit: int) -> None:
        self._takes_over = agreement.client_takes_over
        self._bits = agreement.client_bits
        self._limit = limit
        self._stream: Any = None  # made for the first message; zlib has no public name for its type

    def inflate(self, data: bytes) -> bytes:
        """Expand one message; raises PayloadTooLarge as soon as it is, ProtocolError for data that is none."""
        stream = self._stream or zlib.decompressobj(-self._bits)
        try:
            message: bytes = stream.decompress(data + _FLUSHED, self._limit + 1)
        except zlib.error as error:
            raise ProtocolError("compressed data", str(error)) from error
        if len(message) > self._limit or stream.unconsumed_tail:
            raise PayloadTooLarge(self._limit)
        # One final block may end a message; a row of them would cost more than it is worth.
        if stream.eof and stream.unused_data not in {_FLUSHED, _FINAL_BLOCK + _FLUSHED}:
            raise ProtocolError("one compressed message", "more behind its end")
        self._stream = stream if self._takes_over and not stream.eof else None
        return message


class Deflater:
    """Compresses the messages of one client, or of all whose agreements are alike and do without a context."""

    __slots__ = ("_bits", "_level", "_stream", "_takes_over")

    def __init__(self, agreement: Agreement, settings: Compression) -> None:
        self._takes_over = agreement.server_takes_over
        self._bits = agreement.server_bits
        self._level = settings.level
        self._stream: Any = None  # as in Inflater

    def deflate(self, message: bytes) -> bytes:
        """Compress one message (RFC 7692 section 7.2.1)."""
        stream = self._stream or zlib.compressobj(self._level, zlib.DEFLATED, -self._bits)
        if self._takes_over:
            self._stream = stream
        data: bytes = stream.compress(message) + stream.flush(zlib.Z_SYNC_FLUSH)
        return data[: -len(_FLUSHED)]
