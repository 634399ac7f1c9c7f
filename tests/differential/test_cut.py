"""The same bytes in two pieces, or only the first of them."""

from collections.abc import Callable
from functools import partial

import pytest

from tests.conformance.peer import BINARY, PING, TEXT, Peer, frame
from tests.differential.pair import Pair, describe, run_all
from tests.differential.side import POLLING, WEBSOCKET, Channel, Side

FRAMES = b"".join([
    frame(PING, b"ping"),
    frame(TEXT, '421["echo","\u20ac"]'.encode()),
    frame(TEXT, b'451-["back",{"_placeholder":true,"num":0}]'),
    frame(BINARY, b"\x00\xff"),
    frame(TEXT, b'42["ba', fin=False),
    frame(0, b'ck",2]'),
])  # fmt: skip

BODY = '421["echo","\u20ac"]\x1e451-["back",{"_placeholder":true,"num":0}]\x1ebAQIDBA==\x1e42["back",3]'.encode()


class CutPeer(Peer):
    """Makes a pause behind so many bytes."""

    def __init__(self, port: int, path: str, at: int, pause: Callable[[], object]) -> None:
        self._left = at
        self._pause = pause
        super().__init__(port, path)

    def send(self, *parts: bytes) -> None:
        data = b"".join(parts)
        first, rest = data[: self._left], data[self._left :]
        if first:
            super().send(first)
        if first and rest:
            self._pause()
        self._left = max(0, self._left - len(data))
        super().send(rest)

    def cut(self, at: int) -> None:
        """Make the pause behind so many bytes from now on."""
        self._left = at


def pause(side: Side) -> None:
    """Wait until the server has seen what was sent: it answers what came later by another connection."""
    side.http("GET", "")


def request_of(side: Side, query: str, body: bytes) -> bytes:
    head = f"POST {side.path}?{query} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def check(pair: Pair, script: Callable[[int, Side], list[str]], positions: range) -> None:
    """Run the script for each position; the first difference fails."""
    answers = run_all(pair, [partial(script, at) for at in positions])
    for at, (node, ours) in zip(positions, answers, strict=True):
        assert ours == node, f"cut behind byte {at}: {describe(node, ours)}"


@pytest.mark.parametrize("part", ["opening", "messages"])
def test_a_websocket_cut_in_two(pair: Pair, part: str):
    head = 180  # bytes of the request at least

    def script(at: int, side: Side) -> list[str]:
        opening = part == "opening"
        peer = CutPeer(side.port, f"{side.path}?{WEBSOCKET}", at if opening else 0, partial(pause, side))
        with peer:
            channel = Channel(peer)
            channel.send("40/marker,", "40")
            channel.read(3)
            peer.cut(at if not opening else 0)
            channel.raw(FRAMES)
            return [*channel.read(5), *channel.settle("/marker,")]

    check(pair, script, range(1, head if part == "opening" else len(FRAMES)))


def test_messages_that_end_too_early(pair: Pair):
    def script(at: int, side: Side) -> list[str]:
        channel = side.open_websocket("40/marker,", "40")
        channel.raw(FRAMES[:at])
        pause(side)
        channel.leave()
        return [side.http("GET", POLLING)]

    check(pair, script, range(1, len(FRAMES)))


def test_messages_behind_which_the_client_stops_sending(pair: Pair):
    def script(at: int, side: Side) -> list[str]:
        channel = side.open_websocket("40/marker,", "40")
        channel.raw(FRAMES[:at])
        pause(side)
        channel.stop_sending()
        return channel.finish()

    check(pair, script, range(1, len(FRAMES)))


def test_a_post_cut_in_two(pair: Pair):
    def script(at: int, side: Side) -> list[str]:
        poller = side.open_polling()
        lines = poller.converse(["40/marker,", "40"])
        data = request_of(side, poller.query, BODY)
        pending = side.connect("POST")
        pending.send(data[:at])
        pause(side)
        pending.send(data[at:])
        return [*lines, pending.answer(), *poller.settle()]

    check(pair, script, range(1, 230))


def test_a_post_that_ends_too_early(pair: Pair):
    def script(at: int, side: Side) -> list[str]:
        poller = side.open_polling()
        lines = poller.converse(["40/marker,", "40"])
        pending = side.connect("POST")
        pending.send(request_of(side, poller.query, BODY)[:at])
        pause(side)
        pending.abort()
        pause(side)
        return [*lines, *poller.settle()]

    check(pair, script, range(1, 230))
