"""What is no message, or none that anybody can use."""

import json
import random
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from moongate.cluster.bus import Bus, Frame
from moongate.cluster.messages import Body, Emit, Fetch, Fetched, Message, RemoteClient, ServerEvent
from moongate.cluster.rooms import Target

__all__ = ["forgeries", "mutants", "poisons"]

_SIZE = 9_000_000
"""Bytes, more than `max_message`."""

_SENDER: dict[str, Any] = {"uid": "stranger", "nsp": "/"}
_DATA: tuple[Any, ...] = ([], ["noise", {}], [1], [None], [["noise"]], {}, "noise", None, 7)
_TYPES: tuple[Any, ...] = (-1, 99, 2**31, 1e300, "3", None, [], True)
_NAMES: tuple[Any, ...] = (None, 1, [], {})
_ANSWERS: tuple[dict[str, Any], ...] = (
    {"sockets": 1}, {"sockets": [{}]}, {"clientCount": -1e300}, {"clientCount": "1"}, {"packet": [1]},
)  # fmt: skip


def poisons() -> Iterator[bytes]:
    """Yield what is to be dropped; by channels of the classic layout, a few of them are requests for nobody."""
    yield from (
        b"",
        b"\x00",
        b"garbage",
        b"\xff\xfe",
        b"{",
        b"}",
        b"[]",
        b"null",
        b"0",
        b'"text"',
        b"{}",
        b"[[],{},[]]",
    )
    yield bytes(range(256)) * 4
    yield from (b"[" * 100_000, b'{"a":' * 50_000, b"\x91" * 100_000, b"\x81\xa1a" * 50_000)  # deep
    yield from (b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff\xa1", b"\xc6\xff\xff\xff\xff")  # long, as they say
    yield b'{"uid":"' + b"x" * _SIZE + b'","nsp":"/","type":3}'
    yield b'{"type":2,"number":' + b"9" * 10_000 + b"}"
    yield from _both_ways(_shapes())


def forgeries() -> Iterator[bytes]:
    """Yield answers that nobody asked for, most of them malformed, and some whole."""
    fields: list[Any] = []
    for answer in _ANSWERS:
        for number in (8, 9, 10, 11, 12, 101):
            fields.append(_SENDER | {"type": number, "requestId": "forged", **answer})
            fields.append(_SENDER | {"type": number, "data": {"requestId": "forged", **answer}})
    yield from _both_ways(fields)


def _both_ways(messages: Iterable[Any]) -> Iterator[bytes]:
    for fields in messages:
        yield json.dumps(fields).encode()
        yield msgspec.msgpack.encode(fields)


def _shapes() -> Iterator[Any]:
    """Yield what has the outlines of a message: wrong types, types that nobody knows."""
    event: dict[str, Any] = {"type": 2, "data": ["noise", 1], "nsp": "/"}
    for data in _DATA:
        packet = {**event, "data": data}
        yield ["stranger", packet, {"rooms": [1], "except": None}]
        yield _SENDER | {"type": 3, "data": {"packet": packet, "opts": {"rooms": 1}}}
        yield _SENDER | {"type": 6, "requestId": "x", "data": data, "opts": {"rooms": 1}}
    yield from (["stranger"], ["stranger", event], [1, event, {}], ["stranger", {**event, "type": 99}, {}], [[[]]])
    for number in _TYPES:
        yield _SENDER | {"type": number, "data": {}, "requestId": "x"}
    for uid in _NAMES:
        yield {"uid": uid, "nsp": "/", "type": 3, "data": {"packet": event, "opts": {}}}


def mutants(bus: Bus, seed: int, count: int) -> Iterator[Frame]:
    """Yield messages of others, in which something is wrong at random; they may be whole by chance."""
    client = RemoteClient("stranger", ("kitchen",), {"name": b"Ada"}, {"auth": {}})
    bodies: list[Body] = [
        Emit(Target(frozenset({"kitchen"})), ["noise", {"a": [1, b"bytes"]}]),
        Fetch("forged", Target()),
        Fetched("forged", (client,)),
        ServerEvent(["noise", 1], "forged"),
    ]
    frames = [bus.encode(Message("stranger", "/", body, "0123456789abcdef")) for body in bodies]
    chance = random.Random(seed)  # noqa: S311  # no secret
    for _ in range(count):
        frame = chance.choice(frames)
        data = bytearray(frame.data)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        yield msgspec.structs.replace(frame, data=bytes(data[: chance.randint(1, len(data))]))
