"""Which message goes by which channel, on the buses that join Moongate nodes alone."""

import hashlib
import re

from moongate.cluster.adapter_wire import AdapterWire
from moongate.cluster.bus import Frame, Options
from moongate.cluster.messages import Ask, Emit, Fetch, Hello, Join, Message, Private, ServerEvent, is_answer
from moongate.cluster.rooms import CLIENT_ID_LENGTH, Target, channel_room
from moongate.cluster.settling import Settling
from moongate.types import Room
from moongate.wire.payload import PayloadEncoder

__all__ = ["Channels"]

_PLAIN_TOKEN = re.compile(r"[a-z0-9_-]{1,80}")
_PLAIN_PREFIX = re.compile(r"[\w-]{1,80}(\.[\w-]{1,80})*", re.ASCII)

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
        self._settling = Settling()

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
                return self._emit_channel(message.namespace, target)
            case _ if is_answer(body):
                return self.node(message.to)
            case Join(_, rooms):
                channels = (self.room(message.namespace, room) for room in rooms)
                self._settling.add(channel for channel in channels if channel is not None)
                return self.namespace(message.namespace)
            case Private(node):
                return self.node(node)
            case Hello() | Ask() | Fetch() | ServerEvent(request=str()):
                return self.nodes  # whoever is there is counted on to answer
            case _:
                return self.namespace(message.namespace)

    def _emit_channel(self, namespace: str, target: Target) -> str:
        room = channel_room(namespace, target)
        channel = None if room is None else self.room(namespace, room)
        return self.namespace(namespace) if channel is None or channel in self._settling else channel


def _token(name: str) -> str:
    """Return *name* in characters that may stand between two dots, all of them lower-case."""
    if _PLAIN_TOKEN.fullmatch(name):
        return name
    data = name.encode(errors="surrogatepass")
    return f"={data.hex()}" if len(data) <= _LONGEST else f"~{hashlib.sha256(data).hexdigest()}"
