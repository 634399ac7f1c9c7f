"""The body is its type: decoded, validated, and the same for replies."""

import dataclasses
import datetime as dt
import enum
import uuid
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pydantic
import pytest

from moongate import EncodeError, Namespace, Socket, SubscribeMessage, WebSocketGateway
from tests.support.live import Serve
from tests.support.node import Node

pytestmark = pytest.mark.usefixtures("transport")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class StructMessage(msgspec.Struct):
    room: str
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=5)]
    tags: list[int] = []


@dataclasses.dataclass
class DataclassMessage:
    room: str
    text: str
    tags: list[int] = dataclasses.field(default_factory=list)


class TypedDictMessage(TypedDict):
    room: str
    text: str


class PydanticMessage(pydantic.BaseModel):
    room: str
    text: Annotated[str, pydantic.Field(min_length=1, max_length=5)]
    tags: list[int] = []


class Upload(msgspec.Struct):
    name: str
    data: bytes
    parts: list[bytes] = []


@dataclasses.dataclass
class DataclassUpload:
    name: str
    data: bytes


class PydanticUpload(pydantic.BaseModel):
    name: str
    data: bytes


class TypedDictUpload(TypedDict):
    name: str
    data: bytes


def gateway_for(annotation: Any) -> type:
    """A gateway whose handler takes a body of this type, and gives it back with what it was."""

    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("message")
        async def message(self, client: Socket, body: annotation) -> Any:
            client.emit("type", type(body).__name__)
            return body

    return Gateway


SEND = """
    const s = await connect();
    const answer = await ack(s, "message", args);
    return [await next(s, "type"), answer];
"""
MESSAGE = {"room": "a", "text": "hi"}


@pytest.mark.parametrize(
    ("annotation", "sent", "name", "answer"),
    [
        (StructMessage, MESSAGE, "StructMessage", {**MESSAGE, "tags": []}),
        (DataclassMessage, MESSAGE, "DataclassMessage", {**MESSAGE, "tags": []}),
        (TypedDictMessage, MESSAGE, "dict", MESSAGE),
        (PydanticMessage, MESSAGE, "PydanticMessage", {**MESSAGE, "tags": []}),
        (list[StructMessage], [MESSAGE], "list", [{**MESSAGE, "tags": []}]),
        (dict[str, int], {"a": 1}, "dict", {"a": 1}),
        (int, 5, "int", 5),
        (float, 5, "float", 5),
        (str, "text", "str", "text"),
        (bool, True, "bool", True),
        (bytes, b"\x00\xff", "bytes", b"\x00\xff"),
        (int | str, "text", "str", "text"),
        (int | None, None, "NoneType", None),
        (Literal["a", "b"], "b", "str", "b"),
        (Colour, "red", "Colour", "red"),
        (uuid.UUID, "12345678-1234-5678-1234-567812345678", "UUID", "12345678-1234-5678-1234-567812345678"),
        (dt.date, "2026-11-23", "date", "2026-11-23"),
        (Upload, {"name": "a", "data": b"\x00\xff", "parts": [b"1", b""]}, "Upload", None),
        (DataclassUpload, {"name": "a", "data": b"\x00\xff"}, "DataclassUpload", None),
        (TypedDictUpload, {"name": "a", "data": b"\x00\xff"}, "dict", None),
        (PydanticUpload, {"name": "a", "data": b"\x00\xff"}, "PydanticUpload", None),
        (Any, {"deep": [{"er": [1, None, b"bytes"]}]}, "dict", None),
        (dict, {"plain": [1]}, "dict", None),
        (list, [1, "a"], "list", None),
    ],
    ids=str,
)
def test_a_body_that_fits_arrives_in_its_type_and_goes_back(
    serve: Serve, node: Node, annotation: Any, sent: Any, name: str, answer: Any
):
    expected = sent if answer is None else answer
    assert node.run(serve(gateway_for(annotation)), SEND, args=sent) == [name, expected]


@pytest.mark.parametrize(
    ("annotation", "sent", "path"),
    [
        (StructMessage, {"room": "a", "text": 5}, "$.text"),
        (StructMessage, {"room": "a", "text": ""}, "$.text"),
        (StructMessage, {"room": "a", "text": "too long"}, "$.text"),
        (StructMessage, {"room": "a", "text": "hi", "tags": [1, "two"]}, "$.tags[1]"),
        (StructMessage, {"room": "a"}, "$"),
        (StructMessage, "text", "$"),
        (DataclassMessage, {"room": "a", "text": 5}, "$.text"),
        (TypedDictMessage, {"room": 1, "text": "hi"}, "$.room"),
        (PydanticMessage, {"room": "a", "text": "too long"}, "$.text"),
        (PydanticMessage, {"room": "a", "text": "hi", "tags": [1, "two"]}, "$.tags[1]"),
        (list[StructMessage], [{"room": "a", "text": "hi"}, {"room": 1, "text": "hi"}], "$[1].room"),
        (int, "five", "$"),
        (Colour, "green", "$"),
        (bytes, 5, "$"),
        (Upload, {"name": "a", "data": 5}, "$.data"),
    ],
    ids=str,
)
def test_a_body_that_does_not_fit_never_reaches_the_handler(
    serve: Serve, node: Node, annotation: Any, sent: Any, path: str
):
    script = """
        const s = await connect();
        s.emit("message", args);
        return [await next(s, "exception"), await ack(s, "message", args), seen(s, "type")];
    """
    event, answer, handled = node.run(serve(gateway_for(annotation)), script, args=sent)
    for error in (event, answer):
        assert error["status"] == "error"
        assert error["message"] == "Validation failed"
        assert error["errors"][0]["path"] == path
        assert error["errors"][0]["message"]
        assert error["cause"] == {"pattern": "message", "data": sent}
    assert handled == []


