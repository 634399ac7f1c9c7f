"""The guards that count, and the decorators that say what is counted."""

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Annotated, Any, TypeVar

import msgspec

from moongate.di.provider import Inject
from moongate.errors import ConfigurationError, WsException
from moongate.pipeline.context import ExecutionContext
from moongate.pipeline.enhancers import SetMetadata, UseGuards, apply_decorators
from moongate.throttling.bucket import LocalStore, ThrottleStore
from moongate.throttling.limit import Limit, key_of

__all__ = ["THROTTLE_STORE", "SkipThrottle", "Throttle", "Throttler"]

THROTTLE_STORE = "moongate:throttle-store"
"""The token of the store for what `Throttle` declares; each module has one of its own if nobody provides it."""

_DECLARED = "moongate:throttle"
_SKIP = "moongate:skip-throttle"

_TOO_MANY = "Too many requests"

_Target = TypeVar("_Target", bound=Callable[..., Any])


class Throttler:
    """A guard that counts messages and connects: `Moongate(guards=[Throttler(Limit(100, per=1))])`.

    *limits* hold for all gateways together, beside what `Throttle` says of one. Whoever is refused more than
    *disconnect_after* times in *window* seconds has to go. *store* keeps the buckets, in this process by default, under
    *name*, which tells several with the same store apart. Raises ConfigurationError.
    """

    def __init__(
        self,
        *limits: Limit,
        store: ThrottleStore | None = None,
        disconnect_after: int | None = None,
        window: float = 60.0,
        name: str = "application",
    ) -> None:
        self._rule = _Rule(name, _checked(limits, "Throttler"), _abuse(disconnect_after, window))
        self._store: ThrottleStore = LocalStore() if store is None else store

    async def can_activate(self, context: ExecutionContext) -> bool:
        """Return True, or raise WsException with `retry_after`, in seconds."""
        if not context.metadata.get(_SKIP):
            await _count(context, self._rule, self._store)
        return True


class _Rule(msgspec.Struct, frozen=True):
    """What is declared in one place. Its name, which is the same in every process, keeps its buckets apart."""

    name: str
    limits: tuple[Limit, ...]
    abuse: Limit | None


class _DeclaredThrottler:
    """Counts what `Throttle` says of a gateway or a handler."""

    def __init__(self, store: Annotated[ThrottleStore | None, Inject(THROTTLE_STORE)] = None) -> None:
        self._store: ThrottleStore = LocalStore() if store is None else store

    async def can_activate(self, context: ExecutionContext) -> bool:
        if not context.metadata.get(_SKIP):
            await _count(context, context.metadata[_DECLARED], self._store)
        return True


class Throttle:
    """Limits a gateway or a handler: `@Throttle(Limit(5, per=1))`. What a handler says counts instead of its gateway's.

    Whoever is refused more than *disconnect_after* times in *window* seconds has to go. Raises ConfigurationError.
    """

    def __init__(self, *limits: Limit, disconnect_after: int | None = None, window: float = 60.0) -> None:
        self._limits = _checked(limits, "Throttle")
        self._abuse = _abuse(disconnect_after, window)

    def __call__(self, target: _Target) -> _Target:
        """Attach the limits, and the guard that counts them, to *target*."""
        rule = _Rule(f"{target.__module__}.{target.__qualname__}", self._limits, self._abuse)
        decorated: _Target = apply_decorators(UseGuards(_DeclaredThrottler), SetMetadata(_DECLARED, rule))(target)
        return decorated


class SkipThrottle:
    """Counts nothing for a gateway or a handler; with False it is counted after all, though its gateway is not."""

    def __init__(self, skip: bool = True) -> None:  # noqa: FBT001, FBT002  # SkipThrottle(False) speaks for itself
        self._skip = skip

    def __call__(self, target: _Target) -> _Target:
        """Attach the metadata to *target*."""
        return SetMetadata(_SKIP, self._skip)(target)


async def _count(context: ExecutionContext, rule: _Rule, store: ThrottleStore) -> None:
    """Take a token of every limit; raises WsException if one has none, which says in how many seconds it will."""
    wait = 0.0
    for number, limit in enumerate(rule.limits):
        if (limit.on == "connect") is context.is_connect:
            wait = max(wait, await _take(store, (rule.name, number, key_of(limit, context)), limit))
    if wait <= 0:
        return
    client = context.client
    if (
        rule.abuse is not None
        and client.connected
        and await _take(store, (rule.name, "abuse", client.id), rule.abuse) > 0
    ):
        client.disconnect(close=True)
    # Rounded up: whoever waits as long as that is let through.
    raise WsException(_TOO_MANY, data={"retry_after": math.ceil(wait * 1000) / 1000})


async def _take(store: ThrottleStore, key: tuple[Hashable, ...], limit: Limit) -> float:
    taken = store.take(key, limit)
    return taken if isinstance(taken, int | float) else await taken


def _abuse(disconnect_after: int | None, window: float) -> Limit | None:
    return None if disconnect_after is None else Limit(disconnect_after, per=window)


def _checked(limits: Sequence[object], where: str) -> tuple[Limit, ...]:
    if not limits:
        raise ConfigurationError("it limits nothing", where=where, mend=f"Write {where}(Limit(5, per=1)).")
    for limit in limits:
        if not isinstance(limit, Limit):
            raise ConfigurationError(
                f"expected a Limit, got {limit!r}", where=where, mend=f"Write {where}(Limit(5, per=1))."
            )
    return tuple(limit for limit in limits if isinstance(limit, Limit))
