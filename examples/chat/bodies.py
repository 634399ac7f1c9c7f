"""What clients and the gateway say to each other. A body that does not fit never reaches a handler."""

from typing import Annotated, Literal

import msgspec

__all__ = ["Kind", "Message", "NewMessage", "People", "RoomRequest", "Typing", "TypingChange", "User"]

UserName = Annotated[str, msgspec.Meta(min_length=1, max_length=32, pattern=r"^\S(.*\S)?\Z")]
RoomName = Annotated[str, msgspec.Meta(pattern=r"^[\w-]{1,32}\Z")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
Key = Annotated[str, msgspec.Meta(min_length=8, max_length=64)]

Kind = Literal["message", "announcement"]


class User(msgspec.Struct):
    """What a client says of itself when it connects: Socket.IO's `auth`."""

    name: UserName


class RoomRequest(msgspec.Struct):
    """The body of `join` and of `leave`."""

    room: RoomName


class NewMessage(msgspec.Struct):
    """The body of `message`.

    `key` is made by the client, once for each message. Who sends the same one again, because no acknowledgement came,
    gets the stored message and nobody reads it twice.
    """

    room: RoomName
    text: Text
    key: Key


class Message(msgspec.Struct):
    """A stored message. `id` grows with time; `sent_at` is in seconds since 1970."""

    id: int
    room: str
    author: str
    text: str
    key: str
    kind: Kind
    sent_at: float


class TypingChange(msgspec.Struct):
    """The body of `typing`: whether the sender has begun or stopped to write."""

    room: RoomName
    active: bool


class Typing(msgspec.Struct):
    """What the others in the room hear of it."""

    room: str
    name: str
    active: bool


class People(msgspec.Struct):
    """Who is in a room, in alphabetical order."""

    room: str
    names: list[str]
