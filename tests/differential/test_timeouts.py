"""Clients that keep the server waiting."""

import time
from collections.abc import Iterator

import pytest

from tests.differential.pair import Pair, node_server, our_server
from tests.differential.side import Channel, Poller, Side

TIMEOUT = 0.2
"""Seconds that the servers wait for anything."""


@pytest.fixture(scope="module")
def beating() -> Iterator[Pair]:
    """Both servers, with heartbeats."""
    with (
        node_server(pingInterval=TIMEOUT * 1000, pingTimeout=TIMEOUT * 1000) as node,
        our_server(ping_interval=TIMEOUT, ping_timeout=TIMEOUT) as ours,
    ):
        yield Pair(node, ours)


@pytest.fixture(scope="module")
def impatient() -> Iterator[Pair]:
    """Both servers, with little patience for clients that connect or upgrade."""
    with (
        node_server(connectTimeout=TIMEOUT * 1000, upgradeTimeout=TIMEOUT * 1000) as node,
        our_server(connect_timeout=TIMEOUT, upgrade_timeout=TIMEOUT) as ours,
    ):
        yield Pair(node, ours)


class Watch:
    """Says how long something took, in whole timeouts."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __str__(self) -> str:
        return f"after {round((time.monotonic() - self._started) / TIMEOUT)}"


def opened(side: Side) -> tuple[Channel, Watch]:
    """A client that has got nothing but the open packet."""
    channel = side.websocket()
    channel.read()
    return channel, Watch()


def polling(side: Side) -> tuple[Poller, Watch]:
    poller = side.open_polling()
    return poller, Watch()


def test_a_client_that_answers(beating: Pair):
    def script(side: Side) -> list[str]:
        channel, watch = opened(side)
        lines = []
        for _ in range(3):
            lines += [*channel.read(), str(watch)]
            channel.send("3")
        return lines

    beating.check(script)


@pytest.mark.parametrize("packets", [["40/nowhere,"] * 3, ["0", "0"], ["6"], ["5"], ["41"], ["431[]", "0"]], ids=str)
def test_a_client_that_says_something_else(beating: Pair, packets: list[str]):
    """It gets another timeout, and not a third one."""

    def script(side: Side) -> list[str]:
        channel, watch = opened(side)
        channel.send("40")
        lines = channel.read(2)
        channel.send(*packets)
        return [*lines, *channel.finish(), str(watch)]

    beating.check(script)


def test_a_client_that_says_nothing(beating: Pair):
    def script(side: Side) -> list[str]:
        channel, watch = opened(side)
        return [*channel.finish(), str(watch)]

    beating.check(script)


def test_a_client_that_answers_too_early(beating: Pair):
    def script(side: Side) -> list[str]:
        channel, watch = opened(side)
        channel.send("3", "3")
        return [*channel.finish(), str(watch)]

    beating.check(script)


def test_a_client_that_pings(beating: Pair):
    def script(side: Side) -> list[str]:
        channel, watch = opened(side)
        channel.send("2")
        return [*channel.finish(), str(watch)]

    beating.check(script)


def test_a_client_that_polls_and_answers(beating: Pair):
    def script(side: Side) -> list[str]:
        poller, watch = polling(side)
        lines = []
        for _ in range(3):
            lines += [poller.poll(), str(watch), poller.post("3")]
        return lines

    beating.check(script)


def test_a_client_that_polls_and_says_nothing(beating: Pair):
    def script(side: Side) -> list[str]:
        poller, watch = polling(side)
        return [*(poller.poll() for _ in range(4)), str(watch)]

    beating.check(script)


def test_a_client_that_polls_no_more(beating: Pair):
    def script(side: Side) -> list[str]:
        poller = side.open_polling()
        other, _ = opened(side)
        other.finish()
        return [poller.post("40"), poller.poll()]

    beating.check(script)


def test_a_heartbeat_across_the_upgrade(beating: Pair):
    def script(side: Side) -> list[str]:
        poller, watch = polling(side)
        channel = poller.upgrade()
        channel.send("2probe")
        lines = [*channel.read(), poller.poll(), str(watch), poller.poll()]
        channel.send("5", "3")
        return [*lines, *channel.finish(), str(watch)]

    beating.check(script)


@pytest.mark.parametrize("packets", [[], ["40/nowhere,"], ["40/closed,"], ["3"], ["41"]])
def test_a_client_that_does_not_connect(impatient: Pair, packets: list[str]):
    def script(side: Side) -> list[str]:
        channel, watch = opened(side)
        channel.send(*packets)
        return [*channel.finish(), str(watch)]

    impatient.check(script)


def test_a_client_that_polls_and_does_not_connect(impatient: Pair):
    def script(side: Side) -> list[str]:
        poller, watch = polling(side)
        return [poller.poll(), str(watch), poller.poll(), poller.post("40")]

    impatient.check(script)


@pytest.mark.parametrize("packets", [["40"], ["40/chat,"], ["40", "41"]])
def test_a_client_that_has_connected_may_stay(impatient: Pair, packets: list[str]):
    def script(side: Side) -> list[str]:
        channel, _ = opened(side)
        channel.send(packets[0])
        lines = channel.read()
        channel.send(*packets[1:])
        other, _ = opened(side)
        other.finish()
        channel.send("40/marker,")
        return [*lines, *channel.read(), *channel.settle("/marker,")]

    impatient.check(script)


@pytest.mark.parametrize("packets", [[], ["2probe"], ["2probe", "2probe"]])
def test_an_upgrade_that_takes_too_long(impatient: Pair, packets: list[str]):
    def script(side: Side) -> list[str]:
        poller = side.open_polling()
        lines = [poller.post("40"), poller.poll()]
        watch = Watch()
        channel = poller.upgrade()
        channel.send(*packets)
        return [*lines, *channel.finish(), str(watch), *poller.settle()]

    impatient.check(script)
