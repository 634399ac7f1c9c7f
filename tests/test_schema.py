"""Bodies and the types that they are decoded into."""

import contextlib
import dataclasses
import datetime as dt
import decimal
import enum
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar

import annotated_types
import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moongate.errors import FieldError, GatewayError, ProtocolError, ValidationFailed
from moongate.schema import DECODE_ERRORS, Schema, failure, schema_of

Item = TypeVar("Item")
UserId = NewType("UserId", int)


class NewMessage(msgspec.Struct):
    room: str
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=5)]


class Closed(msgspec.Struct, forbid_unknown_fields=True):
    a: int = 0


class Even(msgspec.Struct):
    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError("odd - at `$.secret` or elsewhere")


class File(msgspec.Struct):
    name: str
    data: bytes
    sent: dt.datetime | None = None
    parts: dict[int, bytearray] = {}


class Created(msgspec.Struct, tag=True):
    id: int


class Removed(msgspec.Struct, tag=True):
    id: int


class Page(msgspec.Struct, Generic[Item]):
    items: list[Item]


class Node(msgspec.Struct):
    next: "Node | None" = None


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Options(TypedDict):
    limit: int


class Size(NamedTuple):
    width: int
    height: int


class Colour(enum.Enum):
    RED = "red"


class Opaque:
    pass


class HoldsOpaque(msgspec.Struct):
    inner: Opaque


class HoldsRawAndBytes(msgspec.Struct):
    raw: msgspec.Raw
    data: bytes


class Line(pydantic.BaseModel):
    price: float


class Order(pydantic.BaseModel):
    lines: list[Line] = []
    note: Any = None


class ClosedModel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    a: int = 0


class Upload(pydantic.BaseModel):
    data: bytes


class Unfinished(pydantic.BaseModel):
    later: "Nowhere"  # type: ignore[name-defined]  # noqa: F821


