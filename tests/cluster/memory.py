"""A bus within one process, which the tests can break as they like."""

from collections.abc import Awaitable, Sequence
from typing import Any

from moongate.cluster.bus import Frame, Listener, Options, Unreachable
from moongate.cluster.messages import Message
from moongate.errors import ClusterError
from moongate.transport.flow import READY
from moongate.types import Room

__all__ = ["MemoryBus", "MemoryCluster"]


class MemoryCluster:
    """Nodes that were given the same object are one cluster; `buses` are what they use, in the order they came."""

    def __init__(self, **options: Any) -> None:
        self.options = Options(
            **{"heartbeat_interval": 0.05, "heartbeat_timeout": 0.2, "request_timeout": 0.3} | options
        )
        self.buses: list[MemoryBus] = []

    def bus(self, encoder: Any) -> "MemoryBus":
        self.buses.append(MemoryBus(self))
        return self.buses[-1]


class MemoryBus:
    counts_servers = False

    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster
        self._messages: dict[int, Message] = {}
        self.listener: Listener | None = None
        self.away = False  # takes nothing
        self.deaf = False  # delivers nothing to this node
        self.loses_answers = False  # takes messages, and then does not say so
        self.refusal: ClusterError | None = None  # of whatever it is given
        self.reconnects = 0
        self.opened: list[str] = []
        self.rooms: list[Room] = []
        self.sent: list[Message] = []

    async def connect(self, listener: Listener) -> None:
        self.listener = listener
        listener.connected()

    async def fall_silent(self) -> None:
        """Nobody counts."""

    async def close(self) -> None:
        self.listener = None

    def encode(self, message: Message) -> Frame:
        self._messages[len(self._messages)] = message
        return Frame(str(len(self._messages) - 1), b"")

    async def send(self, frames: Sequence[Frame]) -> Sequence[ClusterError | None]:
        if self.away:
            raise Unreachable("it is away", written=False)
        if self.refusal is not None:
            return [self.refusal] * len(frames)
        for frame in frames:
            message = self._messages.pop(int(frame.channel))
            self.sent.append(message)
            for bus in self._cluster.buses:
                if bus.listener is not None and not bus.deaf:
                    bus.listener.heard(message)
        if self.loses_answers:
            raise Unreachable("it said nothing", written=True)
        return [None] * len(frames)

    def open(self, namespace: str) -> Awaitable[None]:
        self.opened.append(namespace)
        return READY

    def shut(self, namespace: str) -> None:
        self.opened.remove(namespace)

    def open_room(self, namespace: str, room: Room) -> Awaitable[None] | None:
        self.rooms.append(room)
        return READY

    def shut_room(self, namespace: str, room: Room) -> None:
        self.rooms.remove(room)

    async def count(self, namespace: str, gone: Sequence[str] = ()) -> int:
        raise AssertionError("nobody asks")

    def reconnect(self) -> None:
        self.reconnects += 1
        self.deaf = False
