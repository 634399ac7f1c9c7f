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
from moongate.errors import ConfigurationError, MissingExtraError

__all__ = ["Fetch", "Jwks"]

_LOGGER = logging.getLogger("moongate.auth")

Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]
"""Gets what stands at a URL."""

_MAX_BYTES = 1_000_000
_TIMEOUT = 5.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

_FAMILIES = {"RSA": ("RS", "PS"), "EC": ("ES",), "OKP": ("Ed",)}
"""What keys of each type may sign; secrets ("oct") are none that one publishes."""


class _Document(msgspec.Struct):
    """What an issuer publishes (RFC 7517 section 5)."""

    keys: list[Any]


class Jwks:
    """The keys at *url*, which `Jwt(keys=...)` asks for.

    They are fetched when the first token comes, again after *max_age* seconds, and when a token names a key that is not
    there: keys change. That happens once in *cooldown* seconds at most, however many tokens there are, and what cannot
    be fetched leaves the keys as they were. *fetch* gets the document in another way than urllib in a thread does.
    Raises ConfigurationError for a URL without TLS, save on this machine.
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
        self._keys: dict[str | None, Mapping[str, Any]] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, header: Mapping[str, Any]) -> Any:
        """Return the key for a token with this header; raises TokenRefused if there is none."""
        name = header.get("kid")
        if self._clock() - self._fetched_at > self._max_age or self._named(name) is None:
            await self._refresh(name)
        key = self._named(name)
        if key is None:
            _LOGGER.info("a token names the key %r, which %s does not have", name, self._url)
            raise TokenRefused("invalid token")
        return _usable(key, str(header.get("alg")))

    def _named(self, name: Any) -> Mapping[str, Any] | None:
        """Return the key *name*; a token that names none means the only one."""
        if name is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(name) if isinstance(name, str) else None

    async def _refresh(self, name: Any) -> None:
        """Fetch the keys, unless that was tried a moment ago, or somebody else just has."""
        async with self._lock:
            now = self._clock()
            is_fresh = now - self._fetched_at <= self._max_age
            if now - self._tried_at < self._cooldown or (is_fresh and self._named(name) is not None):
                return
            self._tried_at = now
            try:
                self._keys = _keys_in(await self._fetch(self._url))
                self._fetched_at = now
            except Exception:
                _LOGGER.exception("the keys at %s could not be fetched; those that are known stay", self._url)


def _usable(key: Mapping[str, Any], algorithm: str) -> Any:
    """Return a key as the library wants it; raises TokenRefused if it is not for this algorithm."""
    try:
        import jwt
    except ImportError as error:
        raise MissingExtraError("moongate.auth", extra="jwt") from error
    families = _FAMILIES[key["kty"]]
    if not algorithm.startswith(families) or key.get("alg", algorithm) != algorithm:
        raise TokenRefused("invalid token")
    try:
        return jwt.PyJWK(dict(key), algorithm)
    except jwt.PyJWTError as error:
        _LOGGER.warning("a published key cannot be used: %s", error)
        raise TokenRefused("invalid token") from None


def _keys_in(document: bytes) -> dict[str | None, Mapping[str, Any]]:
    """Return the keys for signatures in a document, by their names; raises ValueError if it is none."""
    if len(document) > _MAX_BYTES:
        raise ValueError(f"expected at most {_MAX_BYTES} bytes of keys, got more")
    found = msgspec.json.decode(document, type=_Document).keys
    keys = [key for key in found if isinstance(key, dict) and key.get("kty") in _FAMILIES and _is_for_signatures(key)]
    if not keys:
        raise ValueError("there is no public key for signatures among the keys")
    return {key.get("kid"): key for key in keys}


def _is_for_signatures(key: Mapping[str, Any]) -> bool:
    operations = key.get("key_ops")
    return key.get("use", "sig") == "sig" and (operations is None or "verify" in operations)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The keys are where the application says, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


async def _fetch(url: str) -> bytes:
    return await asyncio.to_thread(_fetch_in_thread, url)


def _fetch_in_thread(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310  # checked by Jwks
    with urllib.request.build_opener(_NoRedirects).open(request, timeout=_TIMEOUT) as answer:
        document: bytes = answer.read(_MAX_BYTES + 1)
    return document
