"""The official Socket.IO client for browsers, served as Node's server serves it."""

import gzip
import http.client
import json
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from moongate.server.client_files import ClientFiles
from moongate.transport.base import Request
from tests.support.live import LiveServer, application

CLIENTS = Path(__file__).parent.parent / "clients"
DIST = CLIENTS / "node_modules/socket.io/client-dist"
NAMES = sorted(path.name for path in DIST.iterdir())
GOOD, EVIL = "https://good.example", "https://evil.example"

NODE = """
    import http from "node:http";
    import { Server } from "socket.io";
    const server = http.createServer((_, response) => response.writeHead(404).end());
    new Server(server, { cors: JSON.parse(process.argv[1]) });
    server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""

# Of the connection, or of how the content is sent: Node streams it.
OF_THE_HOST = {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"}


class Answer:
    """What a server answered, ready to be compared."""

    def __init__(self, url: str, method: str, path: str, headers: dict[str, str]) -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        self.status = response.status
        self.headers: dict[str, str] = {}
        for name, value in response.getheaders():
            key = name.lower()
            if key not in OF_THE_HOST:
                self.headers[key] = f"{self.headers[key]}, {value}" if key in self.headers else value
        self.body = response.read()
        connection.close()

    @property
    def content(self) -> bytes:
        match self.headers.get("content-encoding"):
            case "gzip":
                return gzip.decompress(self.body)
            case "deflate":
                return zlib.decompress(self.body)
            case _:
                return self.body


class Pair:
    """Node's server and ours."""

    def __init__(self, node: str, ours: str) -> None:
        self.node = node
        self.ours = ours

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[Answer, Answer]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Answer(self.node, method, path, named), Answer(self.ours, method, path, named)


def start(origins: tuple[str, ...]) -> Iterator[Pair]:
    cors = json.dumps({"origin": origins, "credentials": True} if origins else None)
    command = ["node", "--input-type=module", "--eval", NODE, cors]
    with (
        subprocess.Popen(command, cwd=CLIENTS, stdout=subprocess.PIPE, text=True) as process,
        LiveServer(application(cors=origins)) as ours,
    ):
        assert process.stdout
        yield Pair(f"http://127.0.0.1:{int(process.stdout.readline())}", ours.url)
        process.kill()


@pytest.fixture(scope="module")
def servers() -> Iterator[Pair]:
    yield from start(())


@pytest.fixture(scope="module")
def servers_with_cors() -> Iterator[Pair]:
    yield from start((GOOD,))


def assert_same(node: Answer, ours: Answer) -> None:
    # Ours tells caches what the content depends on.
    expected = {**node.headers, "vary": ", ".join(filter(None, [node.headers.get("vary"), "Accept-Encoding"]))}
    assert ours.status == node.status
    assert ours.headers == expected
    assert ours.content == node.content


@pytest.mark.parametrize("name", NAMES)
def test_every_file_with_its_headers(servers: Pair, name: str):
    node, ours = servers.ask(f"/socket.io/{name}")
    assert_same(node, ours)
    assert ours.status == 200
    assert ours.body == (DIST / name).read_bytes()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("tag", [None, "{}", "W/{}", '"0.0.0"', '"0.0.0", {}', "*", ""])
def test_what_the_client_has_already_is_not_sent_again(servers: Pair, method: str, tag: str | None):
    version = servers.ask("/socket.io/socket.io.js")[1].headers["etag"]
    headers = {} if tag is None else {"If_None_Match": tag.format(version)}
    node, ours = servers.ask("/socket.io/socket.io.js", method, **headers)
    assert_same(node, ours)
    assert ours.status == (304 if tag in {"{}", "W/{}"} else 200)


@pytest.mark.parametrize(
    "accepted",
    ["gzip", "deflate", "gzip, deflate", "deflate, gzip", "GZIP", "gzip;q=0", "gzip;q=0.5, deflate;q=0.8", "identity",
     "zstd", "gzip;q=0, *;q=0", "deflate;q=0.001", "gzip; q=0.2 ,deflate; q=0.1", ",, gzip", "", "gzip;q=0,deflate"],
)  # fmt: skip
def test_compression_as_the_client_accepts_it(servers: Pair, accepted: str):
    node, ours = servers.ask("/socket.io/socket.io.min.js", Accept_Encoding=accepted)
    assert_same(node, ours)


