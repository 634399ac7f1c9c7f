"""One limit: how many, in which time, of whom."""

import ipaddress
from collections.abc import Callable, Hashable
from typing import Any, Literal, TypeAlias

import msgspec

from moongate.errors import ConfigurationError
from moongate.pipeline.context import ExecutionContext

__all__ = ["By", "Limit", "Occasion", "key_of"]

By: TypeAlias = Literal["client", "user", "ip"] | Callable[[ExecutionContext], Hashable]
"""Who is counted: a client, a user with all clients of theirs, an IP address, or what a function says."""

Occasion: TypeAlias = Literal["message", "connect"]
"""What is counted."""

_IPV6_NETWORK = 64
"""Bits of an IPv6 address that are one customer's; the rest anybody changes at will (RFC 6177)."""


class Limit(msgspec.Struct, frozen=True):
    """At most *count* in *per* seconds, and no more than *burst* at once, which is *count* if not said.

    *by* says of whom: of each client (the default), of each user, of each IP address, or of what a function of the
    context returns. A user is `client.data["user"]`, the subject of a token, or else the client. *on* says of what: of
    messages, or of clients that connect. With *per_event* each event has a limit of its own. Raises ConfigurationError.
    """

    count: float
    per: float
    burst: float | None = None
    by: By = "client"
    on: Occasion = "message"
    per_event: bool = False

    def __post_init__(self) -> None:
        for name in ("count", "per", "burst"):
            value = getattr(self, name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (is_number and 0 < value < float("inf")) and not (name == "burst" and value is None):
                raise ConfigurationError(
                    f"expected a number above 0 as {name}, got {value!r}",
                    where="Limit",
                    mend="Write Limit(10, per=1) for ten in a second.",
                )
        if self.size < 1:
            raise ConfigurationError(
                f"a burst of {self.size:g} would never let anything pass", where="Limit", mend="Write at least 1."
            )
        if self.by not in {"client", "user", "ip"} and not callable(self.by):
            raise ConfigurationError(
                f"expected 'client', 'user', 'ip' or a function as by, got {self.by!r}", where="Limit"
            )
        if self.on not in {"message", "connect"}:
            raise ConfigurationError(f"expected 'message' or 'connect' as on, got {self.on!r}", where="Limit")

    @property
    def size(self) -> float:
        """How many may come at once."""
        return self.count if self.burst is None else self.burst

    @property
    def rate(self) -> float:
        """How many may come in a second, in the long run."""
        return self.count / self.per


def key_of(limit: Limit, context: ExecutionContext) -> Hashable:
    """Return whose bucket counts."""
    if callable(limit.by):
        whose: Hashable = limit.by(context)
    elif limit.by == "ip":
        whose = _network(context.client.handshake.address)
    elif limit.by == "user":
        whose = _user(context)
    else:
        whose = context.client.id
    return (whose, context.event) if limit.per_event else whose


def _network(address: str) -> str:
    if ":" not in address:
        return address
    return str(ipaddress.ip_network((address.partition("%")[0], _IPV6_NETWORK), strict=False))


def _user(context: ExecutionContext) -> Hashable:
    """Return who a client is: what the application has kept of it, or the client itself."""
    data = context.client.data
    user: Any = data.get("user", data.get("claims"))
    if isinstance(user, dict):
        user = user.get("id", user.get("sub"))
    else:
        user = getattr(user, "sub", getattr(user, "id", user))
    return user if isinstance(user, str | int) else context.client.id
