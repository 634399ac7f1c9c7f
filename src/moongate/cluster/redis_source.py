"""Where Redis is, from a URL or a client of redis-py: one server, one behind Sentinels, or a Redis Cluster."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

import redis.asyncio
from redis.asyncio.cluster import RedisCluster as RedisClusterClient
from redis.asyncio.connection import AbstractConnection

from moongate.cluster.redis_link import Commands
from moongate.cluster.redis_listener import RedisListener, Subscription
from moongate.cluster.redis_options import RedisSource
from moongate.cluster.redis_topology import ManyCommands, ManyListeners, Topology
from moongate.errors import ConfigurationError

__all__ = ["RedisServers", "Sends", "Subscribes"]


class Sends(Protocol):
    """Sends commands; see `Commands`."""

    async def call(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Send *commands* and return an answer for each; raises Unreachable."""

    def close(self) -> None:
        """Let go of the connection."""


class Subscribes(Protocol):
    """Subscribes to channels; see `RedisListener`."""

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Let go of the connection."""

    def add(self, subscriptions: Iterable[Subscription]) -> Awaitable[None]:
        """Subscribe."""

    def remove(self, subscriptions: Iterable[Subscription]) -> None:
        """Subscribe no longer."""

    def reconnect(self) -> None:
        """Connect anew."""


class RedisServers:
    """Makes what sends and what listens; raises ConfigurationError for what is neither URL nor client."""

    def __init__(self, source: RedisSource) -> None:
        try:
            self._client: Any = redis.asyncio.from_url(source) if isinstance(source, str) else source()
        except ValueError as error:
            raise ConfigurationError(
                f"expected a URL like 'redis://localhost:6379': {error}",
                where="cluster",  # it may hold a password
            ) from error
        self._topology = Topology(self._client) if isinstance(self._client, RedisClusterClient) else None
        if self._topology is None and not hasattr(self._client, "connection_pool"):
            raise ConfigurationError(
                f"expected a client of redis.asyncio, got {self._client!r}",
                where="cluster",
                mend="Give a URL, or what returns redis.asyncio.Redis(...) or Sentinel(...).master_for(...).",
            )

    def sender(self) -> Sends:
        """Return what sends commands."""
        return Commands(self._connect) if self._topology is None else ManyCommands(self._topology)

    def listener(
        self,
        received: Callable[[str, bytes], None],
        connected: Callable[[], None],
        disconnected: Callable[[str], None],
        limit: int,
    ) -> Subscribes:
        """Return what subscribes to channels; see `RedisListener`."""
        if self._topology is None:
            return RedisListener(self._connect, received, connected, disconnected, limit)
        return ManyListeners(self._topology, received, connected, disconnected, limit)

    async def close(self) -> None:
        """Let go of the client."""
        await self._client.aclose()

    def _connect(self) -> AbstractConnection:
        pool = self._client.connection_pool
        connection: AbstractConnection = pool.connection_class(**pool.connection_kwargs)
        return connection
