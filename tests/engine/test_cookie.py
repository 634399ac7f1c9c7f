"""The cookie with the id of the session, by which load balancers find the instance again."""

from typing import Any

import pytest

from moongate import ConfigurationError, Cookie, EngineOptions, Settings
from moongate.transport.base import Request
from tests.engine.echo import EchoApp, Poller, request

pytestmark = pytest.mark.anyio


async def cookies(app: EchoApp) -> list[str]:
    """The cookies of the first answer, with the id masked."""
    opened = await request(app, "GET", "EIO=4&transport=polling")
    assert opened
    sid = app.peers[-1].session.id
    return [value.replace(sid, "SID") for name, value in opened.all_headers if name == "set-cookie"]


# As Node's server (engine.io 6.6) writes them.
@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (True, "io=SID; Path=/; HttpOnly; SameSite=Lax"),
        ("lb", "lb=SID; Path=/; HttpOnly; SameSite=Lax"),
        (Cookie(), "io=SID; Path=/; HttpOnly; SameSite=Lax"),
        (Cookie(name="a", path=None, http_only=False, same_site=None), "a=SID"),
        (
            Cookie(name="s", max_age=30, domain="example.org", secure=True, same_site="none", http_only=False),
            "s=SID; Max-Age=30; Domain=example.org; Path=/; Secure; SameSite=None",
        ),
        (
            Cookie(name="__Host-io", same_site="strict", secure=True),
            "__Host-io=SID; Path=/; HttpOnly; Secure; SameSite=Strict",
        ),
    ],
)
async def test_it_comes_with_the_first_answer(setting: Any, expected: str):
    assert await cookies(EchoApp(cookie=setting)) == [expected]


async def test_there_is_none_by_default():
    assert await cookies(EchoApp()) == []
    assert await cookies(EchoApp(cookie=False)) == []


async def test_only_the_first_answer_has_it():
    app = EchoApp(cookie=True)
    client = await Poller.open(app)
    for answer in (await client.post(b"4a"), await client.get()):
        assert "set-cookie" not in answer.headers
    refused = await request(app, "GET", "EIO=3&transport=polling")
    assert refused
    assert "set-cookie" not in refused.headers


async def test_a_websocket_needs_none():
    query = "EIO=4&transport=websocket"
    accepted = EchoApp(cookie=True).accepted(Request("/socket.io/", query, b"", None, secure=False))
    assert accepted.headers == ()


async def test_it_stands_beside_the_applications_own():
    app = EchoApp(cookie=True, options=EngineOptions(initial_headers=lambda _: {"Set-Cookie": "seen=1"}))
    assert await cookies(app) == ["io=SID; Path=/; HttpOnly; SameSite=Lax", "seen=1"]


async def test_it_holds_an_own_id():
    app = EchoApp(cookie=True, options=EngineOptions(session_id=lambda _: "node-1.~x"))
    opened = await request(app, "GET", "EIO=4&transport=polling")
    assert opened
    assert opened.headers["set-cookie"].startswith("io=node-1.~x;")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("false", False),
        ("lb", "lb"),
        ('{"name": "lb", "same_site": "none", "secure": true}', Cookie(name="lb", same_site="none", secure=True)),
    ],
)
async def test_it_may_come_from_the_environment(text: str, expected: object):
    assert Settings.from_environment({"MOONGATE_COOKIE": text}).cookie == expected


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({"same_site": "none"}, "only with secure=True"),
        ({"same_site": "Lax"}, "expected same_site"),
        ({"name": ""}, "expected a name"),
        ({"name": "a b"}, "expected a name"),
        ({"name": "a;b"}, "expected a name"),
        ({"path": "x"}, "starts with '/'"),
        ({"path": "/; Secure"}, "without ';'"),
        ({"domain": "a\r\nX: 1"}, "without ';'"),
        ({"max_age": -1}, "in seconds"),
        ({"name": "__Secure-io"}, "only with secure=True"),
        ({"name": "__Host-io", "secure": True, "domain": "example.org"}, "without a domain"),
    ],
)
async def test_what_browsers_would_not_take_is_a_start_up_error(attributes: dict[str, Any], text: str):
    with pytest.raises(ConfigurationError, match=text):
        Cookie(**attributes)


async def test_a_name_is_checked_too():
    with pytest.raises(ConfigurationError, match="expected a name"):
        Settings(cookie="a b")
    with pytest.raises(ConfigurationError, match="MOONGATE_COOKIE"):
        Settings.from_environment({"MOONGATE_COOKIE": '{"nome": "x"}'})
