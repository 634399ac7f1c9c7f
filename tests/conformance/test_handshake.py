"""The opening handshake (RFC 6455 sections 4.1 and 4.2), and requests that are not quite one."""

import socket
import struct
import time
from typing import Any

import pytest

from tests.conformance.conftest import Connect
from tests.conformance.peer import TEXT, Frame, Peer, frame
from tests.support.live import LiveServer

FIREFOX = {"Connection": "keep-alive, Upgrade", "Sec_WebSocket_Extensions": "permessage-deflate", "Pragma": "no-cache"}


@pytest.mark.parametrize(
    "headers",
    [
        FIREFOX,
        {"Connection": "upgrade", "Upgrade": "WebSocket"},
        {"Sec_WebSocket_Protocol": "unknown"},
        {"Cookie": "a=\xff\xfe"},
        {"Content_Length": "0"},
    ],
    ids=str,
)
def test_what_is_let_in(connect: Connect, headers: dict[str, str]):
    peer = connect(**headers)
    assert peer.status == 101
    assert peer.headers["upgrade"] == "websocket"
    assert "sec-websocket-protocol" not in peer.headers
    peer.text("hello")
    assert peer.frame() == Frame(TEXT, b"hello")


def test_the_key_is_answered_as_in_the_rfc(connect: Connect):
    peer = connect(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==")
    assert peer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("version", ["7", "8", "14", "", "013", "13, 8"])
def test_another_version(connect: Connect, version: str):
    peer = connect(Sec_WebSocket_Version=version)
    assert peer.status == 426
    assert peer.headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize(
    "key", ["", "short", "!!!!", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZSBpcyBsb25n", "\xff" * 24]
)
def test_a_key_that_is_none(connect: Connect, key: str):
    assert connect(Sec_WebSocket_Key=key).status == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Length": "5"},
        {"Transfer_Encoding": "chunked"},
        {"Content_Length": "5", "Transfer_Encoding": "chunked"},
        {"Content_Length": "-1"},
    ],
    ids=str,
)
def test_a_request_with_a_body(connect: Connect, headers: dict[str, str]):
    assert connect(**headers).status == 400


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("chat.v1", "chat.v1"),
        ("chat.v1, chat.v2", "chat.v1"),
        ("foo,chat.v2 , chat.v1", "chat.v2"),
        ("CHAT.v1", None),
        ("", None),
        (" ,,, ", None),
        ("__class__", None),
        ("\xff\xfe", None),
        ("b" + " " * 5000 + "x", None),
    ],
)
def test_subprotocols(connect: Connect, offered: str, chosen: str | None):
    peer = connect(Sec_WebSocket_Protocol=offered)
    assert (peer.status, peer.headers.get("sec-websocket-protocol")) == (101, chosen)


def test_a_frame_right_behind_the_request(server: LiveServer, connect: Connect):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\ntest"
        )
        assert client.recv(20).startswith(b"HTTP/1.1 400 ")
    assert connect().status == 101


def test_very_many_headers(server: LiveServer, connect: Connect):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(b"GET /ws HTTP/1.1\r\nHost: localhost\r\n" + b"a: b\r\n" * 2000 + b"Upgrade: websocket\r\n\r\n")
        assert client.recv(20).startswith(b"HTTP/1.1 404 ")
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(b"GET /ws HTTP/1.1\r\nHost: localhost\r\n" + b"a: b\r\n" * 20_000)
        assert client.recv(20).startswith(b"HTTP/1.1 431 ")
    assert connect().status == 101


def test_clients_that_vanish_while_they_are_refused(server: LiveServer, connect: Connect):
    request = (
        b"GET /socket.io/?EIO=4&transport=websocket&sid=bad HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    for _ in range(1000):
        client = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(request)
        client.close()
    assert connect().status == 101


@pytest.mark.parametrize("control", "\x0b\x0c\x1c\x1d\x1e")
def test_control_characters_in_a_header(connect: Connect, control: str):
    assert connect(X_Name=f"a{control}Sec-WebSocket-Protocol: chat.v1").status == 400


def test_a_header_is_ended_by_cr_lf_alone(connect: Connect):
    peer = connect(X_Name="a\x85Sec-WebSocket-Protocol: chat.v1")
    assert peer.status == 101
    assert "sec-websocket-protocol" not in peer.headers


def test_a_crowd_of_offers_is_looked_at_quickly(connect: Connect):
    started = time.process_time()
    for _ in range(10):
        peer = connect(Sec_WebSocket_Extensions=", ".join(["permessage-deflate; x"] * 400))
        assert peer.status == 101
    assert time.process_time() - started < 1


@pytest.mark.parametrize("target", ["http://localhost/ws", "ws://localhost:1/ws?a=b", "/%77s", "/ws/", "/ws#fragment"])
def test_a_target_in_another_form(connect: Connect, target: str):
    peer = connect(target)
    assert peer.status == 101
    peer.text("hello")
    assert peer.frame() == Frame(TEXT, b"hello")


def test_nothing_is_let_in_on_a_path_that_is_not_there(connect: Connect):
    peer: Any = connect("/ws/nowhere")
    assert peer.status == 404


def test_two_connections_do_not_mix(connect: Connect):
    first, second = connect(), connect()
    first.send(frame(TEXT, b"fir", fin=False))
    second.text("second")
    assert second.frame() == Frame(TEXT, b"second")
    first.send(frame(0, b"st"))
    assert first.frame() == Frame(TEXT, b"first")
    assert isinstance(first, Peer)
