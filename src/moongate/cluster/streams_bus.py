"""Streams of Redis as a bus: what goes to clients is kept in a log, the rest is published and subscribed to."""

import asyncio
import base64
import binascii
import logging
import math
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

from moongate.cluster.adapter_wire import AdapterWire
from moongate.cluster.bus import Confirmation, Frame, Listener, Options, Unreachable, all_done
from moongate.cluster.messages import Disconnect, Emit, Join, Leave, Message, is_answer
from moongate.cluster.redis_bus import PubSubBus
from moongate.cluster.redis_link import is_error
from moongate.cluster.redis_listener import Subscription
from moongate.cluster.redis_options import RedisSource
from moongate.cluster.redis_source import Sends
from moongate.errors import ClusterError, ConfigurationError, ProtocolError
from moongate.types import Room
from moongate.wire.payload import PayloadEncoder

__all__ = ["Streams", "StreamsBus", "StreamsLayout", "stream_of"]

_LOGGER = logging.getLogger("moongate.cluster")

_LOGGED = (Emit, Join, Leave, Disconnect)

_COUNT = 100
_BLOCK = 1000
"""How many entries are read at once, and how many milliseconds the next ones are waited for."""

_PAUSE = 0.5
"""Seconds between two tries to read."""


class Streams(Protocol):
    """What was chosen about the logs."""

    source: RedisSource
    stream: str
    count: int
    max_length: int
    sharded: bool
    options: Options


def stream_of(namespace: str, streams: Streams) -> str:
    """Return the log of a namespace, as Node's adapter computes it: a hash as in Java, and a remainder as in C."""
    if streams.count == 1:
        return streams.stream
    value = 0
    for unit in memoryview(namespace.encode("utf-16-le")).cast("H"):
        value = (31 * value + unit) & 0xFFFFFFFF
    value -= (value >> 31) << 32  # the highest bit is the sign
    return f"{streams.stream}-{int(math.fmod(value, streams.count))}"


class StreamsLayout:
    """The channels and the log entries of Node's streams adapter."""

    def __init__(self, streams: Streams, encoder: PayloadEncoder) -> None:
        self.publish: str = "SPUBLISH" if streams.sharded else "PUBLISH"
        self.subscribe: str = "SSUBSCRIBE" if streams.sharded else "SUBSCRIBE"
        self.count: str = "SHARDNUMSUB" if streams.sharded else "NUMSUB"
        self._streams = streams
        # Node's adapter reads what is published as MessagePack, and as JSON what it finds in the log.
        self._packed = AdapterWire(encoder, streams.options.max_message, packed=True)
        self._logged = AdapterWire(encoder, streams.options.max_message)

    def encode(self, message: Message) -> Frame:
        """Encode a message; raises EncodeError."""
        if isinstance(message.body, _LOGGED):
            code, data = self._logged.entry(message)
            data = data if data[:1] == b"{" else base64.b64encode(data)
            fields = ("uid", message.sender, "nsp", message.namespace, "type", code)
            return Frame(stream_of(message.namespace, self._streams), data, fields)
        channel = self.requests(message.namespace)
        return Frame(f"{channel}{message.to}#" if is_answer(message.body) else channel, self._packed.encode(message))

    def command(self, frame: Frame) -> tuple[Any, ...]:
        """Return the command that sends a message."""
        if not frame.fields:
            return self.publish, frame.channel, frame.data
        limit = ("MAXLEN", "~", str(self._streams.max_length))
        return "XADD", frame.channel, *limit, "*", *frame.fields, "data", frame.data

    def decode(self, channel: str, data: bytes) -> Message | None:
        """Return a message, None if it is of no use here; raises ProtocolError."""
        message = self._packed.decode(data)
        if message is not None and not channel.startswith(self.requests(message.namespace)):
            raise ProtocolError(f"a message for the namespace of {channel!r}", repr(message.namespace[:40]))
        return message

    def decode_entry(self, fields: Sequence[bytes]) -> Message | None:
        """Return the message of a log entry, given as names and values in turn; raises ProtocolError."""
        values = dict(zip(fields[::2], fields[1::2], strict=False))
        try:
            uid, namespace, code = (values[name].decode() for name in (b"uid", b"nsp", b"type"))
            data = values.get(b"data", b"{}")
            data = data if data[:1] == b"{" else base64.b64decode(data, validate=True)
        except (KeyError, UnicodeDecodeError, binascii.Error) as error:
            raise ProtocolError("an entry with uid, nsp, type and data", f"{fields!r:.80} ({error})") from error
        return self._logged.read_entry(uid, namespace, code, data)

    def open_namespace(self, name: str, uid: str) -> tuple[Subscription, ...]:
        """Return what the node *uid* subscribes to for a namespace."""
        channel = self.requests(name)
        return (self.subscribe, channel), (self.subscribe, f"{channel}{uid}#")

    def shut_namespace(self, name: str, uid: str) -> tuple[Subscription, ...]:
        """Return what the node *uid* has subscribed to for a namespace that is no more."""
        return self.open_namespace(name, uid)

    def open_room(self, name: str, room: Room) -> None:
        """Rooms have no channels: every node reads the whole log."""

    def shut_room(self, name: str, room: Room) -> None:
        """The last client here left a room."""

    def wants(self, channel: str) -> bool:
        """Whether what came by *channel* may be for clients here: all are, what is published asks something."""
        del channel
        return True

    def echoes(self, uid: str) -> tuple[bytes, ...]:
        """Return how what the node *uid* publishes begins."""
        return self._packed.echoes(uid)

    def requests(self, name: str) -> str:
        """Return the channel for requests: whoever subscribes to it will answer."""
        return f"{self._streams.options.prefix}#{name}#"


