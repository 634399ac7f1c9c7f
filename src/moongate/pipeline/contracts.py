"""What stands around a handler, as its author writes it. Each may also be a plain function of the same arguments."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

import msgspec

from moongate.namespace.middleware import CallNext
from moongate.namespace.socket import Socket
from moongate.pipeline.context import ExecutionContext

__all__ = [
    "ArgumentMetadata",
    "ExceptionFilter",
    "Guard",
    "Interceptor",
    "MiddlewareClass",
    "NextHandler",
    "Pipe",
]

NextHandler: TypeAlias = Callable[[], Awaitable[Any]]
"""Calls what stands behind an interceptor; each call calls it anew. What it gives is the handler's result, an
asynchronous iterator if the handler streams."""


class Guard(Protocol):
    """Decides whether a client may come in, and whether a message may reach its handler."""

    def can_activate(self, context: ExecutionContext) -> bool | Awaitable[bool]:
        """Return whether it may. What is raised refuses as well, and is told as any other error."""


class ArgumentMetadata(msgspec.Struct, frozen=True):
    """What a pipe's value is for."""

    name: str
    """The parameter."""
    type: Any
    """Its annotation."""
    path: str
    """Where in the message it stands, as errors name it: `$`, `$[1]`, `$.room`."""


class Pipe(Protocol):
    """Checks or changes one argument of the client on its way to its parameter."""

    def transform(self, value: Any, argument: ArgumentMetadata) -> Any:
        """Return what the next pipe, or the handler, gets, or an awaitable of it; raise what refuses the value."""


class Interceptor(Protocol):
    """Stands around pipes and handler."""

    def intercept(self, context: ExecutionContext, call_next: NextHandler) -> Any:
        """Return the result, or an awaitable of it; `await call_next()` is that of the handler."""


class ExceptionFilter(Protocol):
    """Decides what becomes of an error."""

    def catch(self, error: BaseException, context: ExecutionContext) -> Any:
        """Return what the client is told, or an awaitable of it; None: nothing. What it raises the next filter gets."""


class MiddlewareClass(Protocol):
    """Decides over each client that wants to come in, before the guards."""

    def use(self, client: Socket, call_next: CallNext) -> Awaitable[None]:
        """Let the client in by awaiting *call_next*; raise WsException to refuse it."""
