"""Redis, as it is given to `Moongate(cluster=...)`: with the wire of Node's streams adapter."""

from typing import Any

from moongate.cluster.bus import Bus, Options
from moongate.cluster.redis_options import RedisSource, check_source
from moongate.errors import ConfigurationError, MissingExtraError
from moongate.wire.payload import PayloadEncoder

__all__ = ["RedisStreamsCluster"]


class RedisStreamsCluster:
    """Joins nodes by streams of Redis, together with Node's servers that use `@socket.io/redis-streams-adapter` 0.3.

    What is sent to clients is kept in a log, from which a node that was cut off for a moment reads on. *source* is as
    for `RedisCluster`. *stream* is the name of the log and *max_length* about how many messages it keeps; *count*
    spreads the namespaces over so many logs. *sharded* sends what is not kept by the sharded channels of Redis 7. The
    names have to be the same in Node's options: `streamName`, `streamCount`, `channelPrefix` (here `prefix`),
    `useShardedPubSub`.
    """

    def __init__(
        self,
        source: RedisSource,
        *,
        stream: str = "socket.io",
        count: int = 1,
        max_length: int = 10_000,
        sharded: bool = False,
        **options: Any,
    ) -> None:
        self.source: RedisSource = check_source(source, "RedisStreamsCluster")
        self.stream: str = stream
        self.count: int = count
        self.max_length: int = max_length
        self.sharded: bool = sharded
        self.options: Options = Options(**options)
        if count < 1 or max_length < 1:
            raise ConfigurationError(
                f"expected numbers above 0, got count={count!r}, max_length={max_length!r}", where="RedisStreamsCluster"
            )

    def bus(self, encoder: PayloadEncoder) -> Bus:
        """Return a new bus; raises MissingExtraError."""
        try:
            from moongate.cluster.streams_bus import StreamsBus
        except ModuleNotFoundError as error:
            raise MissingExtraError("RedisStreamsCluster", extra="redis") from error
        return StreamsBus(self, encoder)
