"""Which tokens are good, and which are not."""

import base64
import hashlib
import hmac
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

import msgspec
import pydantic
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa

from moongate import ConfigurationError, MissingExtraError
from moongate.auth import Claims, Jwt, TokenRefused
from tests.auth.tokens import EC, ED, RSA, SECRET, jwk, pem, token, unsigned

pytestmark = pytest.mark.anyio


def short(value: object) -> str:
    """What names a test, and is the same in every run: keys are not."""
    return value if isinstance(value, str) and len(value) < 60 else ""


async def refusal(checker: Jwt, shown: str) -> str:
    with pytest.raises(TokenRefused) as caught:
        await checker.verify(shown)
    assert caught.value.message == "Unauthorized"
    return caught.value.reason


@pytest.mark.parametrize(
    ("algorithm", "signing", "checking"),
    [
        *((f"HS{bits}", SECRET, SECRET) for bits in (256, 384, 512)),
        *((f"{kind}{bits}", RSA, pem(RSA)) for kind in ("RS", "PS") for bits in (256, 384, 512)),
        ("ES256", EC, pem(EC)),
        ("ES384", other := ec.generate_private_key(ec.SECP384R1()), pem(other)),
        ("ES512", another := ec.generate_private_key(ec.SECP521R1()), pem(another)),
        ("EdDSA", ED, pem(ED)),
        ("RS256", RSA, jwk(RSA, None, "RS256")),
        ("ES256", EC, EC.public_key()),
    ],
    ids=short,
)
async def test_every_algorithm(algorithm: str, signing: Any, checking: Any):
    checker = Jwt(key=checking, algorithms=[algorithm])
    verified = await checker.verify(token(signing, algorithm))
    assert verified.claims.sub == verified.subject == "alice"
    other_key = {"HS": "x" * 100, "RS": rsa.generate_private_key(65537, 2048)}.get(algorithm[:2])
    if other_key is not None:
        assert await refusal(checker, token(other_key, algorithm)) == "invalid token"
    head, payload, signature = token(signing, algorithm).split(".")
    changed = signature[:-8] + ("A" if signature[-8] != "A" else "B") + signature[-7:]
    assert await refusal(checker, f"{head}.{payload}.{changed}") == "invalid token"


class Own(msgspec.Struct):
    sub: str
    roles: list[str] = []


@dataclass
class Plain:
    sub: str
    roles: list[str]


class Shape(TypedDict):
    sub: str
    roles: list[str]


class Model(pydantic.BaseModel):
    sub: str
    roles: list[str] = []


@pytest.mark.parametrize("kind", [Own, Plain, Model, Shape])
async def test_claims_have_their_type(kind: Any):
    checker = Jwt(key=SECRET, algorithms=["HS256"], claims=kind)
    assert (await checker.verify(token(roles=["admin"]))).claims == kind(sub="alice", roles=["admin"])
    assert await refusal(checker, token(roles="admin")) == "invalid token"


def certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    now = datetime.now(UTC)
    draft = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    return draft.sign(key, hashes.SHA256())


def private_pem(key: Any) -> str:
    kind = serialization.PrivateFormat.PKCS8
    text: bytes = key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())
    return text.decode()


def ssh(key: Any) -> bytes:
    text: bytes = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return text


def der(key: Any) -> bytes:
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    binary: bytes = key.public_key().public_bytes(serialization.Encoding.DER, kind)
    return binary


CERTIFICATE = certificate(RSA)
CERTIFICATE_PEM = CERTIFICATE.public_bytes(serialization.Encoding.PEM)
CERTIFICATE_DER = CERTIFICATE.public_bytes(serialization.Encoding.DER)
PEM = pem(RSA)
JWK = json.dumps(jwk(RSA, "one", "RS256"))


@pytest.mark.parametrize(
    ("algorithm", "signing", "checking"),
    [
        ("RS256", RSA, pem(RSA).encode()),
        ("RS256", RSA, f"\n{pem(RSA)}\n"),
        ("PS256", RSA, jwk(RSA, None, "RS256")),
        ("RS256", RSA, JWK),
        ("RS256", RSA, CERTIFICATE),
        ("RS256", RSA, CERTIFICATE_PEM),
        ("RS256", RSA, RSA),
        ("RS256", RSA, private_pem(RSA)),
        ("RS256", RSA, ssh(RSA)),
        ("ES256", EC, EC),
        ("ES256", EC, private_pem(EC)),
        ("ES256", EC, ssh(EC)),
        ("ES256", EC, jwk(EC, None, "ES256")),
        ("EdDSA", ED, ssh(ED).decode()),
        ("EdDSA", ED, private_pem(ED)),
        ("EdDSA", other_ed := ed448.Ed448PrivateKey.generate(), jwk(other_ed, None, "EdDSA")),
    ],
    ids=range(16),
)
async def test_a_key_may_be_written_in_many_ways(algorithm: str, signing: Any, checking: Any):
    checker = Jwt(key=checking, algorithms=[algorithm])
    assert (await checker.verify(token(signing, algorithm))).subject == "alice"
    assert await refusal(checker, token(SECRET)) == "invalid token"


