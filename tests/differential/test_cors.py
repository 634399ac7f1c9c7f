"""Pages of other sites, as far as browsers let them."""

import pytest

from tests.differential.differences import CREDENTIALS
from tests.differential.pair import Pair
from tests.differential.side import POLLING, Side

PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-own"}

ORIGINS = ("https://good.example", "https://fine.example:8443")


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize("query", [POLLING, "", f"{POLLING}&sid=unknown", "EIO=3&transport=polling"])
@pytest.mark.parametrize("preflight", [False, True])
def test_a_request_of_a_page_that_may(cors_pair: Pair, origin: str, method: str, query: str, *, preflight: bool):
    def script(side: Side) -> list[str]:
        return [side.http(method, query, headers={"Origin": origin, **(PREFLIGHT if preflight else {})})]

    cors_pair.check(script)


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_session_of_a_page_that_may(cors_pair: Pair, origin: str):
    def script(side: Side) -> list[str]:
        headers = {"Origin": origin, "Cookie": "a=b"}
        opened = side.http("GET", POLLING, headers=headers)
        sid = opened.partition('"sid":"')[2].partition('"')[0]
        query = f"{POLLING}&sid={sid}"
        return [
            opened,
            side.http("OPTIONS", query, headers={**headers, **PREFLIGHT}),
            side.http("POST", query, b"40", headers=headers),
            side.http("GET", query, headers=headers),
            side.http("POST", query, b"x", headers=headers),
            side.http("GET", query, headers=headers),
        ]

    cors_pair.check(script)


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_websocket_of_a_page_that_may(cors_pair: Pair, origin: str):
    def script(side: Side) -> list[str]:
        channel = side.websocket(Origin=origin)
        channel.send("40")
        return [*channel.read(2), *channel.settle()]

    cors_pair.check(script)


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_without_an_origin(cors_pair: Pair, method: str):
    def script(side: Side) -> list[str]:
        return [side.http(method, POLLING)]

    cors_pair.check(script, CREDENTIALS)
