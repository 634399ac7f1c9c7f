"""What goes over the wire of Node's adapters, and what of it is refused."""

import datetime as dt
import json
from typing import Any

import msgspec
import pytest

from moongate.cluster.adapter_wire import AdapterWire
from moongate.cluster.bus import Options
from moongate.cluster.classic_wire import ClassicWire
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
    ListedNames,
    ListNames,
    Message,
    Private,
    RemoteClient,
    ServerEvent,
    Withdrawn,
)
from moongate.cluster.redis_streams import RedisStreamsCluster
from moongate.cluster.rooms import Target
from moongate.cluster.streams_bus import StreamsLayout, stream_of
from moongate.errors import EncodeError, ProtocolError
from moongate.wire.payload import PayloadEncoder

ME = "0123456789abcdef"
TARGET = Target(frozenset({"room"}), frozenset({"not me"}))
CLIENT = RemoteClient("s" * 20, ("s" * 20, "room"), {"name": "Ada"}, {"headers": {"host": "here"}, "issued": 1})
LIMIT = 100_000

CLASSIC = ClassicWire("socket.io", PayloadEncoder(), LIMIT)
ADAPTER = AdapterWire(PayloadEncoder(), LIMIT)
PACKED = AdapterWire(PayloadEncoder(), LIMIT, packed=True)

SHARED: list[Body] = [
    Emit(TARGET, ["news", 1, {"a": ["ü😀"]}]),
    Emit(Target(), ["news"], volatile=True),
    Emit(Target(), ["news", b"\x00\xff", {"deep": [b"x"]}]),
    Ask("request", TARGET, ["question", 1], 2.5),
    Join(TARGET, ("a", "b")),
    Leave(TARGET, ("a",)),
    Disconnect(TARGET, close=True),
    Disconnect(Target(), close=False),
    Fetch("request", TARGET),
    Fetched("request", (CLIENT,)),
    Fetched("request", ()),
    ServerEvent(["hi", 1]),
    ServerEvent(["hi", b"binary"], "request"),
    Answer("request", {"a": 1}),
    Answer("request", None),
    Answered("request", [1, b"2"], "s" * 20),
    Counted("request", 3),
    Withdrawn("request"),
]


def written(body: Body) -> Body:
    """*body* with lists where the wire has them."""
    if isinstance(body, Emit | Ask | ServerEvent):
        return msgspec.structs.replace(body, arguments=list(body.arguments))
    return body


@pytest.mark.parametrize("body", SHARED)
def test_classic_there_and_back(body: Body):
    channel, data = CLASSIC.encode(Message(ME, "/chat", body, "asker"))
    message = CLASSIC.decode(channel, data)
    assert message is not None
    assert message.body == written(body)
    assert message.sender == ME


@pytest.mark.parametrize(
    "body", [*SHARED, Hello(7), Hello(8, leaving=True), Hello(9, hears=False), Private("node", b"\x00bytes")]
)
@pytest.mark.parametrize("wire", [ADAPTER, PACKED], ids=["JSON where it can be", "MessagePack"])
def test_adapter_there_and_back(wire: AdapterWire, body: Body):
    message = wire.decode(wire.encode(Message(ME, "/chat", body)))
    assert message == Message(ME, "/chat", written(body))


@pytest.mark.parametrize("body", [body for body in SHARED if isinstance(body, Emit | Join | Leave | Disconnect)])
def test_stream_entries_there_and_back(body: Body):
    layout = StreamsLayout(RedisStreamsCluster("redis://localhost"), PayloadEncoder())
    command = layout.command(layout.encode(Message(ME, "/chat", body)))
    assert command[:6] == ("XADD", "socket.io", "MAXLEN", "~", "10000", "*")
    fields = [part if isinstance(part, bytes) else part.encode() for part in command[6:]]
    assert layout.decode_entry(fields) == Message(ME, "/chat", written(body))


def test_a_broadcast_is_what_nodes_adapter_writes():
    channel, data = CLASSIC.encode(Message(ME, "/", Emit(Target(frozenset({"room"})), ["news", 1])))
    assert channel == "socket.io#/#room#"
    assert msgspec.msgpack.decode(data) == [
        ME,
        {"type": 2, "data": ["news", 1], "nsp": "/"},
        {"rooms": ["room"], "except": [], "flags": {}},
    ]
    channel, _ = CLASSIC.encode(Message(ME, "/", Emit(Target(frozenset({"a", "b"})), ["news"])))
    assert channel == "socket.io#/#"


def test_requests_and_responses_are_what_nodes_adapter_writes():
    channel, data = CLASSIC.encode(Message(ME, "/chat", Fetch("id", TARGET)))
    assert channel == "socket.io-request#/chat#"
    opts = {"rooms": ["room"], "except": ["not me"]}
    assert json.loads(data) == {"type": 5, "requestId": "id", "opts": opts, "uid": ME}
    channel, data = CLASSIC.encode(Message(ME, "/chat", Counted("id", 2), "asker"))
    assert channel == "socket.io-response#/chat#asker#"
    assert json.loads(data) == {"type": 8, "requestId": "id", "clientCount": 2, "uid": ME}
    channel, data = CLASSIC.encode(Message(ME, "/chat", Answered("id", 1, "s"), ""))
    assert channel == "socket.io-response#/chat#"
    assert msgspec.msgpack.decode(data)["type"] == 9


