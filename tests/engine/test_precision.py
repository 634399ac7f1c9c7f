"""Heartbeats, fractions of a millisecond included: each client has its own time, to the millisecond."""

import json

import pytest

from moongate.transport.base import Request
from moongate.transport.polling import PollingTransport
from moongate.types import DisconnectReason
from tests.engine.clock import Clock
from tests.engine.echo import EchoApp, Wire

pytestmark = pytest.mark.anyio

INTERVAL, TIMEOUT = 0.0255, 0.0205
TICK = 0.0001
"""Far less than a millisecond, and far more than the error of adding floats."""


def request(transport: str) -> Request:
    return Request("/socket.io/", f"EIO=4&transport={transport}", b"", None, secure=False)


class Peer:
    """A client, by whichever transport, that keeps what it is sent."""

    def __init__(self, transport: PollingTransport | Wire) -> None:
        self._transport = transport

    @classmethod
    async def open(cls, app: EchoApp, transport: str) -> "Peer":
        if transport == "polling":
            return cls((await app.engine.open_polling(request(transport), "GET")).transport)
        return cls(Wire(app.accepted(request(transport)).receiver).open())

    def fetch(self) -> list[bytes]:
        """What was sent since the last time."""
        if isinstance(self._transport, PollingTransport):
            return [data for _, data in self._transport.take()]
        sent, self._transport.sent = self._transport.sent, []
        return sent

    def say(self, packet: bytes) -> None:
        self._transport.receiver.on_text(packet)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (25.0, "25000"),
        (0.0255, "25.5"),
        (0.1, "100"),
        (0.3, "300"),
        (1.1, "1100"),
        (0.001, "1"),
        (0.0005, "0.5"),
        (8, "8000"),
    ],
)
async def test_clients_are_told_milliseconds_as_node_writes_them(seconds: float, text: str):
    app = EchoApp(ping_interval=seconds, ping_timeout=seconds)
    hello = (await Peer.open(app, "websocket")).fetch()[0]
    assert f'"pingInterval":{text},"pingTimeout":{text},'.encode() in hello
    assert json.loads(hello[1:])["pingInterval"] == float(text)


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_pings_and_their_timeouts_are_exact(clock: Clock, transport: str):
    app = EchoApp(ping_interval=INTERVAL, ping_timeout=TIMEOUT)
    peer = await Peer.open(app, transport)
    peer.fetch()
    for delay in (0.0, 0.0031, 0.0204):
        asked = clock.now + INTERVAL
        clock.run_until(asked - TICK)
        assert peer.fetch() == []
        clock.run_until(asked + TICK)
        assert peer.fetch() == [b"2"]
        clock.run_until(asked + delay)
        peer.say(b"3")
    asked = clock.now + INTERVAL
    clock.run_until(asked + TIMEOUT - TICK)
    assert app.ends.empty()
    clock.run_until(asked + TIMEOUT + TICK)
    assert app.ends.get_nowait() == DisconnectReason.PING_TIMEOUT


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_any_packet_extends_the_wait_for_an_answer_once(clock: Clock, transport: str):
    for packet in (b"4a", b"0", b"5", b"6"):
        app = EchoApp(ping_interval=INTERVAL, ping_timeout=TIMEOUT)
        peer = await Peer.open(app, transport)
        said = clock.now + INTERVAL + 0.01
        clock.run_until(said)
        peer.say(packet)
        clock.run_until(said + 0.01)
        peer.say(packet)
        clock.run_until(said + TIMEOUT - TICK)
        assert app.ends.empty()
        clock.run_until(said + TIMEOUT + TICK)
        assert app.ends.get_nowait() == DisconnectReason.PING_TIMEOUT


async def test_each_of_many_clients_is_pinged_in_its_own_millisecond(clock: Clock):
    app = EchoApp(ping_interval=INTERVAL, ping_timeout=1.0)
    peers: list[tuple[float, Peer]] = []
    begin = clock.now
    for number in range(200):
        clock.run_until(begin + number * 0.0001)
        peers.append((clock.now, await Peer.open(app, "websocket")))
    for opened, peer in peers:
        clock.run_until(opened + INTERVAL - 0.00005)
        assert peer.fetch()[1:] == []
        clock.run_until(opened + INTERVAL + 0.00005)
        assert peer.fetch() == [b"2"]


async def test_the_time_to_join_and_the_time_to_upgrade_are_exact(clock: Clock):
    app = EchoApp(joins=False, connect_timeout=0.0255, upgrade_timeout=0.0125)
    polling = await app.engine.open_polling(request("polling"), "GET")
    assert polling.session
    query = f"EIO=4&transport=websocket&sid={polling.session.id}"
    wire = Wire(app.accepted(Request("/socket.io/", query, b"", None, secure=False)).receiver).open()
    opened = clock.now
    closed: list[int | None] = []
    for moment in (opened + 0.0125 - TICK, opened + 0.0125 + TICK):
        clock.run_until(moment)
        closed.append(wire.closed)
    assert closed == [None, 1005]
    clock.run_until(opened + 0.0255 - TICK)
    assert app.ends.empty()
    clock.run_until(opened + 0.0255 + TICK)
    assert app.ends.get_nowait() == DisconnectReason.FORCED_SERVER_CLOSE
