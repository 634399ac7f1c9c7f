"""Emitting from programs that are no servers: cron jobs, Celery workers, scripts."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from moongate.cluster.bus import Bus, Cluster, Unreachable
from moongate.cluster.messages import Body, Disconnect, Emit, Join, Leave, Message, ServerEvent
from moongate.cluster.redis import RedisCluster
from moongate.cluster.rooms import Target
from moongate.errors import ClusterError, ConfigurationError
from moongate.types import Event, Room
from moongate.wire.payload import PayloadEncoder
from moongate.wire.socketio import check_event

__all__ = ["AsyncEmitter", "Emitter"]

T = TypeVar("T")

_EVERYBODY = Target()

_SENDER = "emitter"
"""The name that programs which are no servers give themselves; that of Node's emitters."""


class _Messages:
    """What may be said to clients, as messages of *namespace* for those whom *target* means."""

    __slots__ = ("namespace", "target", "volatile")

    def __init__(self, namespace: str, target: Target = _EVERYBODY, *, volatile: bool = False) -> None:
        if not namespace.startswith("/"):
            raise ConfigurationError(
                f"expected a namespace like '/chat', got {namespace!r}", where="Emitter", mend="Start it with a slash."
            )
        self.namespace = namespace
        self.target = target
        self.volatile = volatile

    def to(self, rooms: tuple[Room, ...]) -> "_Messages":
        target = Target(self.target.rooms.union(rooms), self.target.excluded)
        return _Messages(self.namespace, target, volatile=self.volatile)

    def except_(self, rooms: tuple[Room, ...]) -> "_Messages":
        target = Target(self.target.rooms, self.target.excluded.union(rooms))
        return _Messages(self.namespace, target, volatile=self.volatile)

    def emit(self, event: Event, arguments: tuple[Any, ...]) -> Message:
        check_event(event)
        return self._message(Emit(self.target, (event, *arguments), self.volatile))

    def join(self, rooms: tuple[Room, ...]) -> Message:
        return self._message(Join(self.target, rooms))

    def leave(self, rooms: tuple[Room, ...]) -> Message:
        return self._message(Leave(self.target, rooms))

    def disconnect(self, *, close: bool) -> Message:
        return self._message(Disconnect(self.target, close))

    def server_event(self, event: Event, arguments: tuple[Any, ...]) -> Message:
        check_event(event)
        return self._message(ServerEvent((event, *arguments)))

    def _message(self, body: Body) -> Message:
        return Message(_SENDER, self.namespace, body)


