"""Values to JSON with binary pulled out of it, and back (Socket.IO protocol 5, "Binary event").

Each buffer inside a value is replaced by `{"_placeholder": true, "num": <index>}`, and travels behind the JSON text.
"""

import dataclasses
import datetime as dt
import decimal
import enum
import operator
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import accumulate
from typing import Any, TypeAlias

import msgspec

from moongate.errors import EncodeError, ProtocolError
from moongate.wire.inspection import BUFFER_NODES, BUFFERS, nodes

__all__ = ["PayloadEncoder", "join_attachments", "too_deep"]

_PLACEHOLDER = "_placeholder"

_PLAIN: frozenset[type] = frozenset((
    str, int, float, bool, type(None), dt.datetime, dt.date, dt.time, dt.timedelta,
    uuid.UUID, decimal.Decimal, msgspec.Raw, msgspec.UnsetType,
))  # fmt: skip

_MAX_TYPES = 10_000

_MAY_HOLD_BINARY: tuple[type[msgspec.inspect.Type], ...] = (
    *BUFFER_NODES,
    msgspec.inspect.AnyType,
    msgspec.inspect.CustomType,
    msgspec.inspect.ExtType,
)

_BUILTIN = (*BUFFERS, dt.datetime)
"""What `PayloadEncoder.builtins` leaves as it is, beside what JSON has."""

_CONTAINERS = (dict, list, tuple, set, frozenset)
"""What msgspec encodes by itself, so that it never asks for another form of them, except where they are keys."""

_TO_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # one deeper, and -1 as a signed byte
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_CHEAP_LEVELS = 4  # most JSON is not deeper, and then no bracket is looked at one by one

_Parts: TypeAlias = Callable[[Any], Iterable[object]]
"""Returns those members of a value that may hold binary; it can be iterated over again."""


