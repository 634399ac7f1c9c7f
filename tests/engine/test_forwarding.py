"""Requests by HTTP that come to another server of the cluster than the one that has the session."""

import asyncio
import json
from collections.abc import Awaitable

import pytest

from moongate.engine.relay import Answered, Asked, encode
from moongate.transport.base import Request
from moongate.types import DisconnectReason
from tests.engine.echo import Answer, EchoApp, Poller, Wire, request
from tests.engine.network import Network

pytestmark = pytest.mark.anyio

UNKNOWN = {"code": 1, "message": "Session ID unknown"}


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def owner(network: Network) -> EchoApp:
    return network.add()


@pytest.fixture
def other(network: Network, owner: EchoApp) -> EchoApp:
    del owner  # it is the first one
    return network.add()


def pending(app: EchoApp) -> int:
    forwarding = app.engine.forwarding
    assert forwarding is not None
    return forwarding.pending


class Wanderer:
    """A client whose session is the owner's, and whose requests come to others."""

    def __init__(self, client: Poller) -> None:
        self.client = client
        self.peer = client.peer

    def __call__(
        self,
        app: EchoApp,
        method: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        gone: asyncio.Event | None = None,
    ) -> Awaitable[Answer | None]:
        return request(app, method, self.client.query, body, headers, gone=gone)

    async def waiting(self, app: EchoApp, gone: asyncio.Event | None = None) -> "asyncio.Task[Answer | None]":
        """A poll that waits."""
        poll = asyncio.ensure_future(self(app, "GET", gone=gone))
        await Network().until(lambda: self.peer.session.transport.writable)
        return poll


@pytest.fixture
async def client(owner: EchoApp) -> Wanderer:
    return Wanderer(await Poller.open(owner))


async def test_every_server_answers(owner: EchoApp, other: EchoApp, client: Wanderer):
    posted = await client(other, "POST", b"4hello\x1ebAAEC")
    assert posted
    assert (posted.status, posted.body) == (200, b"ok")
    answer = await client(other, "GET")
    assert answer
    assert (answer.status, answer.body) == (200, b"4hello\x1ebAAEC")
    assert client.peer.received == [b"4hello", b"\x00\x01\x02"]
    assert other.engine.sessions == 0
    assert pending(owner) == pending(other) == 0


async def test_the_answer_is_the_owner_s_with_its_headers(owner: EchoApp, other: EchoApp, client: Wanderer):
    answers = []
    for app in (owner, other):
        client.peer.session.transport.send_text(b"4" + b"a" * 2000)
        answers.append(await client(app, "GET", headers={"accept-encoding": "gzip", "origin": "http://localhost"}))
    direct, forwarded = answers
    assert direct
    assert direct.headers["content-encoding"] == "gzip"
    assert forwarded == direct


async def test_a_poll_waits_for_messages(other: EchoApp, client: Wanderer):
    poll = await client.waiting(other)
    client.peer.session.transport.send_text(b"4late")
    answer = await poll
    assert answer
    assert answer.body == b"4late"


async def test_the_session_may_be_closed_through_another_server(owner: EchoApp, other: EchoApp, client: Wanderer):
    poll = await client.waiting(other)
    closed = await client(other, "POST", b"1")
    assert closed
    assert closed.body == b"ok"
    assert await poll
    assert await owner.ended() is DisconnectReason.TRANSPORT_CLOSE
    assert owner.engine.sessions == 0


async def test_the_owner_may_close_it(owner: EchoApp, other: EchoApp, client: Wanderer):
    poll = await client.waiting(other)
    client.peer.session.close(DisconnectReason.SERVER_NAMESPACE_DISCONNECT)
    answer = await poll
    assert answer
    assert answer.body == b"1"
    assert pending(owner) == pending(other) == 0


