"""The messages of Node's cluster adapters (socket.io-adapter 2.5, `cluster-adapter.ts`), as bytes and back.

Each is an object `{uid, nsp, type, data}`: JSON, or MessagePack if there is binary data in it. The sharded adapter and
the streams adapter of Redis speak so, and Moongate's own buses. Numbers from 100 on are Moongate's own.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from moongate.cluster.messages import (
    Answer,
    Answered,
    Ask,
    Body,
    Counted,
    Disconnect,
    Emit,
    Fetch,
    Fetched,
    Hello,
    Join,
    Leave,
    Message,
    Private,
    RemoteClient,
    ServerEvent,
    Withdrawn,
)
from moongate.cluster.rooms import Target
from moongate.errors import EncodeError, ProtocolError
from moongate.types import Room, Sid
from moongate.wire.msgpack import decode_msgpack
from moongate.wire.payload import PayloadEncoder, too_deep
from moongate.wire.socketio import check_event_name

__all__ = ["AdapterWire", "Flags", "Opts", "RoomName", "contents_of", "event_of", "opts_of", "rooms_of", "target_of"]

_MAX_DEPTH = 80
"""How deep a message may nest: what clients may send, and what is around it here."""

_EVENT = 2
"""The type of a Socket.IO packet that is an event."""

_CODES: dict[type, int] = {
    Hello: 2, Emit: 3, Ask: 3, Join: 4, Leave: 5, Disconnect: 6, Fetch: 7, Fetched: 8, ServerEvent: 9, Answer: 10,
    Counted: 11, Answered: 12, Private: 100, Withdrawn: 101,
}  # fmt: skip


class Flags(msgspec.Struct, frozen=True):
    """How an event is sent; `timeout` is in milliseconds."""

    volatile: bool | None = None
    timeout: float | None = None


RoomName: TypeAlias = str | int | float
"""Node allows rooms to be named by numbers."""


class Opts(msgspec.Struct, frozen=True, rename={"excluded": "except"}):
    """Who is meant."""

    rooms: list[RoomName] = []
    excluded: list[RoomName] = []
    flags: Flags = Flags()


class _Packet(msgspec.Struct, frozen=True):
    data: list[Any]
    type: int = _EVENT


class _Envelope(msgspec.Struct, frozen=True):
    uid: str
    nsp: str
    type: int
    data: msgspec.Raw = msgspec.Raw(b"null")


class _PlainEnvelope(msgspec.Struct, frozen=True):
    uid: str
    nsp: str
    type: int
    data: Any = None


class _Broadcast(msgspec.Struct, frozen=True, rename="camel"):
    packet: _Packet
    opts: Opts
    request_id: str | None = None


class _Steering(msgspec.Struct, frozen=True):
    opts: Opts
    rooms: list[RoomName] = []
    close: bool = False


class _Fetch(msgspec.Struct, frozen=True, rename="camel"):
    opts: Opts
    request_id: str


class _Client(msgspec.Struct, frozen=True):
    id: Sid
    rooms: list[RoomName]
    handshake: dict[str, Any] = {}
    data: Any = None


class _Fetched(msgspec.Struct, frozen=True, rename="camel"):
    request_id: str
    sockets: list[_Client]


class _ServerEvent(msgspec.Struct, frozen=True, rename="camel"):
    packet: list[Any]
    request_id: str | None = None


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    request_id: str
    packet: Any = None
    sid: Sid = ""


class _Counted(msgspec.Struct, frozen=True, rename="camel"):
    request_id: str
    client_count: float


class _Private(msgspec.Struct, frozen=True):
    node: str
    payload: bytes


def target_of(opts: Opts) -> Target:
    """Return who is meant."""
    return Target(frozenset(rooms_of(opts.rooms)), frozenset(rooms_of(opts.excluded)))


def rooms_of(names: list[RoomName]) -> tuple[Room, ...]:
    """Return the names of rooms as text."""
    return tuple([name if type(name) is str else str(name) for name in names])


def opts_of(target: Target, **flags: Any) -> dict[str, Any]:
    """Return who is meant, as it is written."""
    return {"rooms": list(target.rooms), "except": list(target.excluded), "flags": flags}


def event_of(data: list[Any]) -> list[Any]:
    """Return the name of an event, which Node allows to be a number, and its arguments; raises ProtocolError."""
    name = data[0] if data else None
    if type(name) is int:
        name = str(name)
    if type(name) is not str:
        raise ProtocolError("the name of an event", repr(name)[:40])
    return [check_event_name(name), *data[1:]]


def _data_of(body: Body) -> dict[str, Any]:  # noqa: PLR0911, PLR0912  # one for each kind
    match body:
        case Emit(target, arguments, volatile):
            flags = {"volatile": True} if volatile else {}
            return {"opts": opts_of(target, **flags), "packet": {"type": _EVENT, "data": arguments}}
        case Ask(request, target, arguments, timeout):
            opts = opts_of(target, timeout=round(timeout * 1000))
            return {"opts": opts, "packet": {"type": _EVENT, "data": arguments}, "requestId": request}
        case Join(target, rooms) | Leave(target, rooms):
            return {"opts": opts_of(target), "rooms": rooms}
        case Disconnect(target, close):
            return {"opts": opts_of(target), "close": close}
        case Fetch(request, target):
            return {"opts": opts_of(target), "requestId": request}
        case Fetched(request, clients):
            return {"requestId": request, "sockets": clients}
        case ServerEvent(arguments, request):
            return {"packet": arguments} if request is None else {"packet": arguments, "requestId": request}
        case Answer(request, answer):
            return {"requestId": request, "packet": answer}
        case Counted(request, count):
            return {"requestId": request, "clientCount": count}
        case Answered(request, answer, sid):
            return {"requestId": request, "packet": answer, "sid": sid}
        case Hello(number, leaving, hears):
            return {"number": number, "leaving": leaving, "hears": hears}
        case Withdrawn(request):
            return {"requestId": request}
        case Private(node, payload):
            return {"node": node, "payload": payload}
        case _:
            raise TypeError(f"{type(body).__name__} is no message of a cluster adapter")


def contents_of(body: Body) -> Any:
    """Return that part of a message which may hold anything."""
    match body:
        case Emit() | Ask() | ServerEvent():
            return body.arguments
        case Answer() | Answered():
            return body.answer
        case Fetched():
            return body.clients
        case Private():
            return body.payload
        case _:
            return None


def _broadcast(data: _Broadcast) -> Body:
    arguments = event_of(data.packet.data)
    if data.packet.type != _EVENT:
        raise ProtocolError("an event", f"a packet of type {data.packet.type}")
    if data.request_id is None:
        return Emit(target_of(data.opts), arguments, bool(data.opts.flags.volatile))
    return Ask(data.request_id, target_of(data.opts), arguments, (data.opts.flags.timeout or 0) / 1000)


def _fetched(data: _Fetched) -> Body:
    clients = (RemoteClient(each.id, rooms_of(each.rooms), each.data, each.handshake) for each in data.sockets)
    return Fetched(data.request_id, tuple(clients))


_READERS: dict[int, tuple[Any, Callable[[Any], Body]]] = {
    2: (Hello, lambda data: data),
    3: (_Broadcast, _broadcast),
    4: (_Steering, lambda data: Join(target_of(data.opts), rooms_of(data.rooms))),
    5: (_Steering, lambda data: Leave(target_of(data.opts), rooms_of(data.rooms))),
    6: (_Steering, lambda data: Disconnect(target_of(data.opts), data.close)),
    7: (_Fetch, lambda data: Fetch(data.request_id, target_of(data.opts))),
    8: (_Fetched, _fetched),
    9: (_ServerEvent, lambda data: ServerEvent(event_of(data.packet), data.request_id)),
    10: (_Answer, lambda data: Answer(data.request_id, data.packet)),
    11: (_Counted, lambda data: Counted(data.request_id, int(data.client_count))),
    12: (_Answer, lambda data: Answered(data.request_id, data.packet, data.sid)),
    101: (_Answer, lambda data: Withdrawn(data.request_id)),
    100: (_Private, lambda data: Private(data.node, data.payload)),
}
"""The shape of `data` and what it becomes, by the number of the message's type."""

