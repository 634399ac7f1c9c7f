"""Clients in the process of the server: they speak the real protocols to the real engine, without a network."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from moongate.errors import MoongateError
from moongate.namespace.acks import single
from moongate.testing.mailbox import Mailbox
from moongate.testing.wires import BareWire, SocketIoWire, Wire

__all__ = ["BareClient", "Client", "ConnectRefused", "SocketIoClient"]


class ConnectRefused(MoongateError):
    """The server does not let the client in: `message` and `data` are what it says, `status` is of HTTP, if it is."""

    def __init__(self, message: str, data: Any = None, status: int | None = None) -> None:
        super().__init__(message, data, status)
        self.message = message
        self.data = data
        self.status = status

    def __str__(self) -> str:
        return f"refused: {self.message}" if self.data is None else f"refused: {self.message} {self.data!r}"


class Client:
    """One client in one namespace. Whatever it waits for, it waits *timeout* seconds at most, a second if not said.

    The seconds are those of the event loop, which a Clock moves. What fails at the client's side, as a function given
    to `answer`, is raised by what waits at the moment, or waits next, or else at the end of the application.
    """

    def __init__(self, wire: Wire, namespace: str) -> None:
        self.namespace: str = namespace
        self._wire = wire
        self._mailbox = Mailbox()
        self._answers: dict[int, asyncio.Future[list[Any]]] = {}
        self._answering: dict[str, Callable[..., Any]] = {}
        self._running: set[asyncio.Task[None]] = set()  # asynchronous functions that answer
        self._next_id = 0
        self._reason: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def connected(self) -> bool:
        """Whether it is in the namespace."""
        return not self._reason.done()

    @property
    def received(self) -> list[tuple[str, Any]]:
        """The events that came and were not asked for yet, with their data."""
        return self._mailbox.waiting

    async def emit(self, event: str, *arguments: Any) -> None:
        """Send an event; it is lost if the client has left."""
        self._wire.emit(self.namespace, event, arguments, None)
        await asyncio.sleep(0)

    async def emit_with_ack(self, event: str, *arguments: Any, timeout: float = 1.0) -> Any:
        """Send an event and return the answer: its only value, None, or a list of several; an error as it is told.

        Raises TimeoutError.
        """
        self._raise_failure()
        self._next_id += 1
        number = self._next_id
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._wire.emit(self.namespace, event, arguments, number)
        try:
            async with asyncio.timeout(timeout):
                return single(await answer)
        except TimeoutError:
            raise TimeoutError(f"no answer to {event!r} within {timeout:g} s; {self._mailbox.describe()}") from None
        finally:
            del self._answers[number]

    async def error_of(self, event: str, *arguments: Any, timeout: float = 1.0) -> dict[str, Any]:
        """Send an event and return the error that it is answered with; raises AssertionError if it is none."""
        answer = await self.emit_with_ack(event, *arguments, timeout=timeout)
        if not isinstance(answer, dict) or answer.get("status") != "error":
            raise AssertionError(f"expected an error as the answer to {event!r}, got {answer!r}")
        return answer

    async def receive(self, event: str, *, timeout: float = 1.0) -> Any:
        """Return the data of the next *event*: its only value, None, or a list.

        Raises TimeoutError, which says what came instead.
        """
        self._raise_failure()
        return await self._mailbox.take(event, timeout)

    async def exception(self, *, timeout: float = 1.0) -> dict[str, Any]:
        """Return the next error that no answer tells; raises TimeoutError."""
        error: dict[str, Any] = await self.receive("exception", timeout=timeout)
        return error

    def answer(self, event: str, function: Callable[..., Any]) -> None:
        """Answer each *event* that asks for it with what *function*, asynchronous or not, returns of its arguments."""
        self._answering[event] = function

    async def disconnected(self, *, timeout: float = 1.0) -> str:
        """Return why it is not connected any more, once it is not; raises TimeoutError."""
        self._raise_failure()
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.shield(self._reason)
        except TimeoutError:
            raise TimeoutError(f"still connected after {timeout:g} s; {self._mailbox.describe()}") from None

    async def disconnect(self) -> None:
        """Leave."""
        self._wire.leave(self.namespace)
        self.on_left("client disconnect")
        await asyncio.sleep(0)

    async def drop(self) -> None:
        """Lose the connection without a word, as when a cable is pulled."""
        self._wire.drop()
        self.on_left("transport close")
        await asyncio.sleep(0)

    def ignore_heartbeats(self) -> None:
        """Answer no more heartbeats, as a client that has gone to sleep."""
        self._wire.answers_heartbeats = False

    def on_event(self, event: str, arguments: Sequence[Any], ack_id: int | None) -> None:
        """The server has sent an event."""
        if ack_id is not None and event in self._answering:
            self._answer(self._answering[event], arguments, ack_id)
        self._mailbox.put(event, single(list(arguments)))

    def _answer(self, function: Callable[..., Any], arguments: Sequence[Any], ack_id: int) -> None:
        try:
            value = function(*arguments)
            if not inspect.isawaitable(value):
                self._acknowledge(ack_id, value)
                return
        except Exception as error:  # noqa: BLE001  # handed to the test
            self.on_failure(error)
            return
        task = asyncio.ensure_future(self._answer_later(value, ack_id))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer_later(self, pending: Awaitable[Any], ack_id: int) -> None:
        try:
            self._acknowledge(ack_id, await pending)
        except Exception as error:  # noqa: BLE001  # handed to the test
            self.on_failure(error)

    def _acknowledge(self, ack_id: int, value: Any) -> None:
        self._wire.acknowledge(self.namespace, ack_id, () if value is None else (value,))

    def on_answer(self, ack_id: int, arguments: list[Any]) -> None:
        """The server has answered."""
        waiting = self._answers.get(ack_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(arguments)

    def on_left(self, reason: str) -> None:
        """It is in the namespace no more."""
        if not self._reason.done():
            self._reason.set_result(reason)
            self._mailbox.fate = reason

    def on_failure(self, error: Exception) -> None:
        """Something failed at the client's side: raise it where the test will see it."""
        waiting = [future for future in self._waiting() if not future.done()]
        for future in waiting:
            future.set_exception(error)
        if not waiting:
            self._wire.failure = self._wire.failure or error

    def _waiting(self) -> list[asyncio.Future[Any]]:
        return [*self._answers.values(), *self._mailbox.takers]

    def _raise_failure(self) -> None:
        failure, self._wire.failure = self._wire.failure, None
        if failure is not None:
            raise failure


