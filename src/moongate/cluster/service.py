"""What this node does for the others: to the clients of its namespaces, and as an answer to their questions."""

import asyncio
import contextlib
import functools
import logging
import weakref
from collections.abc import Callable
from typing import Any

from moongate.cluster.adapter import Local
from moongate.cluster.health import Counters
from moongate.cluster.messages import (
    Answer,
    Answered,
    Ask,
    Body,
    Counted,
    Disconnect,
    Emit,
    Fetch,
    Fetched,
    Join,
    Leave,
    ListedNames,
    ListNames,
    Message,
    ServerEvent,
    Withdrawn,
)
from moongate.cluster.rooms import Target
from moongate.errors import EncodeError
from moongate.types import Sid

__all__ = ["Service"]

_LOGGER = logging.getLogger("moongate.cluster")


class Service:
    """Knows the namespaces of this node, and does what other nodes ask of them.

    *tell* sends an answer: the namespace, what it says, and the node that asked. *patience* is how many seconds the
    acknowledgements of clients are waited for where the other node does not say.
    """

    def __init__(self, tell: Callable[[str, Body, str], object], counters: Counters, patience: float) -> None:
        self._tell = tell
        self._counters = counters
        self._patience = patience
        self._locals: dict[str, weakref.ref[Local]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.handlers: dict[type, Callable[[Message, Any], None]] = {
            Emit: self._emit,
            Join: self._join,
            Leave: self._leave,
            Disconnect: self._disconnect,
            Fetch: self._fetch,
            ListNames: self._list_names,
            Ask: self._ask,
            ServerEvent: self._server_event,
        }

    def serve(self, local: Local, gone: Callable[[str], None]) -> None:
        """Serve the clients of a namespace as long as it is there; *gone* is called in this loop when it is not."""
        loop = asyncio.get_running_loop()
        self._locals[local.name] = weakref.ref(local, functools.partial(self._collected, loop, local.name, gone))

    def _collected(self, loop: asyncio.AbstractEventLoop, name: str, gone: Callable[[str], None], _: object) -> None:
        """A namespace is no more; this may be called from anywhere."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: there is nothing left to tidy up
            loop.call_soon_threadsafe(self._let_go, name, gone)

    def _let_go(self, name: str, gone: Callable[[str], None]) -> None:
        if name in self._locals and self._locals[name]() is None:
            del self._locals[name]
            gone(name)

    def stop(self) -> None:
        """Let go of answers that are not given yet."""
        for task in tuple(self._tasks):
            task.cancel()

    def _local(self, message: Message) -> Local | None:
        reference = self._locals.get(message.namespace)
        return None if reference is None else reference()

    def _emit(self, message: Message, body: Emit) -> None:
        local = self._local(message)
        if local is not None:
            local.emit_here(body.target, body.arguments, volatile=body.volatile)

    def _join(self, message: Message, body: Join) -> None:
        local = self._local(message)
        if local is not None:
            local.join_here(body.target, body.rooms)

    def _leave(self, message: Message, body: Leave) -> None:
        local = self._local(message)
        if local is not None:
            local.leave_here(body.target, body.rooms)

    def _disconnect(self, message: Message, body: Disconnect) -> None:
        local = self._local(message)
        if local is not None:
            local.disconnect_here(body.target, close=body.close)

    def _fetch(self, message: Message, body: Fetch) -> None:
        local = self._local(message)
        clients = () if local is None else local.describe_here(body.target)
        self._tell(message.namespace, Fetched(body.request, clients), message.sender)

    def _list_names(self, message: Message, body: ListNames) -> None:
        local = self._local(message)
        names: tuple[str, ...] = ()
        if local is not None and body.rooms is None:
            names = tuple(local.rooms_here())
        elif local is not None:
            names = tuple(client.id for client in local.describe_here(Target(frozenset(body.rooms or ()))))
        self._tell(message.namespace, ListedNames(body.request, names, body.rooms is None), message.sender)

    def _ask(self, message: Message, body: Ask) -> None:
        local = self._local(message)
        namespace, asker, request = message.namespace, message.sender, body.request

        def withdrawn() -> None:
            self._tell(namespace, Withdrawn(request), asker)

        def answered(sid: Sid, answer: Any) -> None:
            try:
                self._tell(namespace, Answered(request, answer, sid), asker)
            except EncodeError as error:
                _LOGGER.warning("the answer of client %s is too large for the cluster: %s", sid, error)
                withdrawn()

        timeout = body.timeout or self._patience
        count = 0 if local is None else local.ask_here(body.target, body.arguments, timeout, answered, withdrawn)
        self._tell(namespace, Counted(request, count), asker)

    def _server_event(self, message: Message, body: ServerEvent) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(message, body))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _answer(self, message: Message, body: ServerEvent) -> None:
        local = self._local(message)
        answer = None if local is None else await local.server_event_here(body.arguments)
        if body.request is not None:
            self._tell(message.namespace, Answer(body.request, answer), message.sender)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._counters.failed += 1
            _LOGGER.error("an event of another node could not be answered", exc_info=error)
