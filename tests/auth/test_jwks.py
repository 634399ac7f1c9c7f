"""Keys that an issuer publishes, by HTTP on this machine."""

import asyncio
import contextlib
import json
import threading
import warnings
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from moongate import ConfigurationError
from moongate.auth import Jwks, Jwt, TokenRefused
from moongate.auth.jwks import _fetch_in_thread
from tests.auth.tokens import EC, ED, RSA, SECRET, jwk, token

pytestmark = pytest.mark.anyio

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]


class Issuer:
    """Publishes keys."""

    def __init__(self) -> None:
        self.answer: tuple[int, bytes] = (500, b"")
        self.location = ""
        self.requests = 0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.requests += 1
                status, body = issuer.answer
                self.send_response(status)
                if issuer.location:
                    self.send_header("Location", issuer.location)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/keys"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def publish(self, *keys: Any) -> None:
        self.answer = (200, json.dumps({"keys": keys}).encode())

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.stop()


async def subject(checker: Jwt, *key: Any, **options: Any) -> str | None:
    try:
        return (await checker.verify(token(*key, **options))).subject
    except TokenRefused as refused:
        return refused.reason


async def test_the_key_that_the_token_names(issuer: Issuer):
    issuer.publish(jwk(RSA, "one", "RS256"), jwk(EC, "two", "ES256"), jwk(ED, "three", "EdDSA"))
    checker = Jwt(keys=Jwks(issuer.url), algorithms=ALGORITHMS)
    assert await subject(checker, RSA, "RS256", {"kid": "one"}) == "alice"
    assert await subject(checker, RSA, "PS256", {"kid": "one"}) == "alice"
    assert await subject(checker, EC, "ES256", {"kid": "two"}) == "alice"
    assert await subject(checker, ED, "EdDSA", {"kid": "three"}) == "alice"
    assert await subject(checker, RSA, "RS256", {"kid": "two"}) == "invalid token"
    assert issuer.requests == 1


async def test_the_only_key_for_an_algorithm_need_not_be_named(issuer: Issuer):
    issuer.publish(jwk(RSA, None, "RS256"), jwk(EC, "other", "ES256"))
    checker = Jwt(keys=Jwks(issuer.url), algorithms=["RS256", "ES256"])
    assert await subject(checker, RSA, "RS256") == "alice"
    assert await subject(checker, EC, "ES256") == "alice"
    assert await subject(checker, RSA, "RS256", {"kid": "other"}) == "invalid token"


async def test_one_of_several_keys_has_to_be_named(issuer: Issuer):
    issuer.publish(jwk(RSA, "one", "RS256"), jwk(rsa.generate_private_key(65537, 2048), "two", "RS256"))
    checker = Jwt(keys=Jwks(issuer.url), algorithms=["RS256"])
    assert await subject(checker, RSA, "RS256") == "invalid token"
    assert await subject(checker, RSA, "RS256", {"kid": "one"}) == "alice"


async def test_keys_of_one_name_are_told_apart_by_their_types(issuer: Issuer):
    issuer.publish(jwk(RSA, "one", "RS256"), jwk(EC, "one", "ES256"))
    checker = Jwt(keys=Jwks(issuer.url), algorithms=["RS256", "ES256"])
    assert await subject(checker, RSA, "RS256", {"kid": "one"}) == "alice"
    assert await subject(checker, EC, "ES256", {"kid": "one"}) == "alice"


async def test_keys_change(issuer: Issuer):
    clock, newer = Clock(), rsa.generate_private_key(65537, 2048)
    checker = Jwt(keys=Jwks(issuer.url, clock=clock, cooldown=30), algorithms=["RS256"])
    issuer.publish(jwk(RSA, "old", "RS256"))
    assert await subject(checker, RSA, "RS256", {"kid": "old"}) == "alice"
    issuer.publish(jwk(newer, "new", "RS256"))
    clock.now = 29
    assert await subject(checker, newer, "RS256", {"kid": "new"}) == "invalid token"
    clock.now = 31
    assert await subject(checker, newer, "RS256", {"kid": "new"}) == "alice"
    assert await subject(checker, RSA, "RS256", {"kid": "old"}) == "invalid token"
    assert issuer.requests == 2


async def test_keys_that_were_withdrawn_are_forgotten_in_time(issuer: Issuer):
    clock = Clock()
    checker = Jwt(keys=Jwks(issuer.url, clock=clock, max_age=100), algorithms=["RS256", "ES256"])
    issuer.publish(jwk(RSA, "old", "RS256"))
    assert await subject(checker, RSA, "RS256", {"kid": "old"}) == "alice"
    issuer.publish(jwk(EC, "new", "ES256"))
    clock.now = 101
    assert await subject(checker, RSA, "RS256", {"kid": "old"}) == "invalid token"


async def test_many_made_up_keys_cause_one_request(issuer: Issuer):
    issuer.publish(jwk(RSA, "one", "RS256"))
    checker = Jwt(keys=Jwks(issuer.url), algorithms=["RS256"])
    answers = await asyncio.gather(*(subject(checker, RSA, "RS256", {"kid": f"made up {n}"}) for n in range(50)))
    assert answers == ["invalid token"] * 50
    assert await subject(checker, RSA, "RS256", {"kid": "one"}) == "alice"
    assert issuer.requests == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b""),
        (200, b"not JSON"),
        (200, b"[]"),
        (200, b'{"keys": 5}'),
        (200, b'{"keys": []}'),
        (200, b"x" * 2_000_000),
    ],
)
async def test_an_issuer_that_fails_leaves_the_keys_as_they_were(issuer: Issuer, status: int, body: bytes):
    clock = Clock()
    checker = Jwt(keys=Jwks(issuer.url, clock=clock, max_age=100), algorithms=["RS256"])
    issuer.publish(jwk(RSA, "one", "RS256"))
    assert await subject(checker, RSA, "RS256", {"kid": "one"}) == "alice"
    issuer.answer = (status, body)
    clock.now = 1000
    assert await subject(checker, RSA, "RS256", {"kid": "one"}) == "alice"
    assert issuer.requests == 2


