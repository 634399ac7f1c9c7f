"""Each handler becomes one callable at start-up; what a handler does not use costs nothing when a message comes."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from moongate.errors import WsException
from moongate.namespace.socket import Socket
from moongate.pipeline.binding import Bind, compile_binding, takes_binary
from moongate.pipeline.chain import FORBIDDEN, Call, ManagedStream, guard_functions, intercepted, is_stream, is_yes
from moongate.pipeline.context import ExecutionContext, Target
from moongate.pipeline.enhancers import Enhancers
from moongate.pipeline.filters import FilterChain
from moongate.pipeline.invoke import CompiledHandler
from moongate.pipeline.params import Parameter, ParameterKind
from moongate.pipeline.piping import AsyncBind, compile_piped_binding, needs_piping
from moongate.pipeline.references import Providers
from moongate.pipeline.reply import Replier
from moongate.wire.socketio import Packet

__all__ = ["Declaration", "compile_handler"]

_Method: TypeAlias = Callable[..., Any]


class Declaration(msgspec.Struct, frozen=True):
    """A handler, and all that was declared for it."""

    method: _Method
    """Bound to the gateway's instance, if there is only one."""
    parameters: tuple[Parameter, ...]
    target: Target
    enhancers: Enhancers
    """Of the application, the gateway and the handler, in this order; filters in the opposite one."""
    threaded: bool = False
    concurrent: bool = False
    instance: Callable[[ExecutionContext], Awaitable[object]] | None = None
    """Gives the gateway that belongs to the client, if there is one for each."""


def compile_handler(declaration: Declaration, providers: Providers, *, error_cause: bool) -> CompiledHandler:
    """Compile one handler. Raises GatewayError for types that nothing can be decoded into, and for no enhancers."""
    parameters, enhancers = declaration.parameters, declaration.enhancers
    where = declaration.target.where
    method = _callable(declaration.method, parameters, threaded=declaration.threaded)
    filters = FilterChain(enhancers.filters, providers, where)
    call: Callable[[Socket, Packet], Any]
    direct = None
    if needs_piping(parameters, enhancers.pipes):
        bind = compile_piped_binding(parameters, enhancers.pipes, providers, where)
        call = _surrounded(_piped(method, bind, declaration.instance), declaration, providers)
    elif declaration.instance is not None:
        bind = _waiting(compile_binding(parameters, where))
        call = _surrounded(_piped(method, bind, declaration.instance), declaration, providers)
    else:
        plain = compile_binding(parameters, where)

        def call_plainly(socket: Socket, packet: Packet) -> Any:
            return method(*plain(socket, packet))

        call = call_plainly
        if enhancers.guards or enhancers.interceptors:
            is_async = inspect.iscoroutinefunction(method)
            inner = _asynchronous(method, plain) if is_async else _awaited(call_plainly)
            call = _surrounded(inner, declaration, providers)
        elif inspect.iscoroutinefunction(method):
            direct = (method, plain)
    return CompiledHandler(
        call=call,
        direct=direct,
        replier=Replier(declaration.target, filters, error_cause=error_cause),
        answers_itself=any(parameter.kind is ParameterKind.ACK for parameter in parameters),
        concurrent=declaration.concurrent,
        takes_binary=takes_binary(parameters),
    )


def _callable(method: _Method, parameters: Sequence[Parameter], *, threaded: bool) -> _Method:
    """Return *method* as something that takes all its arguments by position and does not block."""
    keywords = [parameter.name for parameter in parameters if parameter.keyword_only]
    call = method
    if keywords:
        first = len(keywords)

        def call(*arguments: Any) -> Any:
            return method(*arguments[:-first], **dict(zip(keywords, arguments[-first:], strict=True)))

        if inspect.iscoroutinefunction(method):
            call = inspect.markcoroutinefunction(call) if hasattr(inspect, "markcoroutinefunction") else call
    if not threaded:
        return call

    def run(*arguments: Any) -> Any:
        try:
            return call(*arguments)
        except StopIteration as error:  # which no future can hold: it would never be done
            raise RuntimeError("the handler raised StopIteration") from error

    async def run_in_thread(*arguments: Any) -> Any:
        return await asyncio.to_thread(run, *arguments)

    return run_in_thread


def _piped(method: _Method, bind: AsyncBind, instance: Callable[[ExecutionContext], Awaitable[object]] | None) -> Call:
    async def call(context: ExecutionContext) -> Any:
        receiver = () if instance is None else (await instance(context),)
        result = method(*receiver, *await bind(context))
        return await result if hasattr(result, "__await__") else result

    return call


def _waiting(bind: Bind) -> AsyncBind:
    async def waiting(context: ExecutionContext) -> tuple[Any, ...]:
        return bind(context.client, context.packet)

    return waiting


def _asynchronous(method: _Method, bind: Bind) -> Call:
    async def call(context: ExecutionContext) -> Any:
        return await method(*bind(context.client, context.packet))

    return call


def _awaited(call: Callable[[Socket, Packet], Any]) -> Call:
    async def awaited(context: ExecutionContext) -> Any:
        result = call(context.client, context.packet)
        return await result if hasattr(result, "__await__") else result

    return awaited


def _surrounded(call: Call, declaration: Declaration, providers: Providers) -> Callable[[Socket, Packet], Any]:
    """Return *call* with guards and interceptors around it."""
    target, enhancers = declaration.target, declaration.enhancers
    guards = guard_functions(enhancers.guards, providers, target.where, on_connect=False)
    interceptors = enhancers.interceptors
    if interceptors:
        call = intercepted(_remembering(call), interceptors, providers, target.where)

    async def surrounded(socket: Socket, packet: Packet) -> Any:
        context = ExecutionContext(socket, packet, target)
        try:
            for guard in guards:  # as ask_guards does, for every message
                allowed = guard(context)
                if hasattr(allowed, "__await__"):
                    allowed = await allowed
                if allowed is not True and not is_yes(allowed, context):
                    raise WsException(FORBIDDEN)
            result = await call(context)
        except BaseException:
            if context.is_open:
                await context.close()
            raise
        if (context.is_open or interceptors) and is_stream(result):
            return ManagedStream(result, context)
        if context.is_open:
            await context.close()
        return result

    return surrounded


def _remembering(call: Call) -> Call:
    """Let the context know what the handler itself sends item by item, so that it is closed in any case."""

    async def remembering(context: ExecutionContext) -> Any:
        result = await call(context)
        if is_stream(result):
            context.stream = result
        return result

    return remembering
