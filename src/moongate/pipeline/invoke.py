"""One message of a client, from its handlers to its answer: whatever happens, the answer is given once."""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeAlias

import msgspec

from moongate.errors import ProtocolError, WsException
from moongate.namespace.arguments import decode_arguments
from moongate.namespace.cancellation import NO_FAILURES, reraise_cancellation
from moongate.namespace.handlers import Invoke
from moongate.namespace.socket import Socket
from moongate.pipeline.binding import Bind, shared_ack
from moongate.pipeline.chain import ManagedStream, close_stream, is_stream
from moongate.pipeline.reply import Replier
from moongate.wire.socketio import Packet

__all__ = ["CompiledHandler", "join_handlers"]

Rest: TypeAlias = Coroutine[Any, Any, None] | None
"""What is still to be awaited, if anything."""


class CompiledHandler(msgspec.Struct, frozen=True):
    """A handler with all that was decided about it at start-up."""

    call: Callable[[Socket, Packet], Any]
    """Calls the method and all that stands around it; its result may be awaitable or a stream."""
    direct: tuple[Callable[..., Any], Bind] | None
    """The method, if it is an `async def`, and what makes its arguments; None if anything stands around it."""
    replier: Replier
    answers_itself: bool
    """Whether it has an `Ack` parameter, so that its result is no answer."""
    concurrent: bool
    takes_binary: bool
    """Whether its first argument may be bytes, so that it is for binary messages of bare clients."""


def join_handlers(handlers: Sequence[CompiledHandler]) -> Invoke:
    """Return what handles an event that *handlers* subscribe to, in their order."""
    if len(handlers) > 1:
        return _several(handlers)
    (handler,) = handlers
    if handler.direct is not None and not handler.answers_itself:
        invoke = _directly(handler.replier, *handler.direct)
    elif inspect.iscoroutinefunction(handler.call):
        invoke = _around(handler)
    else:
        return _general(handler)
    return _concurrently(invoke) if handler.concurrent else invoke


def _directly(
    replier: Replier, method: Callable[..., Any], bind: Bind
) -> Callable[[Socket, Packet], Coroutine[Any, Any, None]]:
    """Handle by an `async def` that is alone with its event: the path of most messages."""
    reply, fail = replier.reply, replier.fail

    async def invoke(socket: Socket, packet: Packet) -> None:
        try:
            arguments = bind(socket, packet)
        except ProtocolError as error:
            socket.violated(error)
            return
        except Exception as error:  # noqa: BLE001  # a body that does not fit, or a type that fails to be made
            rest = fail(socket, packet, error)
            if rest is not None:
                await rest
            return
        try:
            result = await method(*arguments)
        except NO_FAILURES:
            raise
        except BaseException as error:  # noqa: BLE001  # told to the client and logged
            rest = fail(socket, packet, error)
            if rest is not None:
                await rest
            reraise_cancellation(error)
        else:
            rest = reply(socket, packet, result)
            if rest is not None:
                await rest

    return invoke


def _around(handler: CompiledHandler) -> Callable[[Socket, Packet], Coroutine[Any, Any, None]]:
    """Handle by what stands around a method, which always waits."""
    call = handler.call

    def invoke(socket: Socket, packet: Packet) -> Coroutine[Any, Any, None]:
        return _settle(handler, socket, packet, call(socket, packet))

    return invoke


def _concurrently(invoke: Callable[[Socket, Packet], Coroutine[Any, Any, None]]) -> Invoke:
    """Handle without holding up the client's next message."""

    def start(socket: Socket, packet: Packet) -> None:
        socket.spawn(invoke(socket, packet))

    return start


def _general(handler: CompiledHandler) -> Invoke:
    """Handle by any callable: what its result is shows when it has been called."""

    def invoke(socket: Socket, packet: Packet) -> Rest:
        try:
            result = handler.call(socket, packet)
        except ProtocolError as error:
            socket.violated(error)
            return None
        except NO_FAILURES:
            raise
        except BaseException as error:  # noqa: BLE001  # told to the client and logged
            return _fail(handler, socket, packet, error)
        if not hasattr(result, "__await__"):
            return _answer(handler, socket, packet, result)
        rest = _settle(handler, socket, packet, result)
        if handler.concurrent:
            socket.spawn(rest)
            return None
        return rest

    return invoke


