"""WebSockets that come to another server of the cluster than the one that has the session."""

import asyncio
import itertools

import pytest

from moongate.engine.relay import Answered, Closed, Data, Opened, RelayMessage, Taken, encode
from moongate.engine.session import Session
from moongate.transport.base import Accepted, Refused, Request
from moongate.types import DisconnectReason
from tests.engine.echo import Poller, Wire
from tests.engine.network import Network

pytestmark = pytest.mark.anyio


class Pair:
    """A session of `owner`, whose client polls there and whose WebSocket is at `other`."""

    def __init__(self, **settings: int) -> None:
        self.network = Network()
        self.owner = self.network.add(**settings)
        self.other = self.network.add(**settings)
        self.client: Poller
        self.wire: Wire

    async def connect(self) -> "Pair":
        """Open the session, and the WebSocket."""
        self.client = await Poller.open(self.owner)
        accepted = await self.open(self.client.sid)
        self.wire = Wire(accepted.receiver).open()
        await self.settled()
        return self

    async def open(self, sid: str, head: bytes = b"") -> Accepted:
        asked = self.other.accept_websocket(
            Request("/socket.io/", f"EIO=4&transport=websocket&sid={sid}", head, None, secure=False)
        )
        assert not isinstance(asked, Accepted)
        return await asked

    async def upgrade(self) -> "Pair":
        """Go on by the WebSocket alone."""
        await self.connect()
        self.wire.receiver.on_text(b"2probe")
        await self.network.until(lambda: self.wire.sent == [b"3probe"])
        self.wire.receiver.on_text(b"5")
        await self.network.until(lambda: self.session.transport.name == "websocket")
        self.wire.sent.clear()
        return self

    @property
    def session(self) -> Session:
        return self.client.peer.session

    @property
    def received(self) -> list[bytes]:
        return self.client.peer.received

    async def settled(self) -> None:
        """Wait until everything that is on its way has come."""
        for _ in range(10):
            await asyncio.sleep(0)

    @property
    def pending(self) -> list[int]:
        return [app.engine.forwarding.pending for app in (self.owner, self.other) if app.engine.forwarding]


async def test_messages_go_both_ways_in_order():
    pair = await Pair().upgrade()
    sent = [b"4%d" % number for number in range(50)]
    for text in sent:
        pair.wire.receiver.on_text(text)
        pair.wire.receiver.on_bytes(text[1:])
    expected = [each for text in sent for each in (text, text[1:])]
    await pair.network.until(lambda: len(pair.wire.sent) == 100)
    assert pair.received == pair.wire.sent == expected
    assert pair.other.engine.sessions == 0


async def test_what_no_poll_has_fetched_comes_by_the_websocket():
    pair = await Pair().connect()
    pair.session.transport.send_text(b"4first")
    pair.wire.receiver.on_text(b"2probe")
    pair.wire.receiver.on_text(b"5")
    await pair.network.until(lambda: pair.session.transport.name == "websocket")
    pair.session.transport.send_text(b"4second")
    await pair.network.until(lambda: len(pair.wire.sent) == 3)
    assert pair.wire.sent == [b"3probe", b"4first", b"4second"]


async def test_a_client_that_leaves():
    pair = await Pair().upgrade()
    pair.wire.receiver.on_closed(1001, "")
    assert await pair.owner.ended() is DisconnectReason.TRANSPORT_CLOSE
    assert pair.pending == [0, 0]


async def test_a_client_that_breaks_the_protocol_is_put_out():
    pair = await Pair().upgrade()
    pair.wire.receiver.on_text(b"nonsense")
    assert await pair.owner.ended() is DisconnectReason.PARSE_ERROR
    await pair.network.until(lambda: pair.wire.closed is not None)
    assert pair.pending == [0, 0]


async def test_the_owner_closes_the_session():
    pair = await Pair().upgrade()
    pair.session.transport.send_text(b"4bye")
    pair.session.close(DisconnectReason.SERVER_NAMESPACE_DISCONNECT)
    await pair.network.until(lambda: pair.wire.closed is not None)
    assert pair.wire.sent == [b"4bye"]
    assert pair.pending == [0, 0]


