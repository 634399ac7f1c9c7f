"""Values on the wire: JSON, and the binary beside it."""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import gc
import uuid
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moongate.errors import EncodeError, ProtocolError
from moongate.wire.payload import PayloadEncoder, join_attachments, too_deep

_PLACE = {"_placeholder": True, "num": 0}


class Plain(msgspec.Struct):
    room: str
    text: str
    tags: list[str] = []


class Picture(msgspec.Struct, rename="camel"):
    file_name: str
    raw_data: bytes


class Album(msgspec.Struct):
    pictures: list[Picture]
    title: str = ""


class Loose(msgspec.Struct):
    anything: Any
    name: str = ""


class Tree(msgspec.Struct):
    children: list["Tree"] = []
    leaf: bytes | None = None


@dataclasses.dataclass
class Chunk:
    index: int
    data: bytearray


class Pair(NamedTuple):
    name: str
    data: bytes


class Model(pydantic.BaseModel):
    a: int
    more: Any = None


class BinaryModel(pydantic.BaseModel):
    data: bytes


class OpenModel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")


@dataclasses.dataclass
class ValidatedHolder:
    model: Model


class Colour(enum.Enum):
    RED = "red"


class Magic(enum.Enum):
    PNG = b"\x89PNG"


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Buffer(bytes):
    pass


class Opaque:
    pass


@pytest.fixture
def encoder() -> PayloadEncoder:
    return PayloadEncoder()


def place(number: int) -> dict[str, object]:
    return {"_placeholder": True, "num": number}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, 2.5, True, None, "é"]}, '{"a":[1,2.5,true,null,"é"]}'),
        (Plain("lobby", "hi"), '{"room":"lobby","text":"hi","tags":[]}'),
        ((1, "x"), '[1,"x"]'),
        (dt.datetime(2026, 1, 2, tzinfo=dt.UTC), '"2026-01-02T00:00:00Z"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (decimal.Decimal("1.10"), '"1.10"'),
        (Colour.RED, '"red"'),
        ({1: "one"}, '{"1":"one"}'),
        (2**64, "18446744073709551616"),
        (Model(a=1), '{"a":1,"more":null}'),
        ([Model(a=1)], '[{"a":1,"more":null}]'),
        (ValidatedHolder(Model(a=1)), '{"model":{"a":1,"more":null}}'),
        (msgspec.Raw(b'{"as":"it is"}'), '{"as":"it is"}'),
        (collections.UserDict(a=1), '{"a":1}'),
        (collections.deque([1, 2]), "[1,2]"),
        ({Text("key"): Text("value")}, '{"key":"value"}'),
        (Number(3), "3"),
    ],
)
def test_values_without_binary(encoder: PayloadEncoder, value: object, text: str):
    assert encoder.encode(value) == text.encode()
    assert encoder.encode_arguments(["event", value]) == (b'["event",' + text.encode() + b"]", ())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_json_does_not_have_becomes_null(encoder: PayloadEncoder, value: float):
    assert encoder.encode({"x": value}) == b'{"x":null}'
    assert encoder.encode_arguments([value, b"x"])[0] == b'[null,{"_placeholder":true,"num":0}]'


