"""Which message goes by which channel of Redis, as Node's adapters have it."""

from typing import Any, Protocol

from moongate.cluster.adapter_wire import AdapterWire
from moongate.cluster.bus import Frame, Options
from moongate.cluster.classic_wire import ClassicWire
from moongate.cluster.messages import Emit, Message, is_answer
from moongate.cluster.redis_listener import Subscription
from moongate.cluster.rooms import CLIENT_ID_LENGTH, channel_room
from moongate.errors import ProtocolError
from moongate.types import Room
from moongate.wire.payload import PayloadEncoder

__all__ = ["ClassicLayout", "Layout", "ShardedLayout"]


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

    def open_room(self, name: str, room: Room) -> Subscription | None:
        """The first client here joined a room; return what has to be subscribed to for it, if anything."""

    def shut_room(self, name: str, room: Room) -> Subscription | None:
        """The last client here left a room; return what was subscribed to for it, if anything."""

    def wants(self, channel: str) -> bool:
        """Whether what came by *channel* may be for clients here; else it need not be read."""

    def echoes(self, uid: str) -> tuple[bytes, ...]:
        """Return how messages for clients begin that the node *uid* has sent, so that it need not read its own."""

    def requests(self, name: str) -> str:
        """Return the channel for requests: whoever subscribes to it will answer."""


class ClassicLayout:
    """The channels of `createAdapter`: a broadcast reaches every node that has the namespace."""

    publish = "PUBLISH"
    subscribe = "SUBSCRIBE"
    count = "NUMSUB"

    def __init__(self, options: Options, encoder: PayloadEncoder) -> None:
        self._wire = ClassicWire(options.prefix, encoder, options.max_message)
        self._broadcasts = f"{options.prefix}#"
        self._wanted: set[str] = set()

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
        self._wanted.add(self._wire.broadcast_channel(name))
        channels = (self._wire.request_channel(name), *self._wire.response_channels(name, uid))
        return ("PSUBSCRIBE", self._wire.broadcast_pattern(name)), *((self.subscribe, each) for each in channels)

    def open_room(self, name: str, room: Room) -> None:
        """The first client here joined a room; the namespace's pattern has its channel."""
        self._wanted.add(self._wire.broadcast_channel(name, room))

    def shut_room(self, name: str, room: Room) -> None:
        """The last client here left a room."""
        self._wanted.discard(self._wire.broadcast_channel(name, room))

    def wants(self, channel: str) -> bool:
        """Whether what came by *channel* may be for clients here: broadcasts to rooms without members are for none."""
        return channel in self._wanted or not channel.startswith(self._broadcasts) or _may_be_a_clients(channel)

    def echoes(self, uid: str) -> tuple[bytes, ...]:
        """Return how broadcasts of the node *uid* begin."""
        return self._wire.echoes(uid)


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
        elif isinstance(body, Emit):
            room = channel_room(message.namespace, body.target)
            if room is not None and len(room) != CLIENT_ID_LENGTH:
                channel = f"{channel}{room}#"
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

    def open_room(self, name: str, room: Room) -> Subscription | None:
        """The first client here joined a room; return what has to be subscribed to for it, if anything."""
        return None if len(room) == CLIENT_ID_LENGTH else (self.subscribe, f"{self.requests(name)}{room}#")

    def shut_room(self, name: str, room: Room) -> Subscription | None:
        """The last client here left a room; return what was subscribed to for it, if anything."""
        return self.open_room(name, room)

    def wants(self, channel: str) -> bool:
        """Whether what came by *channel* may be for clients here: a room's channel is subscribed to for its members."""
        del channel
        return True

    def echoes(self, uid: str) -> tuple[bytes, ...]:
        """Return how messages of the node *uid* begin."""
        return self._wire.echoes(uid)

    def requests(self, name: str) -> str:
        """Return the channel for requests: whoever subscribes to it will answer."""
        return f"{self._prefix}#{name}#"


def _may_be_a_clients(channel: str) -> bool:
    """Whether the room of *channel* may be a client's id: such rooms are not opened."""
    return channel[-CLIENT_ID_LENGTH - 2 : -CLIENT_ID_LENGTH - 1] == "#"
