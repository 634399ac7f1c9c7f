"""Names of namespaces with typed parameters in them: `/rooms/{room_id:int}`."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import msgspec

from moongate.errors import ConfigurationError

__all__ = ["Pattern", "is_pattern"]


class _Kind(msgspec.Struct, frozen=True):
    """What a parameter takes. All of it is ASCII save for text, and none can be matched in two ways, or take a `#`."""

    expression: str
    convert: Callable[[str], Any]


_KINDS = {
    "str": _Kind("[^/#]+", str),
    "int": _Kind("[0-9]+", int),
    "float": _Kind(r"[0-9]+(?:\.[0-9]+)?", float),
    "uuid": _Kind("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", UUID),
    "path": _Kind(r"[^#\n]+", str),
}
_PARAMETER = re.compile(r"\{([^{}]*)\}")


def is_pattern(name: str) -> bool:
    """Whether *name* has parameters, or what looks like one."""
    return "{" in name or "}" in name


class Pattern:
    """Matches names of namespaces. A parameter is `{name}` or `{name:kind}`.

    Kinds are `str` (the default: text without a slash), `int`, `float`, `uuid`, and `path` (text with slashes, at the
    end). Matching takes time linear to the name's length. Raises ConfigurationError for what is no pattern.
    """

    __slots__ = ("_expression", "_parameters", "shape", "text")

    def __init__(self, text: str) -> None:
        self.text: str = text
        self._parameters: dict[str, _Kind] = {}
        pieces = list(self._pieces())
        self._expression = re.compile("".join(pieces))
        self.shape: str = re.sub(r"\(\?P<\w+>", "(", "".join(pieces))  # equal for patterns that match the same names

    def match(self, name: str) -> dict[str, Any] | None:
        """Return the values of the parameters in *name*; None if it does not match."""
        found = self._expression.fullmatch(name)
        if found is None:
            return None
        return {name: self._parameters[name].convert(text) for name, text in found.groupdict().items()}

    def _pieces(self) -> Iterator[str]:
        """Yield the regular expression, piece by piece: what stands between parameters, and the parameters."""
        end = 0
        free = True  # whether a parameter that takes any text may stand here
        for found in _PARAMETER.finditer(self.text):
            literal = self._literal(self.text[end : found.start()])
            if end and not literal:
                raise self._error(f"nothing separates {found.group()} from the parameter before it")
            free = free or "/" in literal
            name, _, kind_name = found.group(1).partition(":")
            kind = self._kind(name, kind_name or "str", is_last=found.end() == len(self.text))
            if kind.convert is str and not free:
                raise self._error(f"{found.group()} is the second text between two slashes, so a name could fit twice")
            free = free and kind.convert is not str
            self._parameters[name] = kind
            yield re.escape(literal)
            yield f"(?P<{name}>{kind.expression})"
            end = found.end()
        yield re.escape(self._literal(self.text[end:]))

    def _literal(self, text: str) -> str:
        if is_pattern(text):
            raise self._error("its braces do not match")
        return text

    def _kind(self, name: str, kind: str, *, is_last: bool) -> _Kind:
        if not name.isidentifier() or not name.isascii():
            raise self._error(f"{name!r} is no name of a parameter")
        if name in self._parameters:
            raise self._error(f"the parameter {name!r} is there twice")
        if kind not in _KINDS:
            raise self._error(f"unknown kind {kind!r}: there are {', '.join(_KINDS)}")
        if kind == "path" and not is_last:
            raise self._error("a path takes all that is left, so it has to be the end")
        return _KINDS[kind]

    def _error(self, problem: str) -> ConfigurationError:
        return ConfigurationError(
            problem, where=f"namespace {self.text!r}", mend="Write it like '/rooms/{room_id:int}' or '/users/{name}'."
        )