@pytest.mark.parametrize(
    ("value", "expected", "attachments"),
    [
        (b"a", place(0), (b"a",)),
        (bytearray(b"a"), place(0), (b"a",)),
        (memoryview(b"a-b-c")[::2], place(0), (b"abc",)),
        (Buffer(b"a"), place(0), (b"a",)),
        (b"", place(0), (b"",)),
        ([b"a", {"x": b"b", "y": [(b"c", 1)]}], [place(0), {"x": place(1), "y": [[place(2), 1]]}], (b"a", b"b", b"c")),
        ({b"a"}, [place(0)], (b"a",)),
        (Picture("a.png", b"a"), {"fileName": "a.png", "rawData": place(0)}, (b"a",)),
        (Album([Picture("", b"a")]), {"pictures": [{"fileName": "", "rawData": place(0)}], "title": ""}, (b"a",)),
        (Loose({"deep": [b"a"]}), {"anything": {"deep": [place(0)]}, "name": ""}, (b"a",)),
        (Loose(Picture("", b"a")), {"anything": {"fileName": "", "rawData": place(0)}, "name": ""}, (b"a",)),
        (Tree([Tree(leaf=b"a")]), {"children": [{"children": [], "leaf": place(0)}], "leaf": None}, (b"a",)),
        (Chunk(1, bytearray(b"a")), {"index": 1, "data": place(0)}, (b"a",)),
        (Pair("n", b"a"), ["n", place(0)], (b"a",)),
        (BinaryModel(data=b"\xff"), {"data": place(0)}, (b"\xff",)),
        (Model(a=1, more=[b"a"]), {"a": 1, "more": [place(0)]}, (b"a",)),
        (OpenModel.model_validate({"extra": b"a"}), {"extra": place(0)}, (b"a",)),
        (collections.UserDict(a=b"a"), {"a": place(0)}, (b"a",)),
        (collections.deque([b"a"]), [place(0)], (b"a",)),
        (Magic.PNG, place(0), (b"\x89PNG",)),
        ({1: b"a"}, {"1": place(0)}, (b"a",)),
        ([Plain("r", "t"), Model(a=1), msgspec.Raw(b"[1]"), b"a"],
         [{"room": "r", "text": "t", "tags": []}, {"a": 1, "more": None}, [1], place(0)], (b"a",)),
    ],
)  # fmt: skip
def test_binary_is_pulled_out(encoder: PayloadEncoder, value: object, expected: object, attachments: tuple[bytes, ...]):
    for _ in range(2):  # the second time the encoder knows the type
        assert encoder.contains_binary(value)
        text, found = encoder.encode_arguments(["event", value])
        assert msgspec.json.decode(text) == ["event", expected]
        assert found == attachments
        assert all(type(attachment) is bytes for attachment in found)


def test_the_same_type_with_and_without_binary(encoder: PayloadEncoder):
    assert not encoder.contains_binary(Loose("text"))
    assert encoder.contains_binary(Loose(b"bytes"))
    assert not encoder.contains_binary(Loose(Loose({"a": 1})))
    assert not encoder.contains_binary(OpenModel.model_validate({"extra": "text"}))
    assert not encoder.contains_binary(Tree([Tree()]))


def test_bytes_become_base64_where_nothing_travels_beside_the_text(encoder: PayloadEncoder):
    assert encoder.encode({"a": b"x", "m": BinaryModel(data=b"\xff")}) == b'{"a":"eA==","m":{"data":"/w=="}}'


def own_tail() -> object:
    value: list[object] = []
    value.append(value)
    return value


def refusing_model() -> object:
    class Refusing(pydantic.BaseModel):
        a: int = 1

        @pydantic.field_serializer("a")
        def refuse(self, value: int) -> int:
            raise KeyError(value)

    return Refusing()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Opaque, "Opaque: it has no JSON form"),
        (lambda: [{"a": Opaque()}], "Opaque: it has no JSON form"),
        (lambda: ValueError("secret"), "ValueError: it has no JSON form"),
        (lambda: 1j, "complex: it has no JSON form"),
        (lambda: (number for number in (1, 2)), "generator: it has no JSON form"),
        (lambda: {(1, 2): 3}, "tuple: only str and numbers can be keys"),
        (lambda: {None: 3}, "NoneType: it has no JSON form"),
        (own_tail, "nested too deep, or contains itself"),
        (lambda: "\ud800", "surrogates not allowed"),
        (lambda: {"\ud800": 1}, "surrogates not allowed"),
        (lambda: [msgspec.UNSET], "UnsetType: it has no JSON form"),
        (refusing_model, "cannot send a value of type"),
    ],
)
def test_what_cannot_be_sent(encoder: PayloadEncoder, make: Callable[[], object], reason: str):
    for arguments in (["event", make()], ["event", b"binary", make()]):
        with pytest.raises(EncodeError, match=reason):
            encoder.encode_arguments(arguments)
    with pytest.raises(EncodeError, match=reason):
        encoder.encode(make())
    assert encoder.encode_arguments(["event", 1]) == (b'["event",1]', ())


@pytest.mark.parametrize(
    "lookalike",
    [
        _PLACE,
        [{"deep": _PLACE}],
        {"_placeholder": True},
        Loose(_PLACE),
        Model(a=1, more=_PLACE),
        collections.OrderedDict(_PLACE),
        msgspec.Raw(b'{"\\u005fplaceholder":true,"num":0}'),
    ],
)
def test_client_data_is_not_taken_for_a_place_of_binary(encoder: PayloadEncoder, lookalike: object):
    for arguments in (["relay", lookalike, b"real"], ["relay", b"real", lookalike]):
        with pytest.raises(EncodeError, match="_placeholder"):
            encoder.encode_arguments(arguments)
    text, attachments = encoder.encode_arguments(["relay", lookalike])
    assert not attachments
    assert b"placeholder" in text


