"""Members of a decoded JSON value that its type does not have."""

from collections.abc import Iterator
from typing import Any

import msgspec.inspect as types

from moongate.errors import FieldError

__all__ = ["unknown_fields"]


def unknown_fields(value: Any, info: types.Type, path: str = "$") -> Iterator[FieldError]:
    """Yield what *value*, as JSON has it, says that *info* has no place for. The value is known to fit otherwise."""
    if isinstance(info, types.Metadata):
        yield from unknown_fields(value, info.type, path)
    elif isinstance(info, types.UnionType):
        yield from _of_union(value, info, path)
    elif isinstance(value, dict):
        yield from _of_object(value, info, path)
    elif isinstance(value, list):
        yield from _of_array(value, info, path)


def _of_union(value: Any, info: types.UnionType, path: str) -> Iterator[FieldError]:
    """Only one option of a union can be an object or an array, save for Structs that a tag tells apart."""
    options = [list(unknown_fields(value, option, path)) for option in info.types if _may_be(value, option)]
    if options:
        yield from min(options, key=len)


def _may_be(value: Any, info: types.Type) -> bool:
    if isinstance(info, types.StructType) and isinstance(value, dict) and info.tag_field is not None:
        return value.get(info.tag_field) == info.tag
    bare = info.type if isinstance(info, types.Metadata) else info
    is_object = isinstance(bare, _WITH_FIELDS | types.DictType)
    return isinstance(value, dict) if is_object else isinstance(value, list) and not isinstance(value, dict)


_WITH_FIELDS = types.StructType | types.TypedDictType | types.DataclassType


def _of_object(value: dict[str, Any], info: types.Type, path: str) -> Iterator[FieldError]:
    if isinstance(info, types.DictType):
        for key, member in value.items():
            yield from unknown_fields(member, info.value_type, f"{path}.{key}")
    elif isinstance(info, _WITH_FIELDS):
        fields = {field.encode_name: field.type for field in info.fields}
        tag = info.tag_field if isinstance(info, types.StructType) else None
        for key, member in value.items():
            if key in fields:
                yield from unknown_fields(member, fields[key], f"{path}.{key}")
            elif key != tag:
                yield FieldError(f"{path}.{key}"[:200], "Object contains unknown field")


def _of_array(value: list[Any], info: types.Type, path: str) -> Iterator[FieldError]:
    if isinstance(info, types.CollectionType):
        members: list[types.Type] = [info.item_type] * len(value)
    elif isinstance(info, types.TupleType):
        members = list(info.item_types)
    elif isinstance(info, types.StructType | types.NamedTupleType):  # a Struct with array_like=True
        members = [field.type for field in info.fields]
        if isinstance(info, types.StructType) and info.tag_field is not None:
            value = value[1:]
    else:
        return
    for position, (member, kind) in enumerate(zip(value, members, strict=False)):
        yield from unknown_fields(member, kind, f"{path}[{position}]")