_Shapes: TypeAlias = Mapping[int, Callable[[Any], Any]]
"""What reads `data`, by the number of the message's type."""

_JSON: _Shapes = {code: msgspec.json.Decoder(shape).decode for code, (shape, _) in _READERS.items()}
_VALUES: _Shapes = {code: functools.partial(msgspec.convert, type=shape) for code, (shape, _) in _READERS.items()}
_ENVELOPE = msgspec.json.Decoder(_Envelope).decode


class AdapterWire:
    """Encodes and decodes; *limit* is in bytes. With *packed*, all is MessagePack."""

    __slots__ = ("_encoder", "_limit", "_packed")

    def __init__(self, encoder: PayloadEncoder, limit: int, *, packed: bool = False) -> None:
        self._encoder = encoder
        self._limit = limit
        self._packed = packed

    def echoes(self, uid: str) -> tuple[bytes, bytes]:
        """Return how messages of the node *uid* begin, so that it need not read those that it sent itself."""
        # An envelope has four members, of which the sender's id is the first.
        return b'{"uid":"%b"' % uid.encode(), b"\x84" + msgspec.msgpack.encode("uid") + msgspec.msgpack.encode(uid)

    def encode(self, message: Message) -> bytes:
        """Return JSON, or MessagePack if there is binary data; raises EncodeError."""
        body = message.body
        if type(body) is Emit and body.text and not self._packed:
            write = self._encoder.encode
            parts = write(message.sender), write(message.namespace), self._written(body)
            return self._limited(b'{"uid":%b,"nsp":%b,"type":3,"data":%b}' % parts, body)
        envelope = {
            "uid": message.sender, "nsp": message.namespace, "type": _CODES[type(body)], "data": _data_of(body),
        }  # fmt: skip
        return self.dump(envelope, contents_of(body))

    def dump(self, value: Any, contents: Any) -> bytes:
        """Return *value* as JSON, or as MessagePack if there is binary data in its *contents*; raises EncodeError."""
        try:
            binary = self._packed or self._encoder.contains_binary(contents)
            data = msgspec.msgpack.encode(self._encoder.builtins(value)) if binary else self._encoder.encode(value)
        except (RecursionError, OverflowError) as error:
            raise EncodeError(type(value), "it is nested too deep, or contains itself") from error
        return self._limited(data, value)

    def _written(self, body: Emit) -> bytes:
        """Return the data of an event whose arguments are written already."""
        flags = {"volatile": True} if body.volatile else {}
        return b'{"opts":%b,"packet":{"type":2,"data":%b}}' % (
            self._encoder.encode(opts_of(body.target, **flags)),
            body.text,
        )

    def _limited(self, data: bytes, value: object) -> bytes:
        if len(data) > self._limit:
            raise EncodeError(type(value), f"it makes a message of {len(data)} bytes; max_message is {self._limit}")
        return data

    def entry(self, message: Message) -> tuple[str, bytes]:
        """Return the number of the type of *message*, as text, and its data alone; raises EncodeError."""
        body = message.body
        if type(body) is Emit and body.text and not self._packed:
            return "3", self._limited(self._written(body), body)
        return str(_CODES[type(body)]), self.dump(_data_of(body), contents_of(body))

    def read_entry(self, uid: str, namespace: str, code: str, data: bytes) -> Message | None:
        """Return a message that was taken apart so, None if it is of no use here; raises ProtocolError."""
        fields = msgspec.Raw(data) if data[:1] == b"{" else None
        try:
            if fields is not None:
                self._check(data)
                return _message(_Envelope(uid, namespace, int(code), fields), _JSON)
            self._check_size(data)
            return _message(_PlainEnvelope(uid, namespace, int(code), decode_msgpack(data, timestamps=True)), _VALUES)
        except (msgspec.MsgspecError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise ProtocolError("a message of a cluster adapter", f"{data[:60]!r} ({error})") from error

    def decode(self, data: bytes) -> Message | None:
        """Return the message, None if it is of a type that is of no use here; raises ProtocolError."""
        try:
            if data[:1] == b"{":
                self._check(data)
                return _message(_ENVELOPE(data), _JSON)
            self._check_size(data)
            fields = decode_msgpack(data, timestamps=True)
            envelope = msgspec.convert(fields, _PlainEnvelope)
            return _message(envelope, _VALUES)
        except (msgspec.MsgspecError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise ProtocolError("a message of a cluster adapter", f"{data[:60]!r} ({error})") from error

    def _check_size(self, data: bytes) -> None:
        if len(data) > self._limit:
            raise ProtocolError(f"at most {self._limit} bytes", str(len(data)))

    def _check(self, data: bytes) -> None:
        self._check_size(data)
        if too_deep(data, _MAX_DEPTH):
            raise ProtocolError(f"at most {_MAX_DEPTH} levels", repr(data[:60]))


def _message(envelope: _Envelope | _PlainEnvelope, shapes: _Shapes) -> Message | None:
    read = shapes.get(envelope.type)
    if read is None:
        return None
    _, body_of = _READERS[envelope.type]
    return Message(envelope.uid, envelope.nsp, body_of(read(envelope.data)))