@pytest.mark.parametrize(
    "key",
    [pem(RSA), pem(EC), pem(ED), private_pem(RSA), der(RSA), der(EC), der(ED), ssh(RSA), ssh(EC), ssh(ED),
     JWK, f'{{"keys": [{JWK}]}}', CERTIFICATE_PEM, CERTIFICATE_DER, f"  {ssh(ED).decode()}", "sk-" + ssh(ED).decode()],
    ids=range(16),
)  # fmt: skip
def test_no_public_key_is_taken_for_a_secret(key: Any):
    with pytest.raises(ConfigurationError, match="this is a public key"):
        Jwt(key=key, algorithms=["HS256"])


async def test_registered_claims():
    checker = Jwt(key=SECRET, algorithms=["HS256"], audience="b")
    now = int(time.time())
    verified = await checker.verify(token(exp=now + 60, iat=now, iss="us", aud=["a", "b"], jti="1"))
    assert verified.claims == Claims("alice", now + 60, now, "us", ["a", "b"], "1")
    assert verified.expires == now + 60


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": 1_000_000_000}, "expired token"),
        ({"exp": None}, "invalid token"),
        ({"exp": "tomorrow"}, "invalid token"),
        ({"nbf": 4_000_000_000}, "token not valid yet"),
        ({"iat": 4_000_000_000}, "token not valid yet"),
        ({"sub": None}, "invalid token"),
        ({"sub": 5}, "invalid token"),
        ({"aud": "others"}, "invalid token"),
        ({"aud": None}, "invalid token"),
        ({"iss": "others"}, "invalid token"),
        ({"iss": None}, "invalid token"),
    ],
    ids=str,
)
async def test_what_a_token_has_to_say(claims: dict[str, Any], reason: str):
    checker = Jwt(key=SECRET, algorithms=["HS256"], audience="us", issuer="our issuer")
    good: dict[str, Any] = {"aud": ["us", "others"], "iss": "our issuer"}
    assert (await checker.verify(token(**good))).subject == "alice"
    assert await refusal(checker, token(**{**good, **claims})) == reason


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": [1]},
        {"exp": True},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": 10**400},
        {"nbf": {}},
        {"nbf": float("inf")},
        {"iat": []},
        {"aud": [5]},
        {"aud": {"us": 1}},
        {"jti": 5},
    ],
    ids=str,
)
async def test_claims_that_make_no_sense(claims: dict[str, Any]):
    checker = Jwt(key=SECRET, algorithms=["HS256"], claims=dict, audience={"us"}, require=[])
    assert await refusal(checker, token(**{"aud": "us", **claims})) in {"invalid token", "expired token"}


async def test_a_token_for_somebody_else_is_for_nobody_here():
    assert await refusal(Jwt(key=SECRET, algorithms=["HS256"]), token(aud="others")) == "invalid token"
    several = Jwt(key=SECRET, algorithms=["HS256"], audience=["us", "ours"], issuer=["a", "b"])
    assert (await several.verify(token(aud="ours", iss="b"))).issuer == "b"
    assert await refusal(several, token(aud="our", iss="a")) == "invalid token"
    assert await refusal(several, token(aud="us", iss="")) == "invalid token"


async def test_clocks_may_differ_by_the_leeway():
    checker = Jwt(key=SECRET, algorithms=["HS256"], leeway=30)
    expired = time.time() - 10
    assert (await checker.verify(token(exp=expired))).expires == pytest.approx(expired + 30, abs=1)
    assert await refusal(checker, token(exp=time.time() - 31)) == "expired token"


async def test_tokens_need_not_expire_if_the_application_says_so():
    checker = Jwt(key=SECRET, algorithms=["HS256"], require=[])
    assert (await checker.verify(token(exp=None))).expires is None


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, 5])
async def test_a_token_that_nobody_signed(algorithm: Any):
    for checker in (Jwt(key=SECRET, algorithms=["HS256"]), Jwt(key=pem(RSA), algorithms=["RS256"])):
        assert await refusal(checker, unsigned({"alg": algorithm, "typ": "JWT"})) == "invalid token"


