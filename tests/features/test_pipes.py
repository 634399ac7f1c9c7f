"""Pipes: what becomes of the client's arguments before a handler gets them."""

import enum
import uuid
from functools import partial
from typing import Annotated, Any

import msgspec
import pydantic
import pytest

from moongate import (
    APP_PIPE,
    ArgumentMetadata,
    DefaultValue,
    FieldError,
    GatewayError,
    Injectable,
    MessageBody,
    Module,
    Moongate,
    ParseBool,
    ParseEnum,
    ParseFloat,
    ParseInt,
    ParseUUID,
    Scope,
    Socket,
    SubscribeMessage,
    UsePipes,
    ValidationFailed,
    ValidationPipe,
    ValueProvider,
    WebSocketGateway,
    WsException,
)
from moongate.testing import TestApp

pytestmark = pytest.mark.anyio


class Colour(enum.Enum):
    RED = "red"
    ONE = 1


class Item(msgspec.Struct):
    name: str
    price: float = 0.0


class Order(msgspec.Struct):
    items: list[Item]
    note: str | None = None


class Model(pydantic.BaseModel):
    count: int


class User(msgspec.Struct):
    id: int
    name: str


class Users:
    def __init__(self) -> None:
        self.names = {1: "alice"}


class LoadUser:
    """Injected, async, and of another type than it takes."""

    def __init__(self, users: Users) -> None:
        self.users = users

    async def transform(self, value: int, argument: ArgumentMetadata) -> User:
        if value not in self.users.names:
            raise WsException(f"No user {value}", data={"path": argument.path})
        return User(value, self.users.names[value])


def stripped(value: Any, argument: ArgumentMetadata) -> Any:
    return value.strip() if argument.type is str else value


def doubled(value: int) -> int:
    return value * 2


@WebSocketGateway()
class Gateway:
    @SubscribeMessage("int")
    async def parse_int(self, value: Annotated[int, ParseInt()]) -> Any:
        return value

    @SubscribeMessage("float")
    async def parse_float(self, value: Annotated[float, ParseFloat]) -> Any:
        return value

    @SubscribeMessage("bool")
    async def parse_bool(self, value: Annotated[bool, ParseBool()]) -> Any:
        return value

    @SubscribeMessage("uuid")
    async def parse_uuid(self, value: Annotated[uuid.UUID, ParseUUID(version=4)]) -> Any:
        return value.version

    @SubscribeMessage("enum")
    async def parse_enum(self, value: Annotated[Colour, ParseEnum(Colour)]) -> Any:
        return value.name

    @SubscribeMessage("default")
    async def default(self, page: Annotated[int, MessageBody("page"), DefaultValue("7"), ParseInt()]) -> Any:
        return page

    @SubscribeMessage("own default")
    async def own_default(self, value: Annotated[int, doubled] = 5) -> Any:
        return value

    @SubscribeMessage("user")
    async def user(
        self, client: Socket, user: Annotated[User, MessageBody("id"), LoadUser], also: Annotated[str, MessageBody("x")]
    ) -> Any:
        return [user, also]

    @UsePipes(stripped)
    @SubscribeMessage("rest")
    async def rest(self, *words: str) -> Any:
        return words

    @SubscribeMessage("keyword")
    async def keyword(self, *, value: Annotated[int, doubled, doubled]) -> Any:
        return value

    @SubscribeMessage("order")
    async def order(self, order: Order) -> Any:
        return order

    @UsePipes(ValidationPipe(strict=False, forbid_unknown_fields=True))
    @SubscribeMessage("lax order")
    async def lax_order(self, order: Order) -> Any:
        return order

    @SubscribeMessage("strict model")
    async def strict_model(
        self, model: Annotated[Model, ValidationPipe(strict=True, forbid_unknown_fields=True)]
    ) -> Any:
        return model

    @SubscribeMessage("model")
    async def model(self, model: Model) -> Any:
        return model


@Module(providers=[Users, Gateway])
class Root: ...


UUID4 = "9f3b5d1e-7c55-4f3e-8f0b-2f1a7c9d4e21"


