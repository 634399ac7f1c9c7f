"""What stands around clients that come and go: guards on connect, middleware, and errors outside of handlers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from moongate.errors import WsException
from moongate.namespace.cancellation import NO_FAILURES, reraise_cancellation
from moongate.namespace.failures import failure_of
from moongate.namespace.handlers import ConnectGuard, Middleware
from moongate.namespace.middleware import CallNext
from moongate.namespace.socket import Socket
from moongate.pipeline.chain import FORBIDDEN, ask_guards, guard_functions
from moongate.pipeline.context import ExecutionContext, Target
from moongate.pipeline.enhancers import Reference
from moongate.pipeline.filters import BaseExceptionFilter, FilterChain, Handled
from moongate.pipeline.references import Kind, Providers, function_of
from moongate.pipeline.reply import Replier, WsResponse, emit_response
from moongate.wire.socketio import Packet

__all__ = ["ApplicationErrors", "compile_connect_guard", "compile_hook_failure", "compile_middleware"]

_MIDDLEWARE = Kind("a middleware", "use", ("client", "call_next", "context"), context=2, least=2)

_NOT_DATA = ("status", "message", "cause")
"""Members of what a client is told of an error that are no part of a refusal's data."""


def compile_connect_guard(
    target: Target, references: Sequence[Reference], filters: FilterChain, providers: Providers
) -> ConnectGuard | None:
    """Return what asks those guards that are not for messages alone; None if there are none.

    An error goes to *filters*, and what they make of it refuses the client; one that nobody expected is logged. Raises
    GatewayError for what is no guard.
    """
    guards = guard_functions(references, providers, target.where, on_connect=True)
    if not guards:
        return None

    async def guard(socket: Socket) -> None:
        context = ExecutionContext(socket, None, target, is_connect=True)
        try:
            await ask_guards(guards, context)
        except NO_FAILURES:
            raise
        except BaseException as error:
            reraise_cancellation(error)
            refusal = _refusal(await filters.handle(error, context))
            if not isinstance(refusal, WsException):
                refusal = WsException(failure_of(refusal, None, where=target.where, sid=socket.id)["message"])
            raise refusal from error
        finally:
            await context.close()

    return guard


def compile_middleware(reference: Reference, target: Target, providers: Providers) -> Middleware:
    """Return a middleware as its namespace calls it; raises GatewayError for what is none."""
    use = function_of(reference, _MIDDLEWARE, providers, target.where)

    async def middleware(client: Socket, call_next: CallNext) -> None:
        context = ExecutionContext(client, None, target, is_connect=True)
        try:
            await use(client, call_next, context)
        finally:
            await context.close()

    return middleware


def compile_hook_failure(
    target: Target, filters: FilterChain, *, error_cause: bool, is_connect: bool
) -> Callable[[Socket, BaseException], Awaitable[None]]:
    """Return what is done with an error of `handle_connection` or `handle_disconnect`: filtered, told, logged."""
    default = BaseExceptionFilter(include_cause=error_cause)

    async def failed(socket: Socket, error: BaseException) -> None:
        context = ExecutionContext(socket, None, target, is_connect=is_connect)
        try:
            outcome = await filters.handle(error, context)
        finally:
            await context.close()
        answer = outcome.answer if isinstance(outcome, Handled) else default.catch(outcome, context)
        if not is_connect or answer is None:
            return
        try:
            if answer.__class__ is WsResponse:
                emit_response(socket, answer)
            else:
                socket.tell(None, answer)
        except Exception as unsendable:  # noqa: BLE001  # by its value or by its event's name
            socket.tell(None, default.catch(unsendable, context))

    return failed


class ApplicationErrors:
    """Gives the application's filters the errors that belong to no gateway."""

    __slots__ = ("_error_cause", "_filters", "_target")

    def __init__(self, target: Target, filters: FilterChain, *, error_cause: bool) -> None:
        self._target = target
        self._filters = filters
        self._error_cause = error_cause

    async def refusal(self, socket: Socket, error: BaseException) -> BaseException:
        """Return what a client is refused with that a middleware does not let in."""
        context = ExecutionContext(socket, None, self._target, is_connect=True)
        try:
            return _refusal(await self._filters.handle(error, context))
        finally:
            await context.close()

    async def fail(self, socket: Socket, packet: Packet, error: BaseException, where: str) -> None:
        """Tell the client of an error before its message has reached a handler."""
        target = Target(self._target.gateway, None, {}, where, self._target.scopes)
        rest = Replier(target, self._filters, error_cause=self._error_cause).fail(socket, packet, error)
        if rest is not None:
            await rest


def _refusal(outcome: Handled | BaseException) -> BaseException:
    """Return what a client is refused with, made of a filter's answer if there is one."""
    if not isinstance(outcome, Handled):
        return outcome
    answer: Any = outcome.answer.data if isinstance(outcome.answer, WsResponse) else outcome.answer
    if not isinstance(answer, dict):
        return WsException(FORBIDDEN, data=answer)
    data = answer.get("data") or {key: value for key, value in answer.items() if key not in _NOT_DATA}
    return WsException(str(answer.get("message", FORBIDDEN)), data=data or None)
