"""Publish and subscribe of Redis as a bus, by two connections: one that sends, and one that listens."""

from collections.abc import Awaitable, Sequence
from typing import Any

from moongate.cluster.adapter_wire import AdapterWire
from moongate.cluster.bus import Frame, Listener, Options, Unreachable
from moongate.cluster.messages import Hello, Message, Private
from moongate.cluster.redis_layouts import Layout
from moongate.cluster.redis_link import is_error
from moongate.cluster.redis_options import RedisSource
from moongate.cluster.redis_source import RedisServers, Subscribes
from moongate.errors import ClusterError
from moongate.types import Room
from moongate.wire.payload import PayloadEncoder

__all__ = ["PubSubBus", "refusal_of"]


class PubSubBus:
    """Sends by PUBLISH or SPUBLISH, listens by subscriptions."""

    counts_servers = True

    def __init__(self, source: RedisSource, options: Options, encoder: PayloadEncoder, layout: Layout) -> None:
        self._layout = layout
        self._own = AdapterWire(encoder, options.max_message)
        self._max_message = options.max_message
        self._nodes = f"{options.prefix}-nodes#"
        self._node = f"{options.prefix}-node#"
        self._servers = RedisServers(source)
        self._commands = self._servers.sender()
        self._listener: Subscribes | None = None  # a program that only sends has none
        self._node_listener: Listener
        self._echoes: tuple[bytes, ...]  # how messages begin that this node has sent itself

    async def connect(self, listener: Listener) -> None:
        """Begin to connect; see `Bus.connect`."""
        self._node_listener = listener
        self._echoes = self._layout.echoes(listener.uid)
        self._listener = self._servers.listener(
            self._received, listener.connected, listener.disconnected, self._max_message
        )
        self._listener.add(
            ((self._layout.subscribe, self._nodes), (self._layout.subscribe, self._private(listener.uid)))
        )
        await self._listener.start()

    async def fall_silent(self) -> None:
        """Subscribe to nothing any more: whoever does is counted on to answer."""
        if self._listener is not None:
            await self._listener.stop()

    async def close(self) -> None:
        """Let go of everything."""
        if self._listener is not None:
            await self._listener.stop()
        self._commands.close()
        await self._servers.close()

    def encode(self, message: Message) -> Frame:
        """Encode a message; raises EncodeError."""
        if isinstance(message.body, Hello):
            return Frame(self._nodes, self._own.encode(message))
        if isinstance(message.body, Private):
            return Frame(self._private(message.body.node), self._own.encode(message))
        return self._layout.encode(message)

    async def send(self, frames: Sequence[Frame]) -> Sequence[ClusterError | None]:
        """Send *frames*; see `Bus.send`."""
        replies = await self._commands.call([self._layout.command(frame) for frame in frames])
        return [refusal_of(reply) for reply in replies]

    def open(self, namespace: str) -> Awaitable[None]:
        """Listen to the messages of *namespace*."""
        return self._subscriptions.add(self._layout.open_namespace(namespace, self._node_listener.uid))

    def shut(self, namespace: str) -> None:
        """Listen to *namespace* no longer."""
        self._subscriptions.remove(self._layout.shut_namespace(namespace, self._node_listener.uid))

    def open_room(self, namespace: str, room: Room) -> Awaitable[None] | None:
        """The first client here joined *room*."""
        subscription = self._layout.open_room(namespace, room)
        return None if subscription is None else self._subscriptions.add((subscription,))

    def shut_room(self, namespace: str, room: Room) -> None:
        """The last client here left *room*."""
        subscription = self._layout.shut_room(namespace, room)
        if subscription is not None:
            self._subscriptions.remove((subscription,))

    async def count(self, namespace: str, gone: Sequence[str] = ()) -> int:
        """Return how many servers listen to *namespace*; see `Bus.count`."""
        channels = (self._layout.requests(namespace), *map(self._private, gone))
        replies = await self._commands.call([("PUBSUB", self._layout.count, channel) for channel in channels])
        for reply in replies:
            if is_error(reply) or isinstance(reply, ClusterError):
                raise Unreachable(f"Redis refused to count subscribers: {reply}", written=False)
        servers, *hanging = (int(reply[1]) for reply in replies)
        return servers - sum(map(bool, hanging))

    def reconnect(self) -> None:
        """The node does not hear itself: connect anew."""
        self._subscriptions.reconnect()

    @property
    def _subscriptions(self) -> Subscribes:
        if self._listener is None:
            raise RuntimeError("a bus listens only once it is connected")
        return self._listener

    def _private(self, uid: str) -> str:
        return f"{self._node}{uid}#"

    def _received(self, channel: str, data: Any) -> None:
        try:
            if channel == self._nodes or channel.startswith(self._node):
                message = self._own.decode(data)
            elif data.startswith(self._echoes) or not self._layout.wants(channel):
                return
            else:
                message = self._layout.decode(channel, data)
        except Exception as error:  # noqa: BLE001  # whatever comes, what comes next has to be heard
            self._node_listener.malformed(channel, error)
            return
        if message is None:
            self._node_listener.ignored()
        else:
            self._node_listener.heard(message)


def refusal_of(reply: Any) -> ClusterError | None:
    """Return what Redis refused a command with, None if it did it."""
    if isinstance(reply, ClusterError):
        return reply
    return ClusterError(f"Redis refused the message: {reply}") if is_error(reply) else None
