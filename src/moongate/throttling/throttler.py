"""The guards that count, and the decorators that say what is counted."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from moongate.di.provider import Inject
from moongate.errors import ConfigurationError
from moongate.pipeline.context import ExecutionContext
from moongate.pipeline.enhancers import SetMetadata, UseGuards, apply_decorators
from moongate.throttling.bucket import LocalStore, ThrottleStore
from moongate.throttling.counting import Counter, rule_of
from moongate.throttling.limit import Limit

__all__ = ["THROTTLE_STORE", "SkipThrottle", "Throttle", "Throttler"]

THROTTLE_STORE = "moongate:throttle-store"
"""The token of the store for what `Throttle` declares; each module has one of its own if nobody provides it."""

_DECLARED = "moongate:throttle"
_SKIP = "moongate:skip-throttle"

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
        self._rule = rule_of(name, limits, disconnect_after, window, declared_by="Throttler")
        self._counter = Counter(LocalStore() if store is None else store)

    def can_activate(self, context: ExecutionContext) -> bool | Awaitable[bool]:
        """Return True; what is awaited otherwise may raise WsException, with `retry_after` in seconds."""
        return True if context.metadata.get(_SKIP) else self._counter.count(context, self._rule)


class _DeclaredThrottler:
    """Counts what `Throttle` says of a gateway or a handler."""

    def __init__(self, store: Annotated[ThrottleStore | None, Inject(THROTTLE_STORE)] = None) -> None:
        self._counter = Counter(LocalStore() if store is None else store)

    def can_activate(self, context: ExecutionContext) -> bool | Awaitable[bool]:
        metadata = context.metadata
        return True if metadata.get(_SKIP) else self._counter.count(context, metadata[_DECLARED])


class Throttle:
    """Limits a gateway or a handler: `@Throttle(Limit(5, per=1))`. What a handler says counts instead of its gateway's.

    Whoever is refused more than *disconnect_after* times in *window* seconds has to go. Raises ConfigurationError.
    """

    def __init__(self, *limits: Limit, disconnect_after: int | None = None, window: float = 60.0) -> None:
        self._options = (limits, disconnect_after, window)
        self._connects = bool(rule_of("", *self._options, declared_by="Throttle").connects)

    def __call__(self, target: _Target) -> _Target:
        """Attach the limits, and the guard that counts them, to *target*. Raises ConfigurationError."""
        name = f"{target.__module__}.{target.__qualname__}"
        if self._connects and not inspect.isclass(target):
            raise ConfigurationError(
                "no client connects to a handler, so that its limit on='connect' would count nothing",
                where=name,
                mend="Write it above the gateway's class.",
            )
        rule = rule_of(name, *self._options, declared_by="Throttle")
        decorated: _Target = apply_decorators(UseGuards(_DeclaredThrottler), SetMetadata(_DECLARED, rule))(target)
        return decorated


class SkipThrottle:
    """Counts nothing for a gateway or a handler; with False it is counted after all, though its gateway is not."""

    def __init__(self, skip: bool = True) -> None:  # noqa: FBT001, FBT002  # SkipThrottle(False) speaks for itself
        self._skip = skip

    def __call__(self, target: _Target) -> _Target:
        """Attach the metadata to *target*."""
        return SetMetadata(_SKIP, self._skip)(target)