@pytest.mark.parametrize("at", ["owner", "other"])
async def test_a_client_that_gives_up_its_poll_is_gone(owner: EchoApp, other: EchoApp, client: Wanderer, at: str):
    gone = asyncio.Event()
    poll = await client.waiting(owner if at == "owner" else other, gone)
    gone.set()
    assert await poll is None
    assert await owner.ended() is DisconnectReason.TRANSPORT_ERROR


async def test_a_host_that_cancels_says_that_the_client_is_gone(owner: EchoApp, other: EchoApp, client: Wanderer):
    poll = await client.waiting(other)
    poll.cancel()
    await asyncio.wait((poll,))
    assert await owner.ended() is DisconnectReason.TRANSPORT_ERROR
    await Network().until(lambda: not pending(owner) and not pending(other))


async def test_two_polls_by_two_servers_are_one_too_many(owner: EchoApp, other: EchoApp, client: Wanderer):
    poll = await client.waiting(owner)
    second = await client(other, "GET")
    assert second
    assert second.status == 400
    assert await poll
    assert await owner.ended() is DisconnectReason.TRANSPORT_ERROR


async def test_what_is_no_payload_ends_the_session(owner: EchoApp, other: EchoApp, client: Wanderer):
    answer = await client(other, "POST", b"bnot base64!")
    assert answer
    assert answer.status == 400
    assert await owner.ended() is DisconnectReason.PARSE_ERROR


async def test_a_body_that_is_too_large_goes_nowhere(network: Network, client: Wanderer):
    small = network.add(max_payload=100)
    answer = await client(small, "POST", b"4" * 101)
    assert answer
    assert answer.status == 413
    assert network.log == []
    assert not client.peer.session.closed


async def test_a_page_of_another_origin_is_refused(other: EchoApp, client: Wanderer):
    answer = await client(other, "POST", b"4a", headers={"origin": "https://evil.example"})
    assert answer
    assert answer.status == 403
    assert client.peer.received == []


@pytest.mark.parametrize(
    "sid",
    [
        "nonsense",
        "nonsense.",
        ".",
        "nonsense.0000000000000000",  # the owner has no such session, and asks nobody
        "nonsense.0000000000000001",  # this server itself
        "nonsense.00000000000000ff",  # a server that was never there
    ],
)
async def test_nobody_has_that_session(other: EchoApp, sid: str):
    answer = await request(other, "GET", f"EIO=4&transport=polling&sid={sid}")
    assert answer
    assert (answer.status, json.loads(answer.body)) == (400, UNKNOWN)
    assert pending(other) == 0


async def test_an_owner_that_dies_is_not_waited_for(network: Network, other: EchoApp, client: Wanderer):
    poll = await client.waiting(other)
    network.kill(0)
    for answer in (await poll, await client(other, "POST", b"4a")):
        assert answer
        assert (answer.status, json.loads(answer.body)) == (400, UNKNOWN)
    assert pending(other) == 0


async def test_a_server_that_dies_takes_its_requests_with_it(network: Network, owner: EchoApp, client: Wanderer):
    third = network.add()
    poll = await client.waiting(third)
    network.kill(1)
    assert await owner.ended() is DisconnectReason.TRANSPORT_ERROR
    await network.until(lambda: not pending(owner))
    poll.cancel()


async def test_a_cluster_that_is_gone_is_said(network: Network, other: EchoApp, client: Wanderer):
    network.takes = False
    answer = await client(other, "POST", b"4a")
    assert answer
    assert (answer.status, answer.body) == (503, b"The server of this session cannot be reached")
    assert client.peer.received == []


