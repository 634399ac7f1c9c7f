"""Where Redis is, as applications say it."""

from collections.abc import Callable
from typing import Any, TypeAlias

from moongate.errors import ConfigurationError

__all__ = ["RedisSource", "check_source"]

RedisSource: TypeAlias = str | Callable[[], Any]
"""A URL, as `redis://user:secret@host:6379/0` or `rediss://...`, or what returns a client of `redis.asyncio`."""


def check_source(source: RedisSource, where: str) -> RedisSource:
    """Return *source*; raises ConfigurationError for what can be none."""
    if not isinstance(source, str) and not callable(source):
        raise ConfigurationError(
            f"expected a URL like 'redis://localhost:6379', or a callable that returns a client, got {source!r}",
            where=where,
        )
    return source
