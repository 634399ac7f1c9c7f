"""Where Redis is: a URL, or a client of redis-py that knows."""

from typing import Any

import redis.asyncio
from redis.asyncio.connection import AbstractConnection

from moongate.cluster.redis_options import RedisSource
from moongate.errors import ConfigurationError

__all__ = ["RedisServers"]


class RedisServers:
    """Makes connections, which are not connected yet; raises ConfigurationError for what is neither URL nor client."""

    def __init__(self, source: RedisSource) -> None:
        try:
            self._client: Any = redis.asyncio.from_url(source) if isinstance(source, str) else source()
        except ValueError as error:
            raise ConfigurationError(
                f"expected a URL like 'redis://localhost:6379', got {source!r}: {error}"
            ) from error
        pool = getattr(self._client, "connection_pool", None)
        if pool is None:
            raise ConfigurationError(
                f"expected a client of redis.asyncio, got {self._client!r}",
                where="cluster",
                mend="Give a URL, or what returns redis.asyncio.Redis(...) or Sentinel(...).master_for(...).",
            )
        self._pool = pool

    def connect(self) -> AbstractConnection:
        """Return a new connection."""
        connection: AbstractConnection = self._pool.connection_class(**self._pool.connection_kwargs)
        return connection

    async def close(self) -> None:
        """Let go of the client."""
        await self._client.aclose()
