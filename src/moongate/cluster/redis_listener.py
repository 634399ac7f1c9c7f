"""The connection by which messages arrive from Redis: it subscribes, connects again and subscribes anew by itself."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, cast

import hiredis

from moongate.cluster.bus import Confirmation, Unreachable
from moongate.cluster.redis_link import Connect, Link, is_error
from moongate.errors import ConfigurationError
from moongate.transport.flow import READY

__all__ = ["RedisListener", "Subscription"]

_LOGGER = logging.getLogger("moongate.cluster")

Subscription = tuple[str, str]
"""How is subscribed (`SUBSCRIBE`, `PSUBSCRIBE` or `SSUBSCRIBE`), and to which channel or pattern."""

_SHORTEST = 0.1
_LONGEST = 2.0
"""Seconds between two tries to connect; they double, and vary so that not all nodes come at once."""

_CHUNKS = {"SUBSCRIBE": 500, "PSUBSCRIBE": 500, "SSUBSCRIBE": 1}
"""How many channels one command names: in a Redis Cluster, sharded ones have to have the same slot."""

_DEADLINE = 5.0
"""Seconds that Redis may take to confirm subscriptions."""

_PATIENCE = 2.0
"""Seconds that a client which joins a room waits for Redis at most."""

_HOPELESS = ("NOPERM", "NOAUTH", "ERR unknown command")
"""How refusals begin that no other try would mend: this user may not, or this version of Redis cannot."""

_MESSAGES = {b"message": (1, 2), b"smessage": (1, 2), b"pmessage": (2, 3)}
"""Where channel and data stand in a message."""

_CONFIRMATIONS = {b"subscribe": "SUBSCRIBE", b"psubscribe": "PSUBSCRIBE", b"ssubscribe": "SSUBSCRIBE"}


class RedisListener:
    """Calls *received* with channel and data of each message.

    *connected* is called whenever everything is subscribed, *disconnected* with the reason whenever it is not any more.
    A message of many more bytes than *limit* costs the connection.
    """

    def __init__(
        self,
        connect: Connect,
        received: Callable[[str, bytes], None],
        connected: Callable[[], None],
        disconnected: Callable[[str], None],
        limit: int,
    ) -> None:
        self._connect = connect
        self._limit = limit
        self._received = received
        self._connected = connected
        self._disconnected = disconnected
        self._wanted: set[Subscription] = set()
        self._held: set[Subscription] = set()  # those that Redis has confirmed
        self._waiters: dict[Subscription, asyncio.Future[None]] = {}
        self._changes: dict[Subscription, bool] = {}  # what has changed in this turn: wanted or not
        self._leaving: list[Subscription] = []  # sharded ones whose end Redis has still to confirm
        self._refusal = ""  # the last one
        self._link: Link | None = None
        self._ended: asyncio.Future[str]
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect; returns when connected, or when the first try has failed. Raises ConfigurationError."""
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.get_running_loop().create_task(self._run(first), name="moongate cluster listener")
        await first

    async def stop(self) -> None:
        """Let go of the connection."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
        if self._link is not None:
            self._link.close("closed")
        self._release_waiters()

    def add(self, subscriptions: Iterable[Subscription]) -> Awaitable[None]:
        """Subscribe; the result is done when Redis has confirmed, takes too long, or the connection is gone."""
        new = [each for each in subscriptions if each not in self._wanted]
        if not new:
            return READY
        self._wanted.update(new)
        if self._link is None:
            return READY
        for each in new:
            self._waiters[each] = asyncio.get_running_loop().create_future()
            self._change(each, wanted=True)
        return Confirmation(self._waiters[new[-1]])  # Redis confirms in order

    def remove(self, subscriptions: Iterable[Subscription]) -> None:
        """Subscribe no longer."""
        for each in subscriptions:
            if each in self._wanted:
                self._wanted.discard(each)
                self._held.discard(each)
                self._release(each)
                if self._link is not None:
                    self._change(each, wanted=False)

    def reconnect(self) -> None:
        """Drop the connection and connect again."""
        if self._link is not None:
            self._link.close("this node did not hear itself")

    def _change(self, subscription: Subscription, *, wanted: bool) -> None:
        if not self._changes:
            asyncio.get_running_loop().call_soon(self._apply)
        # Whoever leaves and comes back within one turn leaves in between, so that the order does not matter.
        self._changes.pop(subscription, None)
        self._changes[subscription] = wanted

    def _apply(self) -> None:
        changes, self._changes = self._changes, {}
        if self._link is None:
            return
        leaving = [each for each, wanted in changes.items() if not wanted]
        coming = [each for each, wanted in changes.items() if wanted]
        waiters = {each: self._waiters[each] for each in coming if each in self._waiters}
        asyncio.get_running_loop().call_later(_PATIENCE, self._give_up, waiters)
        self._leaving += [each for each in leaving if each[0] == "SSUBSCRIBE"]
        self._link.write(_commands(leaving, "UN"))
        self._link.write(_commands(coming))

    async def _run(self, first: "asyncio.Future[None]") -> None:
        pause = _SHORTEST
        while True:
            try:
                reason = await self._live(first)
                pause = _SHORTEST
            except Unreachable as error:
                reason = error.reason
                pause = min(2 * pause, _LONGEST)
            except ConfigurationError as error:
                if not first.done():
                    first.set_exception(error)
                    return
                reason = str(error)
                pause = _LONGEST
            _LOGGER.debug("the listener tries again: %s", reason)
            self._disconnected(reason)
            if not first.done():
                first.set_result(None)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # no secret depends on it

    async def _live(self, first: "asyncio.Future[None]") -> str:
        """Connect, subscribe and listen until the connection is gone; return why it is. Raises Unreachable."""
        self._ended = asyncio.get_running_loop().create_future()
        self._link = await Link.open(self._connect, self._reply, self._lost, self._limit)
        self._refusal = ""
        self._held.clear()
        self._leaving.clear()
        self._changes.clear()
        asked = set(self._wanted)  # what is wanted later is asked for then, and not waited for here
        self._link.write(_commands(asked))
        try:
            async with asyncio.timeout(_DEADLINE):
                while asked and not self._ended.done():
                    await asyncio.wait((self._ended,), timeout=0.01)
                    asked &= self._wanted
                    asked -= self._held
        except TimeoutError:
            self._link.close(f"Redis did not confirm subscriptions within {_DEADLINE:g} s")
        if not self._ended.done():
            self._connected()
            if not first.done():
                first.set_result(None)
        reason = await self._ended
        if self._refusal.startswith(_HOPELESS):
            raise ConfigurationError(reason, where="cluster")
        return reason

    def _lost(self, reason: str) -> None:
        self._link = None
        self._release_waiters()
        if not self._ended.done():
            self._ended.set_result(reason)

    def _release_waiters(self) -> None:
        for each in tuple(self._waiters):
            self._release(each)

    def _release(self, subscription: Subscription) -> None:
        """Whoever waits for *subscription* need not wait any longer."""
        waiter = self._waiters.pop(subscription, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _give_up(self, waiters: "Mapping[Subscription, asyncio.Future[None]]") -> None:
        """Redis takes too long to confirm."""
        for each, waiter in waiters.items():
            if self._waiters.get(each) is waiter:
                self._release(each)

    def _reply(self, reply: Any) -> None:
        if is_error(reply):
            self._refusal = str(reply)
            if self._link is not None:
                self._link.close(f"Redis refused a subscription: {reply}")
            return
        if not isinstance(reply, list) or not reply:
            return
        place = _MESSAGES.get(reply[0])
        if place is not None:
            self._received(reply[place[0]].decode(errors="replace"), reply[place[1]])
            return
        if reply[0] == b"sunsubscribe":
            self._ended_by_redis(("SSUBSCRIBE", reply[1].decode(errors="replace")))
            return
        kind = _CONFIRMATIONS.get(reply[0])
        if kind is not None:
            self._confirmed((kind, reply[1].decode(errors="replace")))

    def _ended_by_redis(self, subscription: Subscription) -> None:
        """A subscription has ended: we asked for that, or another server of the Redis Cluster has the channel now."""
        if subscription in self._leaving:
            self._leaving.remove(subscription)
        elif subscription in self._wanted and self._link is not None:
            self._link.close("a channel has moved to another server")

    def _confirmed(self, subscription: Subscription) -> None:
        if subscription in self._wanted:
            self._held.add(subscription)
        self._release(subscription)


def _commands(subscriptions: Iterable[Subscription], prefix: str = "") -> bytes:
    """Return the commands that subscribe, or with the prefix `UN` the opposite."""
    by_kind: dict[str, list[str]] = {}
    for kind, channel in subscriptions:
        by_kind.setdefault(kind, []).append(channel)
    packed = []
    for kind, channels in by_kind.items():
        command, size = kind.replace("SUBSCRIBE", f"{prefix}SUBSCRIBE"), _CHUNKS[kind]
        packed += [
            hiredis.pack_command(cast("Any", (command, *channels[start : start + size])))
            for start in range(0, len(channels), size)
        ]
    return b"".join(packed)
