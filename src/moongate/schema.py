"""What an annotation accepts: the decoder for a body, chosen once at start-up.

msgspec decodes Structs, dataclasses, TypedDicts, NamedTuples, enums, literals, plain types, their unions and their
containers. An annotation with a pydantic type anywhere inside is pydantic's; pydantic is imported only then.

All follow the same rules of JSON: UTF-8, no NaN or infinity, no number that a float cannot hold, no lone surrogates; of
equal keys the last one counts. `bytes` stands for binary data: text in its place does not fit. (A pydantic type takes
what pydantic takes, and that includes text for bytes.)
"""

import dataclasses
import re
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, Protocol, TypeAlias

import msgspec

from moongate.errors import FieldError, GatewayError, MissingExtraError, ProtocolError, ValidationFailed
from moongate.unknown import unknown_fields
from moongate.wire.inspection import BUFFER_NODES, BUFFERS, nodes

__all__ = ["DECODE_ERRORS", "Decoder", "JsonText", "Schema", "failure", "schema_of"]

JsonText: TypeAlias = bytes | msgspec.Raw
"""JSON in UTF-8."""

Decoder: TypeAlias = Callable[[JsonText], Any]

DECODE_ERRORS: tuple[type[Exception], ...] = (msgspec.DecodeError, ValueError, RecursionError)
"""What a `Schema.decoder` raises, beside errors of ours; `failure` says what it means."""

_LOCATION = re.compile(r"(?P<message>.*) - at (?:`(?P<key>key\b[^`]*)` in )?`(?P<path>\$[^`]*)`", re.DOTALL)
_MAX_MESSAGE_LENGTH = 500

_OUT_OF_RANGE = ("Number out of range", "Integer value out of range")
"""What msgspec says of numbers that nothing can hold, whatever the type: they are no JSON that others could read."""

_PYDANTIC_PACKAGES = ("annotated_types", "pydantic", "pydantic_core")
_PYDANTIC_MARKS = ("__get_pydantic_core_schema__", "__pydantic_core_schema__")
_INNER_NAMES = ("__origin__", "__supertype__", "__value__")  # of a generic, a NewType, a type alias
_decode_any = msgspec.json.Decoder().decode


class Schema(Protocol):
    """What an annotation accepts."""

    @property
    def annotation(self) -> Any:
        """The annotation; Any for object."""

    @property
    def joinable(self) -> bool:
        """Whether msgspec decodes the annotation by itself, so that it can be part of a larger type."""

    @property
    def decoder(self) -> Decoder:
        """The shortest way from JSON text to a value, for hot paths.

        Raises ValidationFailed, ProtocolError, or one of DECODE_ERRORS, to be turned into one of those by `failure`.
        """

    def decode(self, text: JsonText) -> Any:
        """Decode JSON text; raises ValidationFailed for what does not fit, ProtocolError for what is no JSON."""

    def convert(self, value: object) -> Any:
        """Accept a value that is decoded already, and that may hold bytes; raises ValidationFailed."""

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema (draft 2020-12)."""


def schema_of(
    annotation: Any, *, where: str = "", strict: bool | None = None, forbid_unknown_fields: bool = False
) -> Schema:
    """Choose the decoder for *annotation*.

    *strict* says whether only the type itself is taken, or also what can be converted to it, as text for a number; None
    is what its library does by itself. With *forbid_unknown_fields* members that a type does not have are errors.
    Raises GatewayError, which names *where* (a class, a method, a parameter), if it cannot be decoded, and
    MissingExtraError if it needs pydantic and that is not installed.
    """
    try:
        parts = list(_parts(annotation))
        pydantic_type = next((part for part in parts if _is_pydantic(part)), None)
        if pydantic_type is None:
            schema = _msgspec_schema(annotation, where)
            is_usual = strict is not False and not forbid_unknown_fields
            return (
                schema if is_usual else _CheckedSchema(schema, strict=strict is not False, known=forbid_unknown_fields)
            )
        struct = next((part for part in parts if _is_struct(part)), None)
        if struct is None:
            return _PydanticSchema(annotation, strict=strict, known=forbid_unknown_fields)
    except (TypeError, ValueError, NameError, AttributeError, ImportError, RecursionError) as error:
        raise _undecodable(annotation, where, str(error)) from error
    raise GatewayError(
        f"one body cannot hold both {_name(struct)}, a msgspec Struct, and {_name(pydantic_type)}, which is pydantic's",
        where=where,
        mend="Make the Struct a pydantic model or a dataclass; or constrain its fields with msgspec.Meta.",
    )


def failure(error: Exception) -> ValidationFailed | ProtocolError:
    """Say what an exception of a `Schema.decoder` means: a body that does not fit, or text that is no JSON."""
    text = str(error)
    if isinstance(error, msgspec.ValidationError) and not text.startswith(_OUT_OF_RANGE):
        return ValidationFailed([_field_error(text)])
    if isinstance(error, RecursionError):
        return ProtocolError("JSON that is not nested so deep")
    return ProtocolError("valid JSON", text[:_MAX_MESSAGE_LENGTH])


def _field_error(text: str) -> FieldError:
    """Split msgspec's "Expected `int`, got `str` - at `$.a[0]`" into path and message."""
    match = _LOCATION.fullmatch(text)
    if match is None:
        return FieldError("$", text[:_MAX_MESSAGE_LENGTH])
    message = match["message"][:_MAX_MESSAGE_LENGTH]
    return FieldError(match["path"], f"{message} (as a key)" if match["key"] else message)


