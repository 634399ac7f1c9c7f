"""What all namespaces of one application share."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from threading import get_ident
from typing import Any

from moongate.config import Settings
from moongate.namespace.dispatcher import Dispatcher
from moongate.namespace.partials import Partials
from moongate.transport.flow import READY, Cork
from moongate.wire.parser import Parser
from moongate.wire.payload import PayloadEncoder

__all__ = ["Runtime"]


class Runtime:
    """The event loop that serves the clients, and what belongs to it."""

    __slots__ = ("_loop", "cork", "dispatcher", "encoder", "parser", "partials", "settings", "thread")

    def __init__(self, settings: Settings, parser: Parser | None = None) -> None:
        self.settings: Settings = settings
        self.parser: Parser | None = parser  # of the Socket.IO packets; None: the default one
        self.cork: Cork = Cork()
        self.dispatcher: Dispatcher = Dispatcher(self.cork, settings.inbox_size)
        self.encoder: PayloadEncoder = PayloadEncoder()
        self.partials: Partials = Partials(settings.attachment_timeout)
        self._loop: asyncio.AbstractEventLoop | None = None  # set by start
        self.thread: int = get_ident()  # the one that runs the loop

    def start(self) -> None:
        """Remember the running loop: clients are touched from its thread only."""
        self._loop = asyncio.get_running_loop()
        self.thread = get_ident()

    def run_in_loop(self, function: Callable[..., object], *arguments: Any) -> Awaitable[None]:
        """Call *function* in the loop's thread, at once if this is it."""
        if self._loop is None or get_ident() == self.thread:
            function(*arguments)
        else:
            self._loop.call_soon_threadsafe(function, *arguments)
        return READY

    async def answer_from_loop(self, question: Coroutine[Any, Any, Any]) -> Any:
        """Await *question* in the loop that serves the clients; the caller is in a loop of another thread.

        Raises RuntimeError if clients are not served yet.
        """
        if self._loop is None:
            question.close()
            raise RuntimeError("the application has not started: there is nobody to answer")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(question, self._loop))