class PayloadEncoder:
    """Encodes values as JSON, and knows which types can never hold binary.

    What is learned about a type is kept, and so is the type, until there are very many of them, which a program can
    only have by making them as it runs. Annotations are trusted: bytes in a field that is declared as `str` become
    Base64 text.

    Takes what msgspec takes (dicts, lists, tuples, sets, Structs, dataclasses, enums, dates, UUID, Decimal, ...), and
    also pydantic models, mappings, sequences, and subclasses of `str`, `int` and `float`. NaN and the infinities, which
    JSON does not have, become null, as in JavaScript.
    """

    __slots__ = ("_encode", "_parts", "_plain")

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder(enc_hook=self._json_form).encode
        self._plain: set[type] = set(_PLAIN)
        self._parts: dict[type, _Parts] = {}

    def encode(self, value: object) -> bytes:
        """Encode *value* as JSON in UTF-8; bytes inside it become Base64 text.

        Raises EncodeError, and nothing else, for a value that has no JSON form.
        """
        try:
            return self._encode(value)
        except EncodeError:
            raise
        except Exception as error:
            raise EncodeError(type(value), _reason(error)) from error

    def encode_arguments(self, arguments: Sequence[object]) -> tuple[bytes, tuple[bytes, ...]]:
        """Encode *arguments* as a JSON array and the attachments that it refers to, in order.

        Raises EncodeError, and nothing else, for a value that has no JSON form, and for a dict that the receiver would
        take for one of our placeholders, if there are attachments.
        """
        plain = self._plain
        try:
            for argument in arguments:
                if type(argument) not in plain and self.contains_binary(argument):
                    buffers: list[bytes] = []
                    return self._encode(self._extract(arguments, buffers)), tuple(buffers)
            return self._encode(arguments), ()
        except EncodeError:
            raise
        except Exception as error:
            raise EncodeError(type(arguments[-1]), _reason(error)) from error

    def builtins(self, value: object) -> Any:
        """Return *value* as dicts with text as keys, lists, tuples, str, int, float, bool, None, bytes and datetimes.

        All else has the form that it has in JSON. Raises EncodeError, and nothing else, for a value that has none.
        """
        try:
            return msgspec.to_builtins(value, builtin_types=_BUILTIN, str_keys=True, enc_hook=self._builtin_form)
        except EncodeError:
            raise
        except Exception as error:
            raise EncodeError(type(value), _reason(error)) from error

    def contains_binary(self, value: object) -> bool:
        """Say whether bytes, a bytearray or a memoryview is anywhere inside *value*.

        Raises RecursionError for a value that contains itself.
        """
        plain = self._plain
        kind = type(value)
        if kind in plain:
            return False
        if kind is dict:
            parts: Iterable[object] = value.values()  # type: ignore[attr-defined]  # it is a dict
        elif kind is list:
            parts = value  # type: ignore[assignment]  # it is a list
        elif kind in BUFFERS:
            return True
        elif kind in self._parts:
            parts = self._parts[kind](value)
        elif self._learn(kind):
            return False
        else:
            parts = self._parts[kind](value)
        for part in parts:  # noqa: SIM110  # any() makes a generator, which costs more than most values
            if type(part) not in plain and self.contains_binary(part):
                return True
        return False

    def _extract(self, value: Any, buffers: list[bytes]) -> object:
        """Return *value* with placeholders for its buffers, which are appended to *buffers*."""
        kind = type(value)
        if kind in _PLAIN and kind is not msgspec.Raw:
            return value
        if isinstance(value, dict):
            if value.get(_PLACEHOLDER) is True:
                raise EncodeError(
                    kind, f'{{"{_PLACEHOLDER}": true}} beside binary data would be taken for a place of that data'
                )
            return {key: self._extract(member, buffers) for key, member in value.items()}
        if kind is list or kind is tuple:
            return [self._extract(member, buffers) for member in value]
        if kind in BUFFERS:
            buffers.append(bytes(value))
            return {_PLACEHOLDER: True, "num": len(buffers) - 1}
        built = msgspec.to_builtins(value, builtin_types=BUFFERS, str_keys=True, enc_hook=self._builtin_form)
        return self._extract(built, buffers)

    def _learn(self, kind: type) -> bool:
        """Analyse a type that was not seen yet; return whether its values never hold binary."""
        if len(self._plain) + len(self._parts) > _MAX_TYPES:
            self._plain.clear()
            self._plain.update(_PLAIN)
            self._parts.clear()
        parts = _parts_of(kind)
        if parts is None:
            self._plain.add(kind)
            return True
        self._parts[kind] = parts
        return False

    def _json_form(self, value: Any) -> object:
        """Return what to encode for a value that msgspec does not know."""
        if hasattr(type(value), "model_dump_json"):
            return value.model_dump() if self.contains_binary(value) else msgspec.Raw(value.model_dump_json().encode())
        return _known_form(value)

    def _builtin_form(self, value: Any) -> object:
        """As `_json_form`, for a packet that has attachments: all of it is looked through for placeholders."""
        if isinstance(value, msgspec.Raw):
            return msgspec.json.decode(value)
        form = self._json_form(value)
        return msgspec.json.decode(form) if isinstance(form, msgspec.Raw) else form


def _itself(value: Iterable[object]) -> Iterable[object]:
    return value


def _parts_of(kind: type) -> _Parts | None:
    """Return how to get at what may be binary in values of *kind*; None if there is never anything."""
    if issubclass(kind, BUFFERS):
        return _as_buffer
    if issubclass(kind, enum.Enum):
        return _enum_parts if any(isinstance(member.value, BUFFERS) for member in kind) else None
    if issubclass(kind, Mapping):
        return _mapping_parts
    if issubclass(kind, Sequence | AbstractSet) and not issubclass(kind, str):
        return _itself
    names = _names_of_parts(kind)
    # The first name stands twice because one name alone would not give a tuple.
    return operator.attrgetter(names[0], *names) if names else None


def _as_buffer(value: Any) -> Iterable[object]:
    return (bytes(value),)


def _enum_parts(member: enum.Enum) -> Iterable[object]:
    return (member.value,)


def _mapping_parts(value: Mapping[object, object]) -> Iterable[object]:
    return tuple(value.values())


