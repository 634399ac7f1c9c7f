"""Token buckets, and where they are kept."""

import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Protocol, TypeAlias

from moongate.throttling.limit import Limit

__all__ = ["Bucket", "BucketKey", "LocalStore", "ThrottleStore"]

BucketKey: TypeAlias = tuple[Hashable, ...]
"""Names one bucket: where its limit is declared, which of several it is there, and whose it is."""

_SWEEP = 1024
"""How many buckets there are before it is worth looking for full ones."""


class ThrottleStore(Protocol):
    """Keeps buckets: here, or where other processes find them as well."""

    def take(self, key: BucketKey, limit: Limit) -> float | Awaitable[float]:
        """Take one token; return 0, or in how many seconds there will be one if there is none now."""


class Bucket:
    """Fills at the rate of its limit, up to its size. A new one is full."""

    __slots__ = ("_level", "_time")

    def __init__(self, size: float, now: float) -> None:
        self._level = size
        self._time = now

    def take(self, limit: Limit, now: float) -> float:
        """Take one token at the time *now*; return 0, or in how many seconds there will be one."""
        level = self.level(limit, now)
        self._time = max(self._time, now)
        if level < 1.0:
            self._level = level
            return (1.0 - level) / limit.rate
        self._level = level - 1.0
        return 0.0

    def level(self, limit: Limit, now: float) -> float:
        """Return how many tokens there are at the time *now*; a clock that goes back gives none."""
        passed = now - self._time
        return min(limit.size, self._level + passed * limit.rate) if passed > 0 else self._level


class LocalStore:
    """Keeps buckets in this process. Those that are full again are forgotten: they are as new ones would be.

    There are never more than *max_buckets*; whoever would need another one has to wait until one is full again.
    """

    __slots__ = ("_buckets", "_clock", "_max_buckets", "_sweep_at")

    def __init__(self, *, max_buckets: int = 1_000_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._buckets: dict[BucketKey, tuple[Bucket, Limit]] = {}
        self._clock = clock
        self._max_buckets = max_buckets
        self._sweep_at = _SWEEP

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: BucketKey, limit: Limit) -> float:
        """Take one token; return 0, or in how many seconds there will be one if there is none now."""
        now = self._clock()
        found = self._buckets.get(key)
        if found is not None:
            return found[0].take(limit, now)
        if len(self._buckets) >= min(self._sweep_at, self._max_buckets):
            self._sweep(now)
            if len(self._buckets) >= self._max_buckets:
                return limit.per
        bucket = Bucket(limit.size, now)
        self._buckets[key] = (bucket, limit)
        return bucket.take(limit, now)

    def _sweep(self, now: float) -> None:
        """Forget what is full again, and do so again when there is twice as much: that costs little for each."""
        full = [key for key, (bucket, limit) in self._buckets.items() if bucket.level(limit, now) >= limit.size]
        for key in full:
            del self._buckets[key]
        self._sweep_at = max(_SWEEP, 2 * len(self._buckets))
