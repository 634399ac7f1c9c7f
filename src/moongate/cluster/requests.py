"""Questions to the other nodes, and who has answered."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from moongate.cluster.messages import Answer, Answered, Counted, Fetched, Message, Withdrawn
from moongate.types import Sid

__all__ = ["Answers", "Question", "Questions", "Survey"]

T = TypeVar("T")

_MAX_ANSWERS = 1_000_000
"""How many answers of clients are waited for at most, whatever other nodes claim to have asked."""


class Answers(list[T]):
    """What the nodes of the cluster answered; `missing` are the ids of those that did not in time.

    A server that is no Moongate node has no id that others know: it is called `unknown`.
    """

    missing: tuple[str, ...] = ()


class Question:
    """A question that each of the other nodes answers once."""

    __slots__ = ("_complete", "_expected", "answers", "dead", "responders", "supposed")

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.responders: set[str] = set()  # those that have an id
        self.dead: list[str] = []  # those that were there and are gone
        self.supposed: int = 0  # how many answers there are to be as far as heartbeats tell
        self._expected: int | None = None  # how many there are to be, once that is known
        self._complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def expect(self, count: int) -> None:
        """So many nodes are to answer."""
        self._expected = count
        self._check()

    def answered(self, node: str, answer: Any) -> None:
        """A node answered; the first answer of each counts."""
        if node:
            if node in self.responders:
                return
            self.responders.add(node)
        self.answers.append(answer)
        self._check()

    def lost(self, node: str) -> None:
        """A node is gone and will not answer."""
        if node not in self.responders and self._expected is not None:
            self._expected -= 1
            self.dead.append(node)
            self._check()

    def remain(self, gone: Sequence[str], count: int, alive: Collection[str]) -> None:
        """The nodes *gone* will not answer: *count* others are there still, of which those that have an id are *alive*.

        So nobody is given up who was not counted in the first place, nor anybody else in his stead.
        """
        count += len(self.responders.difference(alive))  # whose answers are there
        if self._expected is not None and count < self._expected:
            self._expected = count
            self.dead += [node for node in gone if node not in self.responders]
            self._check()

    def give_up(self) -> None:
        """Nobody can answer."""
        if not self._complete.done():
            self._complete.set_result(None)

    @property
    def shortfall(self) -> int:
        """How many answers have not come."""
        expected = self.supposed if self._expected is None else self._expected
        return max(0, expected - len(self.answers))

    def _check(self) -> None:
        if self._is_complete() and not self._complete.done():
            self._complete.set_result(None)

    def _is_complete(self) -> bool:
        return self._expected is not None and len(self.answers) >= self._expected

    async def wait(self) -> None:
        """Wait until everybody has answered."""
        await self._complete


class Survey(Question):
    """A question to the clients of the other nodes: each node says how many it asked, then come their answers."""

    __slots__ = ("_due", "client_answers")

    def __init__(self) -> None:
        super().__init__()
        self.client_answers: dict[Sid, Any] = {}
        self._due = 0

    def counted(self, node: str, count: int) -> None:
        """A node has asked *count* clients."""
        self._due += max(0, min(count, _MAX_ANSWERS))
        self.answered(node, count)

    def client_answered(self, sid: Sid, answer: Any) -> None:
        """A client answered; where the node does not say which one, it gets a number."""
        if sid not in self.client_answers and len(self.client_answers) < _MAX_ANSWERS:
            self.client_answers[sid or f"unknown {len(self.client_answers) + 1}"] = answer
            self._check()

    def withdrawn(self) -> None:
        """A client that was asked is gone."""
        self._due -= 1
        self._check()

    def _is_complete(self) -> bool:
        return super()._is_complete() and len(self.client_answers) >= self._due


class Questions:
    """The questions of this node that are open, by the numbers of their requests."""

    def __init__(self) -> None:
        self._open: dict[str, Question] = {}
        self._namespaces: dict[str, str] = {}  # what they are about
        self.handlers: dict[type, Callable[[Message, Any], None]] = {
            Fetched: self._fetched,
            Answer: self._answer,
            Counted: self._counted,
            Answered: self._answered,
            Withdrawn: self._withdrawn,
        }

    def add(self, request: str, namespace: str, question: Question) -> None:
        """Give the answers to *request* to *question*, which is about *namespace*."""
        self._open[request] = question
        self._namespaces[request] = namespace

    def forget(self, request: str) -> None:
        """Wait for answers no longer."""
        self._open.pop(request, None)
        self._namespaces.pop(request, None)

    @property
    def namespaces(self) -> frozenset[str]:
        """What is asked about."""
        return frozenset(self._namespaces.values())

    def about(self, namespace: str) -> list[Question]:
        """Return the questions about *namespace*."""
        return [self._open[request] for request, name in self._namespaces.items() if name == namespace]

    def lost(self, node: str) -> None:
        """A node is gone: nobody waits for it any more."""
        for question in tuple(self._open.values()):
            question.lost(node)

    def _fetched(self, message: Message, body: Fetched) -> None:
        question = self._open.get(body.request)
        if question is not None:
            question.answered(message.sender, body.clients)

    def _answer(self, message: Message, body: Answer) -> None:
        question = self._open.get(body.request)
        if question is not None:
            question.answered(message.sender, body.answer)

    def _counted(self, message: Message, body: Counted) -> None:
        survey = self._survey(body.request)
        if survey is not None:
            survey.counted(message.sender, body.count)

    def _answered(self, _: Message, body: Answered) -> None:
        survey = self._survey(body.request)
        if survey is not None:
            survey.client_answered(body.sid, body.answer)

    def _withdrawn(self, _: Message, body: Withdrawn) -> None:
        survey = self._survey(body.request)
        if survey is not None:
            survey.withdrawn()

    def _survey(self, request: str) -> Survey | None:
        question = self._open.get(request)
        return question if isinstance(question, Survey) else None
