"""Engine.IO's revision 3, which both servers offer if they are told to."""

from collections.abc import Iterator

import pytest

from tests.conformance.peer import BINARY, TEXT, frame
from tests.differential.differences import CONNECT_IN_TURN, Difference
from tests.differential.pair import Pair, node_server, our_server
from tests.differential.side import Poller, Side

POLLING = "EIO=3&transport=polling"
WEBSOCKET = "EIO=3&transport=websocket"
OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Both servers, with older clients let in."""
    with node_server(allowEIO3=True) as node, our_server(allow_eio3=True) as ours:
        yield Pair(node, ours)


def body(*packets: str) -> bytes:
    """The body of a POST with these packets, their lengths as JavaScript counts."""
    return "".join(f"{len(packet.encode('utf-16-le')) // 2}:{packet}" for packet in packets).encode()


def binary_body(*packets: str | bytes) -> bytes:
    """The same as a binary body."""
    entries = []
    for packet in packets:
        data = packet.encode() if isinstance(packet, str) else b"\x04" + packet
        digits = bytes(int(digit) for digit in str(len(data)))
        entries.append((b"\x00" if isinstance(packet, str) else b"\x01") + digits + b"\xff" + data)
    return b"".join(entries)


def opened(side: Side, query: str = POLLING) -> tuple[Poller, list[str]]:
    """A session that polls, and what the server has said first."""
    poller = side.open_polling(query)
    return poller, [poller.opened, poller.poll()]


@pytest.mark.parametrize(
    "query",
    [POLLING, "transport=polling", "EIO=abc&transport=polling", "EIO=5&transport=polling", f"{POLLING}&b64=1", "EIO=3"],
)
def test_the_handshake(pair: Pair, query: str):
    pair.check(lambda side: [side.http("GET", query)])


@pytest.mark.parametrize("query", ["EIO=3", "EIO=4"])
def test_the_revision_stays_the_same(pair: Pair, query: str):
    def script(side: Side) -> list[str]:
        first = side.open_polling("EIO=3&transport=polling" if query == "EIO=4" else "EIO=4&transport=polling")
        return [side.http("GET", f"{query}&transport=polling&sid={first.sid}")]

    pair.check(script)


EVENTS = (
    '420["echo",1]', '421["echo","\u20ac","\U0001f600"]', '42["back",{"a":[null,"\u00fc"]}]', '42["back"]',
)  # fmt: skip
PLACE = '{"_placeholder":true,"num":0}'
POSTS: dict[str, bytes] = {
    "events": body(*EVENTS),
    "a ping": body("2"),
    "a ping that says something": body("2probe"),
    "a pong": body("3"),
    "a close": body("1"),
    "binary as Base64": body(f'451-0["echo",{PLACE}]', "b4AQIDBA=="),
    "a namespace": body("40/chat,"),
    "a namespace with a query": body("40/chat?token=a%26b,"),
    "a namespace that is closed": body("40/closed,"),
    "one that there is not": body("40/nowhere,"),
    "leaving": body("41", "2"),
    "leaving a namespace": body("40/chat,", "41/chat,"),
    "an event elsewhere": body('42/chat,["back"]'),
    "a length that is too long": b"99:2",
    "a length that is too short": b"1:22",
    "no length": b"2",
    "a length that is none": b"x:2",
    "an empty packet": b"0:" + body("2"),
    "an unknown type": body("7"),
    "noop and upgrade": body("6", "5", '42["back",1]'),
}
DIFFERENT: dict[str, Difference] = {"leaving a namespace": CONNECT_IN_TURN}


@pytest.mark.parametrize("name", POSTS)
def test_a_post(pair: Pair, name: str):
    def script(side: Side) -> list[str]:
        poller, lines = opened(side)
        return [*lines, side.http("POST", poller.query, POSTS[name]), poller.poll()]

    pair.check(script, DIFFERENT.get(name))


BINARY_POSTS: dict[str, bytes] = {
    "text": binary_body('420["echo","\u20ac"]'),
    "text and binary": binary_body(f'451-0["echo",{PLACE}]', b"\x00\x01\xff"),
    "binary alone": binary_body(b"alone"),
    "several": binary_body('42["back",1]', f'451-["back",{PLACE}]', b"x" * 300, '42["back",2]'),
}


@pytest.mark.parametrize("name", BINARY_POSTS)
@pytest.mark.parametrize("query", [POLLING, f"{POLLING}&b64=1"])
def test_a_binary_post(pair: Pair, name: str, query: str):
    def script(side: Side) -> list[str]:
        poller, lines = opened(side, query)
        return [*lines, side.http("POST", poller.query, BINARY_POSTS[name], OCTETS), poller.poll()]

    pair.check(script)


@pytest.mark.parametrize(
    ("frames", "answers"),
    [
        ([frame(TEXT, b"2"), frame(TEXT, b"2hello")], 2),
        ([frame(TEXT, b'420["echo",1]')], 1),
        ([frame(TEXT, f'451-0["echo",{PLACE}]'.encode()), frame(BINARY, b"\x04\x00\x01\xff")], 2),
        ([frame(TEXT, f'451-0["echo",{PLACE}]'.encode()), frame(TEXT, b"b4AAH/")], 2),
        ([frame(TEXT, b"40/chat?a=b,")], 1),
        ([frame(TEXT, b"40/closed,")], 1),
        ([frame(TEXT, b"41"), frame(TEXT, b"2")], 1),
    ],
    ids=["pings", "an event", "binary", "binary as text", "a namespace", "a closed one", "leaving"],
)
@pytest.mark.parametrize("query", [WEBSOCKET, f"{WEBSOCKET}&b64=1", "transport=websocket"])
def test_by_websocket(pair: Pair, frames: list[bytes], answers: int, query: str):
    def script(side: Side) -> list[str]:
        channel = side.websocket(query)
        channel.read(2)
        channel.raw(b"".join(frames))
        return [*channel.lines, *channel.read(answers)]

    pair.check(script)


def test_an_upgrade(pair: Pair):
    def script(side: Side) -> list[str]:
        poller, lines = opened(side)
        channel = side.websocket(f"{WEBSOCKET}&sid={poller.sid}")
        channel.send("2probe")
        lines += [*channel.read(), poller.poll()]
        channel.send("5", '420["echo","\u20ac"]', f'451-1["echo",{PLACE}]')
        channel.raw(frame(BINARY, b"\x04binary"))
        return [*lines, *channel.read(3)]

    pair.check(script)
