"""What a client is told when something fails: one object, in every place."""

import asyncio
import logging
from typing import Any

import msgspec

from moongate.errors import EncodeError, ProtocolError, ValidationFailed, WsException
from moongate.namespace.arguments import decode_arguments
from moongate.wire.payload import PayloadEncoder
from moongate.wire.socketio import Packet

__all__ = ["INTERNAL", "UNKNOWN_EVENT", "Failure", "cause_of", "failure_of", "gist_of", "refusal_of", "sendable"]

_LOGGER = logging.getLogger("moongate.gateway")

INTERNAL = "Internal server error"
"""All that a client learns of an error that nobody expected."""

UNKNOWN_EVENT = "Unknown event"

Failure = dict[str, Any]
"""`{"status": "error", "message": ..., "cause": {"pattern": event, "data": payload}}` and what belongs to the error."""


def cause_of(event: str, packet: Packet | None = None) -> dict[str, Any]:
    """Return what led to an error: the event, and the client's data if there was any."""
    cause: dict[str, Any] = {"pattern": event}
    if packet is not None:
        try:
            arguments = decode_arguments(packet)
        except ProtocolError:
            return cause
        if arguments:
            cause["data"] = arguments[0] if len(arguments) == 1 else arguments
    return cause


def failure_of(error: BaseException, cause: dict[str, Any] | None, *, where: str, sid: str) -> Failure:
    """Return what the client is told of *error*; an unexpected one is logged whole, with where and to whom."""
    failure: Failure = {"status": "error"}
    if isinstance(error, WsException):
        failure["message"] = error.message
        failure.update(_details(error))
    else:
        failure["message"] = INTERNAL
        cancelled = isinstance(error, asyncio.CancelledError)
        _LOGGER.error("%s failed for client %s%s", where, sid, " (cancelled)" if cancelled else "", exc_info=error)
    if cause is not None:
        failure["cause"] = cause
    return failure


def refusal_of(error: BaseException, *, where: str, sid: str) -> dict[str, Any]:
    """Return what a client is told that may not come in: CONNECT_ERROR's `{"message", "data"}`."""
    if isinstance(error, WsException):
        return {"message": error.message} if error.data is None else {"message": error.message, "data": error.data}
    _LOGGER.error("%s failed for client %s", where, sid, exc_info=error)
    return {"message": INTERNAL}


def sendable(failure: Failure, encoder: PayloadEncoder) -> Failure:
    """Return *failure*, or only its message if what an exception carries cannot be sent; that is logged."""
    try:
        encoder.encode(failure)
    except EncodeError:
        _LOGGER.exception("the data of an error cannot be sent: %r", failure)
        return gist_of(failure)
    return failure


def gist_of(failure: object) -> Failure:
    """Return what can be sent of *failure*, which a filter may have made of anything: its message as text."""
    message = failure.get("message", INTERNAL) if isinstance(failure, dict) else INTERNAL
    return {"status": "error", "message": str(message).encode(errors="replace").decode()}


def _details(error: WsException) -> dict[str, Any]:
    if isinstance(error, ValidationFailed):
        return {"errors": [msgspec.structs.asdict(field) for field in error.errors]}
    if isinstance(error.data, dict):
        return {key: value for key, value in error.data.items() if key not in ("status", "message")}
    return {} if error.data is None else {"data": error.data}