async def _settle(
    handler: CompiledHandler, socket: Socket, packet: Packet, result: Awaitable[Any], *, is_alone: bool = True
) -> None:
    """Wait for the result, then answer; not if another handler of the event has, unless it *is_alone*."""
    try:
        value = await result
    except ProtocolError as error:
        socket.violated(error)
        return
    except NO_FAILURES:
        raise
    except BaseException as error:  # noqa: BLE001  # told to the client and logged
        rest = _fail(handler, socket, packet, error)
        if rest is not None:
            await rest
        reraise_cancellation(error)
        return
    answer = _answer if is_alone else _answer_among_others
    rest = answer(handler, socket, packet, value)
    if rest is not None:
        await rest


def _start_stream(handler: CompiledHandler, socket: Socket, packet: Packet, items: Any) -> Rest:
    if not socket.connected:
        return close_stream(items)  # the client left before its message was handled
    try:
        task = socket.stream(_stream(handler, socket, packet, items))
    except WsException as error:
        return _refuse_stream(handler, socket, packet, error, items)
    if isinstance(items, ManagedStream):
        task.add_done_callback(lambda _: _close_unopened(socket, items))
    return None


def _close_unopened(socket: Socket, items: ManagedStream) -> None:
    """Close a stream that was cancelled before it began, when nothing of it could run."""
    if not items.closed:
        socket.spawn(items.aclose())


async def _refuse_stream(
    handler: CompiledHandler, socket: Socket, packet: Packet, error: WsException, items: Any
) -> None:
    rest = _fail(handler, socket, packet, error)
    if rest is not None:
        await rest
    await close_stream(items)


async def _stream(handler: CompiledHandler, socket: Socket, packet: Packet, items: Any) -> None:
    """Emit each item of an asynchronous iterator, then answer."""
    rest: Rest = None
    try:
        await handler.replier.emit_each(socket, packet.event, items)
    except NO_FAILURES:
        raise
    except BaseException as error:  # noqa: BLE001  # told to the client and logged
        reraise_cancellation(error)  # the client has left: there is nobody to tell
        rest = _fail(handler, socket, packet, error)
    else:
        if not handler.answers_itself:
            rest = handler.replier.reply(socket, packet, None)
    if rest is not None:
        await rest


def _answer(handler: CompiledHandler, socket: Socket, packet: Packet, result: Any) -> Rest:
    if is_stream(result):
        return _start_stream(handler, socket, packet, result)
    if not handler.answers_itself:
        return handler.replier.reply(socket, packet, result)
    return None if result is None else handler.replier.reply(socket, _unanswerable(packet), result)


def _fail(handler: CompiledHandler, socket: Socket, packet: Packet, error: BaseException) -> Rest:
    """Tell the client of an error, in the acknowledgement unless that was given already."""
    if packet.ack_id is not None and shared_ack(socket, packet).answered:
        packet = _unanswerable(packet)
    elif packet.ack_id is not None:
        shared_ack(socket, packet).answered = True
    return handler.replier.fail(socket, packet, error)


def _unanswerable(packet: Packet) -> Packet:
    """Return *packet* as if no acknowledgement had been asked for."""
    return msgspec.structs.replace(packet, ack_id=None)


def _several(handlers: Sequence[CompiledHandler]) -> Invoke:
    """Handle one event by several handlers, one after another; the first that has something to say acknowledges."""
    acknowledges = not any(handler.answers_itself for handler in handlers)

    async def invoke(socket: Socket, packet: Packet) -> None:
        try:
            decode_arguments(packet)  # before any handler runs, since one that asks for nothing would not find out
        except ProtocolError as error:
            socket.violated(error)
            return
        for handler in handlers:
            await _settle(handler, socket, packet, _called(handler, socket, packet), is_alone=False)
        if acknowledges and not shared_ack(socket, packet).answered:
            rest = handlers[0].replier.reply(socket, packet, None)
            if rest is not None:
                await rest

    return invoke


async def _called(handler: CompiledHandler, socket: Socket, packet: Packet) -> Any:
    result = handler.call(socket, packet)
    return await result if hasattr(result, "__await__") else result


def _answer_among_others(handler: CompiledHandler, socket: Socket, packet: Packet, result: Any) -> Rest:
    """Answer for one of several handlers, unless another one has."""
    ack = shared_ack(socket, packet)
    if is_stream(result):
        if not handler.answers_itself and ack.answered:
            packet = _unanswerable(packet)
        elif not handler.answers_itself:  # the stream answers at its end, and the other handlers do not
            packet = msgspec.structs.replace(packet, ack=None)
            ack.answered = True
        return _start_stream(handler, socket, packet, result)
    if result is None or handler.answers_itself:
        return None
    answerable = _unanswerable(packet) if ack.answered else packet
    ack.answered = True
    return handler.replier.reply(socket, answerable, result)
