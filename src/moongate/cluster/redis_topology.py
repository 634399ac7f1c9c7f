"""Redis Cluster: many servers, each of which has some of the channels and streams."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any

from redis.exceptions import AuthenticationError, RedisClusterException, RedisError

from moongate.cluster.bus import Confirmation, Unreachable, all_done
from moongate.cluster.redis_link import Commands, Connect, is_error
from moongate.cluster.redis_listener import RedisListener, Subscription
from moongate.errors import ClusterError, ConfigurationError

__all__ = ["ManyCommands", "ManyListeners", "Topology"]

_LOGGER = logging.getLogger("moongate.cluster")

_TIMEOUT = 2.0
"""Seconds that finding out about the servers may take."""

_PAUSE = 0.5
"""Seconds between two looks at the servers while something is wrong with them."""

_KEYS = {"PUBSUB": 2, "XREAD": 6}
"""Where a command has its channel or stream, if not at once behind its name."""


class Topology:
    """Which server has which channel, as redis-py's client of a Redis Cluster finds out."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.known: bool = False  # whether there is an answer at all

    async def refresh(self) -> None:
        """Find out anew; raises Unreachable, and ConfigurationError for what no other try would mend."""
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self._client.initialize()
                if self.known:
                    await self._client.nodes_manager.initialize()
        except AuthenticationError as error:
            raise ConfigurationError(f"Redis does not let us in: {error}", where="cluster") from error
        except (RedisError, RedisClusterException, OSError, TimeoutError) as error:
            raise Unreachable(f"no server of the Redis Cluster can be reached: {error}", written=False) from error
        self.known = True

    def server_of(self, key: str) -> str:
        """Return the name of the server that has a channel or a stream; raises Unreachable if none has it now."""
        servers = self._client.nodes_manager.slots_cache.get(self._client.keyslot(key))
        if not servers:
            raise Unreachable(f"no server of the Redis Cluster has {key!r} now", written=False)
        name: str = servers[0].name
        return name

    def masters(self) -> list[str]:
        """Return the names of all servers that have something."""
        return [server.name for server in self._client.get_primaries()]

    def connect_to(self, name: str) -> Connect:
        """Return what makes connections to one server."""

        def connect() -> Any:
            server = self._client.get_node(node_name=name)
            if server is None:
                raise Unreachable(f"{name} is no server of the Redis Cluster any more", written=False)
            return server.connection_class(**server.connection_kwargs)

        return connect


