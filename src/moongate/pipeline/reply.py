"""What becomes of a handler's result, or of its error."""

from typing import Any, Generic, TypeVar

import msgspec

from moongate.namespace.failures import cause_of, failure_of
from moongate.namespace.socket import Socket
from moongate.wire.socketio import Packet

__all__ = ["Replier", "WsResponse"]

T = TypeVar("T")


class WsResponse(msgspec.Struct, Generic[T], frozen=True):
    """A reply that is emitted to the caller under `event`. A caller that asked for an acknowledgement gets `data`."""

    event: str
    data: T | None = None


class Replier:
    """Sends what one handler has to say.

    `where` names the handler in the log: `ChatGateway.message`.
    """

    __slots__ = ("_error_cause", "_where")

    def __init__(self, where: str, *, error_cause: bool) -> None:
        self._where = where
        self._error_cause = error_cause

    def reply(self, socket: Socket, packet: Packet, result: Any) -> None:
        """Emit a WsResponse, and acknowledge if the client asked for it; what cannot be sent is told as an error."""
        ack_id = packet.ack_id
        try:
            if result.__class__ is WsResponse:
                socket.emit(result.event, *(() if result.data is None else (result.data,)))
                result = result.data
            if ack_id is not None:
                arguments = () if result is None else (result,)
                socket.session.transport.send(socket.codec.acknowledgement(ack_id, arguments))
        except Exception as error:  # noqa: BLE001  # what cannot be sent, by its value or by its event's name
            self.fail(socket, packet, error)

    def fail(self, socket: Socket, packet: Packet, error: BaseException) -> None:
        """Tell the client what went wrong: by the acknowledgement if it asked for one, else by `exception`."""
        cause = cause_of(packet.event, packet) if self._error_cause else None
        socket.tell(packet.ack_id, failure_of(error, cause, where=self._where, sid=socket.id))

    @staticmethod
    async def emit_each(socket: Socket, event: str, items: Any) -> None:
        """Emit each item of an asynchronous iterator, under *event* if it is no WsResponse; close the iterator.

        Waits for a client that reads slowly. Raises what the iterator raises, and EncodeError.
        """
        try:
            async for item in items:
                if item.__class__ is WsResponse:
                    await socket.emit(item.event, *(() if item.data is None else (item.data,)))
                else:
                    await socket.emit(event, item)
        finally:
            close = getattr(items, "aclose", None)  # generators have it, other iterators need not
            if close is not None:
                await close()