@pytest.mark.parametrize("accepted", ["br", "*", "br, gzip;q=0.9", "gzip;q=0, *"])
def test_brotli_is_left_to_proxies(servers: Pair, accepted: str):
    node, ours = servers.ask("/socket.io/socket.io.min.js", Accept_Encoding=accepted)
    assert node.headers["content-encoding"] == "br"
    assert ours.headers.get("content-encoding") == {"br": None, "gzip;q=0, *": "deflate"}.get(accepted, "gzip")
    assert ours.content == (DIST / "socket.io.min.js").read_bytes()


@pytest.mark.parametrize(
    "path",
    ["nothing.js", "socket.io.esm.js", "socket.io.js/", "/socket.io.js", "socket.io.jsx", "socket.io", "package.json",
     "LICENSE", "../socket.io.js", "x/socket.io.js", "SOCKET.IO.JS", "%2e%2e/client/package.json", "socket.io.js%00"],
)  # fmt: skip
def test_other_names_are_those_of_the_engine(servers: Pair, path: str):
    node, ours = servers.ask(f"/socket.io/{path}")
    assert ours.status == node.status == 400
    assert ours.body == node.body == b'{"code":0,"message":"Transport unknown"}'


def test_a_query_does_not_matter(servers: Pair):
    assert_same(*servers.ask("/socket.io/socket.io.js?version=5&EIO=4&transport=polling"))


@pytest.mark.parametrize("origin", [GOOD, EVIL])
def test_without_cors_any_page_gets_it_and_none_may_read_it(servers: Pair, origin: str):
    assert_same(*servers.ask("/socket.io/socket.io.js", Origin=origin))


def test_pages_of_other_sites(servers_with_cors: Pair):
    for headers in ({}, {"If_None_Match": servers_with_cors.ask("/socket.io/socket.io.js")[1].headers["etag"]}):
        node, ours = servers_with_cors.ask("/socket.io/socket.io.esm.min.js", Origin=GOOD, **headers)
        assert ours.status == node.status
        for name in ("access-control-allow-origin", "access-control-allow-credentials"):
            assert ours.headers[name] == node.headers[name]
        assert "Origin" in ours.headers["vary"]
        node, ours = servers_with_cors.ask("/socket.io/socket.io.esm.min.js", Origin=EVIL, **headers)
        assert ours.status == node.status
        assert "access-control-allow-origin" not in node.headers | ours.headers


def test_the_preflight_of_a_page_of_another_site(servers_with_cors: Pair):
    asked = {"Origin": GOOD, "Access_Control_Request_Method": "GET", "Access_Control_Request_Headers": "x-own"}
    node, ours = servers_with_cors.ask("/socket.io/socket.io.js", "OPTIONS", **asked)
    assert ours.status == node.status == 204
    for name in ("origin", "credentials", "methods", "headers"):
        assert ours.headers[f"access-control-allow-{name}"] == node.headers[f"access-control-allow-{name}"]


def test_elsewhere_and_switched_off():
    with LiveServer(application(socketio_path="/live")) as server:
        assert Answer(server.url, "GET", "/live/socket.io.js", {}).status == 200
        assert Answer(server.url, "GET", "/socket.io/socket.io.js", {}).status == 404
    with LiveServer(application(serve_client=False)) as server:
        assert Answer(server.url, "GET", "/socket.io/socket.io.js", {}).status == 400


async def request(files: ClientFiles, **headers: str) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    head = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await files.answer(Request.from_headers("/socket.io/socket.io.js", "", head, None, secure=False), "GET", send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


@pytest.mark.anyio
async def test_a_checkout_that_has_not_fetched_it_says_how(tmp_path: Path):
    files = ClientFiles("/socket.io", (), tmp_path)
    status, headers, body = await request(files, if_none_match='"4.8.4"')
    assert (status, headers[b"content-type"]) == (404, b"text/plain; charset=utf-8")
    assert b"scripts/client" in body
    (tmp_path / "package.json").write_text('{"version": "9.9.9"}')
    (tmp_path / "socket.io.js").write_text("fetched")
    status, headers, body = await request(files)
    assert (status, headers[b"etag"], body) == (200, b'"9.9.9"', b"fetched")


@pytest.mark.anyio
@pytest.mark.parametrize("accepted", ["", "gzip"])
async def test_each_file_is_read_once(tmp_path: Path, accepted: str):
    (tmp_path / "package.json").write_text('{"version": "9.9.9"}')
    (tmp_path / "socket.io.js").write_text("content")
    files = ClientFiles("/socket.io", (), tmp_path)
    first = await request(files, accept_encoding=accepted)
    shutil.rmtree(tmp_path)
    assert await request(files, accept_encoding=accepted) == first
