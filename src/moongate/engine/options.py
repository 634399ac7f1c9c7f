"""What an application may decide over the connections of its clients, before there are any messages."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from moongate.errors import ConfigurationError
from moongate.transport.base import Request

__all__ = ["AllowRequest", "EngineOptions", "MakeHeaders", "MakeSessionId"]

AllowRequest: TypeAlias = Callable[[Request], bool | Awaitable[bool | None] | None]
"""False, or anything else that is false but not None, refuses the client; so does raising WsException."""

MakeHeaders: TypeAlias = Callable[[Request], Mapping[str, str | Sequence[str]]]
"""Names and values of an answer; a sequence stands for a header that is repeated, as `Set-Cookie` may be."""

MakeSessionId: TypeAlias = Callable[[Request], str | Awaitable[str]]
"""A new id: not empty, of characters that are safe in a URL, different from the ids of all open sessions."""


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Callables of the application, sync, or async where their type says so: `Moongate(Root, engine=EngineOptions())`.

    Raises ConfigurationError for what cannot be called, and for async callables where only sync ones can be.
    """

    allow_request: AllowRequest | None = None
    """Asked for each new client, of both protocols, before it is let in. What it raises by accident refuses, too."""
    initial_headers: MakeHeaders | None = None
    """Headers of the first answer to a client: to its first request, or to the request for its WebSocket."""
    headers: MakeHeaders | None = None
    """Headers of every answer to a client that polls, and to the request for its WebSocket."""
    session_id: MakeSessionId | None = None
    """Ids for Socket.IO sessions. They have to be hard to guess: whoever knows one speaks for its client."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            given: Any = getattr(self, name)
            if given is not None and not callable(given):
                raise _error(name, f"expected a callable, got {type(given).__name__}")
        for name in ("initial_headers", "headers"):
            given = getattr(self, name)
            if inspect.iscoroutinefunction(given) or inspect.iscoroutinefunction(type(given).__call__):
                raise _error(name, "expected a plain function, got a coroutine function", "Write def, not async def.")


def _error(name: str, problem: str, mend: str = "") -> ConfigurationError:
    return ConfigurationError(problem, where=f"EngineOptions.{name}", mend=mend)
