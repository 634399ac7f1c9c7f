"""Whose bucket a message or a connect is counted in."""

from collections.abc import Callable, Hashable
from socket import AF_INET6, inet_ntoa, inet_pton
from typing import Any
from uuid import UUID

from moongate.pipeline.context import ExecutionContext
from moongate.throttling.limit import Limit

__all__ = ["counted_by"]

_NETWORK = 8
"""Bytes of an IPv6 address that are one customer's, a /64; the rest anybody changes at will (RFC 6177, RFC 8981)."""

_MAPPED = bytes(10) + b"\xff\xff"
"""How an IPv4 address begins on a socket that takes both (RFC 4291 section 2.5.5.2)."""

_PLACES = ("user", "claims", "claims_subject")
"""Where `client.data` may say who a client is: kept there by the application, or by a JwtGuard."""

_NAMES = ("sub", "id")

_IDENTITIES = (str, int, bytes, UUID)
"""What is the same for all clients of a user, as an object of the user's need not be."""

_NOBODY: frozenset[object] = frozenset({"", b""})


def counted_by(limit: Limit) -> Callable[[ExecutionContext], Hashable]:
    """Return what says who is counted."""
    whose = limit.by if callable(limit.by) else {"client": _client, "user": _user, "ip": _network}[limit.by]
    return _for_each_event(whose) if limit.per_event else whose


def _for_each_event(whose: Callable[[ExecutionContext], Hashable]) -> Callable[[ExecutionContext], Hashable]:
    return lambda context: (whose(context), context.event)


def _client(context: ExecutionContext) -> Hashable:
    return context.client.id


def _network(context: ExecutionContext) -> Hashable:
    address = context.client.handshake.address
    if ":" not in address:
        return address
    try:
        packed = inet_pton(AF_INET6, address.partition("%")[0])
    except OSError:  # a proxy says what is no address: it counts as it is
        return address
    if packed.startswith(_MAPPED):
        return inet_ntoa(packed[len(_MAPPED) :])
    return packed[:_NETWORK].hex(":", 2) + "::/64"


def _user(context: ExecutionContext) -> Hashable:
    """Return who a client is: what the application has kept of it, or the client itself.

    The two are told apart, so that nobody calls themself as another's client is called.
    """
    data = context.client.data
    for place in _PLACES:
        user = _name_of(data.get(place))
        if user is not None:
            return user
    return ("client", context.client.id)


def _name_of(user: Any) -> Hashable:
    """Return what tells a user from others and is the same for all clients of theirs; None if nothing is known."""
    if user is None:
        return None
    if isinstance(user, _IDENTITIES):
        return user if user not in _NOBODY else None
    for name in _NAMES:
        value = user.get(name) if isinstance(user, dict) else getattr(user, name, None)
        if isinstance(value, _IDENTITIES) and value not in _NOBODY:
            return value
    return None
