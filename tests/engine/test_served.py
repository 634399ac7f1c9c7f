"""The engine's options in an application that is served, by both kinds of hosts."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from moongate import EngineOptions, Module, Moongate, Request, Settings, WebSocketGateway, WsException
from tests.support.live import LiveServer

POLLING = "/socket.io/?EIO=4&transport=polling"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


@WebSocketGateway()
class Gateway:
    pass


@Module(providers=[Gateway])
class Root:
    pass


async def allow(request: Request) -> bool:
    if request.header("x-token") == "bad":
        raise WsException("Your token is bad")
    return request.header("x-token") is not None


@pytest.fixture(params=["moongate", "plain"])
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(host: str) -> Iterator[LiveServer]:
    options = EngineOptions(
        allow_request=allow,
        initial_headers=lambda _: {"X-First": "1", "Set-Cookie": ["a=1", "b=2"]},
        headers=lambda _: {"X-Every": "2"},
        session_id=lambda request: f"id-{request.header('x-token')}",
    )
    app = Moongate(Root, settings=Settings(cookie="lb", http_compression=1), engine=options)
    with ExitStack() as stack:
        yield stack.enter_context(LiveServer(app, plain=host == "plain"))


def get(server: LiveServer, path: str, headers: dict[str, str]) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of an answer; a WebSocket is closed as soon as it is open."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = b"" if answer.status == 101 else answer.read()
        return answer.status, [(name.lower(), value) for name, value in answer.getheaders()], body
    finally:
        connection.close()


def named(headers: list[tuple[str, str]], *names: str) -> list[tuple[str, Any]]:
    return [header for header in headers if header[0] in names]


def test_polling(server: LiveServer):
    status, headers, body = get(server, POLLING, {"X-Token": "t"})
    assert (status, json.loads(body[1:])["sid"]) == (200, "id-t")
    assert named(headers, "set-cookie") == [
        ("set-cookie", "lb=id-t; Path=/; HttpOnly; SameSite=Lax"), ("set-cookie", "a=1"), ("set-cookie", "b=2"),
    ]  # fmt: skip
    assert named(headers, "x-first", "x-every") == [("x-first", "1"), ("x-every", "2")]
    assert get(server, POLLING, {"X-Token": "t"})[0] == 400
    _, headers, _ = get(server, POLLING, {"X-Token": "u", "Accept-Encoding": "gzip"})
    assert named(headers, "content-encoding") == [("content-encoding", "gzip")]


def test_who_is_refused_by_polling(server: LiveServer):
    status, _, body = get(server, POLLING, {})
    assert (status, json.loads(body)) == (403, {"code": 4, "message": "Forbidden"})
    status, _, body = get(server, POLLING, {"X-Token": "bad"})
    assert (status, json.loads(body)) == (403, {"code": 4, "message": "Your token is bad"})


@pytest.mark.parametrize("path", ["/socket.io/?EIO=4&transport=websocket", "/ws"])
def test_websocket(server: LiveServer, path: str):
    status, headers, _ = get(server, path, {**UPGRADE, "X-Token": "t"})
    assert status == 101
    assert named(headers, "x-first", "x-every", "set-cookie") == [
        ("x-first", "1"), ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-every", "2"),
    ]  # fmt: skip


def test_a_session_that_is_closed_closes_its_websocket(server: LiveServer, host: str):
    lines = [f"{name}: {value}" for name, value in {"Host": "x", "X-Token": "t", **UPGRADE}.items()]
    head = "\r\n".join(["GET /socket.io/?EIO=4&transport=websocket HTTP/1.1", *lines, "", ""])
    with socket.create_connection(("127.0.0.1", server.port), 5) as client, client.makefile("rb") as answer:
        client.sendall(head.encode())
        while answer.readline() != b"\r\n":
            pass
        assert answer.read(1) == b"\x81"
        answer.read(answer.read(1)[0])
        client.sendall(b"\x81\x81\0\0\0\x002")  # a ping, which only the server sends
        # Without a code, as Node's server; ASGI has none without.
        assert answer.read(2) == (b"\x88\x02" if host == "plain" else b"\x88\x00")


def test_a_websocket_is_asked_for_by_get(server: LiveServer):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request("POST", "/socket.io/?EIO=4&transport=websocket", headers={**UPGRADE, "X-Token": "t"})
    assert connection.getresponse().status >= 400
    connection.close()


def test_who_is_refused_by_websocket(server: LiveServer):
    status, headers, body = get(server, "/socket.io/?EIO=4&transport=websocket", {**UPGRADE, "X-Token": "bad"})
    assert (status, body) == (400, b"Your token is bad")
    assert named(headers, "content-type") == [("content-type", "text/html")]
    status, _, body = get(server, "/ws", {**UPGRADE, "X-Token": "bad"})
    assert (status, json.loads(body)) == (403, {"status": "error", "message": "Your token is bad"})
