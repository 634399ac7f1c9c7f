"""The first request of a client, in every form, as Node's server answers it."""

import pytest

from tests.differential.pair import Pair
from tests.differential.side import POLLING, WEBSOCKET, Side

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS")

QUERIES = (
    POLLING,
    "",
    "EIO=4",
    "EIO=4&transport=",
    "EIO=4&transport=abc",
    "EIO=4&transport=POLLING",
    "EIO=4&transport=polling%00",
    "EIO=4&transport=__proto__",
    "EIO=4&transport=constructor",
    "EIO=4&transport=polling&transport=polling",
    "EIO=4&transport=polling&transport=websocket",
    "EIO=4&transport=webtransport",
    WEBSOCKET,
    "transport=polling",
    "EIO=3&transport=polling",
    "EIO=5&transport=polling",
    "EIO=abc&transport=polling",
    "EIO=&transport=polling",
    "EIO=04&transport=polling",
    "EIO=4&EIO=4&transport=polling",
    "EIO=3&EIO=4&transport=polling",
    f"{POLLING}&sid=unknown",
    f"{POLLING}&sid=__proto__",
    f"{POLLING}&sid=constructor",
    f"{POLLING}&sid=",
    f"{POLLING}&sid=a&sid=b",
    f"{POLLING}&sid=%00",
    f"{POLLING}&sid=%F0%9F%98%80",
    f"{POLLING}&sid=%ff",
    "transport=polling&sid=unknown",
    f"{WEBSOCKET}&sid=unknown",
    f"{POLLING}&t=abc&b64=1",
    "&&=&%&EIO=4&transport=polling&",
    "EIO=4;transport=polling",
    "EIO=%34&transport=%70olling",
    "E%49O=4&transport=polling",
    "EIO=+4&transport=polling",
    "EIO=4&transport=polling#fragment",
)

PATHS = (
    "/socket.io",
    "/socket.io/extra",
    "/socket.io/extra/",
    "/socket.iox/",
    "//socket.io/",
    "/Socket.io/",
    "/",
    "/other",
)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("method", METHODS)
def test_a_request_by_http(pair: Pair, method: str, query: str):
    def script(side: Side) -> list[str]:
        return [side.http(method, query)]

    pair.check(script)


@pytest.mark.parametrize("query", QUERIES)
def test_a_request_for_a_websocket(pair: Pair, query: str):
    def script(side: Side) -> list[str]:
        channel = side.websocket(query)
        if channel.open:
            channel.send("40")
            channel.read(2)
        return channel.lines

    pair.check(script)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path(pair: Pair, method: str, path: str):
    def script(side: Side) -> list[str]:
        return [side.http(method, POLLING, path=path)[:3]]

    pair.check(script)
