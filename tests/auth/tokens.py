"""Keys and tokens, made for the tests."""

import base64
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

__all__ = ["EC", "ED", "RSA", "SECRET", "jwk", "pem", "token", "unsigned"]

SECRET = "a secret that is long enough for every algorithm there is, and then some more of it"
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def pem(key: Any) -> str:
    """The public half, as everybody may have it."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def jwk(key: Any, name: str | None, algorithm: str, **members: Any) -> dict[str, Any]:
    """The public half, as an issuer publishes it."""
    published: dict[str, Any] = json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key()))
    published.pop("key_ops", None)
    return {**published, **({} if name is None else {"kid": name}), **members}


def token(key: Any = SECRET, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token of Alice for the next hour, unless *claims* say otherwise; None leaves one out."""
    said = {"sub": "alice", "exp": time.time() + 3600, **claims}
    payload = {name: value for name, value in said.items() if value is not None}
    return jwt.encode(payload, key, algorithm, headers)


def unsigned(header: dict[str, Any], signature: bytes = b"", **claims: Any) -> str:
    """A token that nobody signed as it says."""
    payload = {"sub": "alice", "exp": time.time() + 3600, **claims}
    parts = [json.dumps(header).encode(), json.dumps(payload).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
