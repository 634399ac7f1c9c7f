"""Publish and subscribe of Redis as a bus, by two connections: one that sends, and one that listens."""

from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

from moongate.cluster.adapter_wire import AdapterWire
from moongate.cluster.bus import Frame, Listener, Options, Unreachable
from moongate.cluster.classic_wire import ClassicWire
from moongate.cluster.messages import Emit, Hello, Message, Private, is_answer
from moongate.cluster.redis_link import is_error
from moongate.cluster.redis_listener import Subscription
from moongate.cluster.redis_options import RedisSource
from moongate.cluster.redis_source import RedisServers, Subscribes
from moongate.errors import ClusterError, ProtocolError
from moongate.types import Room
from moongate.wire.payload import PayloadEncoder

__all__ = ["ClassicLayout", "Layout", "PubSubBus", "ShardedLayout", "refusal_of"]

_CLIENT_ID_LENGTH = 20
"""Rooms with names as long as the ids of clients have no channel of their own, as in Node's adapter."""


class Layout(Protocol):
    """Which message goes by which channel, and how it is written."""

    publish: str
    """The command that publishes to a channel."""
    subscribe: str
    """The command that subscribes to a channel."""
    count: str
    """The subcommand of PUBSUB that counts who has subscribed."""

    def encode(self, message: Message) -> Frame:
        """Encode a message; raises EncodeError."""

    def command(self, frame: Frame) -> tuple[Any, ...]:
        """Return the command that sends a message."""

    def decode(self, channel: str, data: bytes) -> Message | None:
        """Return a message, None if it is of no use here; raises ProtocolError."""

    def namespace(self, name: str, uid: str) -> tuple[Subscription, ...]:
        """Return what the node *uid* subscribes to for a namespace."""

    def room(self, name: str, room: Room) -> Subscription | None:
        """Return what has to be subscribed to for a room, if anything."""

    def requests(self, name: str) -> str:
        """Return the channel for requests: whoever subscribes to it will answer."""


class ClassicLayout:
    """The channels of `createAdapter`: a broadcast reaches every node that has the namespace."""

    publish = "PUBLISH"
    subscribe = "SUBSCRIBE"
    count = "NUMSUB"

    def __init__(self, options: Options, encoder: PayloadEncoder) -> None:
        self._wire = ClassicWire(options.prefix, encoder, options.max_message)

    def encode(self, message: Message) -> Frame:
        """Encode a message; raises EncodeError."""
        return Frame(*self._wire.encode(message))

    def command(self, frame: Frame) -> tuple[Any, ...]:
        """Return the command that sends a message."""
        return self.publish, frame.channel, frame.data

    def decode(self, channel: str, data: bytes) -> Message | None:
        """Return a message, None if it is of no use here; raises ProtocolError."""
        return self._wire.decode(channel, data)

    def requests(self, name: str) -> str:
        """Return the channel for requests: whoever subscribes to it will answer."""
        return self._wire.request_channel(name)

    def namespace(self, name: str, uid: str) -> tuple[Subscription, ...]:
        """Return what the node *uid* subscribes to for a namespace."""
        channels = (self._wire.request_channel(name), *self._wire.response_channels(name, uid))
        return ("PSUBSCRIBE", self._wire.broadcast_pattern(name)), *((self.subscribe, each) for each in channels)

    def room(self, name: str, room: Room) -> Subscription | None:
        """Rooms have no channels that would have to be subscribed to."""
        del name, room
        return None


class ShardedLayout:
    """The channels of `createShardedAdapter`: a message for one room reaches the nodes with clients in it."""

    publish = "SPUBLISH"
    subscribe = "SSUBSCRIBE"
    count = "SHARDNUMSUB"

    def __init__(self, options: Options, encoder: PayloadEncoder) -> None:
        self._wire = AdapterWire(encoder, options.max_message)
        self._prefix = options.prefix

    def encode(self, message: Message) -> Frame:
        """Encode a message; raises EncodeError."""
        body = message.body
        channel = self.requests(message.namespace)
        if is_answer(body):
            channel = f"{channel}{message.to}#"
        elif isinstance(body, Emit) and len(body.target.rooms) == 1:
            (room,) = body.target.rooms
            own = self.room(message.namespace, room)
            channel = channel if own is None else own[1]
        return Frame(channel, self._wire.encode(message))

    def command(self, frame: Frame) -> tuple[Any, ...]:
        """Return the command that sends a message."""
        return self.publish, frame.channel, frame.data

    def decode(self, channel: str, data: bytes) -> Message | None:
        """Return a message, None if it is of no use here; raises ProtocolError."""
        message = self._wire.decode(data)
        if message is not None and not channel.startswith(self.requests(message.namespace)):
            raise ProtocolError(f"a message for the namespace of {channel!r}", repr(message.namespace[:40]))
        return message

    def namespace(self, name: str, uid: str) -> tuple[Subscription, ...]:
        """Return what the node *uid* subscribes to for a namespace."""
        channel = self.requests(name)
        return (self.subscribe, channel), (self.subscribe, f"{channel}{uid}#")

    def room(self, name: str, room: Room) -> Subscription | None:
        """Return what has to be subscribed to for a room, if anything."""
        return None if len(room) == _CLIENT_ID_LENGTH else (self.subscribe, f"{self.requests(name)}{room}#")

    def requests(self, name: str) -> str:
        """Return the channel for requests: whoever subscribes to it will answer."""
        return f"{self._prefix}#{name}#"


class PubSubBus:
    """Sends by PUBLISH or SPUBLISH, listens by subscriptions."""

    counts_servers = True

    def __init__(self, source: RedisSource, options: Options, encoder: PayloadEncoder, layout: Layout) -> None:
        self._layout = layout
        self._own = AdapterWire(encoder, options.max_message)
        self._nodes = f"{options.prefix}-nodes#"
        self._node = f"{options.prefix}-node#"
        self._servers = RedisServers(source)
        self._commands = self._servers.sender()
        self._listener: Subscribes | None = None  # a program that only sends has none
        self._node_listener: Listener

    async def connect(self, listener: Listener) -> None:
        """Begin to connect; see `Bus.connect`."""
        self._node_listener = listener
        self._listener = self._servers.listener(self._received, listener.connected, listener.disconnected)
        self._listener.add(
            ((self._layout.subscribe, self._nodes), (self._layout.subscribe, self._private(listener.uid)))
        )
        await self._listener.start()

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
        return self._subscriptions.add(self._layout.namespace(namespace, self._node_listener.uid))

    def shut(self, namespace: str) -> None:
        """Listen to *namespace* no longer."""
        self._subscriptions.remove(self._layout.namespace(namespace, self._node_listener.uid))

    def open_room(self, namespace: str, room: Room) -> Awaitable[None] | None:
        """The first client here joined *room*."""
        subscription = self._layout.room(namespace, room)
        return None if subscription is None else self._subscriptions.add((subscription,))

    def shut_room(self, namespace: str, room: Room) -> None:
        """The last client here left *room*."""
        subscription = self._layout.room(namespace, room)
        if subscription is not None:
            self._subscriptions.remove((subscription,))

    async def count(self, namespace: str) -> int:
        """Return how many servers listen to *namespace*; raises Unreachable."""
        command = ("PUBSUB", self._layout.count, self._layout.requests(namespace))
        (reply,) = await self._commands.call([command])
        if is_error(reply) or isinstance(reply, ClusterError):
            raise Unreachable(f"Redis refused to count subscribers: {reply}", written=False)
        return int(reply[1])

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
