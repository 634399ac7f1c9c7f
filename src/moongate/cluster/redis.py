"""Redis, as it is given to `Moongate(cluster=...)`: with the wire of Node's adapters, classic or sharded."""

from typing import Any

from moongate.cluster.bus import Bus, Options
from moongate.cluster.redis_options import RedisSource, check_source
from moongate.errors import MissingExtraError
from moongate.wire.payload import PayloadEncoder

__all__ = ["RedisCluster"]


class RedisCluster:
    """Joins nodes by the publish and subscribe of Redis, together with Node's servers that use the official adapter.

    *source* is a URL or returns a client of `redis.asyncio`, for Sentinel, Redis Cluster and whatever else redis-py
    offers. *sharded* chooses the channels of Node's `createShardedAdapter`, for which Redis has to be of version 7: a
    message for a room reaches only nodes that have clients in it. All other options are those of `Options`.
    """

    def __init__(self, source: RedisSource, *, sharded: bool = False, **options: Any) -> None:
        self.source: RedisSource = check_source(source, "RedisCluster")
        self.sharded: bool = sharded
        self.options: Options = Options(**options)

    def bus(self, encoder: PayloadEncoder) -> Bus:
        """Return a new bus; raises MissingExtraError."""
        try:
            from moongate.cluster.redis_bus import PubSubBus
            from moongate.cluster.redis_layouts import ClassicLayout, ShardedLayout
        except ModuleNotFoundError as error:
            raise MissingExtraError("RedisCluster", extra="redis") from error
        layout = ShardedLayout if self.sharded else ClassicLayout
        return PubSubBus(self.source, self.options, encoder, layout(self.options, encoder))