async def test_an_issuer_that_sends_elsewhere_is_not_followed(issuer: Issuer):
    other = Issuer()
    other.publish(jwk(RSA, "one", "RS256"))
    issuer.answer, issuer.location = (302, b""), other.url
    checker = Jwt(keys=Jwks(issuer.url), algorithms=["RS256"])
    assert await subject(checker, RSA, "RS256", {"kid": "one"}) == "token cannot be checked now"
    assert other.requests == 0
    other.stop()


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": SECRET, "kid": "one"},
        jwk(RSA, "one", "RS256", use="enc"),
        jwk(RSA, "one", "RS256", key_ops=["encrypt"]),
        jwk(RSA, "one", "RS256", alg="PS256"),
        {"kty": "RSA", "n": "AQAB", "e": "!", "kid": "one"},
        "no key",
    ],
    ids=range(6),
)
async def test_published_keys_that_do_not_fit(issuer: Issuer, key: Any):
    issuer.publish(key, jwk(EC, "another", "ES256"))
    checker = Jwt(keys=Jwks(issuer.url), algorithms=["RS256", "ES256"])
    assert await subject(checker, RSA, "RS256", {"kid": "one"}) == "invalid token"
    assert await subject(checker, EC, "ES256", {"kid": "another"}) == "alice"


class Slow:
    """Gets the keys when it is told to."""

    def __init__(self) -> None:
        self.requests = 0
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, url: str) -> bytes:
        self.requests += 1
        self.asked.set()
        await self.go_on.wait()
        return json.dumps({"keys": [jwk(RSA, "one", "RS256")]}).encode()


async def test_all_who_come_meanwhile_wait_for_one_request():
    slow = Slow()
    checker = Jwt(keys=Jwks("https://issuer.example/keys", fetch=slow), algorithms=["RS256"])
    waiting = [asyncio.ensure_future(subject(checker, RSA, "RS256", {"kid": "one"})) for _ in range(50)]
    await asyncio.wait_for(slow.asked.wait(), 5)
    slow.go_on.set()
    assert await asyncio.gather(*waiting) == ["alice"] * 50
    assert slow.requests == 1


async def test_a_client_that_leaves_does_not_take_the_keys_from_the_others():
    slow = Slow()
    checker = Jwt(keys=Jwks("https://issuer.example/keys", fetch=slow), algorithms=["RS256"])
    leaving = asyncio.ensure_future(subject(checker, RSA, "RS256", {"kid": "one"}))
    await asyncio.wait_for(slow.asked.wait(), 5)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    slow.go_on.set()
    assert await subject(checker, RSA, "RS256", {"kid": "one"}) == "alice"
    assert slow.requests == 1


async def test_keys_that_do_not_come_in_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("moongate.auth.jwks._TIMEOUT", 0.05)
    checker = Jwt(keys=Jwks("https://issuer.example/keys", fetch=Slow()), algorithms=["RS256"])
    async with asyncio.timeout(5):
        assert await subject(checker, RSA, "RS256", {"kid": "one"}) == "token cannot be checked now"


async def test_an_issuer_that_is_not_there(issuer: Issuer):
    issuer.stop()
    checker = Jwt(keys=Jwks(issuer.url), algorithms=["RS256"])
    assert await subject(checker, RSA, "RS256", {"kid": "one"}) == "token cannot be checked now"


async def test_the_thread_of_an_issuer_that_drips_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("moongate.auth.jwks._TIMEOUT", 0.3)
    left = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b" ")
                await asyncio.sleep(0.02)
            writer.close()
            await writer.wait_closed()
        left.set()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
        with pytest.raises(ValueError, match="not all of them"):
            await asyncio.wait_for(asyncio.to_thread(_fetch_in_thread, url), 5)
        await asyncio.wait_for(left.wait(), 5)


async def test_a_key_that_is_too_short_to_be_safe(issuer: Issuer):
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505  # that is what is tested
    issuer.publish(jwk(short, "short", "RS256"), jwk(EC, "one", "ES256"))
    checker = Jwt(keys=Jwks(issuer.url), algorithms=["RS256", "ES256"])
    assert await subject(checker, EC, "ES256", {"kid": "one"}) == "alice"
    with warnings.catch_warnings(action="ignore"):
        shown = token(short, "RS256", {"kid": "short"})
    with pytest.raises(TokenRefused, match="Unauthorized"):
        await checker.verify(shown)


class Own:
    """A source of keys that does not look at the algorithm."""

    async def find(self, header: Mapping[str, Any]) -> Any:
        return RSA.public_key()


async def test_a_source_of_ones_own_need_not_look_at_the_algorithm():
    checker = Jwt(keys=Own(), algorithms=["RS256", "ES256", "EdDSA"])
    assert await subject(checker, RSA, "RS256") == "alice"
    assert await subject(checker, EC, "ES256") == "invalid token"
    assert await subject(checker, ED, "EdDSA") == "invalid token"


@pytest.mark.parametrize(
    "url", ["http://issuer.example/keys", "file:///etc/passwd", "ftp://issuer.example/keys", "keys"]
)
def test_keys_come_by_tls(url: str):
    with pytest.raises(ConfigurationError, match="expected a URL with https"):
        Jwks(url)
