"""Sending to some of a namespace's clients, and steering them."""

import asyncio
from collections.abc import Awaitable, Callable
from threading import get_ident
from typing import Any

from moongate.cluster.adapter import Adapter
from moongate.cluster.requests import Answers
from moongate.cluster.rooms import Target
from moongate.errors import AckTimeout
from moongate.namespace.acks import Collector
from moongate.namespace.clients import Client, Clients, RemoteSocket
from moongate.namespace.remote import FetchedSocket
from moongate.transport.flow import READY, Turn
from moongate.types import Event, Room, Sid
from moongate.wire.outgoing import Outgoing
from moongate.wire.socketio import check_event

__all__ = ["Broadcast"]

_EVERYBODY = Target()
_TURN = Turn()


class Broadcast:
    """Some clients of a namespace, and what can be done to all of them at once.

    Never changes: `to`, `except_`, `local`, `volatile` and `timeout` return another one. What `emit`, `sockets_join`,
    `sockets_leave` and `disconnect_sockets` do to clients of this server is done when they return; awaiting them lets
    others have their turn. In a cluster they reach the clients of all servers: awaiting says whether the message for
    the other servers is on its way, and raises ClusterError if it is not.
    """

    __slots__ = ("_clients", "_local", "_target", "_timeout", "_volatile")

    def __init__(
        self,
        clients: Clients,
        target: Target = _EVERYBODY,
        *,
        volatile: bool = False,
        timeout: float | None = None,
        local: bool = False,
    ) -> None:
        self._clients = clients
        self._target = target
        self._volatile = volatile
        self._timeout = timeout
        self._local = local

    def to(self, *rooms: Room) -> "Broadcast":
        """Return a broadcast to the members of any of *rooms*, besides those already meant by name."""
        return self._derive(Target(self._target.rooms.union(rooms), self._target.excluded))

    def in_(self, *rooms: Room) -> "Broadcast":
        """Return the same as `to`."""
        return self.to(*rooms)

    def except_(self, *rooms: Room) -> "Broadcast":
        """Return a broadcast without the members of any of *rooms*; a client's id is a room of its own."""
        return self._derive(Target(self._target.rooms, self._target.excluded.union(rooms)))

    @property
    def local(self) -> "Broadcast":
        """The same broadcast, to clients of this server only."""
        return Broadcast(self._clients, self._target, volatile=self._volatile, timeout=self._timeout, local=True)

    @property
    def volatile(self) -> "Broadcast":
        """The same broadcast, dropped for clients that cannot take it at once."""
        return Broadcast(self._clients, self._target, volatile=True, timeout=self._timeout, local=self._local)

    def timeout(self, seconds: float) -> "Broadcast":
        """Return the same broadcast, whose `emit_with_ack` waits *seconds* for the answers."""
        return Broadcast(self._clients, self._target, volatile=self._volatile, timeout=seconds, local=self._local)

    def emit(self, event: Event, *arguments: Any) -> Awaitable[None]:
        """Send an event; raises EncodeError for arguments that cannot be sent, even if nobody is there."""
        check_event(event)
        clients = self._clients
        message = clients.codec.event(event, arguments)
        if get_ident() != clients.runtime.thread:
            return clients.runtime.run_in_loop(self._emit, event, arguments, message)
        return self._emit(event, arguments, message)

    def _emit(self, event: Event, arguments: tuple[Any, ...], message: Outgoing) -> Awaitable[None]:
        adapter = self._adapter
        sending: Awaitable[None] = _TURN
        if adapter is not None:  # first the others: what cannot be sent to them must be sent to nobody
            text = self._clients.codec.text_of(message)
            sending = adapter.emit(self._target, (event, *arguments), text, volatile=self._volatile)
        self._clients.deliver(self._target, event, arguments, message, volatile=self._volatile)
        return sending

    def send(self, *arguments: Any) -> Awaitable[None]:
        """Send the event `message`."""
        return self.emit("message", *arguments)

    async def emit_with_ack(self, event: Event, *arguments: Any) -> list[Any]:
        """Send an event and return what each client answered; who leaves meanwhile is left out.

        Waits as long as `timeout` says, by default `Settings.acknowledgement_timeout`. Raises AckTimeout, whose
        `answers` holds by id what did come and whose `missing` the servers that said nothing, and EncodeError.
        """
        check_event(event)
        clients = self._clients
        if get_ident() != clients.runtime.thread:
            answered: list[Any] = await clients.runtime.answer_from_loop(self.emit_with_ack(event, *arguments))
            return answered
        seconds = clients.runtime.settings.acknowledgement_timeout if self._timeout is None else self._timeout
        ack_id = clients.next_ack_id()
        message = clients.codec.event(event, arguments, ack_id)
        adapter = self._adapter
        survey = None if adapter is None else adapter.survey(self._target, (event, *arguments), seconds)
        collector = Collector({socket.id for socket in clients.select(self._target)})
        asked: list[Client] = []
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            asked = clients.ask(self._target, event, arguments, message, ack_id=ack_id, receiver=collector)
            answers = dict(await collector.all_answers(event, seconds))
            if survey is not None:
                async with asyncio.timeout_at(deadline):
                    await survey.complete
                answers |= survey.answers
        except TimeoutError:
            remote = {} if survey is None else survey.answers
            missing = () if survey is None else survey.missing
            raise AckTimeout(event, seconds, {**collector.answers, **remote}, missing) from None
        finally:
            if survey is not None:
                survey.end()
            for socket in asked:
                socket.forget(ack_id)
        return list(answers.values())

    async def fetch_sockets(self) -> Answers[RemoteSocket]:
        """Return the clients that are meant, on all servers.

        `missing` of the result are the ids of the servers that did not answer in time (`request_timeout`); clients of
        theirs are not in it.
        """
        clients = self._clients
        if get_ident() != clients.runtime.thread:
            answer: Answers[RemoteSocket] = await clients.runtime.answer_from_loop(self.fetch_sockets())
            return answer
        found: Answers[RemoteSocket] = Answers(self._selected())
        adapter = self._adapter
        if adapter is not None:
            remote = await adapter.fetch(self._target)
            known = {socket.id for socket in found}
            found += [FetchedSocket(self._one(each.id), each) for each in remote if each.id not in known]
            found.missing = remote.missing
        return found

    def sockets_join(self, *rooms: Room) -> Awaitable[None]:
        """Put the clients into *rooms*."""
        return self._for_each(lambda socket: socket.join(*rooms), lambda adapter: adapter.join(self._target, rooms))

    def sockets_leave(self, *rooms: Room) -> Awaitable[None]:
        """Take the clients out of *rooms*."""
        return self._for_each(lambda socket: socket.leave(*rooms), lambda adapter: adapter.leave(self._target, rooms))

    def disconnect_sockets(self, close: bool = False) -> Awaitable[None]:  # noqa: FBT001, FBT002  # as in Socket.IO
        """Put the clients out of the namespace; with *close*, end their connections."""
        return self._for_each(
            lambda socket: socket.disconnect(close), lambda adapter: adapter.disconnect(self._target, close=close)
        )

    @property
    def _adapter(self) -> Adapter | None:
        """What reaches the other servers, if they are meant and there are any."""
        return None if self._local else self._clients.adapter

    def _one(self, sid: Sid) -> "Broadcast":
        """Return a broadcast to one client, wherever it is."""
        return Broadcast(self._clients, Target(frozenset((sid,))))

    def _derive(self, target: Target) -> "Broadcast":
        return Broadcast(self._clients, target, volatile=self._volatile, timeout=self._timeout, local=self._local)

    def _selected(self) -> list[Client]:
        return list(self._clients.select(self._target))

    def _for_each(
        self, action: Callable[[Client], object], tell: Callable[[Adapter], Awaitable[None]]
    ) -> Awaitable[None]:
        """Do something to the clients of this server, and tell the others to do it to theirs."""

        def act() -> Awaitable[None]:
            adapter = self._adapter
            sending = READY if adapter is None else tell(adapter)
            for socket in self._selected():
                action(socket)
            return sending

        runtime = self._clients.runtime
        return act() if get_ident() == runtime.thread else runtime.run_in_loop(act)