@pytest.mark.parametrize("text", [pem(RSA), pem(RSA).strip(), pem(RSA) + "\n"], ids=range(3))
async def test_a_public_key_used_as_a_secret(text: str):
    head, payload, _ = unsigned({"alg": "HS256", "typ": "JWT"}).split(".")
    forged = hmac.digest(text.encode(), f"{head}.{payload}".encode(), hashlib.sha256)
    shown = unsigned({"alg": "HS256", "typ": "JWT"}, forged)
    assert await refusal(Jwt(key=pem(RSA), algorithms=["RS256"]), shown) == "invalid token"


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "HS256", "crit": ["exp"]},
        {"alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}},
        {"alg": "HS256", "kid": "../../dev/null"},
        {"alg": "HS384"},
    ],
    ids=str,
)
async def test_headers_that_mean_mischief(header: dict[str, Any]):
    assert await refusal(Jwt(key=SECRET, algorithms=["HS256"]), unsigned(header)) == "invalid token"


async def test_a_critical_header_is_refused_though_the_signature_is_good():
    shown = token(headers={"crit": ["b64"]})
    assert await refusal(Jwt(key=SECRET, algorithms=["HS256"]), shown) == "invalid token"


NESTED = base64.urlsafe_b64encode(b"[" * 9000).rstrip(b"=").decode() + ".e30.x"


@pytest.mark.parametrize(
    "shown", ["", ".", "..", "a.b.c", "a" * 20_000, token() + ".x", token()[:-5], "\x00", "ü.ü.ü", NESTED]
)
async def test_what_is_no_token(shown: str):
    assert await refusal(Jwt(key=SECRET, algorithms=["HS256"]), shown) == "invalid token"


SHORT = rsa.generate_private_key(65537, 1024)  # noqa: S505  # that is what is tested
KOBLITZ = ec.generate_private_key(ec.SECP256K1())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"key": SECRET, "algorithms": ["none"]}, "'none' is no algorithm that makes a token safe"),
        ({"key": SECRET, "algorithms": []}, "expected a list of algorithms"),
        ({"key": SECRET, "algorithms": "HS256"}, "expected a list of algorithms"),
        ({"key": SECRET, "algorithms": ["HS256", "RS256"]}, "a secret and public keys cannot be accepted side by side"),
        ({"key": "short", "algorithms": ["HS256"]}, "expected a secret of at least 32 bytes"),
        ({"key": "x" * 40, "algorithms": ["HS256", "HS512"]}, "expected a secret of at least 64 bytes"),
        ({"key": pem(RSA), "algorithms": ["HS256"]}, "this is a public key"),
        ({"key": 5, "algorithms": ["HS256"]}, "expected a secret, got a int"),
        ({"key": SECRET, "algorithms": ["RS256"]}, "the key is none for RS256"),
        ({"key": pem(EC), "algorithms": ["RS256"]}, "the key is none for RS256"),
        ({"key": pem(RSA), "algorithms": ["RS256", "ES256"]}, "the key is none for ES256: it is good for PS256"),
        ({"key": pem(EC), "algorithms": ["ES384"]}, "the key is none for ES384: it is good for ES256"),
        ({"key": pem(SHORT), "algorithms": ["RS256"]}, "the key is none for RS256: it is good for nothing"),
        ({"key": pem(KOBLITZ), "algorithms": ["ES256"]}, "the key is none for ES256: it is good for nothing"),
        ({"key": {"kty": "RSA", "d": "hidden"}, "algorithms": ["RS256"]}, "it is no JWK that can be read"),
        ({"key": 5, "algorithms": ["RS256"]}, "the key is none for RS256"),
        ({"key": SECRET, "algorithms": ["HS256"], "require": "exp"}, "expected a list of claims"),
        ({"key": SECRET, "algorithms": ["HS256"], "claims": threading.Lock}, "claims"),
        ({"algorithms": ["RS256"]}, "expected either a key or a source of keys"),
        ({"keys": object(), "algorithms": ["HS256"]}, "secrets are not published"),
    ],
    ids=short,
)
def test_what_would_not_be_safe_does_not_start(options: dict[str, Any], text: str):
    with pytest.raises(ConfigurationError) as caught:
        Jwt(**options)
    assert text in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("package", ["jwt", "cryptography"])
def test_what_has_to_be_installed(package: str, monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"moongate\[jwt\]"):
        Jwt(key=PEM, algorithms=["RS256"])


def test_the_package_itself_needs_nothing_more():
    script = "import sys; sys.modules.update(jwt=None, cryptography=None); import moongate.auth"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