async def test_nothing_waits_for_ever(network: Network, client: Wanderer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("moongate.engine.forwarding._MARGIN", 0.01)
    hasty = network.add(ping_interval=0.01, ping_timeout=0.01)
    network.loses = lambda message: isinstance(message, Answered)
    answer = await client(hasty, "POST", b"4a")
    assert answer
    assert (answer.status, answer.body) == (504, b"The server of this session does not answer")
    assert pending(hasty) == 0


async def test_too_many_are_refused(other: EchoApp, client: Wanderer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("moongate.engine.forwarding._MAX_WAITING", 1)
    poll = await client.waiting(other)
    refused = await client(other, "POST", b"4a")
    assert refused
    assert (refused.status, refused.body) == (503, b"Too many requests for other servers")
    client.peer.session.transport.send_text(b"4b")
    answer = await poll
    assert answer
    assert answer.body == b"4b"


async def test_a_request_that_is_too_large_for_the_cluster(network: Network, other: EchoApp, client: Wanderer):
    network.largest = 5000
    answer = await client(other, "POST", b"4" * 6000)
    assert answer
    assert (answer.status, answer.body) == (413, b"Too large for the cluster")


async def test_an_answer_that_is_too_large_for_the_cluster_is_said_and_the_session_does_not_go_on_behind_it(
    network: Network, owner: EchoApp, other: EchoApp, client: Wanderer
):
    network.largest = 5000
    client.peer.session.transport.send_text(b"4" * 6000)
    answer = await client(other, "GET")
    assert answer
    assert answer.status == 503
    assert await owner.ended() is DisconnectReason.TRANSPORT_ERROR
    again = await client(other, "GET")
    assert again
    assert (again.status, json.loads(again.body)) == (400, UNKNOWN)


async def test_who_was_taken_for_dead_is_answered_all_the_same(network: Network, owner: EchoApp, client: Wanderer):
    third = network.add()
    poll = await client.waiting(third)
    network.relays["0" * 16].lost("0" * 15 + "1")
    answer = await poll
    assert answer
    assert (answer.status, json.loads(answer.body)) == (400, UNKNOWN)
    assert await owner.ended() is DisconnectReason.TRANSPORT_ERROR


async def test_a_client_that_gives_up_before_its_owner_has_looked(network: Network, owner: EchoApp, client: Wanderer):
    third = network.add()
    gone = asyncio.Event()
    gone.set()
    assert await client(third, "GET", gone=gone) is None
    assert await owner.ended() is DisconnectReason.TRANSPORT_ERROR
    await network.until(lambda: not pending(owner))


async def test_what_is_no_message_is_counted_and_the_next_one_is_heard(
    network: Network, owner: EchoApp, other: EchoApp, client: Wanderer
):
    relay = network.relays["0" * 16]
    poison = [
        b"",
        b"\xc1",
        b"nonsense",
        b"\x93\x01\x02",
        b"\x92\x63\x01",
        b"\x91" * 500,
        b"\x95\x01\xff\xa1G\x90\xc4\x00",
    ]
    for payload in poison:
        relay.receive("f" * 16, payload)
    assert owner.engine.forwarding
    assert owner.engine.forwarding.malformed == len(poison)
    answer = await client(other, "POST", b"4a")
    assert answer
    assert answer.status == 200


async def test_nobody_answers_for_another(network: Network, other: EchoApp, client: Wanderer):
    poll = await client.waiting(other)
    asked = next(message for message in network.log if isinstance(message, Asked))
    forged = Answered(asked.number, 200, b"", b"4forged")
    network.relays["0" * 15 + "1"].receive("f" * 16, encode(forged))
    client.peer.session.transport.send_text(b"4true")
    answer = await poll
    assert answer
    assert answer.body == b"4true"


async def test_a_server_that_stops_lets_nobody_wait(other: EchoApp, client: Wanderer):
    poll = await client.waiting(other)
    assert other.engine.forwarding
    await other.engine.forwarding.close()
    answer = await poll
    assert answer
    assert answer.status == 503


async def test_only_the_ids_of_sessions_that_poll_tell_where_they_are(owner: EchoApp, other: EchoApp, client: Wanderer):
    del other
    assert client.client.sid.endswith(".0000000000000000")
    accepted = owner.accepted(Request("/socket.io/", "EIO=4&transport=websocket", b"", None, secure=False))
    Wire(accepted.receiver).open()
    assert len(owner.peers[-1].session.id) == 20
