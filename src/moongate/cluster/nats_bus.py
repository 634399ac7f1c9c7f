"""Publish and subscribe of NATS as a bus."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from moongate.cluster.bus import Confirmation, Frame, Listener, Options, Unreachable
from moongate.cluster.channels import Channels
from moongate.cluster.messages import Message
from moongate.cluster.nats_link import NatsLink
from moongate.errors import ClusterError, ConfigurationError
from moongate.transport.flow import READY
from moongate.types import Room
from moongate.wire.payload import PayloadEncoder

__all__ = ["NatsBus"]

_LOGGER = logging.getLogger("moongate.cluster")

_SHORTEST = 0.1
_LONGEST = 2.0
"""Seconds between two tries to connect; they double, and vary so that not all nodes come at once."""

_IDLE = 1.0
"""Seconds after which a program that only sends finds out whether its connection is still there, before it uses it."""

_CHUNK = 1_048_576
"""Bytes after which NATS is asked whether it has taken them."""


class NatsBus:
    """Sends and listens by one connection; when it is lost, by another one."""

    counts_servers = False

    def __init__(
        self, servers: Sequence[str], connect: Mapping[str, Any], options: Options, encoder: PayloadEncoder
    ) -> None:
        self._servers = servers
        self._arguments = connect
        self._channels = Channels(options, encoder)
        self._decode = self._channels.wire.decode
        self._nodes = self._channels.nodes.encode()
        self._echoes: tuple[bytes, bytes]
        self._listener: Listener | None = None  # a program that only sends has none
        self._link: NatsLink | None = None
        self._reason = "it has not connected yet"  # why there is no link
        self._opening = asyncio.Lock()
        self._used = 0.0  # when a program that only sends did so last, in the loop's time
        self._ended: asyncio.Future[str]
        self._wanted: set[str] = set()
        self._changes: list[tuple[str, bool]] = []  # subjects that this turn has subscribed to, or no longer
        self._confirmed: asyncio.Future[None] | None = None  # done when the last changes are in force
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self, listener: Listener) -> None:
        """Begin to connect; see `Bus.connect`."""
        self._listener = listener
        self._echoes = self._channels.wire.echoes(listener.uid)
        self._wanted |= {self._channels.nodes, self._channels.node(listener.uid)}
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._start(self._run(listener, first), "moongate cluster listener")
        await first

    async def fall_silent(self) -> None:
        """Who says goodbye is counted on no more."""

    async def close(self) -> None:
        """Let go of everything."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        link = self._link
        if link is not None:
            link.close("closed")
            await link.closed()

    def encode(self, message: Message) -> Frame:
        """Encode a message; raises EncodeError."""
        return self._channels.encode(message)

    async def send(self, frames: Sequence[Frame]) -> Sequence[ClusterError | None]:
        """Send *frames*; see `Bus.send`."""
        link = await self._open() if self._listener is None else self._link
        if link is None:
            raise Unreachable(self._reason, written=False)
        results: list[ClusterError | None] = []
        while len(results) < len(frames):
            chunk = _chunk(frames, len(results))
            try:
                results += await _publish(link, chunk)
            except Unreachable as error:
                if not results:
                    raise Unreachable(error.reason, written=error.written) from error
                results += [ClusterError(error.reason, sent=None if error.written else False) for _ in chunk]
        return results

    def open(self, namespace: str) -> Awaitable[None]:
        """Listen to the messages of *namespace*."""
        return self._add(self._channels.namespace(namespace))

    def shut(self, namespace: str) -> None:
        """Listen to *namespace* no longer."""
        self._remove(self._channels.namespace(namespace))

    def open_room(self, namespace: str, room: Room) -> Awaitable[None] | None:
        """The first client here joined *room*."""
        channel = self._channels.room(namespace, room)
        return None if channel is None else self._add(channel)

    def shut_room(self, namespace: str, room: Room) -> None:
        """The last client here left *room*."""
        channel = self._channels.room(namespace, room)
        if channel is not None:
            self._remove(channel)

    async def count(self, namespace: str, gone: Sequence[str] = ()) -> int:
        """Nobody asks: heartbeats tell who is there."""
        del gone
        raise Unreachable(f"NATS does not say who listens to {namespace!r}", written=False)

    def reconnect(self) -> None:
        """The node does not hear itself: connect anew."""
        if self._link is not None:
            self._link.close("this node did not hear itself")

    async def _open(self) -> NatsLink:
        """Return the connection of a program that only sends; raises as `NatsLink.open`.

        Its event loop may have stood still since it was used last, so that nobody has answered NATS or noticed its end.
        """
        loop = asyncio.get_running_loop()
        async with self._opening:
            if self._link is not None and loop.time() - self._used > _IDLE:
                with contextlib.suppress(Unreachable):  # it has no link then
                    await self._link.perform(b"")
            if self._link is None:
                self._link = await NatsLink.open(self._servers, self._arguments, self._received, self._lost)
            self._used = loop.time()
            return self._link

    async def _run(self, listener: Listener, first: "asyncio.Future[None]") -> None:
        pause = _SHORTEST
        while True:
            try:
                self._reason = await self._live(listener, first)
                pause = _SHORTEST
            except Unreachable as error:
                self._reason = error.reason
                pause = min(2 * pause, _LONGEST)
            except ConfigurationError as error:
                if not first.done():
                    first.set_exception(error)
                    return
                self._reason = str(error)
                pause = _LONGEST
            except Exception as error:  # nats-py broke its promise; the node has to come back nevertheless
                _LOGGER.exception("the connection to NATS failed")
                self._reason = repr(error)
                pause = _LONGEST
            _LOGGER.debug("NATS is tried again: %s", self._reason)
            listener.disconnected(self._reason)
            if not first.done():
                first.set_result(None)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # no secret depends on it

    async def _live(self, listener: Listener, first: "asyncio.Future[None]") -> str:
        """Connect, subscribe and listen until the connection is gone; return why it is.

        Raises Unreachable and ConfigurationError.
        """
        self._ended = asyncio.get_running_loop().create_future()
        link = await NatsLink.open(self._servers, self._arguments, self._received, self._lost)
        self._changes.clear()
        self._link = link
        try:
            with contextlib.suppress(Unreachable):  # it has ended then, which says why
                await link.perform(link.subscribe(self._wanted))
            if not self._ended.done():
                listener.connected()
                if not first.done():
                    first.set_result(None)
            reason = await self._ended
        finally:
            link.close("closed")
            await link.closed()
        if link.hopeless:
            raise ConfigurationError(reason, where="cluster")
        return reason

    def _lost(self, reason: str) -> None:
        self._link = None
        self._reason = reason
        if self._listener is not None and not self._ended.done():
            self._ended.set_result(reason)

    def _add(self, subject: str) -> Awaitable[None]:
        if subject not in self._wanted:
            self._wanted.add(subject)
            self._change(subject, wanted=True)
        if self._link is None or self._confirmed is None or self._confirmed.done():
            return READY
        return Confirmation(self._confirmed)

    def _remove(self, subject: str) -> None:
        if subject in self._wanted:
            self._wanted.discard(subject)
            self._change(subject, wanted=False)

    def _change(self, subject: str, *, wanted: bool) -> None:
        if self._link is None:
            return  # the next one begins with whatever is wanted then
        if not self._changes:
            self._confirmed = asyncio.get_running_loop().create_future()
            self._start(self._apply(self._link, self._confirmed), "moongate cluster subscriptions")
        self._changes.append((subject, wanted))

    async def _apply(self, link: NatsLink, confirmed: "asyncio.Future[None]") -> None:
        changes, self._changes = self._changes, []
        try:
            if link is self._link:
                commands = (link.subscribe((each,)) if wanted else link.unsubscribe(each) for each, wanted in changes)
                await link.perform(b"".join(commands))
        except Unreachable as error:
            link.close(error.reason)
        finally:
            if not confirmed.done():
                confirmed.set_result(None)

    def _start(self, coroutine: Any, name: str) -> None:
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _received(self, subject: bytes, data: bytes) -> None:
        listener = self._listener
        if listener is None or (data.startswith(self._echoes) and subject != self._nodes):
            return
        try:
            message = self._decode(data)
        except Exception as error:  # noqa: BLE001  # whatever comes, what comes next has to be heard
            listener.malformed(subject.decode(errors="replace"), error)
            return
        if message is None:
            listener.ignored()
        else:
            listener.heard(message)


