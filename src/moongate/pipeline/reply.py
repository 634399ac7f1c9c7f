"""What becomes of a handler's result, or of its error."""

import asyncio
import logging
from typing import Any, Generic, TypeVar

import msgspec

from moongate.errors import EncodeError, WsException
from moongate.namespace.failures import INTERNAL, cause_of, failure_of
from moongate.namespace.socket import Socket
from moongate.wire.socketio import Packet

__all__ = ["Replier", "WsResponse"]

_LOGGER = logging.getLogger("moongate.gateway")

T = TypeVar("T")


class WsResponse(msgspec.Struct, Generic[T], frozen=True):
    """A reply that is emitted to the caller under `event`. A caller that asked for an acknowledgement gets `data`."""

    event: str
    data: T | None = None


class Replier:
    """Answers the messages of one handler.

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
        except EncodeError as error:
            self.fail(socket, packet, error)

    def fail(self, socket: Socket, packet: Packet, error: BaseException) -> None:
        """Tell the client what went wrong: by the acknowledgement if it asked for one, else by `exception`."""
        cause = cause_of(packet.event, packet) if self._error_cause else None
        failure = failure_of(error, cause, where=self._where, sid=socket.id)
        try:
            socket.tell(packet.ack_id, failure)
        except EncodeError:
            _LOGGER.exception("%s: what %r says cannot be sent to client %s", self._where, error, socket.id)
            socket.tell(packet.ack_id, {"status": "error", "message": _message(error)})

    async def stream(self, socket: Socket, packet: Packet, items: Any) -> None:
        """Emit each item of an asynchronous iterator under its own event or the handler's; acknowledge at its end.

        Waits for a client that reads slowly. The iterator is closed when the client leaves.
        """
        try:
            async for item in items:
                await self._emit_item(socket, packet.event, item)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever a handler raises is told to the client and logged
            self.fail(socket, packet, error)
        else:
            self.reply(socket, packet, None)
        finally:
            await items.aclose()

    @staticmethod
    async def _emit_item(socket: Socket, event: str, item: Any) -> None:
        if item.__class__ is WsResponse:
            await socket.emit(item.event, *(() if item.data is None else (item.data,)))
        else:
            await socket.emit(event, item)


def _message(error: BaseException) -> str:
    return str(error.message) if isinstance(error, WsException) else INTERNAL
