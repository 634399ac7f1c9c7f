"""Checking JSON Web Tokens (RFC 7519, and RFC 8725 for what attackers try)."""

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from moongate.auth.claims import Claims
from moongate.errors import ConfigurationError, MissingExtraError, WsException

__all__ = ["ALGORITHMS", "Jwt", "KeySource", "TokenRefused", "Verified", "is_symmetric"]

_LOGGER = logging.getLogger("moongate.auth")

ALGORITHMS: frozenset[str] = frozenset((
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
))  # fmt: skip
"""What tokens may be signed with (RFC 7518 section 3.1, RFC 8037). "none" is no signature."""

_MAX_TOKEN = 16_384
"""Characters of a token that are looked at; HTTP servers take no longer headers either."""

_ASYMMETRIC_TEXT = re.compile(rb"-----BEGIN|^\s*(ssh-|ecdsa-)|\"kty\"\s*:\s*\"(RSA|EC|OKP)\"")
"""What the text of a key looks like that everybody may know."""


class TokenRefused(WsException):
    """A token does not let its client in. `reason` is for the client, and tells nothing that helps to make another."""

    def __init__(self, reason: str) -> None:
        super().__init__("Unauthorized", data={"reason": reason})
        self.reason: str = reason


class KeySource(Protocol):
    """Finds the key that a token says it was signed with."""

    async def find(self, header: Mapping[str, Any]) -> Any:
        """Return the key for a token with this header; raises TokenRefused if there is none."""


class Verified(msgspec.Struct, frozen=True):
    """What a token says that was checked."""

    claims: Any
    """Of the type that was asked for."""
    subject: str | None
    expires: float | None
    """Seconds since 1970, the leeway included; None if it never does."""


class Jwt:
    """Checks tokens: their signature by *key*, a secret or a public key, or by *keys*, as `Jwks`; then what they say.

    *algorithms* are those that tokens may be signed with; a secret and public keys never go together. *audience* and
    *issuer* have to be what is given, if it is; *leeway* is for clocks that differ, in seconds. Tokens have to expire
    unless *require* says otherwise. *claims* is the type that they have to fit: a msgspec Struct, a dataclass, a
    TypedDict. Raises ConfigurationError for what would not be safe, and MissingExtraError without PyJWT.
    """

    def __init__(
        self,
        *,
        key: Any = None,
        keys: KeySource | None = None,
        algorithms: Sequence[str],
        audience: str | Collection[str] | None = None,
        issuer: str | Collection[str] | None = None,
        leeway: float = 0.0,
        require: Sequence[str] = ("exp", "sub"),
        claims: Any = Claims,
    ) -> None:
        self._jwt = _library()
        _check_algorithms(algorithms)
        if (key is None) == (keys is None):
            raise ConfigurationError(
                "expected either a key or a source of keys", where="Jwt", mend="Write key=... or keys=Jwks(url)."
            )
        if keys is not None and is_symmetric(algorithms):
            raise ConfigurationError(
                "secrets are not published, so a source of keys has none",
                where=f"Jwt(algorithms={list(algorithms)})",
                mend="Name algorithms with public keys, as 'RS256' or 'ES256'.",
            )
        self._algorithms = list(algorithms)
        self._key = None if key is None else self._prepared(key)
        self._keys = keys
        self._audience = audience
        self._issuer = issuer
        self._leeway = leeway
        self._claims = claims
        self._options = {"require": list(require), "verify_aud": audience is not None, "strict_aud": False}

    async def verify(self, token: str) -> Verified:
        """Return what *token* says; raises TokenRefused."""
        if len(token) > _MAX_TOKEN:
            raise TokenRefused("invalid token")
        try:
            header = self._header(token)
            key = self._key if self._keys is None else await self._keys.find(header)
            payload = self._jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway,
                options=self._options,
            )
            claims = msgspec.convert(payload, self._claims)
        except self._jwt.ExpiredSignatureError:
            raise TokenRefused("expired token") from None
        except self._jwt.ImmatureSignatureError:
            raise TokenRefused("token not valid yet") from None
        except (self._jwt.PyJWTError, msgspec.ValidationError, ValueError, OverflowError, RecursionError) as error:
            _LOGGER.info("a token was refused: %s", error)
            raise TokenRefused("invalid token") from None
        expires = payload.get("exp")
        return Verified(claims, payload.get("sub"), None if expires is None else float(expires) + self._leeway)

    def _header(self, token: str) -> Mapping[str, Any]:
        header: Mapping[str, Any] = self._jwt.get_unverified_header(token)
        # What is critical has to be understood (RFC 7515 section 4.1.11), and there is nothing of that here.
        if header.get("alg") not in self._algorithms or "crit" in header:
            raise TokenRefused("invalid token")
        return header

    def _prepared(self, key: Any) -> Any:
        """Return *key* as the library wants it; raises ConfigurationError for one that does not fit the algorithms."""
        where = f"Jwt(algorithms={self._algorithms})"
        if is_symmetric(self._algorithms):
            _check_secret(key, self._algorithms, where)
            return key
        try:
            if isinstance(key, dict):
                return self._jwt.PyJWK(key, self._algorithms[0]).key
            return self._jwt.get_algorithm_by_name(self._algorithms[0]).prepare_key(key)
        except (self._jwt.PyJWTError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"the key is none for {self._algorithms[0]}: {error}",
                where=where,
                mend="Give a public key as PEM text, as a JWK, or as an object of cryptography's.",
            ) from error


def is_symmetric(algorithms: Sequence[str]) -> bool:
    """Whether tokens are signed and checked with the same secret."""
    return any(algorithm.startswith("HS") for algorithm in algorithms)


def _check_algorithms(algorithms: Sequence[str]) -> None:
    where = f"Jwt(algorithms={algorithms!r})"
    if isinstance(algorithms, str) or not algorithms:
        raise ConfigurationError(
            "expected a list of algorithms", where=where, mend="Write algorithms=['HS256'] or what your tokens have."
        )
    unknown = [algorithm for algorithm in algorithms if algorithm not in ALGORITHMS]
    if unknown:
        raise ConfigurationError(
            f"{unknown[0]!r} is no algorithm that makes a token safe",
            where=where,
            mend=f"There are {', '.join(sorted(ALGORITHMS))}.",
        )
    # Else whoever knows the public key could sign tokens with it as a secret (RFC 8725 section 2.1).
    if len({algorithm[:2] == "HS" for algorithm in algorithms}) > 1:
        raise ConfigurationError(
            "a secret and public keys cannot be accepted side by side",
            where=where,
            mend="Name algorithms of one kind, and make a guard for each.",
        )


def _check_secret(key: Any, algorithms: Sequence[str], where: str) -> None:
    secret = key.encode() if isinstance(key, str) else key
    if not isinstance(secret, bytes):
        raise ConfigurationError(f"expected a secret, got a {type(key).__name__}", where=where)
    if _ASYMMETRIC_TEXT.search(secret):
        raise ConfigurationError(
            "this is a public key: whoever has it could sign tokens",
            where=where,
            mend="Name the algorithm of the key, as 'RS256'; or give a secret.",
        )
    needed = max(int(algorithm[2:]) for algorithm in algorithms) // 8
    if len(secret) < needed:
        raise ConfigurationError(
            f"expected a secret of at least {needed} bytes (RFC 7518 section 3.2), got {len(secret)}",
            where=where,
            mend="Make one with: python -c 'import secrets; print(secrets.token_urlsafe(64))'",
        )


def _library() -> Any:
    try:
        import jwt
    except ImportError as error:
        raise MissingExtraError("moongate.auth", extra="jwt") from error
    return jwt
