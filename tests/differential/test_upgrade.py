"""The change from polling to WebSocket."""

import time

import pytest

from tests.conformance.peer import CLOSE, PING, frame
from tests.differential.differences import SECOND_WEBSOCKET
from tests.differential.pair import Pair
from tests.differential.side import POLLING, WEBSOCKET, Poller, Side


def connected(side: Side) -> tuple[Poller, list[str]]:
    """A session that polls, in the namespace `/`, and what was answered."""
    poller = side.open_polling()
    return poller, [poller.post("40"), poller.poll()]


def test_with_a_poll_that_waits(pair: Pair):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        pending = poller.start_poll()
        channel = poller.upgrade()
        channel.send("2probe")
        lines += [*channel.read(), pending.answer()]
        channel.send("5", '421["echo",1]', '42["back",2]')
        return [*lines, *channel.settle(), poller.poll(), poller.post("40"), *channel.settle()]

    pair.check(script)


def test_without_a_poll(pair: Pair):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        channel = poller.upgrade()
        channel.send("2probe")
        lines += channel.read()
        channel.send("5")
        return [*lines, *channel.settle()]

    pair.check(script)


def test_a_poll_that_comes_after_the_probe(pair: Pair):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        channel = poller.upgrade()
        channel.send("2probe")
        lines += [*channel.read(), poller.poll(), poller.poll()]
        channel.send("5")
        return [*lines, *channel.settle()]

    pair.check(script)


def test_without_a_probe(pair: Pair):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        channel = poller.upgrade()
        channel.send("5")
        return [*lines, *channel.settle()]

    pair.check(script)


@pytest.mark.parametrize("packet", ["5 ", "5x", "5probe", "55"])
def test_more_than_is_expected(pair: Pair, packet: str):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        channel = poller.upgrade()
        channel.send("2probe", packet)
        return [*lines, *channel.settle()]

    pair.check(script)


def test_two_probes(pair: Pair):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        channel = poller.upgrade()
        channel.send("2probe", "2probe")
        lines += channel.read(2)
        channel.send("5")
        return [*lines, *channel.settle()]

    pair.check(script)


def test_what_was_not_polled_comes_by_the_websocket(pair: Pair):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        lines.append(poller.post('42["back",1]', '42["back",2]'))
        channel = poller.upgrade()
        channel.send("2probe")
        lines += channel.read()
        lines.append(poller.post('42["back",3]'))
        channel.send("5", '42["back",4]')
        return [*lines, *channel.settle()]

    pair.check(script)


def test_binary_that_was_not_polled(pair: Pair):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        lines.append(poller.post('451-["back",{"_placeholder":true,"num":0}]', "bAQIDBA=="))
        channel = poller.upgrade()
        channel.send("2probe")
        lines += channel.read()
        channel.send("5")
        return [*lines, *channel.settle()]

    pair.check(script)


def test_messages_by_polling_during_the_upgrade(pair: Pair):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        channel = poller.upgrade()
        channel.send("2probe")
        lines += [*channel.read(), poller.post('421["echo",1]'), poller.poll(), poller.poll()]
        channel.send("5")
        return [*lines, *channel.settle()]

    pair.check(script)


def test_connecting_by_the_new_transport(pair: Pair):
    def script(side: Side) -> list[str]:
        poller = side.open_polling()
        channel = poller.upgrade()
        channel.send("2probe")
        lines = channel.read()
        channel.send("5", "40")
        return [*lines, *channel.read(), *channel.settle()]

    pair.check(script)


WRONG = [
    "2",
    "2prob",
    "2probe2",
    "3probe",
    "4",
    "40",
    "421[]",
    "0",
    "1",
    "3",
    "6",
    "x",
    "",
    b"2probe",
    b"\x01",
    "bAQ==",
]


@pytest.mark.parametrize("packet", WRONG)
def test_a_wrong_packet_first(pair: Pair, packet: str | bytes):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        channel = poller.upgrade()
        channel.send(packet)
        return [*lines, *channel.finish(), *poller.settle()]

    pair.check(script)


