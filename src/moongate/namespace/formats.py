"""What clients and server agree on: the parser of Socket.IO packets, the codec of bare WebSocket messages."""

import inspect

from moongate.config import Settings
from moongate.errors import ConfigurationError
from moongate.wire.msgpack import MsgpackParser
from moongate.wire.parser import Parser

__all__ = ["check_methods", "chosen_parser"]


def chosen_parser(settings: Settings, given: Parser | None) -> Parser | None:
    """Return the parser of an application that was *given* one or none; None is the default parser.

    Raises ConfigurationError for what is no parser, and if the settings contradict it.
    """
    if settings.allow_eio3 and (given is not None or settings.parser != "json"):
        raise ConfigurationError(
            "clients of Engine.IO's revision 3 can only be served with the default parser",
            where="Settings.allow_eio3",
            mend="Remove it, or the parser.",
        )
    if given is None:
        return MsgpackParser() if settings.parser == "msgpack" else None
    check_methods(given, "a parser", ("encode", "decoder"), where="Moongate(parser=...)")
    if settings.parser == "msgpack" and not isinstance(given, MsgpackParser):
        raise ConfigurationError(
            f"it is a {type(given).__name__}, but Settings.parser is {settings.parser!r}",
            where="Moongate(parser=...)",
            mend="Keep one of the two.",
        )
    return given


def check_methods(
    value: object,
    what: str,
    methods: tuple[str, ...],
    *,
    where: str,
    error: type[ConfigurationError] = ConfigurationError,
) -> None:
    """Raise *error* unless *value* is an instance of something with *methods*."""
    if inspect.isclass(value):
        raise error(
            f"expected {what}, got a class", where=where, mend=f"Write {value.__name__}(), which makes one of it."
        )
    missing = [method for method in methods if not callable(getattr(value, method, None))]
    if missing:
        names = " and ".join(f"`{method}`" for method in methods)
        raise error(
            f"expected {what}, got a value of type {type(value).__qualname__} without `{missing[0]}`",
            where=where,
            mend=f"Give it the methods {names}.",
        )