def test_what_only_resembles_a_placeholder_may_be_sent(encoder: PayloadEncoder):
    text, _ = encoder.encode_arguments([{"_placeholder": 1}, {"_placeholder": "true"}, b"x"])
    assert join_attachments(msgspec.json.decode(text), [b"x"]) == [{"_placeholder": 1}, {"_placeholder": "true"}, b"x"]


# Vectors 1 to 5 of the fuzzing table: what CVE-2022-2421 and its kin sent.
@pytest.mark.parametrize(
    "number", ["-1", '"splice"', "true", "false", "0.5", "0.0", "5", "2", "null", "[]", "{}", "1e0"]
)
def test_a_placeholder_without_its_attachment(number: str):
    for text in ('{"_placeholder":true,"num":%s}', '["h",{"a":[{"_placeholder":true,"num":%s}]}]'):
        with pytest.raises(ProtocolError, match="attachments"):
            join_attachments(msgspec.json.decode(text % number), [b"a", b"b"])


def test_a_placeholder_without_a_number():
    with pytest.raises(ProtocolError, match="attachments"):
        join_attachments([{"_placeholder": True}], [b"a"])


def test_one_attachment_in_two_places():
    assert join_attachments([_PLACE, {"again": dict(_PLACE)}], [b"a"]) == [b"a", {"again": b"a"}]


def test_attachments_are_joined_at_any_depth():
    value: object = dict(_PLACE)
    for _ in range(100_000):
        value = [value]
    joined: Any = join_attachments(value, [b"a"])
    for _ in range(100_000):
        joined = joined[0]
    assert joined == b"a"


_SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_BYTES = st.binary(max_size=8)
_VALUES = st.recursive(
    _SCALARS | _TEXT | _BYTES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=15,
)


def buffers_of(value: object) -> list[bytes]:
    if isinstance(value, bytes):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [buffer for member in inner for buffer in buffers_of(member)]


@settings(deadline=None)
@given(st.lists(_VALUES, min_size=1, max_size=3))
def test_values_come_back_as_they_went(arguments: list[object]):
    encoder = PayloadEncoder()
    text, attachments = encoder.encode_arguments(arguments)
    assert list(attachments) == buffers_of(arguments)
    assert encoder.contains_binary(arguments) == bool(attachments)
    assert join_attachments(msgspec.json.decode(text), attachments) == arguments


def depth_of(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


_NESTED = st.recursive(
    st.text('[]{}"\\,:ab', max_size=6) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[]{}"\\', max_size=3), inner, max_size=3),
    max_leaves=30,
)


@settings(deadline=None)
@given(_NESTED, st.integers(0, 8), st.integers(1, 12))
def test_depth_is_counted_outside_of_strings(value: object, wrapped: int, limit: int):
    for _ in range(wrapped):
        value = [value]
    assert too_deep(msgspec.json.encode(value), limit) == (depth_of(value) > limit)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"[" * 64 + b"]" * 64, False),
        (b"[" * 65 + b"]" * 65, True),
        (b'{"a":' * 65 + b"1" + b"}" * 65, True),
        (b"[" + b"[]," * 1000 + b"[]]", False),
        (b'["' + b"[" * 1000 + b'"]', False),
        (b'["\\"' + b"[" * 1000 + b'\\\\"]', False),
        (b'["\\\\",' + b"[" * 64 + b"]" * 65, True),
        (b"2" + b"[" * 100_000, True),
    ],
)
def test_depth(text: bytes, expected: bool):
    assert too_deep(text, 64) is expected


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text('[]{}"\\', max_size=200).map(str.encode), st.integers(1, 5))
def test_depth_of_what_is_no_json_has_an_answer(text: bytes, limit: int):
    assert too_deep(text, limit) in {True, False}


def test_types_that_are_made_at_run_time_are_not_kept_for_ever():
    encoder = PayloadEncoder()
    made: list[weakref.ref[type]] = []
    for number in range(12_000):
        kind = type("Made", (tuple if number % 2 else str,), {})
        made.append(weakref.ref(kind))
        encoder.contains_binary(kind())
        del kind
    gc.collect()
    assert sum(kind() is not None for kind in made) < 11_000
    assert encoder.contains_binary(Picture("a", b"a"))
    assert not encoder.contains_binary("a")
