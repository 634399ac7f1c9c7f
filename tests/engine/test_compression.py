"""Answers to polls, compressed as Node's server does: from a size on, in the coding that the client wants most."""

import gzip
import zlib
from typing import Any

import pytest

from tests.engine.echo import Answer, EchoApp, Poller, request

pytestmark = pytest.mark.anyio


async def fetch(size: int, accept: str | None, **settings: Any) -> Answer:
    """Poll for one packet of *size* bytes."""
    app = EchoApp(**settings)
    client = await Poller.open(app)
    client.peer.session.transport.send_text(b"4" * size)
    answer = await request(app, "GET", client.query, headers={} if accept is None else {"accept-encoding": accept})
    assert answer
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert answer.headers["content-type"] == "text/plain; charset=UTF-8"
    return answer


def content(answer: Answer) -> bytes:
    match answer.headers.get("content-encoding"):
        case "gzip":
            return gzip.decompress(answer.body)
        case "deflate":
            return zlib.decompress(answer.body)
    return answer.body


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("br", None),
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br", "gzip"),
        ("deflate, gzip", "deflate"),
        ("gzip;q=0.5, deflate", "deflate"),
        ("gzip;q=0.5, deflate;q=0.4", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0, *", "deflate"),
        ("*", "gzip"),
        ("*;q=0", None),
        ("identity, gzip;q=0.1", "gzip"),
        ("GZIP ; q=1", "gzip"),
        ("gzip;q=x", None),
    ],
)
async def test_the_client_chooses_the_coding(accept: str | None, coding: str | None):
    answer = await fetch(2000, accept)
    assert answer.headers.get("content-encoding") == coding
    assert content(answer) == b"4" * 2000
    assert len(answer.body) == 2000 if coding is None else len(answer.body) < 200


@pytest.mark.parametrize(
    ("size", "threshold", "compressed"),
    [(1023, 1024, False), (1024, 1024, True), (1, 1, True), (100_000, 0, False), (100_000, None, False)],
)
async def test_small_answers_are_left_as_they_are(size: int, threshold: int | None, compressed: bool):
    answer = await fetch(size, "gzip", http_compression=threshold)
    assert ("content-encoding" in answer.headers) is compressed
    assert content(answer) == b"4" * size


async def test_only_polls_are_compressed():
    app = EchoApp(http_compression=1)
    client = await Poller.open(app)
    posted = await client.post(b"4a", {"accept-encoding": "gzip"})
    assert posted.body == b"ok"
    refused = await request(app, "GET", "EIO=4&transport=none", headers={"accept-encoding": "gzip"})
    assert refused
    assert "content-encoding" not in refused.headers
