"""Who is in which rooms, and whom a target means."""

import pytest

from moongate.cluster.rooms import CLIENT_ID_LENGTH, Rooms, Target


class Someone:
    """A member with nothing but an id."""

    def __init__(self, sid: str) -> None:
        self.id = sid
        self.joined: set[str] | None = None


@pytest.fixture
def rooms() -> Rooms[Someone]:
    """Ann and Bob are in `red`, Bob and Cyd in `blue`."""
    rooms: Rooms[Someone] = Rooms()
    for sid, joined in {"ann": ["red"], "bob": ["red", "blue"], "cyd": ["blue"]}.items():
        member = Someone(sid)
        rooms.add(member)
        rooms.join(member, joined)
    return rooms


def selected(rooms: Rooms[Someone], target: Target) -> list[str]:
    """Return the ids of those whom *target* means, each as often as it is selected."""
    return sorted(member.id for member in rooms.select(target))


@pytest.mark.parametrize(
    ("to", "excluded", "expected"),
    [
        ([], [], ["ann", "bob", "cyd"]),
        (["red"], [], ["ann", "bob"]),
        (["red", "blue"], [], ["ann", "bob", "cyd"]),
        (["cyd"], [], ["cyd"]),
        (["red", "cyd"], [], ["ann", "bob", "cyd"]),
        (["nowhere"], [], []),
        ([], ["red"], ["cyd"]),
        ([], ["ann"], ["bob", "cyd"]),
        (["red"], ["blue"], ["ann"]),
        (["red", "blue"], ["bob", "nowhere"], ["ann", "cyd"]),
    ],
)
def test_a_target_means_the_union_of_its_rooms_without_the_excluded(
    rooms: Rooms[Someone], to: list[str], excluded: list[str], expected: list[str]
) -> None:
    assert selected(rooms, Target(frozenset(to), frozenset(excluded))) == expected


def test_an_id_and_a_room_of_the_same_name_are_one_room(rooms: Rooms[Someone]) -> None:
    rooms.join(rooms.members["ann"], ["bob"])
    assert selected(rooms, Target(frozenset(["bob"]))) == ["ann", "bob"]


def test_who_is_removed_is_in_no_room_but_still_knows_which_they_were(rooms: Rooms[Someone]) -> None:
    bob = rooms.members["bob"]
    rooms.remove(bob)
    assert selected(rooms, Target(frozenset(["red", "blue", "bob"]))) == ["ann", "cyd"]
    assert bob.joined == {"red", "blue"}


def test_rooms_joined_before_being_let_in_count_from_then_on(rooms: Rooms[Someone]) -> None:
    dan = Someone("dan")
    rooms.join(dan, ["red"])
    assert selected(rooms, Target(frozenset(["red"]))) == ["ann", "bob"]
    rooms.add(dan)
    assert selected(rooms, Target(frozenset(["red"]))) == ["ann", "bob", "dan"]


def test_who_has_left_joins_nothing_in_the_name_of_another(rooms: Rooms[Someone]) -> None:
    old = rooms.members["ann"]
    rooms.remove(old)
    rooms.add(Someone("ann"))
    rooms.join(old, ["blue"])
    assert selected(rooms, Target(frozenset(["blue"]))) == ["bob", "cyd"]


class Watcher:
    """Knows the rooms that it was told of."""

    def __init__(self) -> None:
        self.rooms: list[str] = []

    def room_opened(self, room: str) -> None:
        self.rooms.append(room)

    def room_emptied(self, room: str) -> None:
        self.rooms.remove(room)


def test_a_watcher_knows_each_room_that_has_members_and_those_of_odd_ids() -> None:
    rooms: Rooms[Someone] = Rooms()
    watcher = rooms.watcher = Watcher()
    ann, bob = Someone("a" * CLIENT_ID_LENGTH), Someone("/chat#bob")
    rooms.add(ann)
    assert watcher.rooms == []
    rooms.join(ann, ["red", "/chat#bob"])
    rooms.add(bob)
    assert sorted(watcher.rooms) == ["/chat#bob", "red"]
    rooms.leave(ann, ["/chat#bob", "red"])
    assert watcher.rooms == ["/chat#bob"]
    rooms.join(ann, ["/chat#bob"])
    rooms.remove(bob)
    assert watcher.rooms == ["/chat#bob"]
    rooms.remove(ann)
    assert watcher.rooms == []


def test_an_empty_room_does_not_exist(rooms: Rooms[Someone]) -> None:
    rooms.leave(rooms.members["ann"], ["red", "never joined"])
    rooms.leave(rooms.members["bob"], ["red"])
    assert rooms.names() == {"blue"}
