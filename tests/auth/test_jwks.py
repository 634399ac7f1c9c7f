"""Keys that an issuer publishes, by HTTP on this machine."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from moongate import ConfigurationError
from moongate.auth import Jwks, Jwt, TokenRefused
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
    assert await subject(checker, RSA, "RS256") == "invalid token"
    assert issuer.requests == 1


async def test_the_only_key_need_not_be_named(issuer: Issuer):
    issuer.publish(jwk(RSA, None, "RS256"))
    assert await subject(Jwt(keys=Jwks(issuer.url), algorithms=["RS256"]), RSA, "RS256") == "alice"


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
    assert await subject(checker, RSA, "RS256", {"kid": "one"}) == "invalid token"
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
    ids=str,
)
async def test_published_keys_that_do_not_fit(issuer: Issuer, key: Any):
    issuer.publish(key, jwk(EC, "another", "ES256"))
    checker = Jwt(keys=Jwks(issuer.url), algorithms=["RS256", "ES256"])
    assert await subject(checker, RSA, "RS256", {"kid": "one"}) == "invalid token"
    assert await subject(checker, EC, "ES256", {"kid": "another"}) == "alice"


@pytest.mark.parametrize(
    "url", ["http://issuer.example/keys", "file:///etc/passwd", "ftp://issuer.example/keys", "keys"]
)
def test_keys_come_by_tls(url: str):
    with pytest.raises(ConfigurationError, match="expected a URL with https"):
        Jwks(url)