@pytest.mark.parametrize(
    ("event", "sent", "got"),
    [
        ("int", 5, 5), ("int", "42", 42), ("int", "-7", -7),
        ("float", 1.5, 1.5), ("float", "2.5", 2.5), ("float", 3, 3.0),
        ("bool", True, True), ("bool", "true", True), ("bool", "OFF", False), ("bool", "0", False),
        ("uuid", UUID4, 4), ("uuid", UUID4.replace("-", ""), 4),
        ("enum", "red", "RED"), ("enum", 1, "ONE"), ("enum", "ONE", "ONE"),
        ("default", {}, 7), ("default", {"page": None}, 7), ("default", {"page": "3"}, 3),
        ("own default", 4, 8),
        ("user", {"id": 1, "x": "y"}, [{"id": 1, "name": "alice"}, "y"]),
        ("keyword", 3, 12),
        ("lax order", {"items": [], "note": "x"}, {"items": [], "note": "x"}),
        ("lax order", {"items": [{"name": "a", "price": "2"}]}, {"items": [{"name": "a", "price": 2.0}], "note": None}),
        ("model", {"count": "5", "other": 1}, {"count": 5}),
    ],
)  # fmt: skip
async def test_what_fits(event: str, sent: Any, got: Any):
    async with TestApp(Root) as app:
        assert await (await app.connect()).emit_with_ack(event, sent) == got


@pytest.mark.parametrize(
    ("event", "sent", "errors"),
    [
        ("int", "4.2", {"$": "Expected an integer, or text that is one, got '4.2'"}),
        ("int", "1_000", {"$": "Expected an integer, or text that is one, got '1_000'"}),
        ("int", "\u0661", {"$": "Expected an integer, or text that is one, got '\u0661'"}),
        ("int", "9" * 5000, None),
        ("int", 4.2, {"$": "Expected `int | str`, got `float`"}),
        ("int", True, {"$": "Expected `int | str`, got `bool`"}),
        ("float", "nan", {"$": "Expected a finite number, got 'nan'"}),
        ("float", "inf", {"$": "Expected a finite number, got 'inf'"}),
        ("bool", "maybe", {"$": "Expected true or false, got 'maybe'"}),
        ("bool", 1, {"$": "Expected `bool | str`, got `int`"}),
        ("uuid", "x", {"$": "Expected a UUID of version 4, got 'x'"}),
        ("uuid", str(uuid.UUID(int=1)), None),
        ("enum", "green", {"$": "Expected one of 'red', 1, got 'green'"}),
        ("enum", True, None),
        ("default", {"page": "x"}, {"$.page": "Expected an integer, or text that is one, got 'x'"}),
        ("user", {"id": "1", "x": "y"}, {"$.id": "Expected `int`, got `str`"}),
        ("order", {"items": [{"name": 5}]}, {"$.items[0].name": "Expected `str`, got `int`"}),
        (
            "lax order",
            {"items": [{"name": "a", "colour": "red"}], "when": 1},
            {"$.items[0].colour": "Object contains unknown field", "$.when": "Object contains unknown field"},
        ),
        (
            "strict model",
            {"count": "5", "other": 1},
            {"$.count": "Input should be a valid integer", "$.other": "Extra inputs are not permitted"},
        ),
    ],
)
async def test_what_does_not_fit(event: str, sent: Any, errors: dict[str, str] | None):
    async with TestApp(Root) as app:
        told = await (await app.connect()).error_of(event, sent)
        assert told["message"] == "Validation failed"
        if errors is not None:
            assert {error["path"]: error["message"] for error in told["errors"]} == errors


async def test_what_a_pipe_raises_is_told():
    async with TestApp(Root) as app:
        told = await (await app.connect()).error_of("user", {"id": 2, "x": "y"})
        assert (told["message"], told["path"]) == ("No user 2", "$.id")


async def test_nothing_sent_and_several_arguments():
    async with TestApp(Root) as app:
        alice = await app.connect()
        assert await alice.emit_with_ack("own default") == 5
        assert await alice.emit_with_ack("rest", " a ", "b ") == ["a", "b"]
        bare = await app.connect(protocol="websocket")
        assert await bare.emit_with_ack("int", "42") == 42


async def test_pipes_of_the_application_and_of_a_gateway_see_every_argument_and_nothing_else():
    seen: list[tuple[str, str, Any]] = []

    def note(value: Any, argument: ArgumentMetadata) -> Any:
        seen.append((argument.name, argument.path, value))
        return value

    @UsePipes(note)
    @WebSocketGateway("/seen")
    class Seen:
        @SubscribeMessage("play")
        async def play(self, client: Socket, first: int, second: Item, *rest: str) -> None: ...

    module = Module(providers=[Seen])(type("Root", (), {}))
    async with TestApp(module, pipes=[note]) as app:
        await (await app.connect("/seen")).emit_with_ack("play", 1, {"name": "x"}, "a", "b")
    once = [("first", "$[0]", 1), ("second", "$[1]", Item("x")), ("rest", "$[2]", "a"), ("rest", "$[2]", "b")]
    assert seen == [entry for entry in once for _ in range(2)]


