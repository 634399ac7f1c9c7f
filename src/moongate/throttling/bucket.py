"""Token buckets, and where they are kept."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Protocol, TypeAlias

from moongate.errors import ConfigurationError
from moongate.throttling.limit import Limit

__all__ = ["Bucket", "BucketKey", "Claim", "LocalStore", "ThrottleStore"]

BucketKey: TypeAlias = tuple[Hashable, ...]
"""Names one bucket: where its limit is declared, which of several it is there, and whose it is."""

Claim: TypeAlias = tuple[BucketKey, Limit]
"""One token of one bucket, and the limit that it fills by."""

_ROUNDING = 1e-6
"""Seconds: whoever has waited as long as told is let through, though floating-point numbers say a little less.

Nothing is given away: the bucket owes it."""

_LOOKED_AT = 2
"""How many of the oldest buckets are looked at for each new one, so that there are at most about twice as many as
are not full."""

_LOOKED_AT_IN_NEED = 32
"""How many, if there is no room for a new one."""


class ThrottleStore(Protocol):
    """Keeps buckets: here, or where other processes find them as well."""

    def take(self, claims: Sequence[Claim]) -> float | Awaitable[float]:
        """Take a token of each bucket, or none at all if one of them has none.

        Returns 0, or in how many seconds all of them will have one. Keys are the same in every process that runs the
        same application.
        """


class Bucket:
    """Fills at the rate of its limit, up to its size. A new one is full. Times are in seconds, of any beginning."""

    __slots__ = ("_level", "_rate", "_size", "_time")

    def __init__(self, limit: Limit, now: float) -> None:
        self._size = self._level = limit.size
        self._rate = limit.rate
        self._time = now

    def take(self, now: float) -> float:
        """Take a token at the time *now*; return 0, or in how many seconds there will be one."""
        passed, level = now - self._time, self._level
        if passed > 0:  # as in `level`, for every message
            level += passed * self._rate
            if level > self._size:  # noqa: PLR1730  # a call of min takes as long as all the rest
                level = self._size
        if level < 1.0:
            wait = (1.0 - level) / self._rate
            if wait > _ROUNDING:
                return wait
        self._level = level - 1.0
        if passed > 0:
            self._time = now
        return 0.0

    def wait(self, now: float) -> float:
        """Return in how many seconds there is a token, 0 if there is one at the time *now*."""
        wait = (1.0 - self.level(now)) / self._rate
        return wait if wait > _ROUNDING else 0.0

    def level(self, now: float) -> float:
        """Return how many tokens there are at the time *now*; a clock that goes back gives none."""
        passed = now - self._time
        return min(self._size, self._level + passed * self._rate) if passed > 0 else self._level

    def is_full(self, now: float) -> bool:
        """Return whether it is as a new one would be."""
        return self.level(now) >= self._size


class LocalStore:
    """Keeps buckets in this process. Those that are full again are forgotten: they are as new ones would be.

    There are never more than *max_buckets*; whoever would need another one has to wait until one is full again.
    *clock* returns seconds. Raises ConfigurationError.
    """

    __slots__ = ("_buckets", "_clock", "_max_buckets")

    def __init__(self, *, max_buckets: int = 1_000_000, clock: Callable[[], float] = time.monotonic) -> None:
        if not isinstance(max_buckets, int) or max_buckets < 1:  # type: ignore[redundant-expr]
            raise ConfigurationError(
                f"expected a whole number above 0 as max_buckets, got {max_buckets!r}",
                where="LocalStore",
                mend="Write LocalStore(max_buckets=100_000), or leave it out.",
            )
        self._buckets: OrderedDict[BucketKey, Bucket] = OrderedDict()
        self._clock = clock
        self._max_buckets = max_buckets

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, claims: Sequence[Claim]) -> float:
        """Take a token of each bucket, or none at all; return 0, or in how many seconds all of them will have one."""
        now = self._clock()
        if len(claims) == 1:  # most have one limit
            bucket = self._buckets.get(claims[0][0])
            if bucket is not None:
                return bucket.take(now)
        return self._take_all(claims, now)

    def _take_all(self, claims: Sequence[Claim], now: float) -> float:
        wait, missing = 0.0, 0
        for key, _ in claims:
            bucket = self._buckets.get(key)
            if bucket is None:
                missing += 1
            else:
                wait = max(wait, bucket.wait(now))
        if wait:
            return wait
        if missing and not self._make_room(missing, now):
            return max(limit.per for key, limit in claims if key not in self._buckets)
        for key, limit in claims:
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = self._buckets[key] = Bucket(limit, now)
            bucket.take(now)
        return 0.0

    def _make_room(self, count: int, now: float) -> bool:
        """Forget what is full among the oldest, a few for each new one; return whether *count* fit in."""
        self._look_at(_LOOKED_AT * count, now)
        if len(self._buckets) + count > self._max_buckets:
            self._look_at(_LOOKED_AT_IN_NEED, now)
        return len(self._buckets) + count <= self._max_buckets

    def _look_at(self, count: int, now: float) -> None:
        """Forget the oldest that are full; the others go to the end, so that all have their turn."""
        buckets = self._buckets
        for _ in range(min(count, len(buckets))):
            key = next(iter(buckets))
            if buckets[key].is_full(now):
                del buckets[key]
            else:
                buckets.move_to_end(key)