def test_what_nodes_emitter_leaves_out_is_understood():
    request = b'{"type":2,"opts":{"rooms":[],"except":[]},"rooms":["a"]}'
    message = CLASSIC.decode("socket.io-request#/#", request)
    assert message == Message("", "/", Join(Target(), ("a",)))
    broadcast = msgspec.msgpack.encode(["emitter", {"type": 2, "data": ["news"]}, {"rooms": [], "except": []}])
    message = CLASSIC.decode("socket.io#/#", broadcast)
    assert message == Message("emitter", "/", Emit(Target(), ["news"]))


def test_older_servers_are_answered():
    message = CLASSIC.decode("socket.io-request#/#", b'{"type":0,"requestId":"id","rooms":["a"]}')
    assert message == Message("", "/", ListNames("id", ("a",)))
    message = CLASSIC.decode("socket.io-request#/#", b'{"type":1,"requestId":"id"}')
    assert message == Message("", "/", ListNames("id", None))
    for rooms, key in ((False, "sockets"), (True, "rooms")):
        channel, data = CLASSIC.encode(Message(ME, "/", ListedNames("id", ("x",), rooms)))
        assert json.loads(data) == {"requestId": "id", key: ["x"], "uid": ME}
        assert CLASSIC.decode(channel, data) is None


@pytest.mark.parametrize("kind", [2, 3, 4, 5])
def test_requests_that_do_not_say_who_is_meant_are_passed_over(kind: int):
    """Servers of before name a client instead; taken for a request about nobody in particular it would mean all."""
    request = msgspec.json.encode({"type": kind, "requestId": "a", "sid": "ann", "room": "red", "close": True})
    assert CLASSIC.decode("socket.io-request#/#", request) is None


def test_rooms_that_node_names_by_numbers():
    opts = {"rooms": [5], "except": [6.5], "flags": {}}
    broadcast = CLASSIC.decode("socket.io#/#5#", packed("x", {"type": 2, "data": ["e"], "nsp": "/"}, opts))
    assert broadcast is not None
    assert broadcast.body == Emit(Target(frozenset({"5"}), frozenset({"6.5"})), ["e"])
    assert broadcast.room == "5"
    steering = msgspec.json.encode({"uid": "x", "nsp": "/", "type": 4, "data": {"opts": opts, "rooms": [7, "red"]}})
    joined = ADAPTER.decode(steering)
    assert joined is not None
    assert joined.body == Join(Target(frozenset({"5"}), frozenset({"6.5"})), ("7", "red"))
    client = {"id": "ann", "rooms": ["ann", 5], "handshake": {}, "data": {}}
    fetched = CLASSIC.decode("socket.io-response#/#", msgspec.json.encode({"requestId": "a", "sockets": [client]}))
    assert fetched is not None
    assert isinstance(fetched.body, Fetched)
    assert fetched.body.clients[0].rooms == ("ann", "5")


def test_dates_of_javascript():
    broadcast = b"\x93\xa1x\x82\xa4type\x02\xa4data\x92\xa1e\xd7\xff\x00\x00\x00\x00\x00\x00\x00\x0a\x80"
    message = CLASSIC.decode("socket.io#/#", broadcast)
    assert message is not None
    assert isinstance(message.body, Emit)
    assert message.body.arguments[1] == dt.datetime(1970, 1, 1, 0, 0, 10, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("namespace", "pattern"),
    [("/", r"socket.io#/#*"), ("/a*", r"socket.io#/a\*#*"), ("/[x]?\\", r"socket.io#/\[x\]\?\\#*")],
)
def test_no_namespace_listens_to_others(namespace: str, pattern: str):
    assert CLASSIC.broadcast_pattern(namespace) == pattern


def packed(*values: Any) -> bytes:
    return msgspec.msgpack.encode(list(values))


OPTS: dict[str, Any] = {"rooms": [], "except": []}

POISON = {
    "nothing": b"",
    "half of it": packed("x", {"type": 2, "data": ["e"]}, OPTS)[:-4],
    "room for 4 billion": b"\xdf\xff\xff\xff\xff",
    "an array of 4 billion": b"\xdd\xff\xff\xff\xff",
    "depth": b"\x91" * LIMIT,
    "too large": packed("x", {"type": 2, "data": ["e", "x" * LIMIT]}, OPTS),
    "no list": packed(),
    "a number": b"\x01",
    "no name": packed("x", {"type": 2, "data": []}, OPTS),
    "a name that is none": packed("x", {"type": 2, "data": [None]}, OPTS),
    "a reserved name": packed("x", {"type": 2, "data": ["disconnect"]}, OPTS),
    "another packet": packed("x", {"type": 1, "data": ["e"]}, OPTS),
    "data that is no list": packed("x", {"type": 2, "data": {"a": 1}}, OPTS),
    "rooms that are none": packed("x", {"type": 2, "data": ["e"]}, {"rooms": [None]}),
    "a sender that is none": packed(1, {"type": 2, "data": ["e"]}, OPTS),
    "another namespace": packed("x", {"type": 2, "data": ["e"], "nsp": "/admin"}, OPTS),
    "a pickle": b"\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93\x94\x8c\x04true\x85R.",
}


