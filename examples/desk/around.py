"""What stands around the handlers: errors of the desk put into words, and how long each message took."""

import logging
import time
from typing import Any

from examples.desk.tickets import NotAllowed, TicketNotFound
from moongate import BaseExceptionFilter, Catch, ExecutionContext, NextHandler, WsException

__all__ = ["DeskErrors", "Timing"]

_LOGGER = logging.getLogger("desk")


@Catch(TicketNotFound, NotAllowed)
class DeskErrors(BaseExceptionFilter):
    """Tells clients of errors that the services raise, which know nothing of clients."""

    def catch(self, error: BaseException, context: ExecutionContext) -> dict[str, Any]:
        if isinstance(error, TicketNotFound):
            told = WsException(f"There is no ticket {error.number}", data={"code": "not-found"})
        else:
            told = WsException(f"That cannot be done: {error}", data={"code": "not-allowed"})
        return super().catch(told, context)


class Timing:
    """Logs how long each message took, and that of whom."""

    async def intercept(self, context: ExecutionContext, call_next: NextHandler) -> Any:
        started = time.perf_counter()
        try:
            return await call_next()
        finally:
            took = (time.perf_counter() - started) * 1000
            _LOGGER.info("%s of %s took %.1f ms", context.where, context.client.id, took)
