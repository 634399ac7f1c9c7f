"""Keys that an issuer publishes (RFC 7517), fetched when they are needed."""

import asyncio
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import msgspec

from moongate.auth.jwt import TokenRefused
from moongate.auth.keys import algorithms_of, public_key
from moongate.errors import ConfigurationError

__all__ = ["Fetch", "Jwks"]

_LOGGER = logging.getLogger("moongate.auth")

Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]
"""Gets what stands at a URL."""

_MAX_BYTES = 1_000_000
_CHUNK = 65_536
_TIMEOUT = 5.0  # seconds
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

_TYPES = ("RSA", "EC", "OKP")
"""Of keys that one publishes; "oct" is a secret."""


class _Key(msgspec.Struct, frozen=True):
    """A key that an issuer publishes."""

    name: str | None
    algorithms: frozenset[str]
    key: Any


class _Document(msgspec.Struct):
    """What an issuer publishes (RFC 7517 section 5)."""

    keys: list[Any]


class Jwks:
    """The keys at *url*, which `Jwt(keys=...)` asks for.

    They are fetched when the first token comes, again after *max_age* seconds, and when a token names a key that is not
    there: keys change. That happens once in *cooldown* seconds at most, however many tokens there are, and what cannot
    be fetched, within five seconds, leaves the keys as they were. *fetch* gets the document in another way than urllib
    in a thread does. Raises ConfigurationError for a URL without TLS, save on this machine.
    """

    def __init__(
        self,
        url: str,
        *,
        max_age: float = 3600.0,
        cooldown: float = 30.0,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ConfigurationError(
                f"expected a URL with https, got {url!r}: without it anybody on the way could change the keys",
                where="Jwks",
            )
        self._url = url
        self._max_age = max_age
        self._cooldown = cooldown
        self._fetch = fetch or _fetch
        self._clock = clock
        self._keys: list[_Key] = []
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, header: Mapping[str, Any]) -> Any:
        """Return the key for a token with this header; raises TokenRefused if there is none."""
        keys = self._fitting(header)
        if not keys or self._clock() - self._fetched_at > self._max_age:
            await self._refresh()
            keys = self._fitting(header)
        if not self._keys:
            raise TokenRefused("token cannot be checked now")
        # A token that names no key means the only one.
        if len(keys) != 1:
            _LOGGER.info("%s has %d keys of the name %.100r for %s", self._url, len(keys), *_asked(header))
            raise TokenRefused("invalid token")
        return keys[0].key

    def _fitting(self, header: Mapping[str, Any]) -> list[_Key]:
        name, algorithm = _asked(header)
        return [key for key in self._keys if algorithm in key.algorithms and name in {None, key.name}]

    async def _refresh(self) -> None:
        """Fetch the keys, unless that was tried a moment ago; all who want it at the same time wait for one."""
        now = self._clock()
        if self._fetching is None or self._fetching.done():
            if now - self._tried_at < self._cooldown:
                return
            self._tried_at = now
            self._fetching = asyncio.create_task(self._load())
        # A client that leaves meanwhile must not take the keys from the others.
        await asyncio.shield(self._fetching)

    async def _load(self) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT):
                document = await self._fetch(self._url)
            self._keys = _keys_in(document)
            self._fetched_at = self._clock()
        except Exception:
            _LOGGER.exception("the keys at %s could not be fetched; those that are known stay", self._url)


def _asked(header: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return the name and the algorithm of the key that a token wants."""
    return header.get("kid"), header["alg"]


def _keys_in(document: bytes) -> list[_Key]:
    """Return the keys for signatures in a document; raises ValueError if it has none."""
    if len(document) > _MAX_BYTES:
        raise ValueError(f"expected at most {_MAX_BYTES} bytes of keys, got more")
    published = msgspec.json.decode(document, type=_Document).keys
    keys = [_read(jwk) for jwk in published if _is_for_signatures(jwk)]
    usable = [key for key in keys if key is not None and key.algorithms]
    if not usable:
        raise ValueError("there is no public key for signatures among the keys")
    return usable


def _is_for_signatures(jwk: Any) -> bool:
    if not isinstance(jwk, dict) or jwk.get("kty") not in _TYPES:
        return False
    operations = jwk.get("key_ops")
    return jwk.get("use", "sig") == "sig" and (not isinstance(operations, list) or "verify" in operations)


def _read(jwk: dict[str, Any]) -> _Key | None:
    """Return a published key, None if it is of a kind that nobody here can use."""
    name, algorithm = jwk.get("kid"), jwk.get("alg")
    try:
        key = public_key(jwk)
    except ValueError as error:
        _LOGGER.warning("the published key %.100r cannot be used: %s", name, error)
        return None
    possible = algorithms_of(key)
    return _Key(name, possible if algorithm is None else possible & {algorithm}, key)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The keys are where the application says, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


async def _fetch(url: str) -> bytes:
    return await asyncio.to_thread(_fetch_in_thread, url)


def _fetch_in_thread(url: str) -> bytes:
    deadline = time.monotonic() + _TIMEOUT
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310  # checked by Jwks
    document = bytearray()
    with urllib.request.build_opener(_NoRedirects).open(request, timeout=_TIMEOUT) as answer:
        # The timeout above is for each read alone: an issuer that drips must not keep the thread.
        while time.monotonic() < deadline and len(document) <= _MAX_BYTES:
            part: bytes = answer.read1(_CHUNK)
            if not part:
                return bytes(document)
            document += part
    raise ValueError(f"expected at most {_MAX_BYTES} bytes within {_TIMEOUT:g} s, got more, or not all of them")