class StreamsBus(PubSubBus):
    """Sends by XADD what goes to clients, and reads the logs of the namespaces that are open."""

    def __init__(self, streams: Streams, encoder: PayloadEncoder) -> None:
        self._log_layout = StreamsLayout(streams, encoder)
        super().__init__(streams.source, streams.options, encoder, self._log_layout)
        self._streams = streams
        self._readers: dict[str, _Reader] = {}
        self._troubles: _Troubles

    async def connect(self, listener: Listener) -> None:
        """Begin to connect; see `Bus.connect`."""
        self._troubles = _Troubles(listener)
        await super().connect(self._troubles.of("pub/sub"))

    async def close(self) -> None:
        """Let go of everything."""
        for reader in self._readers.values():
            await reader.stop()
        await super().close()

    def open(self, namespace: str) -> Awaitable[None]:
        """Listen to the messages of *namespace*; its log is read until the bus closes."""
        stream = stream_of(namespace, self._streams)
        if stream not in self._readers:
            sender = self._servers.sender()
            self._readers[stream] = _Reader(stream, sender, self._log_layout, self._troubles.of(stream))
        return all_done([super().open(namespace), Confirmation(self._readers[stream].ready)])


class _Troubles:
    """Joins what the parts of a bus say: it is connected when none of them is not."""

    def __init__(self, listener: Listener) -> None:
        self.listener: Listener = listener
        self.cut: set[str] = set()

    def of(self, part: str) -> "_Part":
        """Return the listener for one part."""
        return _Part(part, self)


class _Part:
    """A listener to one part of a bus."""

    def __init__(self, name: str, troubles: _Troubles) -> None:
        self._name = name
        self._troubles = troubles
        self.uid: str = troubles.listener.uid
        self.heard = troubles.listener.heard
        self.malformed = troubles.listener.malformed
        self.ignored = troubles.listener.ignored

    def connected(self) -> None:
        """Messages arrive by this part."""
        self._troubles.cut.discard(self._name)
        if not self._troubles.cut:
            self._troubles.listener.connected()

    def disconnected(self, reason: str) -> None:
        """No messages arrive by this part."""
        self._troubles.cut.add(self._name)
        self._troubles.listener.disconnected(reason)


class _Reader:
    """Reads one log, from its end on; where it was when the connection was lost it reads on."""

    def __init__(self, stream: str, commands: Sends, layout: StreamsLayout, listener: Listener) -> None:
        self._stream = stream
        self._commands = commands
        self._layout = layout
        self._listener = listener
        self._echo = [b"uid", listener.uid.encode()]  # how entries begin that this node has written itself
        self._offset: bytes | None = None  # the last entry that was read
        self._failed = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"moongate stream {stream}")

    async def stop(self) -> None:
        """Read no more."""
        self._task.cancel()
        await asyncio.wait((self._task,))
        self._commands.close()

    async def _run(self) -> None:
        while True:
            try:
                await self._find_place()
                if self._failed:
                    self._failed = False
                    self._listener.connected()
                while True:
                    await self._read()
            except (Unreachable, ClusterError, ConfigurationError) as error:
                self._failed = True
                self._listener.disconnected(f"the stream {self._stream!r} cannot be read: {error}")
            self._set_ready()
            await asyncio.sleep(_PAUSE)

    def _set_ready(self) -> None:
        if not self.ready.done():
            self.ready.set_result(None)

    async def _find_place(self) -> None:
        """Start at the end; go back to it if the log has become shorter than it was, because Redis lost it."""
        (reply,) = await self._commands.call([("XREVRANGE", self._stream, "+", "-", "COUNT", "1")])
        _check(reply)
        last = reply[0][0] if reply else b"0-0"
        if self._offset is None or _order(last) < _order(self._offset):
            self._offset = last
        self._set_ready()

    async def _read(self) -> None:
        command = ("XREAD", "COUNT", str(_COUNT), "BLOCK", str(_BLOCK), "STREAMS", self._stream, self._offset)
        (reply,) = await self._commands.call([command])
        _check(reply)
        if not reply:
            return
        entries = next(iter(reply.values())) if isinstance(reply, dict) else reply[0][1]
        for offset, fields in entries:
            self._offset = offset
            if fields is not None:
                self._hear(fields)
        await asyncio.sleep(0)  # the clients get a turn

    def _hear(self, fields: Sequence[bytes]) -> None:
        if fields[:2] == self._echo:
            return
        try:
            message = self._layout.decode_entry(fields)
        except Exception as error:  # noqa: BLE001  # whatever comes, what comes next has to be heard
            self._listener.malformed(self._stream, error)
            return
        if message is None:
            self._listener.ignored()
        else:
            self._listener.heard(message)


def _check(reply: Any) -> None:
    if isinstance(reply, ClusterError):
        raise reply
    if is_error(reply):
        raise ClusterError(f"Redis refused to read: {reply}")


def _order(offset: bytes) -> tuple[int, ...]:
    """Return what ids of entries are compared by: milliseconds, then a number."""
    return tuple(map(int, offset.split(b"-")))
