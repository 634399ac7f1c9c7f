"""What a token says of a client."""

from typing import Any, TypeVar, get_origin, is_typeddict

import msgspec

from moongate.errors import WsException
from moongate.namespace.socket import Socket
from moongate.pipeline.context import ExecutionContext

__all__ = ["CLAIMS", "EXPIRES", "ISSUER", "SUBJECT", "Claims", "claims_of"]

T = TypeVar("T")

CLAIMS = "claims"
"""Where `client.data` has them."""

SUBJECT = "claims_subject"
"""Where it has whom they are of, None if they do not say."""

ISSUER = "claims_issuer"
"""Where it has who says so, None if they do not say."""

EXPIRES = "claims_expire"
"""Where it has the time at which they end, in seconds since 1970; missing if they do not."""


class Claims(msgspec.Struct, frozen=True):
    """The registered claims (RFC 7519 section 4.1). Write a class of your own for others: `Jwt(claims=MyClaims)`."""

    sub: str
    exp: float | None = None
    iat: float | None = None
    iss: str | None = None
    aud: str | list[str] | None = None
    jti: str | None = None


def claims_of(source: Socket | ExecutionContext, kind: type[T]) -> T:
    """Return what a client's token says; raises WsException if it has shown none, TypeError if that is no *kind*.

    In a handler: `Annotated[Claims, FromContext(lambda context: claims_of(context, Claims))]`.
    """
    client = source.client if isinstance(source, ExecutionContext) else source
    claims: Any = client.data.get(CLAIMS)
    if claims is None:
        raise WsException("Unauthorized", data={"reason": "missing token"})
    # A TypedDict is a dict when the application runs, and a generic what it is made of.
    plain: type[Any] = dict if is_typeddict(kind) else get_origin(kind) or kind
    found: T = claims
    if not isinstance(claims, plain):
        raise TypeError(f"expected claims of type {plain.__qualname__}, got {type(claims).__qualname__}")
    return found