class SocketIoClient(Client):
    """A client that speaks Socket.IO over a WebSocket, as the official ones do."""

    def __init__(self, wire: SocketIoWire, namespace: str) -> None:
        super().__init__(wire, namespace)
        self.id: str = ""  # as the server has said
        self._socketio = wire
        self._entered: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @classmethod
    async def enter(cls, wire: SocketIoWire, namespace: str, auth: Any, timeout: float = 5.0) -> "SocketIoClient":
        """Return a client that has come into *namespace*; raises ConnectRefused."""
        client = cls(wire, namespace)
        wire.members[namespace] = client
        wire.join(namespace, auth)
        try:
            async with asyncio.timeout(timeout):
                client.id = await client._entered
        except TimeoutError:
            raise TimeoutError(f"the server has not said within {timeout:g} s who may come into {namespace}") from None
        return client

    async def connect(self, namespace: str, *, auth: Any = None) -> "SocketIoClient":
        """Return another client on the same connection, in another namespace; raises ConnectRefused."""
        return await self.enter(self._socketio, namespace, auth)

    def on_connected(self, sid: str) -> None:
        """The server has let it in."""
        if not self._entered.done():
            self._entered.set_result(sid)

    def on_refused(self, error: Any) -> None:
        """The server has not let it in; a parser may say why in a mere text."""
        told = error if isinstance(error, dict) else {"message": error}
        self.on_left("refused")
        if not self._entered.done():
            self._entered.set_exception(ConnectRefused(str(told.get("message", "")), told.get("data")))

    def _waiting(self) -> list[asyncio.Future[Any]]:
        return [*super()._waiting(), self._entered]


class BareClient(Client):
    """A client with a bare WebSocket: `{"event", "data", "id"}`."""

    def __init__(self, wire: BareWire, namespace: str) -> None:
        super().__init__(wire, namespace)
        self.subprotocol: str | None = wire.subprotocol

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        self._wire.send(data, is_text=False)
        await asyncio.sleep(0)


def refusal_of(body: bytes, status: int) -> ConnectRefused:
    """Return what a refused request says; its body is JSON, or text."""
    try:
        told = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return ConnectRefused(body.decode(errors="replace"), status=status)
    if not isinstance(told, dict):
        return ConnectRefused(str(told), status=status)
    data = {key: value for key, value in told.items() if key not in ("status", "message")}
    return ConnectRefused(str(told.get("message", "")), data or None, status)
