"""What becomes of a handler's result, or of its error."""

from collections.abc import Awaitable, Coroutine
from typing import Any, Generic, TypeVar

import msgspec

from moongate.namespace.socket import Socket
from moongate.pipeline.chain import close_stream
from moongate.pipeline.context import ExecutionContext, Target
from moongate.pipeline.filters import BaseExceptionFilter, FilterChain, Handled
from moongate.wire.socketio import Packet

__all__ = ["Replier", "WsResponse", "emit_response"]

T = TypeVar("T")


class WsResponse(msgspec.Struct, Generic[T], frozen=True):
    """A reply that is emitted to the caller under `event`. A caller that asked for an acknowledgement gets `data`."""

    event: str
    data: T | None = None


def emit_response(socket: Socket, response: WsResponse[Any]) -> Awaitable[None]:
    """Emit what a handler, a stream or a filter has to say under a name of its own; raises EncodeError."""
    return socket.emit(response.event, *(() if response.data is None else (response.data,)))


class Replier:
    """Sends what one handler has to say. What has to wait for a filter is returned, to be awaited."""

    __slots__ = ("_default", "_filters", "_target")

    def __init__(self, target: Target, filters: FilterChain, *, error_cause: bool) -> None:
        self._target = target
        self._filters = filters
        self._default = BaseExceptionFilter(include_cause=error_cause)

    def reply(self, socket: Socket, packet: Packet, result: Any) -> Coroutine[Any, Any, None] | None:
        """Emit a WsResponse, and acknowledge if the client asked for it; what cannot be sent is an error."""
        ack_id = packet.ack_id
        try:
            if result.__class__ is WsResponse:
                emit_response(socket, result)
                result = result.data
            if ack_id is not None:
                arguments = () if result is None else (result,)
                socket.session.transport.send(socket.codec.acknowledgement(ack_id, arguments))
        except Exception as error:  # noqa: BLE001  # what cannot be sent, by its value or by its event's name
            return self.fail(socket, packet, error)
        return None

    def fail(self, socket: Socket, packet: Packet, error: BaseException) -> Coroutine[Any, Any, None] | None:
        """Tell the client what went wrong: by the acknowledgement if it asked for one, else by `exception`."""
        context = ExecutionContext(socket, packet, self._target)
        if self._filters:
            return self._filtered(socket, packet, error, context)
        socket.tell(packet.ack_id, self._default.catch(error, context))
        return None

    async def _filtered(self, socket: Socket, packet: Packet, error: BaseException, context: ExecutionContext) -> None:
        try:
            outcome = await self._filters.handle(error, context)
        finally:
            await context.close()
        if not isinstance(outcome, Handled):
            socket.tell(packet.ack_id, self._default.catch(outcome, context))
        elif outcome.answer is None or outcome.answer.__class__ is WsResponse:
            rest = self.reply(socket, packet, outcome.answer)
            if rest is not None:
                rest.close()
                socket.tell(packet.ack_id, self._default.catch(TypeError("a filter's answer cannot be sent"), context))
        else:
            socket.tell(packet.ack_id, outcome.answer)

    @staticmethod
    async def emit_each(socket: Socket, event: str, items: Any) -> None:
        """Emit each item of an asynchronous iterator, under *event* if it is no WsResponse; close the iterator.

        Waits for a client that reads slowly. Raises what the iterator raises, and EncodeError.
        """
        try:
            async for item in items:
                if item.__class__ is WsResponse:
                    await emit_response(socket, item)
                else:
                    await socket.emit(event, item)
        finally:
            await close_stream(items)
