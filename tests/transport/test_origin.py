"""Which pages may connect: a table of origins, for polling and for WebSocket."""

import pytest

from moongate import ConfigurationError, Settings
from moongate.transport.base import Refused, Request
from moongate.transport.origin import cors_headers
from tests.engine.echo import EchoApp

pytestmark = pytest.mark.anyio

HOST = "good.example"
ALLOWED = ("https://site.example", "http://localhost:5173", "https://*.good.example", "https://*.apps.example:8443")

TABLE = [
    # programs
    (None, True),
    # the same site
    ("https://good.example", True),
    ("http://good.example", True),
    ("https://good.example:443", True),
    ("https://GOOD.example", True),
    ("https://good.example:444", False),
    ("https://good.example.", False),
    ("https://good.example/", False),
    ("https://good.example/evil", False),
    ("https://user@good.example", False),
    ("https://evil.example@good.example", False),
    ("https://good.example\\@evil.example", False),
    # other sites
    ("https://evil.example", False),
    ("null", False),
    ("", False),
    ("https://", False),
    ("good.example", False),
    ("//good.example", False),
    ("https://good.example.evil.example", False),
    ("https://evilgood.example", False),
    ("https://good-example", False),
    ("https://goodXexample", False),
    # sites that are allowed
    ("https://site.example", True),
    ("http://localhost:5173", True),
    ("http://site.example", False),
    ("https://site.example:8443", False),
    ("https://SITE.example", False),
    ("https://site.example.", False),
    ("https://site.example.evil.example", False),
    ("https://evilsite.example", False),
    ("http://localhost:51730", False),
    ("http://localhost", False),
    # subdomains that are allowed
    ("https://a.good.example", True),
    ("https://a.b.good.example", True),
    ("https://a-1_b.good.example", True),
    ("https://a.apps.example:8443", True),
    ("http://a.good.example", False),
    ("https://.good.example", False),
    ("https://a..good.example", False),
    ("https://a.good.example:8443", False),
    ("https://a.good.example.", False),
    ("https://A.good.example", False),
    ("https://a.evilgood.example", False),
    ("https://evil.example/.good.example", False),
    ("https://evil.example?.good.example", False),
    ("https://evil.example#.good.example", False),
    ("https://evil.example:1.good.example", False),
    ("https://evil@x.good.example", False),
    ("https://a.good.example.evil.example", False),
    ("https://apps.example:8443", False),
    ("https://a.apps.example", False),
    # two headers, as `Request.headers` joins them
    ("https://good.example, https://evil.example", False),
    ("https://evil.example, https://good.example", False),
    ("https://site.example, https://site.example", False),
    ("https://evil.example, https://a.good.example", False),
]


@pytest.mark.parametrize(("origin", "is_allowed"), TABLE)
async def test_polling_and_websocket_agree(origin: str | None, is_allowed: bool):
    app = EchoApp(cors=ALLOWED)
    head = b"host: good.example\r\n"
    for value in () if origin is None else origin.split(", "):
        head += b"origin: %b\r\n" % value.encode()

    def request(transport: str) -> Request:
        return Request("/socket.io/", f"EIO=4&transport={transport}", head, None, secure=True)

    if is_allowed:
        await app.engine.open_polling(request("polling"), "GET")
        app.accepted(request("websocket"))
        return
    with pytest.raises(Refused) as polling:
        await app.engine.open_polling(request("polling"), "GET")
    with pytest.raises(Refused) as websocket:
        app.accepted(request("websocket"))
    for refusal in (polling.value, websocket.value):
        assert (refusal.status, refusal.body) == (403, b'{"code":4,"message":"Forbidden"}')
    assert app.engine.sessions == 0


@pytest.mark.parametrize(
    ("origin", "allowed", "headers"),
    [
        ("https://a.example", (), {}),
        ("https://a.example", ("*",), {"access-control-allow-origin": "*"}),
        (None, ("*",), {"access-control-allow-origin": "*"}),
        ("https://b.example", ("https://a.example",), {"vary": "Origin"}),
        (None, ("https://a.example",), {"vary": "Origin"}),
        (
            "https://x.a.example",
            ("https://*.a.example",),
            {
                "access-control-allow-origin": "https://x.a.example",
                "access-control-allow-credentials": "true",
                "vary": "Origin",
            },
        ),
        # Any site with credentials would be every site's session.
        (
            "https://a.example",
            ("*", "https://a.example"),
            {"access-control-allow-origin": "*"},
        ),
    ],
)
async def test_what_the_browser_is_told(origin: str | None, allowed: tuple[str, ...], headers: dict[str, str]):
    told = cors_headers({} if origin is None else {"origin": origin}, allowed)
    assert {name.decode(): value.decode() for name, value in told} == headers


@pytest.mark.parametrize(
    "origin",
    ["example.org", "https://example.org/", "https://Example.org", "https://*", "https://a.*.org", "*.example.org", "",
     "https://*example.org", "null", "https://exa mple.org", "https://a.org,https://b.org"],
)  # fmt: skip
async def test_what_no_browser_would_send_is_a_start_up_error(origin: str):
    with pytest.raises(ConfigurationError, match=r"Settings.cors: expected an origin"):
        Settings(cors=(origin,))


@pytest.mark.parametrize(
    "origin",
    ["*", "https://*.example.org", "http://localhost:3000", "http://[::1]:3000", "capacitor://localhost", "file://"],
)
async def test_what_browsers_send_is_taken(origin: str):
    assert Settings.from_environment({"MOONGATE_CORS": f'["{origin}"]'}).cors == (origin,)


async def test_names_of_headers_are_checked():
    with pytest.raises(ConfigurationError, match="cors_headers"):
        Settings(cors_headers=("x a",))
