"""The channels and messages of `@socket.io/redis-adapter` 8, made by `createAdapter`.

Broadcasts are MessagePack, `[uid, packet, opts]`. Requests and responses are objects, in JSON or, where there is binary
data in them, in MessagePack. What is not in Node's messages (`sid` and `uid` in responses, type 101), Node passes over.
"""

import functools
from collections.abc import Callable
from typing import Any

import msgspec

from moongate.cluster.adapter_wire import (
    AdapterWire,
    Opts,
    RoomName,
    contents_of,
    event_of,
    opts_of,
    rooms_of,
    target_of,
)
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
    Join,
    Leave,
    ListedNames,
    ListNames,
    Message,
    RemoteClient,
    ServerEvent,
    Withdrawn,
    is_answer,
)
from moongate.cluster.rooms import Target, channel_room
from moongate.errors import EncodeError, ProtocolError
from moongate.types import Room, Sid
from moongate.wire.msgpack import decode_msgpack
from moongate.wire.payload import PayloadEncoder, too_deep

__all__ = ["ClassicWire"]

_MAX_DEPTH = 80
_EVENT = 2

_IDS, _ROOMS, _JOIN, _LEAVE, _DISCONNECT, _FETCH, _SERVER_EVENT, _ASK, _COUNTED, _ANSWERED = range(10)
_WITHDRAWN = 101


class _Packet(msgspec.Struct, frozen=True):
    data: list[Any]
    type: int = _EVENT
    nsp: str = "/"


class _Request(msgspec.Struct, frozen=True, rename={"request_id": "requestId"}):
    type: int
    uid: str = ""
    request_id: str = ""
    opts: Opts | None = None
    rooms: list[RoomName] = []
    close: bool = False
    data: Any = None
    packet: _Packet | None = None


class _Client(msgspec.Struct, frozen=True):
    id: Sid
    rooms: list[RoomName]
    handshake: dict[str, Any] = {}
    data: Any = None


class _Response(msgspec.Struct, frozen=True, rename={"request_id": "requestId", "client_count": "clientCount"}):
    request_id: str
    type: int | None = None
    uid: str = ""
    sid: str = ""
    sockets: list[Any] | None = None
    rooms: list[RoomName] | None = None
    data: Any = None
    packet: Any = None
    client_count: float = 0


_to_packet = functools.partial(msgspec.convert, type=_Packet)
_to_opts = functools.partial(msgspec.convert, type=Opts)