@pytest.mark.parametrize("data", POISON.values(), ids=POISON.keys())
def test_what_is_no_broadcast_is_refused(data: bytes):
    with pytest.raises(ProtocolError):
        CLASSIC.decode("socket.io#/#", data)


OBJECTS = {
    "nothing": b"",
    "half of it": b'{"type":5,"requestId":"a"',
    "no type": b'{"requestId":"a"}',
    "a type that is none": b'{"type":"5"}',
    "rooms that are none": b'{"type":2,"opts":{"rooms":"all"},"rooms":["a"]}',
    "depth": b'{"type":6,"data":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "no event": b'{"type":6,"data":"hi"}',
    "packed, and half of it": b"\x82\xa4type\x05",
    "no UTF-8": b'{"type":2,"rooms":["\xff"]}',
}


@pytest.mark.parametrize("data", OBJECTS.values(), ids=OBJECTS.keys())
@pytest.mark.parametrize("channel", ["socket.io-request#/#", "socket.io-response#/#"])
def test_what_is_no_request_is_refused(channel: str, data: bytes):
    if channel.startswith("socket.io-response") and b"requestId" in data and data.endswith(b"}"):
        return
    with pytest.raises(ProtocolError):
        CLASSIC.decode(channel, data)


MESSAGES = {
    "nothing": b"",
    "no sender": b'{"nsp":"/","type":3}',
    "no data": b'{"uid":"x","nsp":"/","type":3}',
    "no event": b'{"uid":"x","nsp":"/","type":3,"data":{"opts":{},"packet":{"data":[]}}}',
    "another packet": b'{"uid":"x","nsp":"/","type":3,"data":{"opts":{},"packet":{"type":3,"data":["a"]}}}',
    "a reserved name": b'{"uid":"x","nsp":"/","type":9,"data":{"packet":["connect"]}}',
    "a count that is none": b'{"uid":"x","nsp":"/","type":11,"data":{"requestId":"a","clientCount":"many"}}',
    "depth": b'{"uid":"x","nsp":"/","type":10,"data":{"requestId":"a","packet":' + b"[" * 200 + b"]" * 200 + b"}}",
    "room for 4 billion": b"\xdf\xff\xff\xff\xff",
    "half of it": PACKED.encode(Message(ME, "/", Hello(1)))[:-3],
}


@pytest.mark.parametrize("data", MESSAGES.values(), ids=MESSAGES.keys())
def test_what_is_no_message_is_refused(data: bytes):
    with pytest.raises(ProtocolError):
        ADAPTER.decode(data)


def test_types_of_later_versions_are_passed_over():
    assert ADAPTER.decode(b'{"uid":"x","nsp":"/","type":77,"data":{}}') is None
    assert CLASSIC.decode("socket.io-request#/#", b'{"type":77}') is None
    assert CLASSIC.decode("socket.io-response#/#", b'{"requestId":"a","type":77}') is None


def test_what_is_too_large_is_refused_where_it_is_sent():
    with pytest.raises(EncodeError, match="max_message"):
        CLASSIC.encode(Message(ME, "/", Emit(Target(), ["news", "x" * LIMIT])))
    with pytest.raises(EncodeError, match="max_message"):
        ADAPTER.encode(Message(ME, "/", Emit(Target(), ["news", "x" * LIMIT])))


def test_a_huge_count_is_a_number_and_nothing_more():
    message = CLASSIC.decode("socket.io-response#/#", b'{"type":8,"requestId":"a","clientCount":1e12}')
    assert message is not None
    assert message.body == Counted("a", 10**12)


@pytest.mark.parametrize(
    ("namespace", "stream"),
    # As @socket.io/redis-streams-adapter 0.3 computes them for a streamCount of 5.
    [("/", "log-2"), ("/chat", "log-3"), ("/chat-with-a-long-name", "log--4"), ("/ü😀", "log-3")],
)
def test_the_log_of_a_namespace(namespace: str, stream: str):
    assert stream_of(namespace, RedisStreamsCluster("redis://localhost", stream="log", count=5)) == stream


def test_one_log_has_its_plain_name():
    assert stream_of("/chat", RedisStreamsCluster("redis://localhost", stream="log")) == "log"


@pytest.mark.parametrize(
    "wrong", [{"outbox_size": 0}, {"prefix": ""}, {"heartbeat_timeout": 1.0}, {"max_message": True}]
)
def test_options_that_make_no_sense_are_start_up_errors(wrong: dict[str, Any]):
    with pytest.raises(Exception, match="cluster option"):
        Options(**wrong)
