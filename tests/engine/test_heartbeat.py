"""Heartbeats and the limit for joining a namespace."""

import asyncio
import time

import pytest

from moongate.transport.base import Request
from moongate.types import DisconnectReason
from tests.engine.echo import EchoApp, Poller, Wire

pytestmark = pytest.mark.anyio

REQUEST = Request("/socket.io/", "EIO=4&transport=websocket", b"", None, secure=False)


def open_wire(app: EchoApp) -> Wire:
    return Wire(app.accepted(REQUEST).receiver).open()


async def next_packet(wire: Wire, packet: bytes) -> None:
    """Wait until *packet* was sent, and forget all that was."""
    async with asyncio.timeout(5):
        while packet not in wire.sent:
            await asyncio.sleep(0.001)
    wire.sent.clear()


async def test_the_server_pings_as_long_as_the_client_answers():
    app = EchoApp(ping_interval=0.03, ping_timeout=0.5)
    wire = open_wire(app)
    started = time.monotonic()
    for _ in range(3):
        await next_packet(wire, b"2")
        wire.receiver.on_text(b"3")
    assert time.monotonic() - started >= 0.085
    assert app.ends.empty()


async def test_a_poll_is_answered_with_the_ping():
    client = await Poller.open(EchoApp(ping_interval=0.03))
    for _ in range(3):
        assert (await client.get()).body == b"2"
        assert (await client.post(b"3")).status == 200


async def test_silence_ends_the_session():
    app = EchoApp(ping_interval=0.03, ping_timeout=0.03)
    wire = open_wire(app)
    started = time.monotonic()
    assert await app.ended() == DisconnectReason.PING_TIMEOUT
    assert 0.055 <= time.monotonic() - started < 1
    assert wire.closed == 1005


async def test_a_poll_after_silence_finds_no_session():
    app = EchoApp(ping_interval=0.01, ping_timeout=0.01)
    client = await Poller.open(app)
    assert await app.ended() == DisconnectReason.PING_TIMEOUT
    assert (await client.get()).status == 400


async def test_other_packets_extend_the_wait_for_an_answer_once():
    app = EchoApp(ping_interval=0.02, ping_timeout=0.1)
    wire = open_wire(app)
    await next_packet(wire, b"2")
    pinged = time.monotonic()
    while app.ends.empty():
        wire.receiver.on_text(b"4a")
        await asyncio.sleep(0.05)
        assert time.monotonic() - pinged < 2
    assert await app.ended() == DisconnectReason.PING_TIMEOUT
    assert time.monotonic() - pinged >= 0.095


async def test_answers_that_nobody_asked_for_cost_nothing():
    app = EchoApp(ping_interval=0.05, ping_timeout=0.5)
    wire = open_wire(app)
    tasks = len(asyncio.all_tasks())
    heartbeat = app.peers[0].session.heartbeat
    for _ in range(10_000):
        wire.receiver.on_text(b"3")
    assert app.peers[0].session.heartbeat is heartbeat
    assert len(asyncio.all_tasks()) == tasks
    await next_packet(wire, b"2")


async def test_who_joins_no_namespace_in_time_has_to_go():
    app = EchoApp(joins=False, connect_timeout=0.02)
    wire = open_wire(app)
    assert await app.ended() == DisconnectReason.FORCED_SERVER_CLOSE
    assert wire.closed == 1005


async def test_who_joins_may_stay():
    app = EchoApp(connect_timeout=0.01)
    open_wire(app)
    late = EchoApp(joins=False, connect_timeout=0.02)
    open_wire(late)
    assert await late.ended() == DisconnectReason.FORCED_SERVER_CLOSE
    assert app.ends.empty()


async def test_nothing_is_kept_of_a_session_that_has_ended():
    app = EchoApp()
    wire = open_wire(app)
    session = app.peers[0].session
    wire.receiver.on_closed(1006, "")
    assert app.engine.sessions == 0
    assert session.heartbeat is None
    session.transport.send_text(b"4dropped")
    assert b"4dropped" not in wire.sent


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"bAQ", DisconnectReason.PARSE_ERROR),
        (b"2", DisconnectReason.TRANSPORT_ERROR),
        (b"", DisconnectReason.PARSE_ERROR),
        (b"abc", DisconnectReason.PARSE_ERROR),
        (b"\xe2\x82\xac", DisconnectReason.PARSE_ERROR),
    ],
)
async def test_packets_that_end_a_session(packet: bytes, reason: DisconnectReason):
    app = EchoApp()
    wire = open_wire(app)
    wire.receiver.on_text(packet)
    wire.receiver.on_text(b"4late")
    wire.receiver.on_bytes(b"late")
    wire.receiver.on_closed(1000, "")
    assert app.peers[0].reasons == [reason]
    assert not app.peers[0].received
    assert wire.closed == 1005


async def test_packets_without_a_meaning_are_passed_over():
    app = EchoApp()
    wire = open_wire(app)
    for packet in (b"0", b"1", b"3", b"3probe", b"5", b"6"):
        wire.receiver.on_text(packet)
    wire.receiver.on_text(b"4a")
    assert app.peers[0].received == [b"4a"]
    assert not app.peers[0].reasons


async def test_a_binary_message_may_be_text():
    app = EchoApp()
    wire = open_wire(app)
    wire.receiver.on_text(b"bAQID")
    assert app.peers[0].received == [b"\x01\x02\x03"]


async def test_the_client_learns_that_the_server_stops():
    app = EchoApp()
    wire = open_wire(app)
    await app.engine.close()
    assert wire.closed == 1001
    assert app.peers[0].reasons == [DisconnectReason.SERVER_SHUTTING_DOWN]


async def test_a_client_that_is_not_read_from_may_have_answered():
    app = EchoApp(ping_interval=0.02, ping_timeout=0.03)
    wire = open_wire(app)
    wire.pause_reading()
    for _ in range(2):
        wire.receiver.on_text(b"4a")  # a few that were received already
        await asyncio.sleep(0.1)
    assert app.ends.empty()
    app.peers[0].session.resume_reading()
    wire.receiver.on_text(b"3")
    assert await app.ended() == DisconnectReason.PING_TIMEOUT
