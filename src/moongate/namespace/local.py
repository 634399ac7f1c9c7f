"""The clients of one namespace on this server, as other servers of the cluster may treat them."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from moongate.cluster.messages import RemoteClient
from moongate.cluster.rooms import Target
from moongate.namespace.acks import single
from moongate.namespace.clients import Clients
from moongate.namespace.remote import describe
from moongate.types import Event, Room, Sid

__all__ = ["LocalClients", "ServerListener"]

_LOGGER = logging.getLogger("moongate.namespace")

ServerListener: TypeAlias = Callable[..., Any]
"""Called with the arguments of an event from another server; what it returns, or its awaitable does, is the answer."""


class LocalClients:
    """Does to the clients here what other servers say. Called in the event loop."""

    __slots__ = ("__weakref__", "_clients", "listeners", "name")

    def __init__(self, clients: Clients) -> None:
        self.name: str = clients.name
        self.listeners: dict[Event, tuple[ServerListener, ...]] = {}
        self._clients = clients

    def emit_here(self, target: Target, arguments: Sequence[Any], *, volatile: bool) -> None:
        """Send an event, whose name *arguments* begin with."""
        event, *rest = arguments
        message = self._clients.codec.event(event, tuple(rest))
        self._clients.deliver(target, event, tuple(rest), message, volatile=volatile)

    def ask_here(
        self,
        target: Target,
        arguments: Sequence[Any],
        timeout: float,
        answered: Callable[[Sid, Any], None],
        withdrawn: Callable[[], None],
    ) -> int:
        """Send an event that asks for acknowledgements; return how many clients were asked."""
        event, *others = arguments
        rest = tuple(others)
        ack_id = self._clients.next_ack_id()
        message = self._clients.codec.event(event, rest, ack_id)
        receiver = _Forwarder(answered, withdrawn)
        asked = self._clients.ask(target, event, rest, message, ack_id=ack_id, receiver=receiver)

        def forget() -> None:
            for socket in asked:
                socket.forget(ack_id)

        asyncio.get_running_loop().call_later(timeout, forget)
        return len(asked)

    def join_here(self, target: Target, rooms: Sequence[Room]) -> None:
        """Put clients into rooms."""
        for socket in list(self._clients.select(target)):
            socket.join(*rooms)

    def leave_here(self, target: Target, rooms: Sequence[Room]) -> None:
        """Take clients out of rooms."""
        for socket in list(self._clients.select(target)):
            socket.leave(*rooms)

    def disconnect_here(self, target: Target, *, close: bool) -> None:
        """Put clients out of the namespace; with *close*, end their connections."""
        for socket in list(self._clients.select(target)):
            socket.disconnect(close)

    def describe_here(self, target: Target) -> tuple[RemoteClient, ...]:
        """Describe clients for other servers."""
        encoder = self._clients.runtime.encoder
        return tuple(
            describe(socket.id, socket.rooms, socket.data, socket.handshake, encoder)
            for socket in self._clients.select(target)
        )

    async def server_event_here(self, arguments: Sequence[Any]) -> Any:
        """Another server has an event for this one; return the answer of the first who listens."""
        event, *rest = arguments
        answers = [await self._hear(listener, event, rest) for listener in self.listeners.get(event, ())]
        return answers[0] if answers else None

    def rooms_here(self) -> frozenset[Room]:
        """Return the names of the rooms that have members, each client's own included."""
        return self._clients.rooms.names() | frozenset(self._clients.rooms.members)

    async def _hear(self, listener: ServerListener, event: Event, arguments: Sequence[Any]) -> Any:
        try:
            answer = listener(*arguments)
            return await answer if inspect.isawaitable(answer) else answer
        except Exception:
            _LOGGER.exception("a listener for %r of another server failed in %s", event, self.name)
            return {"status": "error", "message": "Internal server error"}


class _Forwarder:
    """Gives the answers of clients to the server that asked."""

    __slots__ = ("_answered", "_withdrawn")

    def __init__(self, answered: Callable[[Sid, Any], None], withdrawn: Callable[[], None]) -> None:
        self._answered = answered
        self._withdrawn = withdrawn

    def answered(self, sid: Sid, arguments: list[Any]) -> None:
        """A client answered."""
        self._answered(sid, single(arguments))

    def left(self, sid: Sid, reason: str) -> None:
        """A client disconnected and will not answer."""
        del sid, reason
        self._withdrawn()