class Deferred(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(defer_build=True)
    a: int


@pydantic.dataclasses.dataclass
class Checked:
    a: int


@dataclasses.dataclass
class HoldsModel:
    line: Line


class StructWithModel(msgspec.Struct):
    line: Line


class StructWithForeignLimit(msgspec.Struct):
    count: Annotated[int, annotated_types.Gt(3)]


def reasons(schema: Schema, text: bytes) -> list[tuple[str, str]]:
    with pytest.raises(ValidationFailed) as failed:
        schema.decode(text)
    return [(error.path, error.message) for error in failed.value.errors]


@pytest.mark.parametrize(
    ("annotation", "text", "expected"),
    [
        (NewMessage, '{"room":"a","text":"b","more":1}', NewMessage("a", "b")),
        (NewMessage | None, "null", None),
        (list[NewMessage], '[{"room":"a","text":"b"}]', [NewMessage("a", "b")]),
        (Created | Removed, '{"type":"Removed","id":1}', Removed(1)),
        (Page[int], '{"items":[1]}', Page([1])),
        (Node, '{"next":{}}', Node(Node())),
        (Point, '{"x":1}', Point(1)),
        (Options, '{"limit":1}', {"limit": 1}),
        (Size, "[1,2]", Size(1, 2)),
        (Colour, '"red"', Colour.RED),
        (Literal["a", "b"], '"b"', "b"),
        (UserId, "5", 5),
        (str, '"\\ud83d\\ude00"', "😀"),
        (int, "18446744073709551616", 2**64),
        (dict[str, float], '{"a":1}', {"a": 1.0}),
        (tuple[int, str], '[1,"a"]', (1, "a")),
        (Sequence[int], "[1]", [1]),
        (dt.date, '"2026-01-02"', dt.date(2026, 1, 2)),
        (decimal.Decimal, "1.10", decimal.Decimal("1.10")),
        (Any, '{"a":[1,null],"a":[2]}', {"a": [2]}),
        (object, '{"a":1}', {"a": 1}),
        (dict[str, object], '{"a":[1]}', {"a": [1]}),
        (None, "null", None),
        (dict[str, msgspec.Raw], '{"a":[1,null]}', {"a": msgspec.Raw(b"[1,null]")}),
        (Order, '{"lines":[{"price":1}]}', Order(lines=[Line(price=1)])),
        (list[Line], '[{"price":"1.5"}]', [Line(price=1.5)]),
        (Line | None, "null", None),
        (dict[str, Line], '{"a":{"price":1}}', {"a": Line(price=1)}),
        (HoldsModel, '{"line":{"price":1}}', HoldsModel(Line(price=1))),
        (Checked, '{"a":1}', Checked(1)),
        (Deferred, '{"a":1}', Deferred(a=1)),
        (Annotated[int, pydantic.Field(gt=3)], "4", 4),
        (pydantic.HttpUrl, '"https://example.org/"', pydantic.HttpUrl("https://example.org/")),
    ],
)
def test_bodies_that_fit(annotation: Any, text: str, expected: object):
    schema = schema_of(annotation)
    assert schema.decode(text.encode()) == expected
    assert schema.decoder(msgspec.Raw(text.encode())) == expected
    assert schema.convert(msgspec.json.decode(text)) == expected


@pytest.mark.parametrize(
    ("annotation", "text", "expected"),
    [
        (NewMessage, '{"room":"a","text":5}', [("$.text", "Expected `str`, got `int`")]),
        (NewMessage, '{"room":"a","text":""}', [("$.text", "Expected `str` of length >= 1")]),
        (NewMessage, '{"room":"a"}', [("$", "Object missing required field `text`")]),
        (NewMessage, '"hello"', [("$", "Expected `object`, got `str`")]),
        (list[NewMessage], '[{"room":1,"text":"b"}]', [("$[0].room", "Expected `str`, got `int`")]),
        (dict[int, int], '{"a":1}', [("$", "Expected `int`, got `str` (as a key)")]),
        (Closed, '{"b":1}', [("$", "Object contains unknown field `b`")]),
        (Closed, '{"b - at `$.x`":1}', [("$", "Object contains unknown field `b - at `$.x``")]),
        (list[Even], '[{"number":1}]', [("$[0]", "odd - at `$.secret` or elsewhere")]),
        (Created | Removed, '{"type":"Stolen"}', [("$.type", "Invalid value 'Stolen'")]),
        (int, "1.0", [("$", "Expected `int`, got `float`")]),
        (int, '"1"', [("$", "Expected `int`, got `str`")]),
        (
            Order,
            '{"lines":[{"price":1},{"price":"x"},{}]}',
            [
                ("$.lines[1].price", "Input should be a valid number, unable to parse string as a number"),
                ("$.lines[2].price", "Field required"),
            ],
        ),
        (ClosedModel, '{"b":1}', [("$.b", "Extra inputs are not permitted")]),
        (Annotated[int, pydantic.Field(gt=3)], "1", [("$", "Input should be greater than 3")]),
        (Annotated[int, annotated_types.Gt(3)], "1", [("$", "Input should be greater than 3")]),
    ],
)
def test_bodies_that_do_not_fit(annotation: Any, text: str, expected: list[tuple[str, str]]):
    assert reasons(schema_of(annotation), text.encode()) == expected


def test_messages_are_short():
    ((_, message),) = reasons(schema_of(Closed), b'{"' + b"x" * 10_000 + b'":1}')
    assert len(message) <= 500


def test_the_fast_way_fails_with_the_same_reasons():
    with pytest.raises(DECODE_ERRORS) as caught:
        schema_of(NewMessage).decoder(b'{"room":1}')
    failed = failure(caught.value)
    assert isinstance(failed, ValidationFailed)
    assert failed.errors == (FieldError("$.room", "Expected `str`, got `int`"),)


@pytest.mark.parametrize("annotation", [bytes, bytes | None, list[bytes], File, dict[str, File]])
def test_text_is_no_binary(annotation: Any):
    text = {bytes: '"aGk="', list[bytes]: '["aGk="]', File: '{"name":"a","data":"aGk="}'}.get(annotation)
    text = text or ('"aGk="' if annotation == bytes | None else '{"a":{"name":"a","data":"aGk="}}')
    ((path, message),) = reasons(schema_of(annotation), text.encode())
    assert path in {"$", "$[0]", "$.data", "$[...].data"}
    assert message.endswith("got `str`")


def test_binary_beside_other_values():
    value = {"name": "a", "data": b"hi", "sent": "2026-01-02T00:00:00Z", "parts": {"1": b"p"}}
    file = schema_of(File).convert(value)
    assert file == File("a", b"hi", dt.datetime(2026, 1, 2, tzinfo=dt.UTC), {1: bytearray(b"p")})
    assert schema_of(bytes | None).convert(b"hi") == b"hi"
    assert schema_of(bytes | None).decode(b"null") is None
    assert schema_of(Any).convert({"a": [b"hi"]}) == {"a": [b"hi"]}
    assert schema_of(dict[str, Any]).convert({"a": [b"hi"]}) == {"a": [b"hi"]}
    assert schema_of(Upload).convert({"data": b"\xff"}) == Upload(data=b"\xff")


def test_binary_in_the_place_of_text():
    with pytest.raises(ValidationFailed, match=r"\$\.text: Expected `str`, got `bytes`"):
        schema_of(NewMessage).convert({"room": "a", "text": b"hi"})
    with pytest.raises(ValidationFailed, match=r"\$\.lines\[0\]\.price"):
        schema_of(Order).convert({"lines": [{"price": []}]})


_HOSTILE = {
    "nan": b"NaN",
    "infinity": b"-Infinity",
    "huge float": b"1e999",
    "huge integer": b"1" * 5000,
    "lone high surrogate": b'"\\ud800"',
    "lone low surrogate": b'"\\udc00"',
    "no utf-8": b'"\xff"',
    "encoded surrogate": b'"\xed\xa0\x80"',
    "deep arrays": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"next":' * 100_000 + b"null" + b"}" * 100_000,
    "unclosed": b"[" * 100_000,
    "nothing": b"",
    "two values": b"1 2",
    "utf-16": '{"a":1}'.encode("utf-16"),
}


@pytest.mark.parametrize("annotation", [Any, NewMessage, Node, File, float, int, str, list[Any], Order, Line])
@pytest.mark.parametrize("text", _HOSTILE.values(), ids=_HOSTILE.keys())
def test_hostile_json_is_one_bad_message(annotation: Any, text: bytes):
    schema = schema_of(annotation)
    for body in (text, b'{"note":%b,"next":%b,"room":"a","text":%b,"name":%b,"price":%b}' % ((text,) * 5)):
        with pytest.raises((ProtocolError, ValidationFailed)):
            schema.decode(body)
        with pytest.raises((ProtocolError, ValidationFailed, *DECODE_ERRORS)) as caught:
            schema.decoder(body)
        if isinstance(caught.value, DECODE_ERRORS):
            assert isinstance(failure(caught.value), ProtocolError | ValidationFailed)


_SCHEMAS = [schema_of(annotation) for annotation in (Any, NewMessage, File, Created | Removed, Order, dict[int, Size])]


@settings(deadline=None)
@given(st.sampled_from(_SCHEMAS), st.binary(max_size=60) | st.text("{}[]\":,\\'udDnN0123456789.eE+-", max_size=60))
def test_any_text_is_a_value_or_one_of_two_errors(schema: Schema, body: bytes | str):
    with contextlib.suppress(ProtocolError, ValidationFailed):
        schema.decode(body if isinstance(body, bytes) else body.encode())


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (Opaque, "Opaque"),
        (HoldsOpaque, "Opaque"),
        (list[Opaque], "Opaque"),
        (Iterable[int], "Iterable"),
        (Callable[[int], int], "Callable"),
        (AsyncIterator[int], "AsyncIterator"),
        (complex, "complex"),
        ("int", "int"),
        (list["Nowhere"], "Nowhere"),  # type: ignore[name-defined]  # noqa: F821
        (3, "3"),
        (str | bytes, "more than one str-like"),
        (NewMessage | File, "must be tagged"),
        (HoldsRawAndBytes, "Raw cannot stand beside bytes"),
        (Unfinished, "Nowhere"),
        (NewMessage | Line, "cannot hold both NewMessage, a msgspec Struct, and Line, which is pydantic's"),
        (StructWithModel, "cannot hold both StructWithModel"),
        (StructWithForeignLimit, "cannot hold both StructWithForeignLimit"),
    ],
)
def test_what_no_body_can_be(annotation: Any, reason: str):
    with pytest.raises(GatewayError) as caught:
        schema_of(annotation, where="ChatGateway.message, parameter 'body'")
    assert reason in str(caught.value)
    assert caught.value.where == "ChatGateway.message, parameter 'body'"
    assert caught.value.mend


def test_json_schema():
    described = schema_of(NewMessage).json_schema()
    assert described["$defs"]["NewMessage"]["properties"]["text"]["maxLength"] == 5
    assert schema_of(Order).json_schema()["properties"]["lines"]["items"] == {"$ref": "#/$defs/Line"}
    assert schema_of(File).json_schema()["$defs"]["File"]["required"] == ["name", "data"]


def test_only_what_msgspec_decodes_is_joined():
    assert schema_of(NewMessage).joinable
    assert not schema_of(File).joinable
    assert not schema_of(Line).joinable


def test_without_pydantic():
    program = """
import dataclasses, moongate, sys
from typing import Annotated
sys.modules["pydantic"] = None  # from here on an import of it fails
import annotated_types
from moongate.errors import MissingExtraError
from moongate.schema import schema_of
from moongate.wire.payload import PayloadEncoder
@dataclasses.dataclass
class Body:
    a: int
PayloadEncoder().encode_arguments([schema_of(Body).decode(b'{"a":1}'), schema_of(list[bytes]).convert([b"x"])])
try:
    schema_of(Annotated[int, annotated_types.Gt(1)])
except MissingExtraError as error:
    sys.exit("moongate[pydantic]" not in str(error))
sys.exit("a limit was ignored")
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
