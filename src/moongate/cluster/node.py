"""This process as one node of a cluster: what it tells the others, what it hears from them, and how it fares."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from moongate.cluster.adapter import Adapter, Local
from moongate.cluster.bus import Bus, Cluster, Options, Unreachable
from moongate.cluster.health import ClusterHealth, Counters, Status
from moongate.cluster.heartbeats import Heartbeats
from moongate.cluster.messages import Body, Emit, Hello, Message, Private
from moongate.cluster.outbox import Outbox
from moongate.cluster.requests import Question, Questions
from moongate.cluster.service import Service
from moongate.types import Room
from moongate.wire.payload import PayloadEncoder

__all__ = ["Node"]

_LOGGER = logging.getLogger("moongate.cluster")

_STARTING = 2.0
"""Seconds that a start waits until messages arrive; clients are let in then, with or without the others."""

_FAREWELL = 2.0
"""Seconds that a stop waits until the last messages are sent."""

_VOLATILE = 0.5
"""Seconds that a volatile event waits at most while the bus takes none."""

_QUIET = 1.0
"""Seconds between two lines in the log about what came and is no message."""


class Node:
    """Joins the namespaces of this process with those of the other nodes of *cluster*.

    Everything happens in the event loop that called `start`.
    """

    def __init__(self, cluster: Cluster, encoder: PayloadEncoder) -> None:
        self.uid: str = secrets.token_hex(8)
        self.options: Options = cluster.options
        self.counters: Counters = Counters()
        self.changed: Callable[[ClusterHealth], object] | None = None  # called when the status has changed
        self._bus: Bus = cluster.bus(encoder)
        self._outbox = Outbox(self._bus, self.options, self.counters)
        self._heartbeats = Heartbeats(
            self.uid, self._bus, self._outbox, self.options, lost=self._lost, update=self._update
        )
        self._questions = Questions()
        self._service = Service(self.tell, self.counters, self.options.request_timeout)
        self._receive: Callable[[str, bytes], None] | None = None
        self._lost_listener: Callable[[str], None] | None = None
        self._recounts: set[asyncio.Task[None]] = set()
        self._status: Status = "down"
        self._reason = ""  # why it is not up
        self._quiet_until = 0.0  # in the time of time.monotonic
        self._handlers: dict[type, Callable[[Message, Any], None]] = {
            **self._service.handlers,
            **self._questions.handlers,
            Hello: self._hello,
            Private: self._private,
        }

    async def start(self) -> None:
        """Join the cluster; returns when messages arrive, or after some seconds if they do not yet.

        Raises ConfigurationError for what no other try would mend.
        """
        self._outbox.start()
        await self._bus.connect(self)
        await self._heartbeats.start(_STARTING)
        self._update()
        if self._status == "up":
            _LOGGER.info("node %s has joined the cluster", self.uid)
        else:
            _LOGGER.error("node %s serves its own clients only, until the cluster is there: %s", self.uid, self._reason)

    async def stop(self) -> None:
        """Say goodbye and leave the cluster."""
        await self._bus.fall_silent()  # first, so that nobody who hears the goodbye still counts on an answer
        self._heartbeats.stop()
        await self._outbox.stop(_FAREWELL if self._heartbeats.cut is None else 0)
        self._service.stop()
        for task in tuple(self._recounts):
            task.cancel()
        await self._bus.close()

    def open(self, local: Local) -> Adapter:
        """Join the namespace of *local* with the others' as long as it is there."""
        self._service.serve(local, self._bus.shut)
        return Adapter(self, local.name, self._bus.open(local.name))

    def health(self) -> ClusterHealth:
        """Return how this node fares."""
        return ClusterHealth(
            status=self._status,
            reason=self._reason,
            node=self.uid,
            nodes=self._heartbeats.members.names,
            outbox=len(self._outbox),
            **msgspec.structs.asdict(self.counters),
        )

    def _trouble(self) -> tuple[Status, str]:
        if self._heartbeats.cut is not None:
            return "down", self._heartbeats.cut
        if self._heartbeats.deaf:
            return "degraded", "this node does not hear itself"
        return ("degraded", "the bus takes no messages") if self._outbox.stuck else ("up", "")

    def _update(self) -> None:
        before = self._status
        self._status, self._reason = status, reason = self._trouble()
        if status == before:
            return
        if status == "up":
            _LOGGER.info("node %s is connected to the cluster", self.uid)
        else:
            _LOGGER.warning("node %s: the cluster is %s: %s", self.uid, status, reason)
        if self.changed is not None:
            self.changed(self.health())

    @property
    def request_timeout(self) -> float:
        """How many seconds answers of nodes are waited for."""
        return self.options.request_timeout

    def tell(self, namespace: str, body: Body, to: str = "") -> Awaitable[None]:
        """Send a message to the other nodes, an answer to the node *to*; raises EncodeError."""
        frame = self._bus.encode(Message(self.uid, namespace, body, to))
        volatile = type(body) is Emit and body.volatile
        return self._outbox.put(frame, _VOLATILE if volatile else None)

    def ask(self, namespace: str, request: str, question: Question, body: Body) -> None:
        """Send a question, whose answers are given to it until `forget`; raises EncodeError."""
        frame = self._bus.encode(Message(self.uid, namespace, body))
        self._questions.add(request, namespace, question)
        # If it is lost nobody answers, which is what `missing` says.
        self._outbox.put(frame, self.options.request_timeout)

    async def expect(self, namespace: str, question: Question) -> None:
        """Find out how many nodes answer a question, and tell it."""
        members = question.supposed = len(self._heartbeats.members)
        if self._heartbeats.cut is not None:
            question.expect(members)
            question.give_up()
        elif self._bus.counts_servers:
            try:
                question.expect(await self._bus.count(namespace) - 1)
            except Unreachable:
                question.expect(members)
                question.give_up()
        else:
            question.expect(members)

    def forget(self, request: str) -> None:
        """Wait for answers no longer."""
        self._questions.forget(request)

    def missing(self, question: Question) -> tuple[str, ...]:
        """Return the ids of the nodes that have not answered, as far as there are ids; those first that are suspect."""
        members = self._heartbeats.members
        silent = [name for name in (*members.silent, *members.names) if name not in question.responders]
        silent = [name for name in silent if name not in question.dead]
        count = question.shortfall
        return (*question.dead, *silent[:count], *["unknown"] * (count - len(silent)))

    def room_opened(self, namespace: str, room: Room) -> Awaitable[None] | None:
        """The first client here joined a room; the awaitable is done when messages to the room arrive."""
        return self._bus.open_room(namespace, room)

    def room_emptied(self, namespace: str, room: Room) -> None:
        """The last client here left a room."""
        self._bus.shut_room(namespace, room)

    @property
    def node(self) -> str:
        """This node's id."""
        return self.uid

    def knows(self, node: str) -> bool:
        """Whether another node is alive, as far as heartbeats tell."""
        return node in self._heartbeats.members

    def send(self, node: str, payload: bytes) -> Awaitable[None]:
        """Send something to one node alone; awaiting the result raises ClusterError if the bus does not take it."""
        return self.tell("", Private(node, payload), node)

    def listen(self, receive: Callable[[str, bytes], None], lost: Callable[[str], None]) -> None:
        """Give what other nodes send to this one alone to *receive*, with the sender; tell *lost* which are gone."""
        self._receive = receive
        self._lost_listener = lost

    def heard(self, message: Message) -> None:
        """A message came, which may be one of our own."""
        body = message.body
        if message.sender == self.uid:
            if type(body) is Hello:
                self._heartbeats.echo(body.number)
            return
        self.counters.received += 1
        try:
            self._handlers[type(body)](message, body)
        except Exception:
            self.counters.failed += 1
            _LOGGER.exception("a message of node %s failed: %s", message.sender, type(body).__name__)

    def malformed(self, channel: str, error: Exception) -> None:
        """Something came that is no message."""
        self.counters.malformed += 1
        now = time.monotonic()
        if now >= self._quiet_until:  # whoever floods the bus must not flood the log as well
            self._quiet_until = now + _QUIET
            count = self.counters.malformed
            _LOGGER.warning("what came from the cluster by %r is dropped, number %d: %s", channel, count, error)

    def ignored(self) -> None:
        """A message came that is of no use here."""
        self.counters.ignored += 1

    def connected(self) -> None:
        """Messages arrive."""
        if self._heartbeats.connected():
            self.counters.reconnects += 1
        self._update()

    def disconnected(self, reason: str) -> None:
        """No messages arrive."""
        self._heartbeats.disconnected(reason)
        self._update()

    def _hello(self, message: Message, body: Hello) -> None:
        self._heartbeats.hello(message.sender, leaving=body.leaving, hears=body.hears)

    def _private(self, message: Message, body: Private) -> None:
        if body.node == self.uid and self._receive is not None:
            self._receive(message.sender, body.payload)

    def _lost(self, nodes: Sequence[str]) -> None:
        """Nodes are gone: nobody waits for them any more."""
        if self._bus.counts_servers:
            task = asyncio.get_running_loop().create_task(self._recount(nodes))
            self._recounts.add(task)
            task.add_done_callback(self._recounts.discard)
        for node in nodes:
            if not self._bus.counts_servers:
                self._questions.lost(node)
            if self._lost_listener is not None:
                self._lost_listener(node)

    async def _recount(self, nodes: Sequence[str]) -> None:
        """Find out who is left to answer what is asked; whether *nodes* were counted when it was, nobody knows."""
        for namespace in self._questions.namespaces:
            try:
                count = await self._bus.count(namespace, nodes) - 1
            except Unreachable:
                return  # nobody answers then, until the questions end by themselves
            for question in self._questions.about(namespace):
                question.remain(nodes, count, self._heartbeats.members.names)