async def test_a_session_that_is_unknown_to_its_owner_is_refused_as_by_the_owner():
    pair = await Pair().connect()
    with pytest.raises(Refused) as forwarded:
        await pair.open("nonsense.0000000000000000")
    direct = Request("/socket.io/", "EIO=4&transport=websocket&sid=nonsense", b"", None, secure=False)
    with pytest.raises(Refused) as refused:
        pair.owner.accept_websocket(direct)
    assert (forwarded.value.status, forwarded.value.body) == (refused.value.status, refused.value.body)


async def test_subprotocols_are_answered_as_by_the_owner():
    pair = await Pair().connect()
    accepted = await pair.open(pair.client.sid, b"sec-websocket-protocol: one, two\r\n")
    assert accepted.subprotocol == "one"


async def test_a_websocket_that_is_gone_before_it_was_open():
    pair = await Pair().connect()
    client = await Poller.open(pair.owner)
    accepted = await pair.open(client.sid)
    accepted.receiver.on_closed(1006, "")
    await pair.settled()
    assert not client.peer.session.closed
    assert pair.pending == [1, 1]  # the one before


async def test_an_owner_that_dies_takes_the_websocket_with_it():
    pair = await Pair().upgrade()
    pair.network.kill(0)
    assert pair.wire.closed == 1011
    assert pair.pending[1] == 0


async def test_a_server_that_dies_takes_the_session_with_it():
    pair = await Pair().upgrade()
    pair.network.kill(1)
    assert await pair.owner.ended() is DisconnectReason.TRANSPORT_CLOSE
    assert pair.pending[0] == 0


@pytest.mark.parametrize("owner", [True, False])
async def test_a_message_that_is_lost_ends_the_connection_instead_of_being_left_out(owner: bool):
    pair = await Pair().upgrade()
    lost: list[RelayMessage] = []

    def loses(message: RelayMessage) -> bool:
        found = isinstance(message, Data) and message.owner is owner and not lost
        if found:
            lost.append(message)
        return found

    pair.network.loses = loses
    for text in (b"4a", b"4b", b"4c"):
        pair.wire.receiver.on_text(text)
    await pair.network.until(lambda: pair.wire.closed is not None)
    assert pair.wire.closed == 1011
    assert await pair.owner.ended() is DisconnectReason.TRANSPORT_CLOSE
    assert (pair.wire.sent if owner else pair.received) == []
    assert pair.pending == [0, 0]


@pytest.mark.parametrize("owner", [True, False])
async def test_a_message_that_is_too_large_for_the_cluster_ends_the_connection(owner: bool):
    pair = await Pair().upgrade()
    pair.network.largest = 1000
    if owner:
        pair.session.transport.send_bytes(bytes(2000))
    else:
        pair.wire.receiver.on_bytes(bytes(2000))
    await pair.network.until(lambda: pair.wire.closed is not None)
    assert pair.wire.closed == 1009
    assert await pair.owner.ended() is DisconnectReason.TRANSPORT_CLOSE


async def test_the_owner_sends_no_more_than_the_client_takes():
    pair = await Pair(high_water=1000).upgrade()
    taken = asyncio.get_running_loop().create_future()
    pair.wire.drained = lambda: taken  # type: ignore[method-assign]
    transport = pair.session.transport
    while transport.writable:
        transport.send_bytes(bytes(100))
    drained = asyncio.ensure_future(transport.drained())
    await pair.settled()
    assert not drained.done()
    assert not any(isinstance(message, Taken) for message in pair.network.log)
    taken.set_result(None)
    await asyncio.wait_for(drained, 5)
    assert transport.writable


async def test_who_waits_for_a_client_that_is_gone_waits_no_longer():
    pair = await Pair(high_water=1000).upgrade()
    transport = pair.session.transport
    transport.send_bytes(bytes(2000))
    drained = asyncio.ensure_future(transport.drained())
    pair.network.kill(1)
    await asyncio.wait_for(drained, 5)
    assert not transport.writable


