"""The pipes that are there already."""

import enum
import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from moongate.errors import FieldError, GatewayError, ValidationFailed
from moongate.pipeline.contracts import ArgumentMetadata

__all__ = ["DefaultValue", "ParseBool", "ParseEnum", "ParseFloat", "ParseInt", "ParseUUID", "ValidationPipe"]

_TRUE = frozenset(("true", "1", "yes", "on"))
_FALSE = frozenset(("false", "0", "no", "off"))


class ValidationPipe(msgspec.Struct, frozen=True):
    """Says how bodies are decoded into their types; the one that stands closest to a parameter counts.

    *strict* off takes what can be converted without loss, as `"5"` for an int; on, it takes nothing else but the type
    (pydantic's strict mode). None is what the type's library does by itself: msgspec is strict, pydantic is not. With
    *forbid_unknown_fields* a member that the type does not have is an error instead of being passed over.
    """

    strict: bool | None = None
    forbid_unknown_fields: bool = False

    def transform(self, value: Any, argument: ArgumentMetadata) -> Any:
        """Return *value*, which has been decoded as this says."""
        del argument
        return value


class DefaultValue:
    """Takes *value* where the client sent nothing, or null."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def transform(self, value: Any, argument: ArgumentMetadata) -> Any:
        """Return the default for None."""
        del argument
        return self._value if value is None else value


class ParseInt:
    """Takes an int, or text that is one: `"42"`."""

    def transform(self, value: int | str, argument: ArgumentMetadata) -> int:
        """Return the number; raises ValidationFailed."""
        number: int = _parsed(int, value, argument, "an integer, or text that is one")
        return number


class ParseFloat:
    """Takes a number, or text that is one: `"4.2"`."""

    def transform(self, value: float | str, argument: ArgumentMetadata) -> float:
        """Return the number; raises ValidationFailed, also for what is not finite."""
        number: float = _parsed(float, value, argument, "a number, or text that is one")
        if number - number != 0:  # NaN and the infinities, which JSON does not have
            raise _unfit(argument, "a finite number", value)
        return number


class ParseBool:
    """Takes a bool, or text that says one: `"true"`, `"1"`, `"yes"`, `"on"`, and the opposites."""

    def transform(self, value: bool | str, argument: ArgumentMetadata) -> bool:  # noqa: FBT001  # it is what comes
        """Return the truth; raises ValidationFailed."""
        if isinstance(value, bool):
            return value
        text = value.strip().lower()
        if text not in _TRUE | _FALSE:
            raise _unfit(argument, "true or false", value)
        return text in _TRUE


class ParseUUID:
    """Takes the text of a UUID, of one *version* if it is given."""

    def __init__(self, version: int | None = None) -> None:
        self._version = version

    def transform(self, value: str, argument: ArgumentMetadata) -> uuid.UUID:
        """Return the UUID; raises ValidationFailed."""
        try:
            parsed = uuid.UUID(value) if len(value) in (32, 36) else None
        except ValueError:
            parsed = None
        if parsed is None or (self._version is not None and parsed.version != self._version):
            raise _unfit(argument, "a UUID" if self._version is None else f"a UUID of version {self._version}", value)
        return parsed


class ParseEnum:
    """Takes the value of a member of *kind*, or its name. Raises GatewayError for what is no enumeration."""

    def __init__(self, kind: type[enum.Enum]) -> None:
        if not (isinstance(kind, type) and issubclass(kind, enum.Enum)):  # type: ignore[redundant-expr]  # not checked
            raise GatewayError(
                f"expected an enumeration, got {kind!r}", where="ParseEnum", mend="Write ParseEnum(Colour)."
            )
        self._kind = kind

    def transform(self, value: Any, argument: ArgumentMetadata) -> enum.Enum:
        """Return the member; raises ValidationFailed."""
        for member in self._kind:
            if member.value == value and type(member.value) is type(value):
                return member
        if isinstance(value, str) and value in self._kind.__members__:
            return self._kind[value]
        raise _unfit(argument, f"one of {', '.join(repr(member.value) for member in self._kind)}", value)


def _parsed(parse: Callable[[Any], Any], value: Any, argument: ArgumentMetadata, expected: str) -> Any:
    try:
        if isinstance(value, str) and ("_" in value or not value.isascii()):  # which only Python takes
            raise ValueError(value)
        return parse(value)
    except (ValueError, OverflowError):
        raise _unfit(argument, expected, value) from None


def _unfit(argument: ArgumentMetadata, expected: str, value: object) -> ValidationFailed:
    return ValidationFailed([FieldError(argument.path, f"Expected {expected}, got {value!r:.60}")])
