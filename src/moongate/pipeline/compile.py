"""Each handler becomes one callable at start-up; what a handler does not use costs nothing when a message comes."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias

import msgspec

from moongate.errors import ProtocolError, WsException
from moongate.namespace.cancellation import NO_FAILURES, reraise_cancellation
from moongate.namespace.handlers import Invoke
from moongate.namespace.socket import Socket
from moongate.pipeline.binding import Bind, compile_binding, shared_ack, takes_binary
from moongate.pipeline.params import Parameter, ParameterKind
from moongate.pipeline.reply import Replier
from moongate.wire.socketio import Packet

__all__ = ["CompiledHandler", "compile_handler", "join_handlers"]

_Method: TypeAlias = Callable[..., Any]


class CompiledHandler(msgspec.Struct, frozen=True):
    """A handler with all that was decided about it at start-up."""

    method: _Method
    bind: Bind
    replier: Replier
    answers_itself: bool
    """Whether it has an `Ack` parameter, so that its result is no answer."""
    concurrent: bool
    takes_binary: bool
    """Whether its first argument may be bytes, so that it is for binary messages of bare clients."""

    def result(self, socket: Socket, packet: Packet) -> Any:
        """Call the handler; its result may be awaitable or a stream."""
        return self.method(*self.bind(socket, packet))


def compile_handler(
    method: _Method,
    parameters: Sequence[Parameter],
    *,
    where: str,
    threaded: bool,
    concurrent: bool,
    error_cause: bool,
) -> CompiledHandler:
    """Compile one handler; `where` names it in errors and in the log. Raises GatewayError for types that cannot be."""
    return CompiledHandler(
        method=_callable(method, parameters, threaded=threaded),
        bind=compile_binding(parameters, where),
        replier=Replier(where, error_cause=error_cause),
        answers_itself=any(parameter.kind is ParameterKind.ACK for parameter in parameters),
        concurrent=concurrent,
        takes_binary=takes_binary(parameters),
    )


def join_handlers(handlers: Sequence[CompiledHandler]) -> Invoke:
    """Return what handles an event that *handlers* subscribe to, in their order."""
    if len(handlers) > 1:
        return _several(handlers)
    (handler,) = handlers
    if inspect.iscoroutinefunction(handler.method) and not handler.answers_itself:
        return _concurrently(_asynchronous(handler)) if handler.concurrent else _asynchronous(handler)
    return _general(handler)


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


def _asynchronous(handler: CompiledHandler) -> Callable[[Socket, Packet], Coroutine[Any, Any, None]]:
    """Handle by an `async def` that is alone with its event: the path of most messages."""
    method, bind, reply, fail = handler.method, handler.bind, handler.replier.reply, handler.replier.fail

    async def invoke(socket: Socket, packet: Packet) -> None:
        try:
            arguments = bind(socket, packet)
        except ProtocolError as error:
            socket.violated(error)
            return
        except Exception as error:  # noqa: BLE001  # a body that does not fit, or a type that fails to be made
            fail(socket, packet, error)
            return
        try:
            result = await method(*arguments)
        except NO_FAILURES:
            raise
        except BaseException as error:  # noqa: BLE001  # told to the client and logged
            fail(socket, packet, error)
            reraise_cancellation(error)
        else:
            reply(socket, packet, result)

    return invoke


def _concurrently(invoke: Callable[[Socket, Packet], Coroutine[Any, Any, None]]) -> Invoke:
    """Handle without holding up the client's next message."""

    def start(socket: Socket, packet: Packet) -> None:
        socket.spawn(invoke(socket, packet))

    return start