class _MsgspecSchema:
    """Decodes with msgspec, straight from the text."""

    __slots__ = ("annotation", "decoder")

    joinable = True

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation
        self.decoder: Decoder = msgspec.json.Decoder(annotation).decode

    def decode(self, text: JsonText) -> Any:
        try:
            return self.decoder(text)
        except DECODE_ERRORS as error:
            raise failure(error) from error

    def convert(self, value: object) -> Any:
        try:
            return _convert(value, self.annotation)
        except DECODE_ERRORS as error:
            raise failure(error) from error

    def json_schema(self) -> dict[str, Any]:
        return msgspec.json.schema(self.annotation)


class _RawSchema(_MsgspecSchema):
    """Decodes annotations that hold `msgspec.Raw`, which is JSON text whatever the value came as."""

    __slots__ = ()

    def convert(self, value: object) -> Any:
        return self.decode(msgspec.json.encode(value))


class _BinarySchema:
    """Decodes annotations that hold bytes, which a msgspec decoder would take from Base64 text."""

    __slots__ = ("annotation", "decoder")

    joinable = False

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation
        self.decoder: Decoder = self.decode

    def decode(self, text: JsonText) -> Any:
        try:
            return _convert(_decode_any(text), self.annotation)
        except DECODE_ERRORS as error:
            raise failure(error) from error

    def convert(self, value: object) -> Any:
        try:
            return _convert(value, self.annotation)
        except DECODE_ERRORS as error:
            raise failure(error) from error

    def json_schema(self) -> dict[str, Any]:
        return msgspec.json.schema(self.annotation)


class _CheckedSchema:
    """Decodes into plain values first, to look for members without a place, or to convert what msgspec would refuse."""

    __slots__ = ("_info", "_schema", "_strict", "annotation", "decoder")

    joinable = False

    def __init__(self, schema: Schema, *, strict: bool, known: bool) -> None:
        self.annotation = schema.annotation
        self.decoder: Decoder = self.decode
        self._schema = schema
        self._strict = strict
        self._info = msgspec.inspect.type_info(schema.annotation) if known else None

    def decode(self, text: JsonText) -> Any:
        try:
            value = _decode_any(text)
        except DECODE_ERRORS as error:
            raise failure(error) from error
        return self.convert(value)

    def convert(self, value: object) -> Any:
        if self._strict:
            converted = self._schema.convert(value)
        else:
            try:
                converted = _convert(value, self.annotation, strict=False)
            except DECODE_ERRORS as error:
                raise failure(error) from error
        unknown = [] if self._info is None else list(unknown_fields(value, self._info))
        if unknown:
            raise ValidationFailed(unknown)
        return converted

    def json_schema(self) -> dict[str, Any]:
        return self._schema.json_schema()


