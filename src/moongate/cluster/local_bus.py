"""The processes of one machine as a bus: each sends to each by a UNIX socket of ZeroMQ, in order."""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Iterable, Sequence
from pathlib import Path

import zmq

from moongate.cluster.bus import Confirmation, Frame, Listener, Options, Unreachable
from moongate.cluster.channels import Channels
from moongate.cluster.local_everybody import Everybody
from moongate.cluster.local_folder import Folder
from moongate.cluster.local_link import Inbox, Peer
from moongate.cluster.local_parcels import Parcels, opened
from moongate.cluster.local_peers import CONTROL, Peers
from moongate.cluster.messages import Message
from moongate.errors import ClusterError, ConfigurationError
from moongate.transport.flow import READY
from moongate.types import Room
from moongate.wire.payload import PayloadEncoder

__all__ = ["LocalBus"]

_LOGGER = logging.getLogger("moongate.cluster")

_PATIENCE = 1.0
"""Seconds that messages wait for processes that have no room for them."""

_PAUSE = 0.002
"""Seconds after which such a process is tried again."""

_LOOK = 1.0
"""Seconds between two looks around for what nobody has told: processes that died, or a folder that was cleared."""

_CATCH_UP = 0.05
"""Seconds after which those are tried again that could not be told something."""

_AGAIN = 0.25
"""Seconds after which a process that cannot be reached tries to be."""


class LocalBus:
    """Sends to those that listen."""

    counts_servers = False

    def __init__(self, folder: Path, options: Options, encoder: PayloadEncoder) -> None:
        self._channels = Channels(options, encoder)
        self._decode = self._channels.wire.decode
        self._limit = options.max_message
        self._folder = Folder(folder)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._wanted: set[str] = set()
        self._peers = Peers(self._folder, self._context, self._wanted, (self._channels.nodes,))
        self._everybody = Everybody(self._folder, self._context)
        self._listener: Listener | None = None  # a program that only sends has none
        self._inbox: Inbox | None = None
        self._address = ""
        self._reason = "it has not connected yet"  # why there is no inbox
        self._sending = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._changes: dict[str, bool] = {}  # channels that this turn has begun to listen to, or no longer
        self._announced: asyncio.Future[None] | None = None  # done when the last changes are known to the others

    async def connect(self, listener: Listener) -> None:
        """Begin to connect; see `Bus.connect`."""
        self._listener = listener
        self._wanted |= {self._channels.nodes, self._channels.node(listener.uid)}
        await self._bind(listener)
        self._task = asyncio.get_running_loop().create_task(self._keep(listener), name="moongate cluster neighbours")

    async def fall_silent(self) -> None:
        """Who says goodbye is counted on no more."""

    async def close(self) -> None:
        """Let go of everything."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
        self._let_go("closed")
        self._everybody.close()
        # What was sent last may still have to leave, for which ZeroMQ waits.
        await asyncio.to_thread(self._context.term)

    def encode(self, message: Message) -> Frame:
        """Encode a message; raises EncodeError."""
        return self._channels.encode(message)

    async def send(self, frames: Sequence[Frame]) -> Sequence[ClusterError | None]:
        """Send *frames*; see `Bus.send`."""
        async with self._sending:
            others = self._others()
            batch: dict[Peer, Parcels] = {}
            for number, frame in enumerate(frames):
                for peer in others.listeners(frame.channel):
                    if peer not in batch:
                        batch[peer] = Parcels(self._address, peer)
                    batch[peer].add(number, frame.data)
            full = [parcels for parcels in batch.values() if not parcels.send()]
            late = await _insist(others, full) if full else []
        await asyncio.sleep(0)  # to the clients it is a turn as any other
        return _refusals(len(frames), late, batch.values())

    def open(self, namespace: str) -> Awaitable[None]:
        """Listen to the messages of *namespace*."""
        return self._add(self._channels.namespace(namespace))

    def shut(self, namespace: str) -> None:
        """Listen to *namespace* no longer."""
        self._remove(self._channels.namespace(namespace))

    def open_room(self, namespace: str, room: Room) -> Awaitable[None] | None:
        """The first client here joined *room*."""
        channel = self._channels.room(namespace, room)
        return None if channel is None else self._add(channel)

    def shut_room(self, namespace: str, room: Room) -> None:
        """The last client here left *room*."""
        channel = self._channels.room(namespace, room)
        if channel is not None:
            self._remove(channel)

    async def count(self, namespace: str, gone: Sequence[str] = ()) -> int:
        """Nobody asks: heartbeats tell who is there."""
        del gone
        raise Unreachable(f"nobody counts who listens to {namespace!r}", written=False)

    def reconnect(self) -> None:
        """The node does not hear itself: read from another socket."""
        if self._listener is not None:
            self._disconnect(self._listener, "this node did not hear itself")

    async def _bind(self, listener: Listener) -> None:
        """Begin to read from a new socket, and tell everybody; raises ConfigurationError."""
        try:
            self._folder.prepare()
            address = self._folder.new_address(listener.uid)
            receive = functools.partial(self._received, listener)
            inbox = Inbox(self._context, self._folder.endpoint(address), receive, self._limit)
        except (OSError, zmq.ZMQError) as error:
            self._disconnect(listener, f"the sockets of the other processes cannot be reached: {error}")
            return
        self._inbox = inbox
        self._address = address
        self._changes.clear()
        await self._peers.join(address)
        if self._inbox is inbox:
            listener.connected()

    def _others(self) -> Peers | Everybody:
        """Return to whom is sent; raises Unreachable and ConfigurationError."""
        if self._listener is None:
            try:
                self._folder.check()
                self._everybody.look_around()
            except (OSError, zmq.ZMQError) as error:
                raise Unreachable(f"the cluster's processes cannot be found: {error}", written=False) from error
            return self._everybody
        if self._inbox is None:
            raise Unreachable(self._reason, written=False)
        return self._peers

    async def _keep(self, listener: Listener) -> None:
        """Keep in touch with the others."""
        while True:
            try:
                if self._inbox is None:
                    await asyncio.sleep(_AGAIN)
                    await self._bind(listener)
                else:
                    await self._catch_up()
                    self._look_around(listener)
            except (ConfigurationError, OSError, zmq.ZMQError) as error:
                self._disconnect(listener, str(error))
            except Exception as error:  # the node has to come back, whatever happens
                _LOGGER.exception("the sockets of the other processes failed")
                self._disconnect(listener, repr(error))

    def _look_around(self, listener: Listener) -> None:
        if self._inbox is None:
            return
        self._folder.check()
        if not self._peers.look_around():
            self._disconnect(listener, f"{self._address} was removed from the folder")

    async def _catch_up(self) -> None:
        """Let a moment pass, and tell those meanwhile what could not be told before."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _LOOK
        while self._peers.behind and loop.time() < end:
            await asyncio.sleep(_CATCH_UP)
            self._peers.catch_up()
        await asyncio.sleep(max(0, end - loop.time()))

    def _disconnect(self, listener: Listener, reason: str) -> None:
        self._let_go(reason)
        listener.disconnected(reason)

    def _let_go(self, reason: str) -> None:
        self._reason = reason
        inbox, self._inbox = self._inbox, None
        if inbox is not None:
            self._folder.remove(self._address)  # before the others are told, so that nobody finds it again
            inbox.close()
        self._peers.leave()

    def _add(self, channel: str) -> Awaitable[None]:
        if channel not in self._wanted:
            self._wanted.add(channel)
            self._change(channel, wanted=True)
        if self._inbox is None or self._announced is None or self._announced.done():
            return READY
        return Confirmation(self._announced)

    def _remove(self, channel: str) -> None:
        if channel in self._wanted:
            self._wanted.discard(channel)
            self._change(channel, wanted=False)

    def _change(self, channel: str, *, wanted: bool) -> None:
        if self._inbox is None:
            return  # all are told of whatever is wanted then
        if not self._changes:
            loop = asyncio.get_running_loop()
            self._announced = loop.create_future()
            loop.call_soon(self._announce, self._announced)
        self._changes[channel] = wanted

    def _announce(self, announced: "asyncio.Future[None]") -> None:
        changes, self._changes = self._changes, {}
        known = self._peers.announce(changes)
        known.add_done_callback(lambda _: None if announced.done() else announced.set_result(None))

    def _received(self, listener: Listener, data: bytes) -> int:
        """Handle what came; return how many messages it was."""
        try:
            if data.startswith(CONTROL):
                self._peers.control(data)
                return 1
            parcel = opened(data)
        except Exception as error:  # noqa: BLE001  # whatever comes, what comes next has to be heard
            listener.malformed(self._address, error)
            return 1
        for each in parcel.messages:
            self._hear(listener, each)
        self._peers.handled(parcel.sender, len(data))
        return len(parcel.messages)

    def _hear(self, listener: Listener, data: bytes) -> None:
        try:
            message = self._decode(data)
        except Exception as error:  # noqa: BLE001  # as above
            listener.malformed(self._address, error)
            return
        if message is None:
            listener.ignored()
        else:
            self._peers.heard(message.sender)
            listener.heard(message)


