"""Exception filters: what becomes of an error, the closest filter first."""

from collections.abc import Sequence
from typing import Any

import msgspec

from moongate.namespace.cancellation import NO_FAILURES, reraise_cancellation
from moongate.namespace.failures import Failure, cause_of, failure_of
from moongate.pipeline.context import ExecutionContext
from moongate.pipeline.enhancers import Reference, caught_types
from moongate.pipeline.references import Injected, Kind, Providers, function_of

__all__ = ["BaseExceptionFilter", "FilterChain", "Handled"]

_FILTER = Kind("an exception filter", "catch", ("error", "context"), context=1, least=1)


class BaseExceptionFilter:
    """What is done with an error that no other filter catches; to be asked by filters that only add to it.

    `{"status": "error", "message": ..., "cause": {"pattern": event, "data": payload}}` and what belongs to the error.
    An unexpected error says "Internal server error" and nothing more, and is logged whole, with the gateway, the
    handler and the client's id. Without *include_cause* the client is not told what it sent.
    """

    def __init__(self, *, include_cause: bool = True) -> None:
        self._include_cause = include_cause

    def catch(self, error: BaseException, context: ExecutionContext) -> Failure:
        """Return what the client is told."""
        cause = None
        if self._include_cause:
            name = getattr(context.handler, "__name__", "connect")
            cause = cause_of(name) if context.event is None else cause_of(context.event, context.packet)
        return failure_of(error, cause, where=context.where, sid=context.client.id)


class Handled(msgspec.Struct, frozen=True):
    """What a filter made of an error; None: the client is told nothing."""

    answer: Any


class FilterChain:
    """The filters of one handler, one gateway or the application, the closest first."""

    __slots__ = ("_filters",)

    def __init__(self, references: Sequence[Reference], providers: Providers, where: str) -> None:
        self._filters = [
            (_types(reference, providers), function_of(reference, _FILTER, providers, where))
            for reference in references
        ]

    def __bool__(self) -> bool:
        return bool(self._filters)

    async def handle(self, error: BaseException, context: ExecutionContext) -> Handled | BaseException:
        """Return what a filter made of *error*; what is left of it, that is it or what the last filter raised, if none.

        A filter that raises gives the error, or another one, to those behind it.
        """
        for types, catch in self._filters:
            if not isinstance(error, types):
                continue
            try:
                answer = catch(error, context)
                return Handled(await answer if hasattr(answer, "__await__") else answer)
            except NO_FAILURES:
                raise
            except BaseException as raised:  # noqa: BLE001  # the next filter's, or the default one's
                reraise_cancellation(raised)
                error = raised
        return error


def _types(reference: Reference, providers: Providers) -> tuple[type[BaseException], ...]:
    if isinstance(reference, Injected):
        scoped = providers.is_scoped(reference.token)
        return caught_types(reference.target if scoped else providers.get(reference.token))
    return caught_types(reference)