class _Sender:
    """Sends messages by a bus of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self._bus: Bus = cluster.bus(PayloadEncoder())

    async def send(self, message: Message) -> None:
        """Send a message; returns when the bus took it. Raises EncodeError and ClusterError."""
        frame = self._bus.encode(message)
        try:
            (refusal,) = await self._bus.send([frame])
        except Unreachable as error:
            raise ClusterError(error.reason, sent=None if error.written else False) from error
        if refusal is not None:
            raise refusal

    async def close(self) -> None:
        await self._bus.close()


class AsyncEmitter:
    """Emits to the clients of a cluster from a program that is no server, in an event loop.

    *cluster* is the same as for `Moongate`, or a URL, `redis://...`. `to`, `except_`, `of` and `volatile` return
    another emitter by the same connection. All that sends returns when the bus has taken it, and raises EncodeError for
    what cannot be sent, and ClusterError if the bus did not take it; nothing is sent again by itself.
    """

    def __init__(self, cluster: Cluster | str, namespace: str = "/") -> None:
        self._sender = _Sender(RedisCluster(cluster) if isinstance(cluster, str) else cluster)
        self._messages = _Messages(namespace)

    def of(self, namespace: str) -> "AsyncEmitter":
        """Return an emitter to the clients of *namespace*."""
        return self._derive(_Messages(namespace))

    def to(self, *rooms: Room) -> "AsyncEmitter":
        """Return an emitter to the members of any of *rooms*, besides those already meant by name."""
        return self._derive(self._messages.to(rooms))

    def in_(self, *rooms: Room) -> "AsyncEmitter":
        """Return the same as `to`."""
        return self.to(*rooms)

    def except_(self, *rooms: Room) -> "AsyncEmitter":
        """Return an emitter without the members of any of *rooms*."""
        return self._derive(self._messages.except_(rooms))

    @property
    def volatile(self) -> "AsyncEmitter":
        """The same emitter, whose events are dropped for clients that cannot take them at once."""
        return self._derive(_Messages(self._messages.namespace, self._messages.target, volatile=True))

    async def emit(self, event: Event, *arguments: Any) -> None:
        """Send an event to the clients."""
        await self._sender.send(self._messages.emit(event, arguments))

    async def sockets_join(self, *rooms: Room) -> None:
        """Put the clients into *rooms*."""
        await self._sender.send(self._messages.join(rooms))

    async def sockets_leave(self, *rooms: Room) -> None:
        """Take the clients out of *rooms*."""
        await self._sender.send(self._messages.leave(rooms))

    async def disconnect_sockets(self, close: bool = False) -> None:  # noqa: FBT001, FBT002  # as in Socket.IO
        """Put the clients out of the namespace; with *close*, end their connections."""
        await self._sender.send(self._messages.disconnect(close=close))

    async def server_side_emit(self, event: Event, *arguments: Any) -> None:
        """Send an event to the servers themselves."""
        await self._sender.send(self._messages.server_event(event, arguments))

    async def close(self) -> None:
        """Let go of the connection, which all emitters that were derived from this one share."""
        await self._sender.close()

    def _derive(self, messages: _Messages) -> "AsyncEmitter":
        emitter = AsyncEmitter.__new__(AsyncEmitter)
        emitter._sender, emitter._messages = self._sender, messages  # noqa: SLF001  # one of our own
        return emitter

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Emitter:
    """As `AsyncEmitter`, for programs without an event loop: each call returns when the bus has taken the message.

    It may be used in one thread at a time.
    """

    def __init__(self, cluster: Cluster | str, namespace: str = "/") -> None:
        self._runner = asyncio.Runner()
        self._emitter = self._run(_made(cluster, namespace))

    def of(self, namespace: str) -> "Emitter":
        """Return an emitter to the clients of *namespace*."""
        return self._derive(self._emitter.of(namespace))

    def to(self, *rooms: Room) -> "Emitter":
        """Return an emitter to the members of any of *rooms*, besides those already meant by name."""
        return self._derive(self._emitter.to(*rooms))

    def in_(self, *rooms: Room) -> "Emitter":
        """Return the same as `to`."""
        return self.to(*rooms)

    def except_(self, *rooms: Room) -> "Emitter":
        """Return an emitter without the members of any of *rooms*."""
        return self._derive(self._emitter.except_(*rooms))

    @property
    def volatile(self) -> "Emitter":
        """The same emitter, whose events are dropped for clients that cannot take them at once."""
        return self._derive(self._emitter.volatile)

    def emit(self, event: Event, *arguments: Any) -> None:
        """Send an event to the clients."""
        self._run(self._emitter.emit(event, *arguments))

    def sockets_join(self, *rooms: Room) -> None:
        """Put the clients into *rooms*."""
        self._run(self._emitter.sockets_join(*rooms))

    def sockets_leave(self, *rooms: Room) -> None:
        """Take the clients out of *rooms*."""
        self._run(self._emitter.sockets_leave(*rooms))

    def disconnect_sockets(self, close: bool = False) -> None:  # noqa: FBT001, FBT002  # as in Socket.IO
        """Put the clients out of the namespace; with *close*, end their connections."""
        self._run(self._emitter.disconnect_sockets(close))

    def server_side_emit(self, event: Event, *arguments: Any) -> None:
        """Send an event to the servers themselves."""
        self._run(self._emitter.server_side_emit(event, *arguments))

    def close(self) -> None:
        """Let go of the connection, which all emitters that were derived from this one share."""
        self._run(self._emitter.close())
        self._runner.close()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._runner.run(_with_news(coroutine))
        coroutine.close()
        raise ConfigurationError(
            "an Emitter would block the event loop that runs here", where="Emitter", mend="Use AsyncEmitter."
        )

    def _derive(self, made: AsyncEmitter) -> "Emitter":
        emitter = Emitter.__new__(Emitter)
        emitter._runner, emitter._emitter = self._runner, made  # noqa: SLF001  # one of our own
        return emitter

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def _with_news(coroutine: Coroutine[Any, Any, T]) -> T:
    """Let the loop see first what has come since the last call: the bus may have closed the connection."""
    for _ in range(2):  # in the first turn it looks, in the second it tells
        await asyncio.sleep(0)
    return await coroutine


async def _made(cluster: Cluster | str, namespace: str) -> AsyncEmitter:
    return AsyncEmitter(cluster, namespace)