async def _insist(others: Peers | Everybody, full: Sequence[Parcels]) -> list[Parcels]:
    """Send what processes had no room for; return what some have no room for even after a while."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PATIENCE
    waiting = full if all(each.peer.stalled for each in full) else _living(others, full)
    while not all(each.peer.stalled for each in waiting):
        if loop.time() > deadline:
            waiting = _living(others, waiting)
            break
        await asyncio.sleep(_PAUSE)
        waiting = [each for each in waiting if not each.peer.closed and not each.send()]
    for each in waiting:
        if not each.peer.stalled:
            each.peer.stalled = True
            _LOGGER.warning("%s reads too slowly, and misses messages", each.peer.address)
    return list(waiting)


def _living(others: Peers | Everybody, full: Sequence[Parcels]) -> list[Parcels]:
    """Return what is for processes that are still there."""
    for each in full:
        others.forget_if_dead(each.peer)
    return [each for each in full if not each.peer.closed]


def _refusals(count: int, late: Sequence[Parcels], batch: Iterable[Parcels]) -> list[ClusterError | None]:
    """Return what is to be said of each of *count* messages, *batch*, of which *late* has what was not sent to all."""
    refusals: list[ClusterError | None] = [None] * count
    if not late:
        return refusals
    reached = {number for each in batch for number in each.sent}
    missed: dict[int, list[str]] = {}
    for each in late:
        for number in each.unsent:
            missed.setdefault(number, []).append(each.peer.address)
    for number, addresses in missed.items():
        reason = f"{', '.join(addresses)} had no room for the message"
        refusals[number] = ClusterError(reason, sent=None if number in reached else False)
    return refusals