class ManyCommands:
    """As `Commands`, to whichever server a command is for."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._links: dict[str, Commands] = {}

    async def call(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Send *commands* and return an answer for each: what Redis said, or a ClusterError; raises Unreachable."""
        if not self._topology.known:
            await self._topology.refresh()
        replies = await self._try(commands)
        moved = [index for index, reply in enumerate(replies) if is_error(reply) and str(reply).startswith("MOVED")]
        if moved:  # which is to say that they were not carried out
            await self._follow(commands, moved, replies)
        if all(isinstance(reply, ClusterError) and reply.sent is False for reply in replies):
            self._topology.known = False
            raise Unreachable(str(replies[0].reason), written=False)
        return replies

    def close(self) -> None:
        """Let go of all connections."""
        for link in self._links.values():
            link.close()

    async def _follow(self, commands: Sequence[tuple[Any, ...]], moved: Sequence[int], replies: list[Any]) -> None:
        """Send those of *commands* that *moved* counts to the servers that have their channels now."""
        try:
            await self._topology.refresh()
        except Unreachable as error:
            _LOGGER.debug("the servers of the Redis Cluster are not known: %s", error)
            return  # others of the same call may have been carried out, so it must not be done again as a whole
        for index, reply in zip(moved, await self._try([commands[index] for index in moved]), strict=True):
            replies[index] = reply

    async def _try(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        replies: list[Any] = [None] * len(commands)
        groups: dict[str, list[int]] = {}
        for index, command in enumerate(commands):
            if command[:2] == ("PUBSUB", "NUMSUB"):
                replies[index] = await self._sum(command)
                continue
            key = command[_KEYS.get(command[0], 1)]
            try:
                groups.setdefault(self._topology.server_of(key), []).append(index)
            except Unreachable as error:
                replies[index] = ClusterError(error.reason)
        answers = await asyncio.gather(
            *(self._ask(server, [commands[index] for index in group]) for server, group in groups.items())
        )
        for group, answer in zip(groups.values(), answers, strict=True):
            for index, reply in zip(group, answer, strict=True):
                replies[index] = reply
        return replies

    async def _ask(self, server: str, commands: list[tuple[Any, ...]]) -> list[Any]:
        if server not in self._links:
            self._links[server] = Commands(self._topology.connect_to(server))
        try:
            return await self._links[server].call(commands)
        except Unreachable as error:
            self._topology.known = False  # another one may have what it had
            return [ClusterError(error.reason, sent=None if error.written else False)] * len(commands)

    async def _sum(self, command: tuple[Any, ...]) -> Any:
        """Return how many have subscribed at all servers together: a channel is not one server's."""
        answers = await asyncio.gather(*(self._ask(server, [command]) for server in self._topology.masters()))
        for (reply,) in answers:
            if is_error(reply) or isinstance(reply, ClusterError):
                return reply
        return [command[2], sum(int(reply[1]) for (reply,) in answers)]


class ManyListeners:
    """As `RedisListener`, with a connection to each server that has one of the channels."""

    def __init__(
        self,
        topology: Topology,
        received: Callable[[str, bytes], None],
        connected: Callable[[], None],
        disconnected: Callable[[str], None],
        limit: int,
    ) -> None:
        self._topology = topology
        self._limit = limit
        self._received = received
        self._connected = connected
        self._disconnected = disconnected
        self._wanted: set[Subscription] = set()
        self._listeners: dict[str, RedisListener] = {}
        self._places: dict[Subscription, str] = {}
        self._up: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._look: asyncio.Event = asyncio.Event()  # set when the servers have to be looked at anew
        self._starting: dict[str, asyncio.Task[None]] = {}  # by server, of those that connect for the first time
        self._confirming: dict[str, Confirmation] = {}  # by server, what it was asked for last

    async def start(self) -> None:
        """Connect; returns when the first try has succeeded or failed. Raises ConfigurationError."""
        try:
            await self._topology.refresh()
            await self._place()
        except Unreachable as error:
            self._disconnected(error.reason)
            self._look.set()
        self._task = asyncio.get_running_loop().create_task(self._watch(), name="moongate cluster topology")

    async def stop(self) -> None:
        """Let go of all connections."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task, *self._starting.values()))
        for listener in self._listeners.values():
            await listener.stop()

    def add(self, subscriptions: Iterable[Subscription]) -> Awaitable[None]:
        """Subscribe; the result is done when Redis has confirmed, or a connection is gone."""
        for subscription in subscriptions:
            self._wanted.add(subscription)
            listener = self._listener_for(subscription)
            if listener is not None:
                server = self._places[subscription]
                done = listener.add((subscription,))
                starting = self._starting.get(server)
                done = done if starting is None else Confirmation(starting)
                if isinstance(done, Confirmation):
                    self._confirming[server] = done
        self._confirming = {server: each for server, each in self._confirming.items() if not each.done}
        return all_done(self._confirming.values())

    def remove(self, subscriptions: Iterable[Subscription]) -> None:
        """Subscribe no longer."""
        for subscription in subscriptions:
            self._wanted.discard(subscription)
            place = self._places.pop(subscription, None)
            if place in self._listeners:
                self._listeners[place].remove((subscription,))

    def reconnect(self) -> None:
        """Drop all connections and connect again."""
        for listener in self._listeners.values():
            listener.reconnect()

    def _listener_for(self, subscription: Subscription) -> RedisListener | None:
        """Return the listener that has to have *subscription*, None if that is not known yet."""
        if not self._topology.known:
            return None
        try:
            server = self._topology.server_of(subscription[1])
        except Unreachable:
            self._look.set()
            return None
        former = self._places.get(subscription)
        if former is not None and former != server and former in self._listeners:
            self._listeners[former].remove((subscription,))
        self._places[subscription] = server
        if server not in self._listeners:
            listener = self._listeners[server] = RedisListener(
                self._topology.connect_to(server),
                self._received,
                partial(self._server_up, server),
                partial(self._server_down, server),
                self._limit,
            )
            if self._task is not None:
                self._starting[server] = asyncio.get_running_loop().create_task(self._start(server, listener))
        return self._listeners[server]

    async def _start(self, server: str, listener: RedisListener) -> None:
        try:
            await listener.start()
        except ConfigurationError as error:
            self._listeners.pop(server, None)  # so that another one tries
            self._server_down(server, str(error))
        finally:
            del self._starting[server]

    async def _place(self) -> None:
        """Let each server's connection have what the server has now."""
        for subscription in tuple(self._wanted):
            listener = self._listener_for(subscription)
            if listener is not None:
                listener.add((subscription,))
        used = set(self._places.values())
        for server in set(self._listeners) - used:
            self._up.discard(server)
            await self._listeners.pop(server).stop()
        if self._task is None:
            for listener in tuple(self._listeners.values()):
                await listener.start()
        self._say()

    async def _watch(self) -> None:
        while True:
            await self._look.wait()
            await asyncio.sleep(_PAUSE)
            self._look.clear()
            try:
                await self._topology.refresh()
                await self._place()
            except (Unreachable, ConfigurationError) as error:
                _LOGGER.debug("the servers of the Redis Cluster are not known: %s", error)
                self._look.set()
            except Exception:
                _LOGGER.exception("the servers of the Redis Cluster could not be looked at")
                self._look.set()
            if len(self._up) < len(self._listeners):
                self._look.set()

    def _server_up(self, server: str) -> None:
        self._up.add(server)
        self._say()

    def _server_down(self, server: str, reason: str) -> None:
        self._up.discard(server)
        self._look.set()
        self._disconnected(f"{server}: {reason}")

    def _say(self) -> None:
        if self._listeners and self._up >= set(self._listeners):
            self._connected()
