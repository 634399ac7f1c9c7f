"""Signatures of handlers: which parameter takes what."""

# ruff: noqa: ANN001  # Methods are written without their class here.

import functools
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import pytest

from moongate.errors import GatewayError
from moongate.namespace.acks import Ack
from moongate.namespace.namespace import Namespace
from moongate.namespace.socket import Socket
from moongate.pipeline.markers import ConnectedSocket, MessageBody
from moongate.pipeline.params import Parameter, ParameterKind, parameters_of

Positive = Annotated[int, msgspec.Meta(gt=0)]


class Move(msgspec.Struct):
    x: int


def read(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    return parameters_of(function, "Game.play")


def shape(function: Callable[..., Any]) -> list[tuple[str, str, int]]:
    return [(item.name, item.kind.name, item.index) for item in read(function)]


def error_of(function: Callable[..., Any]) -> str:
    with pytest.raises(GatewayError) as caught:
        read(function)
    return str(caught.value)


def test_types_speak_for_themselves_wherever_they_stand():
    def play(self, move: Move, client: Socket, server: Namespace, ack: Ack, weight: float) -> None: ...

    assert shape(play) == [
        ("move", "ARGUMENT", 0),
        ("client", "SOCKET", 0),
        ("server", "NAMESPACE", 0),
        ("ack", "ACK", 0),
        ("weight", "ARGUMENT", 1),
    ]


def test_self_is_left_out_and_nothing_else_is_needed():
    def play(self) -> None: ...

    assert read(play) == ()


def test_an_annotation_keeps_its_constraints_and_loses_our_markers():
    def play(
        self,
        whole: Annotated[Positive, MessageBody()],
        part: Annotated[str, MessageBody("name"), msgspec.Meta(min_length=1)],
    ) -> None: ...

    whole, part = read(play)
    assert whole.annotation == Positive
    assert part.annotation == Annotated[str, msgspec.Meta(min_length=1)]


def test_annotations_may_be_texts():
    def play(self, move: "Move", client: "Socket", *rest: "Positive") -> None: ...

    assert [item.annotation for item in read(play)] == [Move, Socket, Positive]


def test_a_return_annotation_that_is_not_there_does_no_harm():
    def play(self, move: Move) -> None: ...

    play.__annotations__["return"] = "Missing"
    assert shape(play) == [("move", "ARGUMENT", 0)]


def test_defaults_are_kept():
    def play(self, move: Move, weight: float = 1.0, *, note: str | None = None) -> None: ...

    move, weight, note = read(play)
    assert (move.default, weight.default, note.default) == (msgspec.NODEFAULT, 1.0, None)
    assert [item.keyword_only for item in (move, weight, note)] == [False, False, True]
    assert note.index == 2


def test_members_of_the_body_take_no_argument():
    def play(
        self, room: Annotated[str, MessageBody("room")], body: dict[str, Any], x: Annotated[int, MessageBody("x")] = 0
    ) -> None: ...

    room, body, x = read(play)
    assert (room.kind, room.key, room.index) == (ParameterKind.BODY_KEY, "room", 0)
    assert (body.kind, body.key, body.index) == (ParameterKind.ARGUMENT, None, 0)
    assert (x.key, x.default) == ("x", 0)


def test_the_whole_body_is_the_first_argument_wherever_it_stands():
    def play(self, second: int, body: Annotated[Move, MessageBody()], third: int) -> None: ...

    assert shape(play) == [("second", "ARGUMENT", 1), ("body", "ARGUMENT", 0), ("third", "ARGUMENT", 2)]


def test_a_star_takes_the_rest():
    def play(self, first: int, *rest: Positive, client: Socket) -> None: ...

    first, rest, client = read(play)
    assert (rest.kind, rest.index, rest.annotation) == (ParameterKind.REST, 1, Positive)
    assert (first.index, client.kind, client.keyword_only) == (0, ParameterKind.SOCKET, True)


@pytest.mark.parametrize("marker", [ConnectedSocket, ConnectedSocket()])
def test_the_client_may_be_marked(marker: object):
    def play(self, who: object) -> None: ...

    play.__annotations__["who"] = Annotated[Any, marker]
    assert shape(play) == [("who", "SOCKET", 0)]


@pytest.mark.parametrize("annotation", [Ack, Ack | None, Annotated[Ack, "documented"]])
def test_an_ack_may_be_optional(annotation: object):
    def play(self, ack: object = None) -> None: ...

    play.__annotations__["ack"] = annotation
    assert shape(play) == [("ack", "ACK", 0)]


def test_types_whose_arguments_are_lists_are_values():
    def play(self, function: Callable[[int], str] | None) -> None: ...

    assert shape(play) == [("function", "ARGUMENT", 0)]


def test_a_wrapped_method_is_read_through_its_wrapper():
    def play(self, move: Move) -> None: ...

    @functools.wraps(play)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        play(*args, **kwargs)

    assert shape(wrapper) == [("move", "ARGUMENT", 0)]


def test_a_missing_annotation_is_an_error():
    def play(self, move) -> None: ...

    text = error_of(play)
    assert text.startswith("Game.play, parameter 'move': it has no annotation")
    assert "`move: Any`" in text


def test_an_annotation_that_cannot_be_resolved_names_what_is_missing():
    def play(self, client: Socket, move: object) -> None: ...

    play.__annotations__["move"] = "list[Missing]"
    text = error_of(play)
    assert "Game.play, parameter 'move'" in text
    assert "'list[Missing]'" in text
    assert "define Missing at module level: not under `if TYPE_CHECKING:`" in text


@pytest.mark.parametrize("annotation", ["Move.missing", "list["])
def test_an_annotation_that_is_no_type_is_an_error(annotation: object):
    def play(self, move: object) -> None: ...

    play.__annotations__["move"] = annotation
    text = error_of(play)
    assert "Game.play, parameter 'move'" in text
    assert "is no type" in text


def test_named_arguments_do_not_exist():
    def play(self, **options: int) -> None: ...

    text = error_of(play)
    assert "parameter 'options': a client sends no named arguments" in text
    assert "MessageBody('key')" in text


def test_two_acks_are_an_error():
    def play(self, ack: Ack, other: Ack | None) -> None: ...

    text = error_of(play)
    assert text.startswith("Game.play: a message has one answer")
    assert "ack, other" in text


def test_two_markers_are_an_error():
    def play(self, body: Annotated[Move, MessageBody(), ConnectedSocket]) -> None: ...

    assert "expected one marker" in error_of(play)


@pytest.mark.parametrize("key", [5, Move, ("a", "b")])
def test_what_is_no_key_is_refused(key: Any):
    with pytest.raises(GatewayError, match=r"expected the name of a member.*\n.*MessageBody\('key'\)"):
        MessageBody(key)


def test_the_client_is_always_there():
    def play(self, client: Socket | None) -> None: ...

    assert "Write `client: Socket`" in error_of(play)


def test_a_star_takes_arguments_only():
    def play(self, *clients: Socket) -> None: ...

    assert "`*clients` takes arguments of the client and nothing else" in error_of(play)


def test_nothing_is_left_after_a_star():
    def play(self, *rest: int, last: int) -> None: ...

    text = error_of(play)
    assert "parameter 'last': `*rest` has taken all arguments" in text
    assert "Write it before `*rest`" in text


def test_a_method_without_self_is_an_error():
    def without() -> None: ...

    def forgotten(client: Socket, move: Move) -> None: ...

    assert "takes no `self`" in error_of(without)
    assert "Write `self` before `client`" in error_of(forgotten)