def _names_of_parts(kind: Any) -> list[str]:
    """Return the fields of a Struct, a dataclass, an attrs class or a pydantic model that may hold binary."""
    models = getattr(kind, "model_fields", None)
    if models is not None and hasattr(kind, "model_dump_json"):
        names = [name for name, field in models.items() if _may_hold_binary(field.annotation)]
        return [*names, "__pydantic_extra__"] if kind.model_config.get("extra") == "allow" else names
    if dataclasses.is_dataclass(kind):
        fields = [field.name for field in dataclasses.fields(kind)]
    elif issubclass(kind, msgspec.Struct):
        fields = list(kind.__struct_fields__)
    else:
        fields = [attribute.name for attribute in getattr(kind, "__attrs_attrs__", ())]
    if not fields or not _may_hold_binary(kind):
        return []
    hints = _hints(kind)
    return [name for name in fields if name not in hints or _may_hold_binary(hints[name])]


def _hints(kind: type) -> dict[str, Any]:
    """Return the annotations of the fields of *kind* that can be told."""
    try:
        info = msgspec.inspect.type_info(kind)
    except Exception:  # noqa: BLE001  # hints that cannot be resolved fail in any way; then the values are looked at
        return {}
    fields: tuple[msgspec.inspect.Field, ...] = getattr(info, "fields", ())
    return {field.name: field.type for field in fields}


def _may_hold_binary(annotation: object) -> bool:
    try:
        info = annotation if isinstance(annotation, msgspec.inspect.Type) else msgspec.inspect.type_info(annotation)
    except Exception:  # noqa: BLE001  # as in _hints
        return True
    return any(isinstance(node, _MAY_HOLD_BINARY) for node in nodes(info))


def _known_form(value: Any) -> object:
    """Return the builtin that a value of a subclass or of an abstract collection stands for."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, _CONTAINERS):
        raise EncodeError(type(value), "only str and numbers can be keys of a dict")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence | AbstractSet) and not isinstance(value, memoryview):
        return list(value)
    raise EncodeError(
        type(value),
        "it has no JSON form. Send a dict, a list, a str, a number, a bool, None, bytes, a msgspec Struct, "
        "a dataclass or a pydantic model",
    )


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deep, or contains itself"
    return str(error) or type(error).__name__


def join_attachments(value: object, attachments: Sequence[bytes]) -> object:
    """Put *attachments* into the places that a decoded JSON *value* has for them; containers are changed in place.

    One attachment may stand in several places. Raises ProtocolError for a placeholder whose `num` is no index of
    *attachments* (CVE-2022-2421).
    """
    root = [value]
    waiting: list[Any] = [root]
    while waiting:
        container = waiting.pop()
        # Only values of keys that are there already are set, which does not disturb the iteration.
        for key, member in container.items() if type(container) is dict else enumerate(container):
            kind = type(member)
            if kind is dict and member.get(_PLACEHOLDER) is True:
                container[key] = _attachment(member.get("num"), attachments)
            elif kind is dict or kind is list:
                waiting.append(member)
    return root[0]


def _attachment(number: object, attachments: Sequence[bytes]) -> bytes:
    # A bool is an int for isinstance, and a negative index would be one from the end.
    if type(number) is not int or not 0 <= number < len(attachments):
        raise ProtocolError(f"the number of one of {len(attachments)} attachments", repr(number)[:40])
    return attachments[number]


def too_deep(text: bytes, limit: int) -> bool:
    """Say whether arrays and objects in JSON *text* nest deeper than *limit*, in time linear to its length.

    What text that is no JSON nests like is undefined; no more than that the answer comes.
    """
    if text.count(b"[") + text.count(b"{") <= limit:
        return False
    # Without escapes every quote begins or ends a string, so every other piece is outside of strings.
    outside = b"".join(text.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    steps = outside.translate(_TO_STEPS, _ALL_BUT_BRACKETS)
    levels = min(limit, _CHEAP_LEVELS)
    for _ in range(levels):
        steps = steps.replace(b"\x01\xff", b"")  # removes the innermost level everywhere
    left = limit - levels
    if steps.count(b"\x01") <= left:
        return False
    return max(accumulate(memoryview(steps).cast("b"))) > left