class _PydanticSchema:
    """Decodes with pydantic; raises as `schema_of` and pydantic do for annotations that have no pydantic schema."""

    __slots__ = ("_adapter", "_error", "_options", "_validate_json", "annotation", "decoder")

    joinable = False

    def __init__(self, annotation: Any, *, strict: bool | None, known: bool) -> None:
        try:
            import pydantic
        except ImportError as error:
            raise MissingExtraError(f"the annotation {_name(annotation)}", extra="pydantic") from error
        try:
            self._adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(annotation)
            self._adapter.rebuild(raise_errors=True)
        except (pydantic.PydanticUserError, pydantic.PydanticUndefinedAnnotation) as error:
            raise TypeError(str(error)) from error
        self._error = pydantic.ValidationError
        self._validate_json = self._adapter.validator.validate_json
        self._options: dict[str, Any] = {} if strict is None else {"strict": strict}
        if known:
            self._options["extra"] = "forbid"
        self.annotation = annotation
        self.decoder: Decoder = self.decode

    def decode(self, text: JsonText) -> Any:
        try:
            # pydantic's own parser takes NaN, and infinity for numbers that are too large.
            _decode_any(text)
        except DECODE_ERRORS as error:
            raise failure(error) from error
        try:
            return self._validate_json(bytes(text), **self._options)
        except self._error as error:
            raise self._failure(error) from error

    def convert(self, value: object) -> Any:
        try:
            return self._adapter.validator.validate_python(value, **self._options)
        except self._error as error:
            raise self._failure(error) from error

    def json_schema(self) -> dict[str, Any]:
        return self._adapter.json_schema()

    def _failure(self, error: Any) -> ValidationFailed | ProtocolError:
        reasons = error.errors(include_url=False, include_context=False, include_input=False)
        if reasons[0]["type"] == "json_invalid":
            return ProtocolError("valid JSON", reasons[0]["msg"])
        return ValidationFailed([FieldError(_path(reason["loc"]), reason["msg"]) for reason in reasons])


def _path(location: tuple[int | str, ...]) -> str:
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)


def _convert(value: object, annotation: Any, *, strict: bool = True) -> Any:
    return msgspec.convert(value, annotation, strict=strict, builtin_types=BUFFERS, str_keys=True)


def _msgspec_schema(annotation: Any, where: str) -> Schema:
    if annotation is object:
        annotation = Any
    info = msgspec.inspect.type_info(annotation)
    holds_binary = holds_raw = False
    for node in nodes(info):
        if isinstance(node, msgspec.inspect.CustomType) and node.cls is not object:
            raise _undecodable(annotation, where, f"nothing says how to make {_name(node.cls)} from JSON")
        holds_binary = holds_binary or isinstance(node, BUFFER_NODES)
        holds_raw = holds_raw or isinstance(node, msgspec.inspect.RawType)
    if holds_binary and holds_raw:
        raise _undecodable(annotation, where, "msgspec.Raw cannot stand beside bytes, which are not in the JSON text")
    if holds_raw:
        return _RawSchema(annotation)
    return _BinarySchema(annotation) if holds_binary else _MsgspecSchema(annotation)


def _undecodable(annotation: Any, where: str, reason: str) -> GatewayError:
    return GatewayError(
        f"a body cannot be decoded into {_name(annotation)}: {reason}",
        where=where,
        mend="Use a msgspec Struct, a dataclass, a TypedDict, a pydantic model, a plain type such as str, int, "
        "list[str] or dict[str, float], or Any for the value as it comes.",
    )


def _name(annotation: Any) -> str:
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation).removeprefix("typing.")


def _is_struct(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, msgspec.Struct)


def _is_pydantic(part: Any) -> bool:
    """Tell a type of pydantic's, or something that constrains one in `Annotated`, without importing pydantic."""
    if isinstance(part, type):
        return not _is_struct(part) and any(hasattr(part, mark) for mark in _PYDANTIC_MARKS)
    package = type(part).__module__.partition(".")[0]
    return package in _PYDANTIC_PACKAGES or hasattr(part, _PYDANTIC_MARKS[0])


def _parts(annotation: Any) -> Iterator[Any]:
    """Yield everything that *annotation* is made of once: types, metadata of `Annotated`, the fields of its classes."""
    waiting = [annotation]
    seen: dict[int, Any] = {}  # the parts too, so that no later one gets the id of one that is gone
    while waiting:
        part = waiting.pop()
        if id(part) in seen or typing.get_origin(part) is Literal:
            continue
        seen[id(part)] = part
        yield part
        if typing.get_origin(part) is Annotated:
            waiting.extend(part.__metadata__)
        waiting.extend(typing.get_args(part))
        waiting.extend(getattr(part, name) for name in _INNER_NAMES if hasattr(part, name))
        if _has_fields(part) and not _is_pydantic(part):
            waiting.extend(typing.get_type_hints(part, include_extras=True).values())


def _has_fields(part: Any) -> bool:
    return isinstance(part, type) and (
        _is_struct(part)
        or dataclasses.is_dataclass(part)
        or typing.is_typeddict(part)
        or hasattr(part, "__attrs_attrs__")
        or (issubclass(part, tuple) and hasattr(part, "_fields"))
    )
