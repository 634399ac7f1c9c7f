"""Which message goes by which channel of Redis, as Node's adapters have it."""

from typing import Any, Protocol

from moongate.cluster.adapter_wire import AdapterWire
from moongate.cluster.bus import Frame, Options
from moongate.cluster.classic_wire import ClassicWire
from moongate.cluster.messages import Emit, Join, Message, is_answer
from moongate.cluster.redis_listener import Subscription
from moongate.cluster.rooms import CLIENT_ID_LENGTH, channel_room
from moongate.cluster.settling import Settling
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

    def open_namespace(self, name: str, uid: str) -> tuple[Subscription, ...]:
        """Return what the node *uid* subscribes to for a namespace."""

    def shut_namespace(self, name: str, uid: str) -> tuple[Subscription, ...]:
        """Return what the node *uid* has subscribed to for a namespace that is no more."""

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

    def open_namespace(self, name: str, uid: str) -> tuple[Subscription, ...]:
        """Return what the node *uid* subscribes to for a namespace."""
        self._wanted.add(self._wire.broadcast_channel(name))
        return self._subscriptions(name, uid)

    def shut_namespace(self, name: str, uid: str) -> tuple[Subscription, ...]:
        """Return what the node *uid* has subscribed to for a namespace that is no more."""
        self._wanted.discard(self._wire.broadcast_channel(name))
        return self._subscriptions(name, uid)

    def _subscriptions(self, name: str, uid: str) -> tuple[Subscription, ...]:
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
        self._settling = Settling()

    def encode(self, message: Message) -> Frame:
        """Encode a message; raises EncodeError."""
        body = message.body
        channel = self.requests(message.namespace)
        if is_answer(body):
            channel = f"{channel}{message.to}#"
        elif isinstance(body, Emit):
            channel = self._emit_channel(message.namespace, body)
        elif isinstance(body, Join):
            self._settling.add(self._room(message.namespace, room) for room in body.rooms)
        return Frame(channel, self._wire.encode(message))

    def _emit_channel(self, namespace: str, body: Emit) -> str:
        room = channel_room(namespace, body.target)
        if room is None or _looks_like_an_id(room) or (channel := self._room(namespace, room)) in self._settling:
            return self.requests(namespace)
        return channel

    def _room(self, namespace: str, room: Room) -> str:
        return f"{self.requests(namespace)}{room}#"

    def command(self, frame: Frame) -> tuple[Any, ...]:
        """Return the command that sends a message."""
        return self.publish, frame.channel, frame.data

    def decode(self, channel: str, data: bytes) -> Message | None:
        """Return a message, None if it is of no use here; raises ProtocolError."""
        message = self._wire.decode(data)
        if message is not None and not channel.startswith(self.requests(message.namespace)):
            raise ProtocolError(f"a message for the namespace of {channel!r}", repr(message.namespace[:40]))
        return message

    def open_namespace(self, name: str, uid: str) -> tuple[Subscription, ...]:
        """Return what the node *uid* subscribes to for a namespace."""
        channel = self.requests(name)
        return (self.subscribe, channel), (self.subscribe, f"{channel}{uid}#")

    def shut_namespace(self, name: str, uid: str) -> tuple[Subscription, ...]:
        """Return what the node *uid* has subscribed to for a namespace that is no more."""
        return self.open_namespace(name, uid)

    def open_room(self, name: str, room: Room) -> Subscription | None:
        """The first client here joined a room; return what has to be subscribed to for it, if anything."""
        if not _is_text(room):
            return None  # nobody can send to such a room
        return self.subscribe, self._room(name, room)

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


def _looks_like_an_id(room: Room) -> bool:
    """Whether no server sends by the channel of *room*: Node counts in units of UTF-16 (`looksLikeASocketId`)."""
    if room.isascii():
        return len(room) == CLIENT_ID_LENGTH
    return len(room.encode("utf-16-le", "surrogatepass")) == 2 * CLIENT_ID_LENGTH


def _is_text(room: Room) -> bool:
    try:
        room.encode()
    except UnicodeEncodeError:
        return False
    return True


def _may_be_a_clients(channel: str) -> bool:
    """Whether the room of *channel* may be a client's id: such rooms are not opened."""
    return channel[-CLIENT_ID_LENGTH - 2 : -CLIENT_ID_LENGTH - 1] == "#"
