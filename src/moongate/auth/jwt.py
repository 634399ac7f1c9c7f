"""Checking JSON Web Tokens (RFC 7519, and RFC 8725 for what attackers try)."""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from moongate.auth.claims import Claims
from moongate.auth.keys import algorithms_of, check_algorithms, check_secret, is_symmetric, public_key
from moongate.errors import ConfigurationError, MissingExtraError, ValidationFailed, WsException
from moongate.schema import schema_of

__all__ = ["Jwt", "KeySource", "TokenRefused", "Verified"]

_LOGGER = logging.getLogger("moongate.auth")

_MAX_TOKEN = 16_384
"""Characters of a token that are looked at; HTTP servers take no longer headers either."""

_UNREADABLE = (TypeError, ValueError, OverflowError, RecursionError)
"""What the library lets through of tokens that say what no token should."""


class TokenRefused(WsException):
    """A token does not let its client in. `reason` is for the client, and tells nothing that helps to make another."""

    def __init__(self, reason: str) -> None:
        super().__init__("Unauthorized", data={"reason": reason})
        self.reason: str = reason


class KeySource(Protocol):
    """Finds the key that a token says it was signed with."""

    async def find(self, header: Mapping[str, Any]) -> Any:
        """Return the public key, an object of cryptography's, for a token with this header.

        Raises TokenRefused if there is none.
        """


class Verified(msgspec.Struct, frozen=True):
    """What a token says that was checked."""

    claims: Any
    """Of the type that was asked for."""
    issuer: str | None
    subject: str | None
    """Whom the issuer means: others may call somebody else so (RFC 7519 section 4.1.2)."""
    expires: float | None
    """Seconds since 1970, the leeway included; None if it never does."""


class Jwt:
    """Checks tokens: their signature by *key*, a secret or a public key, or by *keys*, as `Jwks`; then what they say.

    *algorithms* are those that tokens may be signed with; a secret and public keys never go together. A token that is
    for an audience has to be for *audience* (RFC 7519 section 4.1.3); *issuer* has to be what is given, if it is;
    *leeway* is for clocks that differ, in seconds. Tokens have to expire unless *require* says otherwise. *claims* is
    the type that they have to fit: a msgspec Struct, a dataclass, a TypedDict, a pydantic model.
    Raises ConfigurationError for what would not be safe, and MissingExtraError without PyJWT.
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
        where = f"Jwt(algorithms={algorithms!r})"
        check_algorithms(algorithms, where)
        if isinstance(require, str):
            raise ConfigurationError("expected a list of claims", where=where, mend=f"Write require=[{require!r}].")
        if (key is None) == (keys is None):
            raise ConfigurationError(
                "expected either a key or a source of keys", where=where, mend="Write key=... or keys=Jwks(url)."
            )
        if keys is not None and is_symmetric(algorithms):
            raise ConfigurationError(
                "secrets are not published, so a source of keys has none",
                where=where,
                mend="Name algorithms with public keys, as 'RS256' or 'ES256'.",
            )
        self._algorithms = list(algorithms)
        self._key = None if key is None else _prepared(key, self._algorithms, where)
        self._keys = keys
        self._audience = audience
        self._issuer = issuer
        self._leeway = leeway
        self._claims = schema_of(claims, where=f"{where}: claims")
        self._options = {"require": list(require)}

    async def verify(self, token: str) -> Verified:
        """Return what *token* says; raises TokenRefused."""
        header = self._header(token)
        key = self._key if self._keys is None else await self._found(self._keys, header)
        try:
            return self._read(token, key)
        except self._jwt.ExpiredSignatureError:
            raise TokenRefused("expired token") from None
        except self._jwt.ImmatureSignatureError:
            raise TokenRefused("token not valid yet") from None
        except (self._jwt.PyJWTError, ValidationFailed, *_UNREADABLE) as error:
            raise _invalid(error) from None

    def _header(self, token: str) -> Mapping[str, Any]:
        """Return the header of *token*, which nobody has checked yet; raises TokenRefused."""
        if len(token) > _MAX_TOKEN:
            raise _invalid(f"it has more than {_MAX_TOKEN} characters")
        try:
            header: Mapping[str, Any] = self._jwt.get_unverified_header(token)
        except (self._jwt.PyJWTError, *_UNREADABLE) as error:
            raise _invalid(error) from None
        if header.get("alg") not in self._algorithms:
            raise _invalid(f"it is signed by {header.get('alg')!r:.20}")
        # What is critical has to be understood (RFC 7515 section 4.1.11), and there is nothing of that here.
        if "crit" in header:
            raise _invalid("its header is critical")
        return header

    @staticmethod
    async def _found(keys: KeySource, header: Mapping[str, Any]) -> Any:
        key = await keys.find(header)
        if header["alg"] not in algorithms_of(key):
            raise _invalid(f"its key is not for {header['alg']}")
        return key

    def _read(self, token: str, key: Any) -> Verified:
        """Check a token with *key*; raises what the library does, ValidationFailed and _UNREADABLE."""
        payload = self._jwt.decode(
            token,
            key,
            algorithms=self._algorithms,
            audience=self._audience,
            issuer=self._issuer,
            leeway=self._leeway,
            options=self._options,
        )
        expires = payload.get("exp")
        return Verified(
            self._claims.convert(payload),
            payload.get("iss"),
            payload.get("sub"),
            None if expires is None else float(expires) + self._leeway,
        )


def _invalid(reason: object) -> TokenRefused:
    """Return the refusal of a token that is none; the log alone learns why."""
    _LOGGER.info("a token was refused: %s", reason)
    return TokenRefused("invalid token")


def _prepared(key: Any, algorithms: Sequence[str], where: str) -> Any:
    """Return *key* as the library wants it; raises ConfigurationError for one that does not fit the algorithms."""
    if is_symmetric(algorithms):
        check_secret(key, algorithms, where)
        return key
    try:
        prepared = public_key(key)
    except ValueError as error:
        raise ConfigurationError(
            f"the key is none for {algorithms[0]}: {error}",
            where=where,
            mend="Give a public key as PEM text, as a JWK, or as an object of cryptography's.",
        ) from error
    unfit = [algorithm for algorithm in algorithms if algorithm not in algorithms_of(prepared)]
    if unfit:
        good = ", ".join(sorted(algorithms_of(prepared))) or "nothing"
        raise ConfigurationError(
            f"the key is none for {unfit[0]}: it is good for {good}",
            where=where,
            mend="Name the algorithms that your tokens are signed with; RSA keys have 2048 bits at least.",
        )
    return prepared


def _library() -> Any:
    try:
        import jwt
    except ImportError as error:
        raise MissingExtraError("moongate.auth", extra="jwt") from error
    return jwt
