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
    return Wire(client.app.accepted(request(client.sid)).receiver).open()


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


@pytest.mark.parametrize("packets", [[b"2"], [b"4a"], [b""], [b"2probe", b"4a"], [b"2probe", b"6"], [b"3probe"]])
async def test_anything_else_closes_the_candidate_only(packets: list[bytes]):
    client = await Poller.open(EchoApp())
    wire = candidate(client)
    for packet in packets:
        wire.receiver.on_text(packet)
    assert wire.closed == 1005
    wire.receiver.on_text(b"5")
    wire.receiver.on_closed(1000, "")
    await client.post(b"4b")
    assert (await client.get()).body.endswith(b"4b")
    assert not client.peer.reasons


async def test_a_binary_message_closes_the_candidate_only():
    client = await Poller.open(EchoApp())
    wire = candidate(client)
    wire.receiver.on_bytes(b"\x00")
    assert wire.closed == 1005
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
    both = [Wire(client.app.accepted(request(client.sid)).receiver) for _ in range(2)]
    both[0].open()
    both[1].open()
    assert both[1].closed == 1005
    assert candidate(client).closed == 1005
    for wire in both:
        wire.receiver.on_text(b"2probe")
        wire.receiver.on_text(b"5")
    assert client.peer.session.transport is both[0]


async def test_the_last_words_of_a_session_go_by_the_transport_that_the_client_changes_to():
    client = await Poller.open(EchoApp())
    wire = candidate(client)
    wire.receiver.on_text(b"2probe")
    client.peer.session.transport.send_text(b"4last words")
    client.peer.session.close(DisconnectReason.FORCED_CLOSE)
    before = wire.closed
    wire.receiver.on_text(b"5")
    wire.receiver.on_text(b"4a")
    assert wire.sent == [b"3probe", b"4last words"]
    assert (before, wire.closed) == (None, 1005)
    assert (await client.get()).status == 400
    assert not client.peer.received


async def test_a_client_may_still_change_to_fetch_the_last_words():
    client = await Poller.open(EchoApp())
    client.peer.session.transport.send_text(b"4last words")
    client.peer.session.close(DisconnectReason.FORCED_CLOSE)
    wire = candidate(client)
    wire.receiver.on_text(b"2probe")
    wire.receiver.on_text(b"5")
    assert wire.sent == [b"3probe", b"4last words"]
    assert wire.closed == 1005
    with pytest.raises(Refused):
        candidate(client)


async def test_the_poll_that_fetches_the_goodbye_closes_the_candidate():
    client = await Poller.open(EchoApp())
    wire = candidate(client)
    wire.receiver.on_text(b"2probe")
    client.peer.session.transport.send_text(b"4last words")
    client.peer.session.close(DisconnectReason.FORCED_CLOSE)
    assert (await client.get()).body == b"4last words"
    assert wire.closed is None
    assert (await client.get()).body == b"6\x1e1"
    assert wire.closed == 1005


@pytest.mark.parametrize("reason", [DisconnectReason.FORCED_CLOSE, DisconnectReason.PING_TIMEOUT])
async def test_the_end_of_a_session_that_polls_closes_the_candidate(reason: DisconnectReason):
    client = await Poller.open(EchoApp())
    wire = candidate(client)
    wire.receiver.on_text(b"2probe")
    poll = await client.waiting()
    client.peer.session.close(reason)
    assert (await poll).body == b"1"
    assert wire.closed == 1005
    wire.receiver.on_text(b"5")
    wire.receiver.on_text(b"4a")
    wire.receiver.on_closed(1000, "")
    assert client.peer.reasons == [reason]
    assert not client.peer.received


async def test_a_failing_session_closes_the_candidate():
    client = await Poller.open(EchoApp())
    wire = candidate(client)
    wire.receiver.on_text(b"2probe")
    client.peer.session.close(DisconnectReason.TRANSPORT_ERROR)
    assert wire.closed == 1005


async def test_a_candidate_for_a_session_that_ended_meanwhile_is_closed():
    client = await Poller.open(EchoApp())
    wire = Wire(client.app.accepted(request(client.sid)).receiver)
    client.peer.session.close(DisconnectReason.PING_TIMEOUT)
    assert wire.open().closed == 1005


@pytest.mark.parametrize(("sid", "version", "body"), [("abc", "4", b"Session ID unknown"), (None, "3", b"Bad request")])
async def test_a_candidate_needs_a_session_of_its_version(sid: str | None, version: str, body: bytes):
    client = await Poller.open(EchoApp())
    with pytest.raises(Refused) as refusal:
        client.app.accepted(request(sid or client.sid, version))
    assert (refusal.value.status, refusal.value.content_type) == (400, "text/html")
    assert refusal.value.body == body


async def test_a_session_that_began_by_websocket_is_not_upgraded():
    app = EchoApp()
    wire = Wire(app.accepted(request("")).receiver).open()
    second = Wire(app.accepted(request(app.peers[0].session.id)).receiver).open()
    assert second.closed == 1005
    assert wire.closed is None


async def test_a_session_that_has_changed_polls_no_more_and_changes_no_more():
    client = await Poller.open(EchoApp())
    wire = candidate(client)
    wire.receiver.on_text(b"2probe")
    wire.receiver.on_text(b"5")
    for refused in (await client.get(), await client.post(b"4a")):
        assert (refused.status, refused.body) == (400, b'{"code":3,"message":"Bad request"}')
    assert candidate(client).closed == 1005
    wire.receiver.on_text(b"5")
    wire.receiver.on_text(b"4b")
    assert wire.sent == [b"3probe", b"4b"]
    assert not client.peer.reasons


async def test_a_poll_that_waits_while_the_session_changes_is_told_that_polling_ends():
    client = await Poller.open(EchoApp())
    wire = candidate(client)
    wire.receiver.on_text(b"2probe")
    poll = await client.waiting()
    wire.receiver.on_text(b"5")
    assert (await poll).body == b"1"
    wire.receiver.on_text(b"4a")
    assert wire.sent == [b"3probe", b"4a"]


async def test_what_was_sent_to_a_poll_that_waits_stays_there():
    client = await Poller.open(EchoApp())
    wire = candidate(client)
    poll = await client.waiting()
    client.peer.session.transport.send_text(b"4a")
    wire.receiver.on_text(b"5")
    client.peer.session.transport.send_text(b"4b")
    assert (await poll).body == b"4a"
    assert wire.sent == [b"4b"]


async def test_a_websocket_for_another_transport_is_opened_and_closed():
    app = EchoApp()
    for query in ("EIO=4&transport=polling", f"EIO=4&transport=polling&sid={(await Poller.open(app)).sid}"):
        accepted = app.accepted(Request("/socket.io/", query, b"", None, secure=False))
        wire = Wire(accepted.receiver).open()
        wire.receiver.on_text(b"2probe")
        wire.receiver.on_bytes(b"")
        wire.receiver.on_pong()
        wire.receiver.on_closed(1000, "")
        assert (wire.closed, wire.sent) == (1005, [])
    assert len(app.peers) == 1


async def test_pages_of_other_sites_may_not_change_a_session():
    client = await Poller.open(EchoApp())
    head = b"host: chat.example\r\norigin: https://evil.example\r\n"
    with pytest.raises(Refused) as refusal:
        client.app.accepted(Request("/socket.io/", client.query, head, None, secure=False))
    assert refusal.value.status == 403
