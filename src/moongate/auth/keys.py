"""The keys that tokens are checked with, and which algorithms each is for (RFC 7518, RFC 8037)."""

import json
import re
from collections.abc import Sequence
from typing import Any

from moongate.errors import ConfigurationError, MissingExtraError

__all__ = ["ALGORITHMS", "algorithms_of", "check_algorithms", "check_secret", "is_symmetric", "public_key"]

ALGORITHMS: frozenset[str] = frozenset((
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
))  # fmt: skip
"""What tokens may be signed with (RFC 7518 section 3.1, RFC 8037). "none" is no signature."""

_RSA = frozenset(algorithm for algorithm in ALGORITHMS if algorithm.startswith(("RS", "PS")))
_CURVES = {
    "secp256r1": frozenset(("ES256",)),
    "secp384r1": frozenset(("ES384",)),
    "secp521r1": frozenset(("ES512",)),
}
_EDWARDS = frozenset(("EdDSA",))

_SMALLEST_RSA = 2048
"""Bits (RFC 7518 sections 3.3 and 3.5)."""

_ASYMMETRIC_TEXT = re.compile(rb"-----BEGIN|^\s*(sk-)?(ssh|ecdsa)-|\"kty\"\s*:\s*\"(RSA|EC|OKP)\"")
"""What the text of a key looks like that everybody may know."""


def is_symmetric(algorithms: Sequence[str]) -> bool:
    """Whether tokens are signed and checked with the same secret."""
    return any(algorithm.startswith("HS") for algorithm in algorithms)


def check_algorithms(algorithms: Sequence[str], where: str) -> None:
    """Raise ConfigurationError unless *algorithms* make a token safe."""
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
    if len({algorithm.startswith("HS") for algorithm in algorithms}) > 1:
        raise ConfigurationError(
            "a secret and public keys cannot be accepted side by side",
            where=where,
            mend="Name algorithms of one kind, and make a guard for each.",
        )


def check_secret(key: Any, algorithms: Sequence[str], where: str) -> None:
    """Raise ConfigurationError unless *key* is a secret that is long enough for all of *algorithms*."""
    secret = key.encode() if isinstance(key, str) else key
    if not isinstance(secret, bytes):
        raise ConfigurationError(f"expected a secret, got a {type(key).__name__}", where=where)
    if _ASYMMETRIC_TEXT.search(secret) or _is_der(secret):
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


def public_key(key: Any) -> Any:
    """Return *key* as an object of cryptography's, the public half if it is private.

    It may be text: PEM, of a certificate too, ssh, or a JWK; a JWK as a dict; or such an object. Raises ValueError for
    what is no such key, and MissingExtraError without PyJWT or cryptography.
    """
    try:
        import jwt
        from cryptography.exceptions import UnsupportedAlgorithm
    except ImportError as error:
        raise MissingExtraError("moongate.auth", extra="jwt") from error
    try:
        loaded = _from_text(key.encode() if isinstance(key, str) else key) if isinstance(key, str | bytes) else key
    except (UnsupportedAlgorithm, TypeError, ValueError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if isinstance(loaded, dict):
        try:
            loaded = jwt.PyJWK(loaded, _algorithm_of(loaded)).key
        except (jwt.PyJWTError, UnsupportedAlgorithm, TypeError, ValueError, AttributeError):
            # The library's text has all of the JWK in it, which may be a secret.
            raise ValueError("it is no JWK that can be read") from None
    return loaded.public_key() if hasattr(loaded, "public_key") else loaded


def algorithms_of(key: Any) -> frozenset[str]:
    """Return what a public key of cryptography's may check; nothing if it is none, or too short to be safe."""
    try:
        from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
    except ImportError as error:
        raise MissingExtraError("moongate.auth", extra="jwt") from error
    if isinstance(key, rsa.RSAPublicKey):
        return _RSA if key.key_size >= _SMALLEST_RSA else frozenset()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(key.curve.name, frozenset())
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return _EDWARDS
    return frozenset()


def _algorithm_of(jwk: dict[str, Any]) -> str | None:
    """Return the algorithm by which a JWK is read; None leaves the choice among curves to the library."""
    return {"RSA": "RS256", "OKP": "EdDSA"}.get(str(jwk.get("kty")))


def _from_text(text: bytes) -> Any:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    text = text.strip()
    if text.startswith(b"{"):
        return json.loads(text)
    if b"-----BEGIN CERTIFICATE" in text:
        return x509.load_pem_x509_certificate(text)
    if b"PRIVATE KEY-----" in text:
        return serialization.load_pem_private_key(text, None)
    if text.startswith((b"ssh-", b"ecdsa-")):
        return serialization.load_ssh_public_key(text)
    return serialization.load_pem_public_key(text)


def _is_der(secret: bytes) -> bool:
    """Whether *secret* is a public key or a certificate in binary."""
    try:
        from cryptography import x509
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization
    except ImportError as error:
        raise MissingExtraError("moongate.auth", extra="jwt") from error
    for load in (serialization.load_der_public_key, x509.load_der_x509_certificate):
        try:
            load(secret)
        except (ValueError, TypeError):
            continue
        except UnsupportedAlgorithm:
            return True
        return True
    return False
