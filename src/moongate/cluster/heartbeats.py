"""Heartbeats: each node says that it is alive, hears the others, and notices by its own echo if it is cut off."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from moongate.cluster.bus import Bus, Frame, Options
from moongate.cluster.members import Members
from moongate.cluster.messages import Hello, Message
from moongate.cluster.outbox import Outbox, Sending

__all__ = ["Heartbeats"]

_LOGGER = logging.getLogger("moongate.cluster")

_PATIENCE = 3
"""After how many heartbeats that this node sent and did not hear it connects anew."""


class Heartbeats:
    """Sends heartbeats, and knows who is alive."""

    def __init__(
        self,
        uid: str,
        bus: Bus,
        outbox: Outbox,
        options: Options,
        *,
        lost: Callable[[Sequence[str]], None],
        update: Callable[[], None],
    ) -> None:
        self.members: Members = Members(options.heartbeat_timeout)
        self.cut: str | None = "it has not connected yet"  # why no messages arrive; None if they do
        self._uid = uid
        self._bus = bus
        self._outbox = outbox
        self._options = options
        self._lost = lost
        self._update = update
        self._heard_others = False  # since the last look back
        self._number = 0  # of the last heartbeat
        self._echo = 0  # of the last one that came back
        self._missed = 0  # how many in a row did not, though the bus took them
        self._sending: Sending | None = None
        self._heard_itself: asyncio.Event
        self._task: asyncio.Task[None] | None = None
        self._was_cut = False
        self._settling = False  # the bus is back, and not all nodes have been heard by it
        self._absent: set[str] = set()  # which they are
        outbox.recovered = self._await_others
        self._late = False  # the last heartbeat did not come back in time

    @property
    def deaf(self) -> bool:
        """Whether this node does not hear what it sends itself."""
        return self._late

    async def start(self, patience: float) -> None:
        """Begin; returns when this node has heard itself, or after *patience* seconds."""
        self._heard_itself = asyncio.Event()
        self._say_hello()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="moongate cluster heartbeats")
        try:
            async with asyncio.timeout(patience):
                await self._heard_itself.wait()
        except TimeoutError:
            self._late = True

    def stop(self) -> None:
        """Say goodbye."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
            self._outbox.put_urgent(self._frame(leaving=True), self._options.heartbeat_interval)

    def connected(self) -> bool:
        """Messages arrive; return whether they did before, and then did not."""
        was_cut, self._was_cut = self._was_cut, False
        self.cut = None
        self._missed = 0
        self.members.excuse(asyncio.get_running_loop().time())
        if self._task is not None:
            self._say_hello()
        return was_cut

    def disconnected(self, reason: str) -> None:
        """No messages arrive."""
        was_connected, self.cut = self.cut is None, reason
        if was_connected:
            self._was_cut = True
            # What cut this node off may have cut off the others.
            self._outbox.hold(reason)
            self._await_others()

    def _await_others(self) -> None:
        """Wait with messages until the others hear."""
        self._absent = set(self.members.names)
        self._settling = bool(self._absent)
        if not self._settling:
            self._outbox.release()

    def echo(self, number: int) -> None:
        """A heartbeat of this node came back."""
        self._echo = max(self._echo, number)
        self._heard_itself.set()
        if self._late and self._echo >= self._number:
            self._late = False
            self._missed = 0
            self.members.excuse(asyncio.get_running_loop().time())
            self._update()

    def hello(self, node: str, *, leaving: bool, hears: bool) -> None:
        """Another node said that it is alive, or that it leaves, and whether messages reach it."""
        if len(node) != len(self._uid):
            return  # whatever says so is no Moongate node
        self._heard_others = True
        if hears or leaving:
            self._absent.discard(node)
        if self._settling and not self._absent:
            self._settling = False
            self._outbox.release()
        if leaving:
            if self.members.left(node):
                _LOGGER.info("node %s has left the cluster", node)
                self._lost((node,))
        elif self.members.heard(node, asyncio.get_running_loop().time()) and self._task is not None:
            self._say_hello()  # so that a new node need not wait to know this one

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        interval = self._options.heartbeat_interval
        while True:
            before = loop.time()
            await asyncio.sleep(interval)
            now = loop.time()
            self._look_back()
            if self._late or self.cut is not None or now - before > interval + self._options.heartbeat_timeout / 2:
                self.members.excuse(now)  # it was this node that heard nothing
            else:
                dead = self.members.dead(now)
                if dead:
                    _LOGGER.warning("silent for too long, and taken for dead: node %s", ", ".join(dead))
                    self._lost(tuple(dead))
            self._say_hello()
            self._update()

    def _look_back(self) -> None:
        """See what became of the last heartbeat."""
        self._late = self._echo < self._number
        heard_others, self._heard_others = self._heard_others, False
        if heard_others:
            self._missed = 0  # its own word takes long because there is so much to hear, and would not be faster anew
            return
        if not self._late or self.cut is not None or self._sending is None or not self._sending.taken:
            return
        self._missed += 1
        if self._missed >= _PATIENCE and not self._outbox.stuck:
            self._missed = 0
            self._bus.reconnect()

    def _say_hello(self) -> None:
        if self._sending is None or self._sending.done:
            self._number += 1
            self._sending = self._outbox.put_urgent(self._frame(), self._options.heartbeat_interval)

    def _frame(self, *, leaving: bool = False) -> Frame:
        return self._bus.encode(Message(self._uid, "", Hello(self._number, leaving, self.cut is None)))