def test_pydantic_tells_every_error(serve: Serve, node: Node):
    script = 'return await ack(await connect(), "message", {room: 1, text: ""})'
    answer = node.run(serve(gateway_for(PydanticMessage)), script)
    assert [error["path"] for error in answer["errors"]] == ["$.room", "$.text"]


def test_binary_travels_anywhere_in_the_payload_both_ways(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("echo")
        async def echo(self, client: Socket, *args: Any) -> Any:
            client.emit("event", *args)
            return list(args)

    args = [b"\x00", {"deep": [{"er": b"\x01\x02"}, b""], "n": 1}, "text", [b"\xff" * 1000]]
    script = """
        const s = await connect();
        const answer = await ack(s, "echo", ...args);
        return [answer, await all(s, "event")];
    """
    assert node.run(serve(Gateway), script, args=args) == [args, args]


def test_the_bytes_of_the_handler_are_bytes(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("types")
        async def types(self, value: Any, upload: Upload) -> list[str]:
            return [type(value["data"]).__name__, type(upload.data).__name__, type(upload.parts[0]).__name__]

    script = """
        const data = Buffer.from("abc");
        return await ack(await connect(), "types", {data}, {name: "a", data: new Uint8Array(3), parts: [data.buffer]});
    """
    assert node.run(serve(Gateway), script) == ["bytes", "bytes", "bytes"]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview], ids=lambda kind: kind.__name__)
def test_any_bytes_like_value_may_be_sent(serve: Serve, node: Node, kind: Any):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("give")
        async def give(self) -> Any:
            return {"data": kind(b"abc")}

    assert node.run(serve(Gateway), 'return await ack(await connect(), "give")') == {"data": b"abc"}


def test_replies_and_events_may_be_of_any_of_these_types(serve: Serve, node: Node):
    values = [
        StructMessage("a", "hi"),
        DataclassMessage("a", "hi"),
        TypedDictMessage(room="a", text="hi"),
        PydanticMessage(room="a", text="hi"),
    ]

    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("give")
        async def give(self, client: Socket, number: int) -> Any:
            client.emit("event", values[number], [values[number]])
            return values[number]

        @SubscribeMessage("all")
        async def all(self) -> Any:
            return {"values": values, "at": dt.date(2026, 11, 23), "colour": Colour.RED}

    script = """
        const s = await connect();
        const given = [];
        for (let n = 0; n < 4; n++) given.push([await ack(s, "give", n), await all(s, "event")]);
        return [given, await ack(s, "all")];
    """
    full = {"room": "a", "text": "hi", "tags": []}
    expected = [full, full, {"room": "a", "text": "hi"}, full]
    given, together = node.run(serve(Gateway), script)
    assert given == [[value, [value, [value]]] for value in expected]
    assert together == {"values": expected, "at": "2026-11-23", "colour": "red"}


def test_a_value_that_cannot_be_sent_is_an_error_at_the_emitting_line(serve: Serve, node: Node):
    class Unknown: ...

    @WebSocketGateway()
    class Gateway:
        server: Namespace

        @SubscribeMessage("emit")
        async def emit(self, client: Socket) -> list[Any]:
            caught = []
            for emit in (client.emit, client.broadcast.emit, self.server.emit, client.to("room").emit):
                try:
                    emit("event", {"value": Unknown()})
                except EncodeError as error:
                    caught.append("Unknown" in str(error))
            return caught

        @SubscribeMessage("give")
        async def give(self) -> Any:
            return Unknown()

    script = """
        const s = await connect();
        return [await ack(s, "emit"), await ack(s, "give"), await ack(s, "emit"), seen(s, "event")];
    """
    caught, answer, again, came = node.run(serve(Gateway), script)
    assert caught == again == [True] * 4
    assert answer["message"] == "Internal server error"
    assert came == []


def test_text_of_any_language_arrives_whole(serve: Serve, node: Node):
    text = 'ünï ☃ 🦊 \u0000 \u2028 " \\ \n end'
    assert node.run(serve(gateway_for(str)), SEND, args=text) == ["str", text]


def test_a_large_body_arrives_whole(serve: Serve, node: Node):
    text = "0123456789" * 50_000
    name, answer = node.run(serve(gateway_for(str)), SEND, args=text)
    assert name == "str"
    assert answer == text
