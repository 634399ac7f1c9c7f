"""The request for a WebSocket, and what is almost one (RFC 6455 section 4.2.1)."""

import pytest

from tests.differential.differences import (
    KEY_FIRST,
    OTHER_PATH,
    OTHER_PROTOCOL,
    OTHER_SITE,
    REVISION,
    UPGRADE_BODY,
    VERSION,
    Difference,
)
from tests.differential.pair import Pair
from tests.differential.side import WEBSOCKET, Side

REQUEST = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def check(
    pair: Pair,
    headers: dict[str, str],
    difference: Difference | None = None,
    *,
    method: str = "GET",
    query: str = WEBSOCKET,
    path: str = "",
) -> None:
    """Compare the answers to the usual request with these *headers* instead; those that are empty are left out."""
    sent = {name: value for name, value in {**REQUEST, **headers}.items() if value or name not in REQUEST}

    def script(side: Side) -> list[str]:
        return [side.http(method, query, headers=sent, path=path)]

    pair.check(script, difference)


@pytest.mark.parametrize(
    "headers",
    [
        {"Upgrade": "WebSocket"},
        {"Upgrade": ""},
        {"Connection": "keep-alive, Upgrade"},
        {"Connection": "UPGRADE"},
        {"Connection": "keep-alive"},
        {"Connection": "close"},
        {"Sec-WebSocket-Key": ""},
        {"Sec-WebSocket-Key": "short"},
        {"Sec-WebSocket-Key": "!" * 24},
        {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ"},
        {"Sec-WebSocket-Key": "MDEyMzQ1Njc4OTAxMjM0"},
        {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZR=="},
        {"Sec-WebSocket-Protocol": "chat"},
        {"Sec-WebSocket-Protocol": "chat ,\tsuperchat"},
        {"Sec-WebSocket-Protocol": ""},
        {"Sec-WebSocket-Protocol": "a b"},
        {"Sec-WebSocket-Protocol": "a,,b"},
        {"Sec-WebSocket-Protocol": "a,"},
        {"Sec-WebSocket-Protocol": "a, b, a"},
        {"Sec-WebSocket-Protocol": "__proto__"},
        {"Sec-WebSocket-Protocol": "\xe4"},
        {"Sec-WebSocket-Protocol": "b" + " " * 5000 + "x"},
        {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"},
        {"Sec-WebSocket-Extensions": "hasOwnProperty, toString"},
        {"Sec-WebSocket-Extensions": "a;;b"},
        {"Content-Length": "0"},
        {"Origin": "http://example.org"},
        {"Cookie": "a=\xff\xfe"},
    ],
    ids=str,
)
def test_headers(pair: Pair, headers: dict[str, str]):
    check(pair, headers)


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "OPTIONS"])
def test_methods(pair: Pair, method: str):
    check(pair, {}, method=method)


@pytest.mark.parametrize("version", ["", "0", "7", "8", "14", "013", "abc", "13, 8"])
def test_versions(pair: Pair, version: str):
    check(pair, {"Sec-WebSocket-Version": version}, VERSION)


@pytest.mark.parametrize("headers", [{"Content-Length": "2"}, {"Transfer-Encoding": "chunked"}], ids=str)
def test_with_a_body(pair: Pair, headers: dict[str, str]):
    check(pair, headers, UPGRADE_BODY)


@pytest.mark.parametrize("upgrade", ["h2c", "websocket, h2c", "websocketx"])
@pytest.mark.parametrize("query", [WEBSOCKET, "EIO=4&transport=polling"])
def test_another_protocol(pair: Pair, upgrade: str, query: str):
    check(pair, {"Upgrade": upgrade}, OTHER_PROTOCOL, query=query)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://example.org.evil.example"])
def test_a_page_of_another_site(pair: Pair, origin: str):
    check(pair, {"Origin": origin}, OTHER_SITE)


@pytest.mark.parametrize("path", ["/other", "/socket.io"])
def test_a_path_of_nobody(pair: Pair, path: str):
    check(pair, {}, OTHER_PATH, path=path)


def test_another_revision(pair: Pair):
    check(pair, {}, REVISION, query="EIO=3&transport=websocket")


@pytest.mark.parametrize("query", ["EIO=4", f"{WEBSOCKET}&sid=unknown"])
def test_neither_the_key_nor_the_query_is_right(pair: Pair, query: str):
    check(pair, {"Sec-WebSocket-Key": "short"}, KEY_FIRST, query=query)
