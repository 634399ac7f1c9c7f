"""What the nodes of a cluster say to each other, in no wire format yet."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from moongate.cluster.rooms import Target
from moongate.types import Room, Sid

__all__ = [
    "Answer",
    "Answered",
    "Ask",
    "Body",
    "Counted",
    "Disconnect",
    "Emit",
    "Fetch",
    "Fetched",
    "Hello",
    "Join",
    "Leave",
    "ListNames",
    "ListedNames",
    "Message",
    "Private",
    "RemoteClient",
    "ServerEvent",
    "Withdrawn",
    "is_answer",
]


class RemoteClient(msgspec.Struct, frozen=True):
    """A client as other nodes are told of it; everything has a JSON form."""

    id: Sid
    rooms: tuple[Room, ...]
    data: Any
    handshake: Mapping[str, Any]
    """As Node's server has it: `headers`, `time`, `address`, `secure`, `url`, `query`, `auth`, ..."""


class Emit(msgspec.Struct, frozen=True):
    """Send an event to clients; `arguments` begin with its name."""

    target: Target
    arguments: Sequence[Any]
    volatile: bool = False
    text: bytes = b""
    """The arguments as a JSON array, if somebody has written them already and there is no binary data in them."""


class Ask(msgspec.Struct, frozen=True):
    """Send an event that asks for acknowledgements, which are waited for `timeout` seconds."""

    request: str
    target: Target
    arguments: Sequence[Any]
    timeout: float


class Counted(msgspec.Struct, frozen=True):
    """This node has so many clients that were asked."""

    request: str
    count: int


class Answered(msgspec.Struct, frozen=True):
    """A client acknowledged; `sid` is empty if the node does not say which one."""

    request: str
    answer: Any
    sid: Sid = ""


class Withdrawn(msgspec.Struct, frozen=True):
    """A client that was asked has left without an acknowledgement."""

    request: str


class Join(msgspec.Struct, frozen=True):
    """Put clients into rooms."""

    target: Target
    rooms: tuple[Room, ...]


class Leave(msgspec.Struct, frozen=True):
    """Take clients out of rooms."""

    target: Target
    rooms: tuple[Room, ...]


class Disconnect(msgspec.Struct, frozen=True):
    """Put clients out of the namespace; with `close`, end their connections."""

    target: Target
    close: bool


class Fetch(msgspec.Struct, frozen=True):
    """Which clients has this node?"""

    request: str
    target: Target


class Fetched(msgspec.Struct, frozen=True):
    """These."""

    request: str
    clients: tuple[RemoteClient, ...]


class ListNames(msgspec.Struct, frozen=True):
    """Which ids have the clients in `rooms`, or with None: which rooms are there? Older servers ask so."""

    request: str
    rooms: tuple[Room, ...] | None


class ListedNames(msgspec.Struct, frozen=True):
    """These; `rooms` if it is rooms that were asked for."""

    request: str
    names: tuple[str, ...]
    rooms: bool


class ServerEvent(msgspec.Struct, frozen=True):
    """An event for the other nodes themselves; an answer is wanted if there is a `request`."""

    arguments: Sequence[Any]
    request: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """What a node answers to such an event; None as well if nobody there listens for it."""

    request: str
    answer: Any


class Hello(msgspec.Struct, frozen=True):
    """The sender is alive, or, with `leaving`, says goodbye. Told to all Moongate nodes, and heard by itself.

    Without `hears` it can send, and messages do not reach it for the moment.
    """

    number: int
    leaving: bool = False
    hears: bool = True


class Private(msgspec.Struct, frozen=True):
    """For one Moongate node alone; what it says is a matter of the layers above."""

    node: str
    payload: bytes


Body: TypeAlias = (
    Emit
    | Ask
    | Counted
    | Answered
    | Join
    | Leave
    | Disconnect
    | Fetch
    | Fetched
    | ServerEvent
    | Answer
    | Hello
    | Private
    | Withdrawn
    | ListNames
    | ListedNames
)

_ANSWERS = (Counted, Answered, Withdrawn, Fetched, ListedNames, Answer)


def is_answer(body: Body) -> bool:
    """Whether *body* is for the node that asked, and for no other."""
    return isinstance(body, _ANSWERS)


class Message(msgspec.Struct, frozen=True):
    """One message between nodes.

    `sender` is the node's id, `emitter` for a program that is no server, or empty where the wire does not say. Of an
    answer, `to` is the node that asked. `room` is set if the message came by a channel of that room alone.
    """

    sender: str
    namespace: str
    body: Body
    to: str = ""
    room: Room = ""