class ClassicWire:
    """Encodes and decodes; *prefix* begins the names of all channels, *limit* is in bytes."""

    __slots__ = ("_broadcasts", "_encoder", "_json", "_limit", "_requests", "_responses")

    def __init__(self, prefix: str, encoder: PayloadEncoder, limit: int) -> None:
        self._broadcasts = f"{prefix}#"
        self._requests = f"{prefix}-request#"
        self._responses = f"{prefix}-response#"
        self._encoder = encoder
        self._json = AdapterWire(encoder, limit)
        self._limit = limit

    def broadcast_pattern(self, namespace: str) -> str:
        """Return the pattern of the channels for broadcasts (Redis documentation, PSUBSCRIBE)."""
        escaped = "".join(f"\\{sign}" if sign in "\\*?[]" else sign for sign in f"{self._broadcasts}{namespace}#")
        return f"{escaped}*"

    def broadcast_channel(self, namespace: str, room: Room | None = None) -> str:
        """Return the channel for broadcasts to all of *namespace*, or to the members of one room."""
        channel = f"{self._broadcasts}{namespace}#"
        return channel if room is None else f"{channel}{room}#"

    def echoes(self, uid: str) -> tuple[bytes]:
        """Return how broadcasts of the node *uid* begin, so that it need not read those that it sent itself."""
        return (b"\x93" + msgspec.msgpack.encode(uid),)  # three parts, of which the sender's id is the first

    def request_channel(self, namespace: str) -> str:
        """Return the channel for requests; who subscribes to it is one of the servers that have to answer."""
        return f"{self._requests}{namespace}#"

    def response_channels(self, namespace: str, uid: str) -> tuple[str, str]:
        """Return the channels for answers to all, and to the node *uid*."""
        return f"{self._responses}{namespace}#", f"{self._responses}{namespace}#{uid}#"

    def encode(self, message: Message) -> tuple[str, bytes]:
        """Return the channel and the bytes of a message; raises EncodeError."""
        body = message.body
        if isinstance(body, Emit):
            return self._encode_broadcast(message, body)
        if is_answer(body):
            everybody, one = self.response_channels(message.namespace, message.to)
            fields = {**_response(body), "uid": message.sender}
            # Node tells these two apart by their first byte, and expects answers of clients in MessagePack.
            data = (
                self._pack(self._encoder.builtins(fields))
                if isinstance(body, Answered)
                else self._json.dump(fields, contents_of(body))
            )
            return (one if message.to else everybody), data
        fields = _request(message.namespace, body)
        if message.sender:
            fields["uid"] = message.sender
        data = (
            self._pack(self._encoder.builtins(fields))
            if isinstance(body, Ask)
            else self._json.dump(fields, contents_of(body))
        )
        return self.request_channel(message.namespace), data

    def _encode_broadcast(self, message: Message, body: Emit) -> tuple[str, bytes]:
        namespace, target = message.namespace, body.target
        opts = opts_of(target, volatile=True) if body.volatile else opts_of(target)
        channel = self.broadcast_channel(namespace, channel_room(namespace, target))
        return channel, self._pack(
            [message.sender, {"type": _EVENT, "data": self._plain(body), "nsp": namespace}, opts]
        )

    def _plain(self, body: Emit) -> Any:
        """Return the name and the arguments of an event as what MessagePack has."""
        if not body.text:
            return self._encoder.builtins(body.arguments)
        # What is written as JSON already is cheaper to read than its values are to go through once more.
        try:
            return msgspec.json.decode(body.text)
        except (RecursionError, msgspec.MsgspecError) as error:
            raise EncodeError(type(body.arguments), str(error)) from error

    def _pack(self, value: Any) -> bytes:
        """Return *value*, which has been through `PayloadEncoder.builtins`, as MessagePack; raises EncodeError."""
        try:
            data = msgspec.msgpack.encode(value)
        except (OverflowError, RecursionError, UnicodeEncodeError) as error:
            raise EncodeError(type(value), str(error)) from error
        if len(data) > self._limit:
            raise EncodeError(type(value), f"it makes a message of {len(data)} bytes; max_message is {self._limit}")
        return data

    def decode(self, channel: str, data: bytes) -> Message | None:
        """Return a message, None if it is of a type that is of no use here; raises ProtocolError."""
        if len(data) > self._limit:
            raise ProtocolError(f"at most {self._limit} bytes", str(len(data)))
        try:
            if channel.startswith(self._broadcasts):
                return self._decode_broadcast(channel, data)
            if channel.startswith(self._requests):
                request = msgspec.convert(_fields(data), _Request)
                body = _request_body(request)
                return None if body is None else Message(request.uid, channel[len(self._requests) : -1], body)
            response = msgspec.convert(_fields(data), _Response)
            body = _response_body(response)
            return None if body is None else Message(response.uid, "", body)
        except (msgspec.MsgspecError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise ProtocolError("a message of the Redis adapter", f"{data[:60]!r} ({error})") from error

    def _decode_broadcast(self, channel: str, data: bytes) -> Message:
        uid, fields, *rest = decode_msgpack(data, timestamps=True)
        packet, opts = _to_packet(fields), _to_opts(rest[0] if rest and rest[0] is not None else {})
        start = f"{self._broadcasts}{packet.nsp}#"
        if type(uid) is not str or packet.type != _EVENT or not channel.startswith(start):
            raise ProtocolError(f"an event for the namespace of {channel!r}", repr(data[:60]))
        body = Emit(target_of(opts), event_of(packet.data), bool(opts.flags.volatile))
        return Message(uid, packet.nsp, body, room=channel[len(start) : -1])


def _fields(data: bytes) -> Any:
    if data[:1] != b"{":
        return decode_msgpack(data, timestamps=True)
    if too_deep(data, _MAX_DEPTH):
        raise ProtocolError(f"at most {_MAX_DEPTH} levels", repr(data[:60]))
    return msgspec.json.decode(data)


def _request(namespace: str, body: Body) -> dict[str, Any]:
    match body:
        case Join(target, rooms):
            return {"type": _JOIN, "opts": _plain_opts(target), "rooms": rooms}
        case Leave(target, rooms):
            return {"type": _LEAVE, "opts": _plain_opts(target), "rooms": rooms}
        case Disconnect(target, close):
            return {"type": _DISCONNECT, "opts": _plain_opts(target), "close": close}
        case Fetch(request, target):
            return {"type": _FETCH, "requestId": request, "opts": _plain_opts(target)}
        case ServerEvent(arguments, request):
            fields = {"type": _SERVER_EVENT, "data": arguments}
            return fields if request is None else {**fields, "requestId": request}
        case Ask(request, target, arguments, timeout):
            packet = {"type": _EVENT, "data": arguments, "nsp": namespace}
            opts = opts_of(target, timeout=round(timeout * 1000))
            return {"type": _ASK, "requestId": request, "packet": packet, "opts": opts}
        case _:
            raise TypeError(f"{type(body).__name__} is no request of the Redis adapter")


def _plain_opts(target: Target) -> dict[str, Any]:
    return {"rooms": list(target.rooms), "except": list(target.excluded)}


def _request_body(request: _Request) -> Body | None:
    match request.type:
        case 0:
            return ListNames(request.request_id, rooms_of(request.rooms))
        case 1:
            return ListNames(request.request_id, None)
        case 6:
            return ServerEvent(event_of(msgspec.convert(request.data, list[Any])), request.request_id or None)
        case _:
            # What has no `opts` comes from servers older than these: it is for one client, who is named elsewhere.
            return None if request.opts is None else _request_about(target_of(request.opts), request, request.opts)


def _request_about(target: Target, request: _Request, opts: Opts) -> Body | None:
    match request.type:
        case 2:
            return Join(target, rooms_of(request.rooms))
        case 3:
            return Leave(target, rooms_of(request.rooms))
        case 4:
            return Disconnect(target, request.close)
        case 5:
            return Fetch(request.request_id, target)
        case 7 if request.packet is not None:
            timeout = (opts.flags.timeout or 0) / 1000
            return Ask(request.request_id, target, event_of(request.packet.data), timeout)
        case _:
            return None


def _response(body: Body) -> dict[str, Any]:  # one for each kind of response
    match body:
        case Fetched(request, clients):
            return {"requestId": request, "sockets": clients}
        case ListedNames(request, names, rooms):
            return {"requestId": request, "rooms" if rooms else "sockets": names}
        case Answer(request, answer):
            return {"type": _SERVER_EVENT, "requestId": request, "data": answer}
        case Counted(request, count):
            return {"type": _COUNTED, "requestId": request, "clientCount": count}
        case Answered(request, answer, sid):
            return {"type": _ANSWERED, "requestId": request, "packet": answer, "sid": sid}
        case Withdrawn(request):
            return {"type": _WITHDRAWN, "requestId": request}
        case _:
            raise TypeError(f"{type(body).__name__} is no response of the Redis adapter")


def _response_body(response: _Response) -> Body | None:
    request = response.request_id
    by_type: dict[int | None, Callable[[], Body]] = {
        _SERVER_EVENT: lambda: Answer(request, response.data),
        _COUNTED: lambda: Counted(request, int(response.client_count)),
        _ANSWERED: lambda: Answered(request, response.packet, response.sid),
        _WITHDRAWN: lambda: Withdrawn(request),
    }
    if response.type in by_type:
        return by_type[response.type]()
    if response.sockets is None or any(isinstance(each, str) for each in response.sockets):
        return None  # ids are what only older servers ask each other for
    clients = msgspec.convert(response.sockets, list[_Client])
    return Fetched(
        request, tuple(RemoteClient(each.id, rooms_of(each.rooms), each.data, each.handshake) for each in clients)
    )
