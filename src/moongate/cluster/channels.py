"""Which message goes by which channel, on the buses that join Moongate nodes alone."""

import hashlib
import re
import time
from collections.abc import Iterable

from moongate.cluster.adapter_wire import AdapterWire
from moongate.cluster.bus import Frame, Options
from moongate.cluster.messages import Ask, Emit, Fetch, Hello, Join, Message, Private, ServerEvent, is_answer
from moongate.cluster.rooms import CLIENT_ID_LENGTH, channel_room
from moongate.types import Room
from moongate.wire.payload import PayloadEncoder

__all__ = ["Channels"]

_PLAIN_TOKEN = re.compile(r"[a-z0-9_-]{1,80}")
_PLAIN_PREFIX = re.compile(r"[\w-]{1,80}(\.[\w-]{1,80})*", re.ASCII)

_SETTLING = 2.0
"""Seconds for which messages for a room go by its namespace, after clients of other nodes were put into it: these nodes
have to begin to listen to the room's channel."""

_LONGEST = 100
"""Longer names, in bytes, are told apart by their hash."""


class Channels:
    """Names channels, and encodes messages for them.

    A channel's name has the form of a subject of NATS whatever characters the names of namespaces and rooms have.
    Names that differ may share a channel, so it is what a message says itself that counts.
    """

    def __init__(self, options: Options, encoder: PayloadEncoder) -> None:
        self.wire: AdapterWire = AdapterWire(encoder, options.max_message)
        prefix = options.prefix if _PLAIN_PREFIX.fullmatch(options.prefix) else _token(options.prefix)
        self.nodes: str = f"{prefix}.nodes"  # every node listens to it
        self._node = f"{prefix}.node."
        self._namespace = f"{prefix}.of."
        self._room = f"{prefix}.in."
        self._settling: dict[str, float] = {}  # channels of rooms, by until when nobody can count on them

    def encode(self, message: Message) -> Frame:
        """Encode a message; raises EncodeError."""
        return Frame(self._channel(message), self.wire.encode(message))

    def node(self, uid: str) -> str:
        """Return the channel for one node alone."""
        return self._node + _token(uid)

    def namespace(self, name: str) -> str:
        """Return the channel for the nodes that have a namespace."""
        return self._namespace + _token(name)

    def room(self, namespace: str, room: Room) -> str | None:
        """Return the channel for the nodes with clients in a room, None if it has none of its own."""
        if len(room) == CLIENT_ID_LENGTH:
            return None
        return f"{self._room}{_token(namespace)}.{_token(room)}"

    def _channel(self, message: Message) -> str:
        body = message.body
        match body:
            case Emit(target):
                room = channel_room(message.namespace, target)
                settled = None if room is None else self._settled(message.namespace, room)
                return settled or self.namespace(message.namespace)
            case _ if is_answer(body):
                return self.node(message.to)
            case Join(_, rooms):
                self._settle(message.namespace, rooms)
                return self.namespace(message.namespace)
            case Private(node):
                return self.node(node)
            case Hello() | Ask() | Fetch() | ServerEvent(request=str()):
                return self.nodes  # whoever is there is counted on to answer
            case _:
                return self.namespace(message.namespace)

    def _settled(self, namespace: str, room: Room) -> str | None:
        """Return the channel of a room, None if it has none, or nobody can count on it yet."""
        channel = self.room(namespace, room)
        if self._settling and channel is not None and self._settling.get(channel, 0) > time.monotonic():
            return None
        return channel

    def _settle(self, namespace: str, rooms: Iterable[Room]) -> None:
        now = time.monotonic()
        self._settling = {channel: end for channel, end in self._settling.items() if end > now}
        for room in rooms:
            channel = self.room(namespace, room)
            if channel is not None:
                self._settling[channel] = now + _SETTLING


def _token(name: str) -> str:
    """Return *name* in characters that may stand between two dots, all of them lower-case."""
    if _PLAIN_TOKEN.fullmatch(name):
        return name
    data = name.encode(errors="surrogatepass")
    return f"={data.hex()}" if len(data) <= _LONGEST else f"~{hashlib.sha256(data).hexdigest()}"
