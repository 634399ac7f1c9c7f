"""Which members are in which rooms, and who is meant by a target."""

from collections.abc import Collection, Iterable
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from moongate.types import Room, Sid

__all__ = ["CLIENT_ID_LENGTH", "Member", "RoomWatcher", "Rooms", "Target", "channel_room"]

CLIENT_ID_LENGTH = 20
"""Rooms with names as long as the ids of clients have no channel of their own: those of clients would be too many."""


class Member(Protocol):
    """Somebody who can be in rooms."""

    id: Sid
    joined: set[Room] | None
    """The rooms joined, besides the one of its own id; None as long as there are none."""


M = TypeVar("M", bound=Member)


class RoomWatcher(Protocol):
    """Somebody who has to know which rooms there are.

    The room of one client alone is among them if its id has another length than `CLIENT_ID_LENGTH`: those of older
    clients, and of applications with own ids.
    """

    def room_opened(self, room: Room) -> Any:
        """The first member has joined *room*."""

    def room_emptied(self, room: Room) -> Any:
        """The last member has left *room*."""


class Target(msgspec.Struct, frozen=True):
    """Who is meant: the members of any of `rooms` (everybody, if it is empty) save those in any of `excluded`.

    A member's id is the name of a room of its own.
    """

    rooms: frozenset[Room] = frozenset()
    excluded: frozenset[Room] = frozenset()


def channel_room(namespace: str, target: Target) -> Room | None:
    """Return the room by whose own channel, if it has one, all that *target* means are reached; None if there is none.

    A pattern of namespaces has none: its clients, and their rooms, are in namespaces with other names.
    """
    if len(target.rooms) != 1 or "{" in namespace:
        return None
    (room,) = target.rooms
    return room


class Rooms(Generic[M]):
    """The members of one namespace on this node, by id and by room."""

    __slots__ = ("_rooms", "members", "watcher")

    def __init__(self) -> None:
        self.members: dict[Sid, M] = {}
        self.watcher: RoomWatcher | None = None
        self._rooms: dict[Room, set[M]] = {}

    def add(self, member: M) -> None:
        """Let *member* in, with the rooms that it has joined already."""
        if len(member.id) != CLIENT_ID_LENGTH and self._is_empty(member.id):
            self._opened(member.id)
        self.members[member.id] = member
        for room in member.joined or ():
            self._enter(member, room)

    def remove(self, member: M) -> None:
        """Take *member* out of the index. What it had joined stays readable on itself."""
        if self.members.pop(member.id, None) is not None:
            for room in member.joined or ():
                self._discard(member, room)
            if len(member.id) != CLIENT_ID_LENGTH and self._is_empty(member.id):
                self._emptied(member.id)

    def join(self, member: M, rooms: Iterable[Room]) -> None:
        """Put *member* into each of *rooms*."""
        joined = member.joined
        if joined is None:
            joined = member.joined = set()
        for room in rooms:
            if room == member.id:
                continue
            joined.add(room)
            # One that has left may share its id with one that came after: older clients keep theirs.
            if self.members.get(member.id) is member:
                self._enter(member, room)

    def leave(self, member: M, rooms: Iterable[Room]) -> None:
        """Take *member* out of each of *rooms*."""
        for room in rooms:
            if member.joined and room in member.joined:
                member.joined.discard(room)
                self._discard(member, room)

    def select(self, target: Target) -> Collection[M]:
        """Return the members that *target* means, each once. Do not keep the result: it may be the index itself."""
        selected = self._in_rooms(target.rooms) if target.rooms else self.members.values()
        if not target.excluded:
            return selected
        excluded = self._in_rooms(target.excluded)
        return [member for member in selected if member not in excluded]

    def names(self) -> frozenset[Room]:
        """Return the names of all rooms that have members."""
        return frozenset(self._rooms)

    def _in_rooms(self, rooms: frozenset[Room]) -> set[M]:
        if len(rooms) == 1:
            (room,) = rooms
            if room not in self.members:
                return self._rooms.get(room) or set()
        return set().union(*map(self._in_room, rooms))

    def _in_room(self, room: Room) -> set[M]:
        """Return the members of *room*, which may be the id of one of them."""
        members = self._rooms.get(room, set())
        member = self.members.get(room)
        return members if member is None else {*members, member}

    def _enter(self, member: M, room: Room) -> None:
        members = self._rooms.get(room)
        if members is None:
            was_empty = self._is_empty(room)
            self._rooms[room] = {member}
            if was_empty:
                self._opened(room)
        else:
            members.add(member)

    def _discard(self, member: M, room: Room) -> None:
        members = self._rooms.get(room)
        if members is not None:
            members.discard(member)
            if not members:
                del self._rooms[room]
                if self._is_empty(room):
                    self._emptied(room)

    def _is_empty(self, room: Room) -> bool:
        """Whether the watcher knows nobody in *room*. Of rooms of one client each it knows those with odd ids only."""
        return room not in self._rooms and (len(room) == CLIENT_ID_LENGTH or room not in self.members)

    def _opened(self, room: Room) -> None:
        if self.watcher is not None:
            self.watcher.room_opened(room)

    def _emptied(self, room: Room) -> None:
        if self.watcher is not None:
            self.watcher.room_emptied(room)