@pytest.mark.parametrize("packet", WRONG)
def test_a_wrong_packet_after_the_probe(pair: Pair, packet: str | bytes):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        channel = poller.upgrade()
        channel.send("2probe")
        lines += channel.read()
        channel.send(packet)
        return [*lines, *channel.finish(), *poller.settle()]

    pair.check(script)


@pytest.mark.parametrize(
    "query",
    [
        f"{WEBSOCKET}&sid=unknown",
        f"{WEBSOCKET}&sid=__proto__",
        "EIO=3&transport=websocket&sid={sid}",
        "EIO=5&transport=websocket&sid={sid}",
        "transport=websocket&sid={sid}",
        "EIO=4&sid={sid}",
        "EIO=4&transport=abc&sid={sid}",
        POLLING + "&sid={sid}",
    ],
)
def test_wrong_requests(pair: Pair, query: str):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        channel = side.websocket(query.format(sid=poller.sid))
        return [*lines, *channel.finish(), *channel.lines, *poller.settle()]

    pair.check(script)


def test_a_second_upgrade_at_the_same_time(pair: Pair):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        first = poller.upgrade()
        first.send("2probe")
        lines += first.read()
        second = poller.upgrade()
        lines += second.finish()
        first.send("5")
        return [*lines, *first.settle()]

    pair.check(script)


def test_an_upgrade_after_another(pair: Pair):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        first = poller.upgrade()
        first.send("2probe", "5")
        lines += first.settle()
        second = poller.upgrade()
        return [*lines, *second.finish(), *first.settle()]

    pair.check(script)


def test_an_upgrade_after_one_that_failed(pair: Pair):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        first = poller.upgrade()
        first.send("x")
        lines += first.finish()
        second = poller.upgrade()
        second.send("2probe", "5")
        return [*lines, *second.settle()]

    pair.check(script)


def test_an_upgrade_of_a_websocket(pair: Pair):
    def script(side: Side) -> list[str]:
        channel = side.websocket()
        sid = channel.read()[0].split('"')[3]
        channel.send("40")
        lines = channel.read()
        second = side.websocket(f"{WEBSOCKET}&sid={sid}")
        second.send("2probe")
        return [*lines, *second.read(), *channel.settle()]

    pair.check(script, SECOND_WEBSOCKET)


@pytest.mark.parametrize("probed", [False, True])
def test_the_client_gives_up(pair: Pair, *, probed: bool):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        channel = poller.upgrade()
        if probed:
            channel.send("2probe")
            lines += channel.read()
        return [*lines, *channel.close(), *poller.settle()]

    pair.check(script)


@pytest.mark.parametrize(
    "data", [frame(0x3), frame(CLOSE, b"\x00"), frame(PING, b"x" * 126), b"GET / HTTP/1.1\r\n\r\n"]
)
def test_no_websocket_after_all(pair: Pair, data: bytes):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        channel = poller.upgrade()
        channel.raw(data)
        return [*lines, channel.finish()[-1], *poller.settle()]

    pair.check(script)


def test_polling_after_the_upgrade(pair: Pair):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        channel = poller.upgrade()
        channel.send("2probe", "5")
        lines += channel.settle()
        return [*lines, poller.poll(), poller.post("40/chat,"), *channel.settle()]

    pair.check(script)


def test_the_server_ends_the_session_during_the_upgrade(pair: Pair):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        channel = poller.upgrade()
        channel.send("2probe")
        lines += [*channel.read(), poller.post('42["close"]')]
        channel.send("5")
        return [*lines, *channel.finish(), poller.poll()]

    pair.check(script)


def test_the_client_ends_the_session_during_the_upgrade(pair: Pair):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        channel = poller.upgrade()
        channel.send("2probe")
        lines += [*channel.read(), poller.post("1")]
        return [*lines, *channel.finish(), poller.poll()]

    pair.check(script)


def test_polls_are_released_every_while(pair: Pair):
    def script(side: Side) -> list[str]:
        poller, lines = connected(side)
        channel = poller.upgrade()
        channel.send("2probe")
        lines += channel.read()
        started = time.monotonic()
        lines += [poller.poll(), poller.poll()]
        assert time.monotonic() - started < 1
        return lines

    pair.check(script)
