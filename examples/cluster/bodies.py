"""What the page, the Moongate servers and the Node server say to each other; server.mjs says the same."""

from typing import Annotated

import msgspec

__all__ = ["Health", "Notice", "Person", "Place", "Room", "Said", "User", "Welcome", "Words"]

ShortText = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Room = Annotated[str, msgspec.Meta(pattern="^(garden|harbour)$")]


class User(msgspec.Struct, frozen=True):
    """Whoever connects says so in `auth`."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=24)]


class Place(msgspec.Struct, frozen=True):
    """One of the servers. `kind` is what it is made of."""

    name: str
    kind: str
    url: str


class Person(msgspec.Struct, frozen=True):
    """A client, wherever it is connected."""

    id: str
    name: str
    server: str
    kind: str
    room: str


class Welcome(msgspec.Struct, frozen=True):
    """To a client that has connected: where it is, and where it could be."""

    here: Place
    servers: list[Place]


class Words(msgspec.Struct, frozen=True):
    """From a client, to everybody in its room."""

    text: ShortText


class Said(msgspec.Struct, frozen=True):
    """To the clients in a room."""

    name: str
    server: str
    kind: str
    room: str
    text: str


class Notice(msgspec.Struct, frozen=True):
    """From a client: have *server* tell *text* to all of its own clients."""

    server: str
    text: ShortText


class Health(msgspec.Struct, frozen=True):
    """How a Moongate server fares in the cluster."""

    status: str
    reason: str