async def test_validation_of_the_application_holds_where_nothing_closer_says_otherwise():
    async with TestApp(Root, pipes=[ValidationPipe(forbid_unknown_fields=True)]) as app:
        alice = await app.connect()
        told = await alice.error_of("order", {"items": [], "when": 1})
        assert told["errors"] == [{"path": "$.when", "message": "Object contains unknown field"}]
        assert (await alice.error_of("model", {"count": 5, "other": 1}))["errors"][0]["path"] == "$.other"
        assert await alice.emit_with_ack("lax order", {"items": [{"name": "a", "price": "1"}]})


async def test_a_pipe_may_live_for_a_message():
    made: list[object] = []

    @Injectable(scope=Scope.MESSAGE)
    class Stamp:
        def __init__(self, client: Socket) -> None:
            made.append(self)
            self.client = client

        def transform(self, value: str) -> str:
            return f"{value} of {self.client.id}"

    @UsePipes(Stamp)
    @WebSocketGateway("/stamped")
    class Stamped:
        @SubscribeMessage("say")
        async def say(self, word: str) -> str:
            return word

    async with TestApp(Module(providers=[Stamped])(type("Root", (), {}))) as app:
        alice = await app.connect("/stamped")
        assert [await alice.emit_with_ack("say", "hi") for _ in range(2)] == [f"hi of {alice.id}"] * 2
    assert len(made) == 2


async def test_a_pipe_may_raise_errors_with_places():
    def even(value: int, argument: ArgumentMetadata) -> int:
        if value % 2:
            raise ValidationFailed([FieldError(argument.path, "Expected an even number")])
        return value

    @WebSocketGateway("/even")
    class Even:
        @SubscribeMessage("say")
        async def say(self, other: int, number: Annotated[int, even]) -> int:
            return number

    async with TestApp(Module(providers=[Even])(type("Root", (), {}))) as app:
        told = await (await app.connect("/even")).error_of("say", 1, 3)
        assert told["errors"] == [{"path": "$[1]", "message": "Expected an even number"}]


class Scale:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def up(self, value: int) -> int:
        return value * self.factor


def clamp(value: int, low: int = 0, high: int = 10) -> int:
    return max(low, min(high, value))


def named(value: str, argument: ArgumentMetadata | None = None) -> str:
    return value if argument is None else f"{argument.name} {value}"


def load(users: dict[int, User], value: int) -> User:
    return users[value]


async def test_every_kind_of_function_beside_a_type_is_a_pipe():
    @WebSocketGateway("/functions")
    class Functions:
        @SubscribeMessage("say")
        async def say(
            self,
            word: Annotated[str, str.strip, str.upper, named],
            number: Annotated[int, Scale(3).up, abs, clamp],
            user: Annotated[User, partial(load, {1: User(1, "alice")})],
        ) -> Any:
            return [word, number, user.name]

    async with TestApp(Module(providers=[Functions])(type("Root", (), {}))) as app:
        alice = await app.connect("/functions")
        assert await alice.emit_with_ack("say", " hi ", -5, 1) == ["word HI", 10, "alice"]
        assert (await alice.error_of("say", " hi ", -2, "1"))["errors"][0]["path"] == "$[2]"


@pytest.mark.parametrize(
    ("event", "lax", "unknown"), [("gateway", True, True), ("handler", False, False), ("parameter", True, False)]
)
async def test_the_closest_validation_counts(event: str, *, lax: bool, unknown: bool):
    @UsePipes(ValidationPipe(strict=False))
    @WebSocketGateway("/levels")
    class Levels:
        @SubscribeMessage("gateway")
        async def gateway(self, item: Item) -> Any:
            return item.price

        @UsePipes(ValidationPipe(forbid_unknown_fields=True))
        @SubscribeMessage("handler")
        async def handler(self, item: Item) -> Any:
            return item.price

        @UsePipes(ValidationPipe())
        @SubscribeMessage("parameter")
        async def parameter(
            self, item: Annotated[Item, ValidationPipe(strict=False, forbid_unknown_fields=True)]
        ) -> Any:
            return item.price

    root = Module(providers=[Levels, ValueProvider(APP_PIPE, ValidationPipe(forbid_unknown_fields=True))])
    async with TestApp(root(type("Root", (), {}))) as app:
        alice = await app.connect("/levels")
        for body, fits in (({"name": "x", "price": "1"}, lax), ({"name": "x", "price": 1, "more": 2}, unknown)):
            assert (await alice.emit_with_ack(event, body) == 1.0) is fits


def test_pipes_are_not_for_the_client():
    @WebSocketGateway()
    class Wrong:
        @SubscribeMessage("say")
        async def say(self, client: Annotated[Socket, ParseInt()]) -> None: ...

    with pytest.raises(GatewayError, match="pipes are for what comes from the client"):
        Moongate(Module(providers=[Wrong])(type("Root", (), {})))
