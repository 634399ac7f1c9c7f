"""What carries messages between nodes, and what it expects of the node."""

import asyncio
from collections.abc import Awaitable, Generator, Iterable, Sequence
from typing import Any, Protocol

import msgspec

from moongate.cluster.messages import Message
from moongate.errors import ClusterError, ConfigurationError
from moongate.transport.flow import READY
from moongate.types import Room

__all__ = ["Bus", "Cluster", "Confirmation", "Frame", "Listener", "Options", "Unreachable", "all_done"]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What every cluster has to choose; times in seconds, sizes in bytes."""

    prefix: str = "socket.io"
    """The first part of every channel's name; the `key` option of Node's adapters."""
    request_timeout: float = 5.0
    """How long answers of other nodes are waited for."""
    heartbeat_interval: float = 1.0
    """How often a node says that it is alive, and looks whether it hears itself."""
    heartbeat_timeout: float = 5.0
    """After how long a silence a node counts as dead."""
    outbox_size: int = 10_000
    """How many messages wait at most while the bus cannot take them; more are refused."""
    outbox_bytes: int = 67_108_864
    """How many bytes these messages have at most, together; more are refused."""
    outbox_timeout: float = 10.0
    """How long a message waits at most; it is dropped then, for what is old may do harm."""
    max_message: int = 8_388_608
    """The largest message that is taken from the bus, or given to it."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if name == "prefix":
                if not isinstance(value, str) or not value:
                    raise ConfigurationError(f"expected text, got {value!r}", where=f"cluster option {name}")
            elif isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise ConfigurationError(f"expected a number above 0, got {value!r}", where=f"cluster option {name}")
        if self.heartbeat_timeout < 2 * self.heartbeat_interval:
            raise ConfigurationError(
                f"heartbeat_timeout ({self.heartbeat_timeout:g} s) is less than two of heartbeat_interval "
                f"({self.heartbeat_interval:g} s): nodes would be taken for dead that are not",
                where="cluster options",
            )


class Frame(msgspec.Struct, frozen=True):
    """One encoded message: where it goes, and its bytes."""

    channel: str
    data: bytes
    fields: tuple[str, ...] = ()
    """Names and values beside them, where the bus keeps a log of entries that have such; empty for all else."""


class Unreachable(Exception):
    """The bus cannot take messages now. Those of which `written` counts have left, and may have arrived or not."""

    def __init__(self, reason: str, *, written: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.written = written


class Confirmation:
    """What several may await, now or later. Who stops waiting ends it for nobody else; nobody needs to wait."""

    __slots__ = ("_future",)

    def __init__(self, future: "asyncio.Future[None]") -> None:
        self._future = future

    @property
    def done(self) -> bool:
        """Whether nobody needs to wait any longer."""
        return self._future.done()

    def __await__(self) -> Generator[Any, None, None]:
        """Wait until it is there."""
        if not self._future.done():
            yield from asyncio.shield(self._future).__await__()


def all_done(awaitables: Iterable[Awaitable[None]]) -> Awaitable[None]:
    """Return what is done when all of *awaitables* are, each of them a `Confirmation` or `READY`."""
    waits = [each for each in awaitables if each is not READY]
    if len(waits) > 1:
        return Confirmation(asyncio.ensure_future(_wait_for(waits)))
    return waits[0] if waits else READY


async def _wait_for(awaitables: Iterable[Awaitable[None]]) -> None:
    for each in awaitables:
        await each


class Listener(Protocol):
    """The node, as a bus sees it. It is called in the event loop, and never raises."""

    uid: str

    def heard(self, message: Message) -> None:
        """A message came, which may be one of our own."""

    def malformed(self, channel: str, error: Exception) -> None:
        """Something came that is no message; it is counted and dropped."""

    def ignored(self) -> None:
        """A message came that is of no use here, of a later version perhaps."""

    def connected(self) -> None:
        """Messages arrive (again): everything that was asked for is subscribed."""

    def disconnected(self, reason: str) -> None:
        """No messages arrive for the moment; the bus connects again by itself."""


class Bus(Protocol):
    """One way to reach the other nodes. Its methods are called in the event loop.

    A bus sends in order, each message at most once, and never gives a message up that it has not written: whoever sends
    decides whether to try again.
    """

    counts_servers: bool
    """Whether other programs than Moongate nodes may answer, so that `count` has to be asked."""

    async def connect(self, listener: Listener) -> None:
        """Begin to connect; returns when connected, or when a first try has failed and others follow by themselves.

        Raises ConfigurationError for what no other try would mend, as a wrong password.
        """

    async def fall_silent(self) -> None:
        """Be none of those any more who are counted on to answer; what waits can still be sent."""

    async def close(self) -> None:
        """Let go of everything."""

    def encode(self, message: Message) -> Frame:
        """Encode a message; raises EncodeError for what cannot be sent."""

    async def send(self, frames: Sequence[Frame]) -> Sequence[ClusterError | None]:
        """Send *frames* in order; return for each what the bus refused it with, None if it was taken.

        Raises Unreachable if none of them is known to be taken. It ends in bounded time.
        """

    def open(self, namespace: str) -> Awaitable[None]:
        """Listen to the messages of *namespace*.

        The awaitable is done when they arrive, and all that was asked for before, or the bus is gone.
        """

    def shut(self, namespace: str) -> None:
        """Listen to *namespace* no longer."""

    def open_room(self, namespace: str, room: Room) -> Awaitable[None] | None:
        """The first client here joined *room*; returns what `open` does, None if nothing has to be done."""

    def shut_room(self, namespace: str, room: Room) -> None:
        """The last client here left *room*."""

    async def count(self, namespace: str, gone: Sequence[str] = ()) -> int:
        """Return how many servers, this one included, listen to *namespace*; raises Unreachable.

        The nodes *gone* do not count, though they may be connected: they hang. Only asked if `counts_servers`.
        """

    def reconnect(self) -> None:
        """The node does not hear itself: drop the connection by which messages arrive, and connect again."""


class Cluster(Protocol):
    """What is given to `Moongate(cluster=...)`: how to reach the other nodes. It holds no connection itself."""

    options: Options

    def bus(self, encoder: Any) -> Bus:
        """Return a new bus, which encodes with *encoder*, a PayloadEncoder; raises MissingExtraError."""
