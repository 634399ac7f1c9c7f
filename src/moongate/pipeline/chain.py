"""Guards and interceptors around a call: joined into one function when the application starts."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from moongate.errors import GatewayError, WsException
from moongate.pipeline.context import ExecutionContext
from moongate.pipeline.enhancers import OnConnect, OnMessage, Reference
from moongate.pipeline.references import Function, Kind, Providers, function_of

__all__ = [
    "FORBIDDEN",
    "Call",
    "ManagedStream",
    "ask_guards",
    "close_stream",
    "guard_functions",
    "intercepted",
    "is_stream",
    "is_yes",
]

Call: TypeAlias = Callable[[ExecutionContext], Awaitable[Any]]
"""Calls a handler, or what stands around it, and gives its result."""

FORBIDDEN = "Forbidden resource"
"""What a client is told that a guard refuses."""

_GUARD = Kind("a guard", "can_activate", ("context",), context=0, least=1)
_INTERCEPTOR = Kind("an interceptor", "intercept", ("context", "call_next"), context=0, least=2, may_stream=True)


def guard_functions(
    references: Sequence[Reference], providers: Providers, where: str, *, on_connect: bool
) -> list[Function]:
    """Return the guards for one of the two occasions; raises GatewayError for what is no guard."""
    left_out = OnMessage if on_connect else OnConnect
    return [
        function_of(reference, _GUARD, providers, where)
        for reference in references
        if not isinstance(reference, left_out)
    ]


async def ask_guards(guards: Sequence[Function], context: ExecutionContext) -> None:
    """Return if every guard allows it; raises WsException if one does not, and what a guard raises."""
    for guard in guards:
        allowed = guard(context)
        if hasattr(allowed, "__await__"):
            allowed = await allowed
        if allowed is not True and not is_yes(allowed, context):
            raise WsException(FORBIDDEN)


def is_yes(answer: object, context: ExecutionContext) -> bool:
    """Whether what a guard has answered lets somebody in.

    Raises GatewayError for what is still to be awaited or run: it is no answer, though it counts as true.
    """
    if hasattr(answer, "__await__") or hasattr(answer, "__aiter__") or hasattr(answer, "__next__"):
        if inspect.iscoroutine(answer):
            answer.close()
        raise GatewayError(
            f"a guard answers True or False, got a {type(answer).__name__} that nobody has awaited",
            where=context.where,
            mend="Await it: `return await ...`.",
        )
    return bool(answer)


def intercepted(call: Call, references: Sequence[Reference], providers: Providers, where: str) -> Call:
    """Return *call* with interceptors around it, the first the outermost; raises GatewayError for what is none."""
    for reference in reversed(references):
        call = _wrapped(call, function_of(reference, _INTERCEPTOR, providers, where))
    return call


def _wrapped(call: Call, intercept: Function) -> Call:
    async def wrapped(context: ExecutionContext) -> Any:
        result = intercept(context, partial(call, context))
        return await result if hasattr(result, "__await__") else result

    return wrapped


def is_stream(result: object) -> bool:
    """Whether a handler's result is to be sent item by item."""
    return hasattr(result, "__aiter__")


class ManagedStream:
    """What is sent item by item, together with what has to be let go of when it ends, whether it has begun or not."""

    __slots__ = ("_closed", "_context", "_items")

    def __init__(self, items: Any, context: ExecutionContext) -> None:
        self._items = items  # as interceptors have made it
        self._context = context  # which knows what the handler itself yields, once it was called
        self._closed = False

    def __aiter__(self) -> AsyncIterator[Any]:
        """Yield the items."""
        items: AsyncIterator[Any] = self._items.__aiter__()
        return items

    @property
    def closed(self) -> bool:
        """Whether everything was let go of."""
        return self._closed

    async def aclose(self) -> None:
        """Close the stream, the one that it was made of, and all that lived as long as the message."""
        self._closed = True
        try:
            await close_stream(self._items)
            await close_stream(self._context.stream)
        finally:
            await self._context.close()


async def close_stream(items: Any) -> None:
    """Close what has a way to be closed: generators have it, other iterators need not."""
    close = getattr(items, "aclose", None)
    if close is not None:
        result = close()
        if inspect.isawaitable(result):
            await result
