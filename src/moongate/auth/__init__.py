"""Who a client is: JSON Web Tokens, checked when it connects and as long as it is there. Needs the extra `jwt`."""

from moongate.auth.claims import Claims, claims_of
from moongate.auth.guard import JwtGuard, Public
from moongate.auth.jwks import Fetch, Jwks
from moongate.auth.jwt import Jwt, KeySource, TokenRefused, Verified
from moongate.auth.sources import FromAuth, FromCookie, FromHeader, FromQuery, TokenSource

__all__ = [
    "Claims",
    "Fetch",
    "FromAuth",
    "FromCookie",
    "FromHeader",
    "FromQuery",
    "Jwks",
    "Jwt",
    "JwtGuard",
    "KeySource",
    "Public",
    "TokenRefused",
    "TokenSource",
    "Verified",
    "claims_of",
]