def _general(handler: CompiledHandler) -> Invoke:
    """Handle by any callable: what its result is shows when it has been called."""

    def invoke(socket: Socket, packet: Packet) -> Coroutine[Any, Any, None] | None:
        try:
            result = handler.result(socket, packet)
        except ProtocolError as error:
            socket.violated(error)
            return None
        except NO_FAILURES:
            raise
        except BaseException as error:  # noqa: BLE001  # told to the client and logged
            _fail(handler, socket, packet, error)
            return None
        if hasattr(result, "__await__"):
            rest = _settle(handler, socket, packet, result)
            if handler.concurrent:
                socket.spawn(rest)
                return None
            return rest
        _answer(handler, socket, packet, result)
        return None

    return invoke


async def _settle(handler: CompiledHandler, socket: Socket, packet: Packet, result: Any) -> None:
    """Wait for the result, then answer."""
    try:
        value = await result
    except NO_FAILURES:
        raise
    except BaseException as error:  # noqa: BLE001  # told to the client and logged
        _fail(handler, socket, packet, error)
        reraise_cancellation(error)
    else:
        _answer(handler, socket, packet, value)


def _start_stream(handler: CompiledHandler, socket: Socket, packet: Packet, items: Any) -> None:
    try:
        socket.stream(_stream(handler, socket, packet, items))
    except WsException as error:
        _fail(handler, socket, packet, error)


async def _stream(handler: CompiledHandler, socket: Socket, packet: Packet, items: Any) -> None:
    """Emit each item of an asynchronous iterator, then answer."""
    try:
        await handler.replier.emit_each(socket, packet.event, items)
    except NO_FAILURES:
        raise
    except BaseException as error:  # noqa: BLE001  # told to the client and logged
        reraise_cancellation(error)  # the client has left: there is nobody to tell
        _fail(handler, socket, packet, error)
    else:
        if not handler.answers_itself:
            handler.replier.reply(socket, packet, None)


def _answer(handler: CompiledHandler, socket: Socket, packet: Packet, result: Any) -> None:
    if hasattr(result, "__aiter__"):
        _start_stream(handler, socket, packet, result)
    elif not handler.answers_itself:
        handler.replier.reply(socket, packet, result)
    elif result is not None:
        handler.replier.reply(socket, _unanswerable(packet), result)


def _fail(handler: CompiledHandler, socket: Socket, packet: Packet, error: BaseException) -> None:
    """Tell the client of an error, in the acknowledgement unless that was given already."""
    if packet.ack_id is not None and shared_ack(socket, packet).answered:
        packet = _unanswerable(packet)
    elif packet.ack_id is not None:
        shared_ack(socket, packet).answered = True
    handler.replier.fail(socket, packet, error)


def _unanswerable(packet: Packet) -> Packet:
    """Return *packet* as if no acknowledgement had been asked for."""
    return msgspec.structs.replace(packet, ack_id=None)


def _several(handlers: Sequence[CompiledHandler]) -> Invoke:
    """Handle one event by several handlers, one after another; the first that has something to say acknowledges."""
    acknowledges = not any(handler.answers_itself for handler in handlers)

    async def invoke(socket: Socket, packet: Packet) -> None:
        ack = shared_ack(socket, packet)
        for handler in handlers:
            try:
                result = handler.result(socket, packet)
                if hasattr(result, "__await__"):
                    result = await result
            except ProtocolError as error:
                socket.violated(error)
                return
            except NO_FAILURES:
                raise
            except BaseException as error:  # noqa: BLE001  # told to the client and logged
                _fail(handler, socket, packet, error)
                reraise_cancellation(error)
                continue
            if hasattr(result, "__aiter__"):
                if handler.answers_itself:
                    answerable = packet
                elif ack.answered:
                    answerable = _unanswerable(packet)
                else:  # the stream answers at its end, and the other handlers do not
                    answerable = msgspec.structs.replace(packet, ack=None)
                    ack.answered = True
                _start_stream(handler, socket, answerable, result)
            elif result is not None and not handler.answers_itself:
                handler.replier.reply(socket, _unanswerable(packet) if ack.answered else packet, result)
                ack.answered = True
        if acknowledges and not ack.answered:
            handlers[0].replier.reply(socket, packet, None)

    return invoke
