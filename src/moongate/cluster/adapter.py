"""One namespace in a cluster: how it reaches its clients on other nodes, and what other nodes may do to those here."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from moongate.cluster.messages import (
    Ask,
    Body,
    Disconnect,
    Emit,
    Fetch,
    Join,
    Leave,
    RemoteClient,
    ServerEvent,
)
from moongate.cluster.requests import Answers, Question, Survey
from moongate.cluster.rooms import Target
from moongate.ids import new_id
from moongate.types import Room, Sid

__all__ = ["Adapter", "Local", "Peers", "Surveying"]


class Local(Protocol):
    """The clients of one namespace that are connected here, as other nodes may treat them."""

    name: str

    def emit_here(self, target: Target, arguments: Sequence[Any], *, volatile: bool) -> None:
        """Send an event, whose name *arguments* begin with."""

    def ask_here(
        self,
        target: Target,
        arguments: Sequence[Any],
        timeout: float,
        answered: Callable[[Sid, Any], None],
        withdrawn: Callable[[], None],
    ) -> int:
        """Send an event that asks for acknowledgements; return how many clients were asked.

        *answered* is called with each answer within *timeout* seconds, *withdrawn* for each client that leaves before.
        """

    def join_here(self, target: Target, rooms: Sequence[Room]) -> None:
        """Put clients into rooms."""

    def leave_here(self, target: Target, rooms: Sequence[Room]) -> None:
        """Take clients out of rooms."""

    def disconnect_here(self, target: Target, *, close: bool) -> None:
        """Put clients out of the namespace; with *close*, end their connections."""

    def describe_here(self, target: Target) -> tuple[RemoteClient, ...]:
        """Describe clients for other nodes."""

    async def server_event_here(self, arguments: Sequence[Any]) -> Any:
        """Another node has an event for this one; return the answer."""

    def rooms_here(self) -> frozenset[Room]:
        """Return the names of the rooms that have members."""


class Peers(Protocol):
    """The node, as its adapters use it."""

    def tell(self, namespace: str, body: Body) -> Awaitable[None]:
        """Send a message to the other nodes; raises EncodeError."""

    def ask(self, namespace: str, request: str, question: Question, body: Body) -> None:
        """Send a question, whose answers are given to it until `forget`; raises EncodeError."""

    async def expect(self, namespace: str, question: Question) -> None:
        """Find out how many nodes answer a question, and tell it."""

    def forget(self, request: str) -> None:
        """Wait for answers no longer."""

    def missing(self, question: Question) -> tuple[str, ...]:
        """Return the ids of the nodes that have not answered."""

    def room_opened(self, namespace: str, room: Room) -> Awaitable[None] | None:
        """The first client here joined a room; the awaitable is done when messages to the room arrive."""

    def room_emptied(self, namespace: str, room: Room) -> None:
        """The last client here left a room."""

    @property
    def request_timeout(self) -> float:
        """How many seconds answers of nodes are waited for."""


class Adapter:
    """Reaches the clients of the namespace *name* on all other nodes. Called in the event loop that serves clients."""

    __slots__ = ("_name", "_peers", "settled")

    def __init__(self, peers: Peers, name: str, opening: Awaitable[None]) -> None:
        self._peers = peers
        self._name = name
        self.settled: Awaitable[None] = opening  # done when all arrives that was asked for, by namespace and by room

    def emit(self, target: Target, arguments: Sequence[Any], text: bytes, *, volatile: bool) -> Awaitable[None]:
        """Send an event; awaiting the result says whether the bus took it. Raises EncodeError.

        *text* is the arguments as JSON, if they are written already and have no binary data.
        """
        return self._peers.tell(self._name, Emit(target, arguments, volatile, text))

    def join(self, target: Target, rooms: tuple[Room, ...]) -> Awaitable[None]:
        """Put clients into rooms."""
        return self._peers.tell(self._name, Join(target, rooms))

    def leave(self, target: Target, rooms: tuple[Room, ...]) -> Awaitable[None]:
        """Take clients out of rooms."""
        return self._peers.tell(self._name, Leave(target, rooms))

    def disconnect(self, target: Target, *, close: bool) -> Awaitable[None]:
        """Put clients out of the namespace; with *close*, end their connections."""
        return self._peers.tell(self._name, Disconnect(target, close))

    def server_event(self, arguments: Sequence[Any]) -> Awaitable[None]:
        """Tell the other nodes themselves about an event."""
        return self._peers.tell(self._name, ServerEvent(arguments))

    async def fetch(self, target: Target) -> Answers[RemoteClient]:
        """Return the clients of other nodes that are meant; never raises for nodes that do not answer."""
        request, question = new_id(), Question()
        await self._ask(request, question, Fetch(request, target), self._peers.request_timeout)
        clients = Answers(client for clients in question.answers for client in clients)
        clients.missing = self._peers.missing(question)
        return clients

    async def ask_servers(self, arguments: Sequence[Any], timeout: float | None = None) -> Answers[Any]:
        """Tell the other nodes about an event and return what each answered."""
        request, question = new_id(), Question()
        limit = self._peers.request_timeout if timeout is None else timeout
        await self._ask(request, question, ServerEvent(arguments, request), limit)
        answers = Answers(question.answers)
        answers.missing = self._peers.missing(question)
        return answers

    def survey(self, target: Target, arguments: Sequence[Any], timeout: float) -> "Surveying":
        """Send an event that asks for acknowledgements; the result holds the answers to come. Raises EncodeError.

        *timeout* is how many seconds other nodes wait for their clients.
        """
        request, survey = new_id(), Survey()
        self._peers.ask(self._name, request, survey, Ask(request, target, arguments, timeout))
        return Surveying(self._peers, survey, self._collect_all(request, survey))

    def room_opened(self, room: Room) -> None:
        """The first client here joined *room*."""
        opening = self._peers.room_opened(self._name, room)
        if opening is not None:
            self.settled = opening  # which says as much for what was asked for before

    def room_emptied(self, room: Room) -> None:
        """The last client here left *room*."""
        self._peers.room_emptied(self._name, room)

    async def _ask(self, request: str, question: Question, body: Body, timeout: float) -> None:
        """Return when all nodes have answered, or after *timeout* seconds."""
        self._peers.ask(self._name, request, question, body)
        try:
            async with asyncio.timeout(timeout):
                await self._collect(request, question)
        except TimeoutError:
            return  # who has not answered is told by `missing`

    async def _collect_all(self, request: str, survey: Survey) -> None:
        """Return when all have answered; raises TimeoutError if the others cannot be asked."""
        await self._collect(request, survey)
        if survey.shortfall:
            raise TimeoutError

    async def _collect(self, request: str, question: Question) -> None:
        try:
            await self._peers.expect(self._name, question)
            await question.wait()
        finally:
            self._peers.forget(request)


class Surveying:
    """The clients of other nodes are asked; call `end` in any case.

    `complete` ends when all have answered, with TimeoutError if there is nothing to wait for: the bus is gone.
    """

    __slots__ = ("_peers", "_survey", "complete")

    def __init__(self, peers: Peers, survey: Survey, collecting: Coroutine[Any, Any, None]) -> None:
        self._peers = peers
        self._survey = survey
        self.complete: asyncio.Task[None] = asyncio.get_running_loop().create_task(collecting)

    @property
    def answers(self) -> Mapping[Sid, Any]:
        """What clients have answered so far, by their ids."""
        return self._survey.client_answers

    @property
    def missing(self) -> tuple[str, ...]:
        """The ids of the nodes that have not said whom they asked."""
        return self._peers.missing(self._survey)

    def end(self) -> None:
        """Wait no longer."""
        if not self.complete.cancel() and not self.complete.cancelled():
            self.complete.exception()  # whoever has not waited for it needs not know of it