async def test_the_client_sends_no_more_than_the_owner_takes():
    pair = await Pair(high_water=1000).upgrade()
    pair.session.transport.pause_reading()
    for _ in range(9):
        pair.wire.receiver.on_bytes(bytes(100))
    await pair.settled()
    waited: bool = pair.wire.paused
    pair.wire.receiver.on_bytes(bytes(100))
    await pair.settled()
    waits: bool = pair.wire.paused
    assert (waited, waits) == (False, True)
    pair.session.transport.resume_reading()
    await pair.network.until(lambda: not pair.wire.paused)
    assert len(pair.received) == 10


async def test_the_client_is_not_read_from_while_the_owner_does_not_answer():
    pair = await Pair(high_water=1000).upgrade()
    pair.network.loses = lambda message: isinstance(message, Data)
    pair.wire.receiver.on_bytes(bytes(1000))
    await pair.settled()
    assert pair.wire.paused


async def test_a_lost_word_of_what_was_taken_is_made_good_by_the_next(monkeypatch: pytest.MonkeyPatch):
    pair = await Pair(high_water=1000).upgrade()
    transport = pair.session.transport
    pair.network.loses = lambda message: isinstance(message, Taken)
    transport.send_bytes(bytes(1000))
    await pair.settled()
    assert not transport.writable
    pair.network.loses = lambda _: False
    monkeypatch.setattr("moongate.engine.tunnel._REPEATED", 0.0)
    transport.send_text(b"2")  # a heartbeat, which asks nobody
    await pair.network.until(lambda: transport.writable)


async def test_an_end_without_another_end_is_closed():
    """A server that was taken for dead, and has been alive all the time, keeps what the other one has let go."""
    pair = await Pair().upgrade()
    pair.network.relays["0" * 16].lost("0" * 15 + "1")
    await pair.owner.ended()
    assert pair.wire.closed is None
    pair.wire.receiver.on_text(b"4a")
    await pair.network.until(lambda: pair.wire.closed == 1011)
    assert pair.pending == [0, 0]


async def test_a_session_whose_websocket_is_gone_ends():
    pair = await Pair().upgrade()
    pair.network.loses = lambda message: isinstance(message, Closed)
    pair.wire.receiver.on_closed(1006, "")
    await pair.settled()
    pair.network.loses = lambda _: False
    pair.session.transport.send_text(b"4a")
    assert await pair.owner.ended() is DisconnectReason.TRANSPORT_CLOSE
    assert pair.pending == [0, 0]


@pytest.mark.parametrize("lost", [0, 1])
async def test_a_client_that_leaves_while_its_websocket_is_opened_leaves_nothing(lost: int):
    pair = Pair()
    pair.client = await Poller.open(pair.owner)
    goodbyes = itertools.count()
    pair.network.loses = lambda message: isinstance(message, Closed) and next(goodbyes) < lost
    opening = asyncio.ensure_future(pair.open(pair.client.sid))
    await asyncio.sleep(0)  # it asks
    opening.cancel()
    await asyncio.wait((opening,))
    await pair.settled()
    assert any(isinstance(message, Opened) for message in pair.network.log)
    await pair.network.until(lambda: pair.pending == [0, 0])


async def test_a_server_that_stops_puts_the_clients_of_others_out():
    pair = await Pair().upgrade()
    assert pair.other.engine.forwarding
    await pair.other.engine.forwarding.close()
    assert pair.wire.closed == 1011
    assert await pair.owner.ended() is DisconnectReason.TRANSPORT_CLOSE


async def test_nobody_speaks_for_the_owner_or_for_the_client():
    pair = await Pair().upgrade()
    for relay in pair.network.relays.values():
        number = next(message.number for message in pair.network.log if isinstance(message, Data))
        for message in (Data(number, True, 0, True, b"4a"), Data(number, False, 0, True, b"4b")):
            relay.receive("f" * 16, encode(message))
    await pair.settled()
    assert pair.wire.sent == []
    assert pair.received == []
    assert pair.wire.closed is None


async def test_an_answer_that_nobody_asked_for_is_passed_over():
    pair = await Pair().upgrade()
    for relay in pair.network.relays.values():
        relay.receive("0" * 15 + "1", encode(Answered(999, 200, b"", b"")))
    pair.wire.receiver.on_text(b"4a")
    await pair.network.until(lambda: pair.wire.sent == [b"4a"])
