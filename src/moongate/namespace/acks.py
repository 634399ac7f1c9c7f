"""Acknowledgements: answers that clients ask for, and answers that are asked of clients."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from moongate.errors import AckTimeout, ClientDisconnected
from moongate.transport.flow import READY
from moongate.types import Sid

__all__ = ["Ack", "AckReceiver", "Collector", "PendingAcks", "Respondent", "single"]


class Respondent(Protocol):
    """Whoever can answer a client's message."""

    def acknowledge(self, ack_id: int, arguments: tuple[Any, ...]) -> Awaitable[None]:
        """Send the answer to the message *ack_id*."""


class Ack:
    """The answer to one message of a client. Calling it answers, with any number of arguments.

    Only the first call counts. If the client asked for no answer, calling it does nothing.
    """

    __slots__ = ("_ack_id", "_socket", "answered")

    def __init__(self, socket: Respondent, ack_id: int | None) -> None:
        self._socket = socket
        self._ack_id = ack_id  # None if the client did not ask
        self.answered: bool = False  # whether the answer is on its way

    @property
    def requested(self) -> bool:
        """Whether the client asked for an answer."""
        return self._ack_id is not None

    def __call__(self, *arguments: Any) -> Awaitable[None]:
        """Answer with *arguments*; raises EncodeError, and answers nothing, for what cannot be sent."""
        if self._ack_id is None or self.answered:
            return READY
        sent = self._socket.acknowledge(self._ack_id, arguments)
        self.answered = True
        return sent


class AckReceiver(Protocol):
    """Whoever waits for the answers of clients."""

    def answered(self, sid: Sid, arguments: list[Any]) -> None:
        """The client *sid* answered."""

    def left(self, sid: Sid, reason: str) -> None:
        """The client *sid* disconnected and will not answer."""


def single(arguments: list[Any]) -> Any:
    """Return what an answer with *arguments* is worth: one value, None, or a list where there are several."""
    return arguments[0] if len(arguments) == 1 else arguments or None


class PendingAcks:
    """The answers that one client owes."""

    __slots__ = ("_receivers", "_sid")

    def __init__(self, sid: Sid) -> None:
        self._sid = sid
        self._receivers: dict[int, AckReceiver] = {}

    @property
    def due(self) -> bool:
        """Whether any answer is waited for."""
        return bool(self._receivers)

    def expect(self, ack_id: int, receiver: AckReceiver) -> None:
        """Give the answer *ack_id* to *receiver*, if it comes."""
        self._receivers[ack_id] = receiver

    def forget(self, ack_id: int) -> None:
        """Wait no longer."""
        self._receivers.pop(ack_id, None)

    def answer(self, ack_id: int, arguments: list[Any]) -> None:
        """Hand out an answer. One that nobody waits for is ignored: it is late, or the client made it up."""
        receiver = self._receivers.pop(ack_id, None)
        if receiver is not None:
            receiver.answered(self._sid, arguments)

    def abandon(self, reason: Callable[[], str]) -> None:
        """The client is gone: nobody needs to wait any more."""
        receivers, self._receivers = self._receivers, {}
        for receiver in receivers.values():
            receiver.left(self._sid, reason())


class Collector:
    """Waits for the answers of any number of clients to one event."""

    __slots__ = ("_answers", "_complete", "_missing", "_reason")

    def __init__(self, sids: set[Sid]) -> None:
        self._missing = sids
        self._answers: dict[Sid, Any] = {}
        self._reason = ""  # why the last client that left without an answer did
        self._complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._check()

    def answered(self, sid: Sid, arguments: list[Any]) -> None:
        """The client *sid* answered."""
        self._answers[sid] = single(arguments)
        self._missing.discard(sid)
        self._check()

    def left(self, sid: Sid, reason: str) -> None:
        """The client *sid* will not answer."""
        self._reason = reason
        self._missing.discard(sid)
        self._check()

    @property
    def answers(self) -> Mapping[Sid, Any]:
        """What has come so far."""
        return self._answers

    def _check(self) -> None:
        if not self._missing and not self._complete.done():
            self._complete.set_result(None)

    async def all_answers(self, event: str, timeout: float) -> Mapping[Sid, Any]:  # raises our own error
        """Return the answers of all that stayed; raises AckTimeout, with what came, after *timeout* seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._complete
        except TimeoutError:
            raise AckTimeout(event, timeout, dict(self._answers)) from None
        return self._answers

    async def one_answer(self, sid: Sid, event: str, timeout: float) -> Any:  # raises our own error
        """Return the only client's answer; raises AckTimeout, or ClientDisconnected if it left."""
        answers = await self.all_answers(event, timeout)
        if sid not in answers:
            raise ClientDisconnected(sid, self._reason)
        return answers[sid]