def _chunk(frames: Sequence[Frame], start: int) -> Sequence[Frame]:
    """Return as many of *frames* from *start* on as are sent at once."""
    size = 0
    for end in range(start, len(frames)):
        size += len(frames[end].data)
        if size > _CHUNK and end > start:
            return frames[start:end]
    return frames[start:]


async def _publish(link: NatsLink, frames: Sequence[Frame]) -> list[ClusterError | None]:
    """Send *frames*; return what NATS refused each with. Raises Unreachable."""
    limit = link.max_payload
    fitting = [frame for frame in frames if len(frame.data) <= limit]
    # NATS protocol: PUB <subject> <size>, and the payload in a line of its own.
    commands = [b"PUB %b %d\r\n%b\r\n" % (frame.channel.encode(), len(frame.data), frame.data) for frame in fitting]
    forbidden = await link.perform(b"".join(commands))
    return [_refusal(frame, limit, forbidden) for frame in frames]


def _refusal(frame: Frame, limit: int, forbidden: set[str]) -> ClusterError | None:
    size = len(frame.data)
    if size > limit:
        return ClusterError(f"the message has {size} bytes, and NATS takes {limit} at most (its max_payload)")
    if forbidden and frame.channel.lower() in forbidden:
        return ClusterError(f"this user of NATS may not publish to {frame.channel!r}")
    return None
