"""The guard that lets clients in by their tokens, and out when these end."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from moongate.auth.claims import CLAIMS, EXPIRES, ISSUER, SUBJECT
from moongate.auth.jwt import Jwt, TokenRefused, Verified
from moongate.auth.sources import FromAuth, FromHeader, TokenSource
from moongate.namespace.socket import Socket
from moongate.pipeline.context import ExecutionContext
from moongate.pipeline.enhancers import SetMetadata

__all__ = ["JwtGuard", "Public"]

_PUBLIC = "moongate:public"

_LONGEST_TIMER = 86_400.0
"""Seconds after which a timer looks again: event loops do not take any number of them."""

_Target = TypeVar("_Target", bound=Callable[..., Any])


class Public:
    """Lets clients and messages pass without a token: those of a gateway, or of one handler; with False not, after all.

    A client without a token comes in only if the gateway is public. One that shows a token needs a good one anyway.
    """

    def __init__(self, public: bool = True) -> None:  # noqa: FBT001, FBT002  # Public(False) speaks for itself
        self._public = public

    def __call__(self, target: _Target) -> _Target:
        """Attach the metadata to *target*."""
        return SetMetadata(_PUBLIC, self._public)(target)


class JwtGuard:
    """Lets in whoever has a token that *jwt* finds good, and puts what it says into `client.data["claims"]`.

    It is looked for in *sources*, the first that has one: in the `auth` of Socket.IO clients, then in the header
    `Authorization`. When it expires, the client gets the event `exception`, and is disconnected; `refresh` prevents it.
    """

    def __init__(
        self,
        jwt: Jwt,
        *,
        sources: Sequence[TokenSource] = (FromAuth(), FromHeader()),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._jwt = jwt
        self._sources = tuple(sources)
        self._clock = clock  # seconds since 1970

    def can_activate(self, context: ExecutionContext) -> bool | Awaitable[bool]:
        """Return True, or an awaitable of it while the client connects; raises TokenRefused."""
        is_public = bool(context.metadata.get(_PUBLIC))
        if context.is_connect:
            return self._let_in(context.client, is_public=is_public)
        return is_public or self._is_valid(context.client.data)

    def _is_valid(self, data: Mapping[str, Any]) -> bool:
        if CLAIMS not in data:
            raise TokenRefused("missing token")
        expires = data.get(EXPIRES)
        if expires is not None and self._clock() >= expires:
            raise TokenRefused("expired token")
        return True

    async def refresh(self, client: Socket, token: str) -> Any:
        """Take a new token for a client that is there, and return its claims.

        It has to be of the same subject, by the same issuer, as the one before; a token without a subject cannot be
        refreshed. Raises TokenRefused, and leaves what was there.
        """
        verified = await self._jwt.verify(token)
        if CLAIMS in client.data and not _is_same(verified, client.data):
            raise TokenRefused("token of another subject")
        watched_until: float | None = client.data.get(EXPIRES)
        self._remember(client, verified)
        # The timer of the earlier token looks again when it fires, so that there is one however often this is called.
        if watched_until is None or (verified.expires is not None and verified.expires < watched_until):
            self._watch(client)
        return verified.claims

    async def _let_in(self, client: Socket, *, is_public: bool) -> bool:
        token = next(filter(None, (source.find(client.handshake) for source in self._sources)), None)
        if token is None and is_public:
            # A middleware may have copied them there out of what the client said.
            for name in (CLAIMS, SUBJECT, ISSUER, EXPIRES):
                client.data.pop(name, None)
            return True
        if token is None:
            raise TokenRefused("missing token")
        self._remember(client, await self._jwt.verify(token))
        self._watch(client)
        return True

    @staticmethod
    def _remember(client: Socket, verified: Verified) -> None:
        data = client.data
        data[CLAIMS] = verified.claims
        data[SUBJECT] = verified.subject
        data[ISSUER] = verified.issuer
        if verified.expires is None:
            data.pop(EXPIRES, None)
        else:
            data[EXPIRES] = verified.expires

    def _watch(self, client: Socket) -> None:
        """Disconnect the client when its token expires, whatever it is by then."""
        expires = client.data.get(EXPIRES)
        if expires is None or client.gone:  # it may have left while its new token was checked
            return
        left = expires - self._clock()
        if left > 0:
            client.call_later(min(left, _LONGEST_TIMER), lambda: self._watch(client))
            return
        client.emit("exception", {"status": "error", "message": "Unauthorized", "reason": "expired token"})
        client.disconnect()


def _is_same(verified: Verified, data: Mapping[str, Any]) -> bool:
    """Whether a token is of whom `client.data` says."""
    is_known = verified.subject is not None
    return is_known and (verified.issuer, verified.subject) == (data.get(ISSUER), data.get(SUBJECT))
