"""The change from polling to WebSocket: nothing is lost, nothing changes its place, and a failure costs nothing."""

import asyncio

import pytest

from moongate.transport.base import Refused, Request
from moongate.types import DisconnectReason
from tests.engine.echo import EchoApp, Poller, Wire

pytestmark = pytest.mark.anyio


def request(sid: str, version: str = "4") -> Request:
    return Request("/socket.io/", f"EIO={version}&transport=websocket&sid={sid}", b"", None, secure=False)


def candidate(client: Poller) -> Wire:
    return Wire(client.app.accept_websocket(request(client.sid))).open()


async def test_the_change():
    client = await Poller.open(EchoApp())
    wire = candidate(client)
    poll = await client.waiting()
    wire.receiver.on_text(b"2probe")
    assert wire.sent == [b"3probe"]
    assert (await poll).body == b"6"
    wire.receiver.on_text(b"5")
    assert client.peer.session.transport is wire
    wire.receiver.on_text(b"4hello")
    wire.receiver.on_bytes(b"\x01")
    assert wire.sent == [b"3probe", b"4hello", b"\x01"]
    wire.receiver.on_closed(1006, "")
    assert client.peer.reasons == [DisconnectReason.TRANSPORT_CLOSE]


async def test_a_poll_that_comes_behind_the_probe_is_released_too():
    client = await Poller.open(EchoApp())
    wire = candidate(client)
    wire.receiver.on_text(b"2probe")
    for _ in range(2):
        assert (await client.get()).body == b"6"


async def test_what_no_poll_has_fetched_goes_first():
    client = await Poller.open(EchoApp())
    transport = client.peer.session.transport
    wire = candidate(client)
    wire.receiver.on_text(b"2probe")
    transport.send_text(b"4a")
    transport.send_bytes(b"b")
    transport.send_text(b"4c")
    wire.receiver.on_text(b"5")
    client.peer.session.transport.send_text(b"4d")
    assert wire.sent == [b"3probe", b"4a", b"b", b"4c", b"4d"]


async def test_messages_go_by_polling_until_the_change():
    client = await Poller.open(EchoApp())
    wire = candidate(client)
    wire.receiver.on_text(b"2probe")
    await client.post(b"4a")
    assert (await client.get()).body == b"4a"
    assert wire.sent == [b"3probe"]


async def test_nobody_polls_after_the_change():
    client = await Poller.open(EchoApp())
    wire = candidate(client)
    wire.receiver.on_text(b"2probe")
    wire.receiver.on_text(b"5")
    assert (await client.get()).status == 400
    assert (await client.post(b"4a")).status == 400
    wire.receiver.on_text(b"4b")
    assert wire.sent == [b"3probe", b"4b"]


async def test_reading_that_is_paused_stays_paused():
    client = await Poller.open(EchoApp())
    client.peer.session.transport.pause_reading()
    wire = candidate(client)
    wire.receiver.on_text(b"2probe")
    wire.receiver.on_text(b"5")
    assert wire.paused


@pytest.mark.parametrize(
    "packets", [[b"5"], [b"2"], [b"4a"], [b""], [b"2probe", b"4a"], [b"2probe", b"6"], [b"3probe"]]
)
async def test_anything_else_closes_the_candidate_only(packets: list[bytes]):
    client = await Poller.open(EchoApp())
    wire = candidate(client)
    for packet in packets:
        wire.receiver.on_text(packet)
    assert wire.closed == 1000
    wire.receiver.on_text(b"5")
    wire.receiver.on_closed(1000, "")
    await client.post(b"4b")
    assert (await client.get()).body.endswith(b"4b")
    assert not client.peer.reasons


async def test_a_binary_message_closes_the_candidate_only():
    client = await Poller.open(EchoApp())
    wire = candidate(client)
    wire.receiver.on_bytes(b"\x00")
    assert wire.closed == 1000
    assert client.peer.session.transport.name == "polling"


async def test_a_candidate_that_takes_too_long_is_closed():
    client = await Poller.open(EchoApp(upgrade_timeout=0.03))
    wire = candidate(client)
    wire.receiver.on_text(b"2probe")
    async with asyncio.timeout(5):
        while wire.closed is None:
            await asyncio.sleep(0.001)
    wire.receiver.on_text(b"5")
    assert client.peer.session.transport.name == "polling"
    await client.post(b"4a")
    assert (await client.get()).body == b"4a"
    again = candidate(client)
    again.receiver.on_text(b"2probe")
    again.receiver.on_text(b"5")
    assert client.peer.session.transport is again


async def test_a_candidate_that_is_lost_makes_room_for_the_next():
    client = await Poller.open(EchoApp())
    first = candidate(client)
    first.receiver.on_text(b"2probe")
    first.receiver.on_closed(1006, "")
    second = candidate(client)
    second.receiver.on_text(b"2probe")
    second.receiver.on_text(b"5")
    assert client.peer.session.transport is second


async def test_there_is_one_candidate_at_a_time():
    client = await Poller.open(EchoApp())
    both = [Wire(client.app.accept_websocket(request(client.sid))) for _ in range(2)]
    both[0].open()
    both[1].open()
    assert both[1].closed == 1000
    with pytest.raises(Refused) as refusal:
        client.app.accept_websocket(request(client.sid))
    assert refusal.value.status == 400
    for wire in both:
        wire.receiver.on_text(b"2probe")
        wire.receiver.on_text(b"5")
    assert client.peer.session.transport is both[0]


async def test_the_end_of_the_session_closes_the_candidate():
    client = await Poller.open(EchoApp())
    wire = candidate(client)
    wire.receiver.on_text(b"2probe")
    client.peer.session.close(DisconnectReason.FORCED_CLOSE)
    assert wire.closed == 1000
    wire.receiver.on_text(b"5")
    wire.receiver.on_text(b"4a")
    wire.receiver.on_closed(1000, "")
    assert client.peer.reasons == [DisconnectReason.FORCED_CLOSE]
    assert not client.peer.received


async def test_a_candidate_for_a_session_that_ended_meanwhile_is_closed():
    client = await Poller.open(EchoApp())
    wire = Wire(client.app.accept_websocket(request(client.sid)))
    client.peer.session.close(DisconnectReason.FORCED_CLOSE)
    assert wire.open().closed == 1000


@pytest.mark.parametrize(("sid", "version", "body"), [("abc", "4", b'"code":1'), (None, "3", b'"code":3')])
async def test_a_candidate_needs_a_session_of_its_version(sid: str | None, version: str, body: bytes):
    client = await Poller.open(EchoApp())
    with pytest.raises(Refused) as refusal:
        client.app.accept_websocket(request(sid or client.sid, version))
    assert refusal.value.status == 400
    assert body in refusal.value.body


async def test_a_session_that_began_by_websocket_is_not_upgraded():
    app = EchoApp()
    wire = Wire(app.accept_websocket(request(""))).open()
    with pytest.raises(Refused):
        app.accept_websocket(request(app.peers[0].session.id))
    assert wire.closed is None


async def test_pages_of_other_sites_may_not_change_a_session():
    client = await Poller.open(EchoApp())
    head = b"host: chat.example\r\norigin: https://evil.example\r\n"
    with pytest.raises(Refused) as refusal:
        client.app.accept_websocket(Request("/socket.io/", client.query, head, None, secure=False))
    assert refusal.value.status == 403
