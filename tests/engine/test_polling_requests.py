"""Long-polling, request by request, as Node's server answers (engine.io 6.6)."""

import asyncio
import json
import time
from collections.abc import Iterator

import pytest

from moongate.types import DisconnectReason
from tests.engine.echo import Answer, EchoApp, Poller, request

pytestmark = pytest.mark.anyio

HANDSHAKE = "EIO=4&transport=polling"


@pytest.fixture
def app() -> EchoApp:
    return EchoApp()


async def answer(app: EchoApp, method: str, query: str, **headers: str) -> Answer:
    answer = await request(app, method, query, headers={name.replace("_", "-"): text for name, text in headers.items()})
    assert answer
    return answer


async def test_the_handshake(app: EchoApp):
    opened = await answer(app, "GET", HANDSHAKE)
    assert opened.status == 200
    assert opened.headers["content-type"] == "text/plain; charset=UTF-8"
    assert opened.headers["cache-control"] == "no-store"
    handshake = json.loads(opened.body[1:])
    assert opened.body[:1] == b"0"
    assert len(handshake.pop("sid")) == 20
    assert handshake == {
        "upgrades": ["websocket"],
        "pingInterval": 25000,
        "pingTimeout": 20000,
        "maxPayload": 1000000,
    }


@pytest.mark.parametrize(
    ("method", "query", "code"),
    [
        ("GET", "EIO=4", 0),
        ("GET", "EIO=4&transport=abc", 0),
        ("GET", "EIO=4&transport=POLLING", 0),
        ("GET", "EIO=4&transport=polling%00", 0),
        ("GET", "EIO=4&transport=__class__", 0),
        ("GET", f"{HANDSHAKE}&sid=constructor", 1),
        ("GET", f"{HANDSHAKE}&sid=__class__", 1),
        ("POST", HANDSHAKE, 2),
        ("PUT", HANDSHAKE, 2),
        ("OPTIONS", HANDSHAKE, 2),
        ("HEAD", HANDSHAKE, 2),
        ("GET", "EIO=4&transport=websocket", 3),
        ("GET", f"{HANDSHAKE}&j=0", 3),
        ("GET", "transport=polling", 5),
        ("GET", "EIO=3&transport=polling", 5),
        ("GET", "EIO=abc&transport=polling", 5),
    ],
)
async def test_bad_requests_are_told_why(app: EchoApp, method: str, query: str, code: int):
    refused = await answer(app, method, query)
    assert refused.status == 400
    assert refused.headers["content-type"] == "application/json"
    assert json.loads(refused.body)["code"] == code
    assert app.engine.sessions == 0


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_a_session_knows_two_methods(app: EchoApp, method: str):
    client = await Poller.open(app)
    refused = await answer(app, method, client.query)
    assert (refused.status, refused.body) == (500, b"")
    assert (await client.post(b"4a")).status == 200
    assert (await client.get()).body == b"4a"


async def test_of_repeated_parameters_the_last_one_counts(app: EchoApp):
    client = await Poller.open(app)
    assert (await answer(app, "POST", f"{HANDSHAKE}&sid=b&sid={client.sid}")).status == 200
    refused = await answer(app, "GET", f"{client.query}&sid=b")
    assert json.loads(refused.body) == {"code": 1, "message": "Session ID unknown"}


async def test_a_session_keeps_its_transport(app: EchoApp):
    client = await Poller.open(app)
    refused = await answer(app, "GET", f"EIO=4&transport=websocket&sid={client.sid}")
    assert json.loads(refused.body) == {"code": 3, "message": "Bad request"}


async def test_a_session_keeps_its_protocol_version(app: EchoApp):
    client = await Poller.open(app)
    refused = await answer(app, "GET", f"EIO=3&transport=polling&sid={client.sid}")
    assert json.loads(refused.body) == {"code": 3, "message": "Bad request"}


async def test_only_configured_transports_are_served():
    app = EchoApp(transports=("websocket",))
    assert json.loads((await answer(app, "GET", HANDSHAKE)).body)["code"] == 0
    for only_polling in (EchoApp(transports=("polling",)), EchoApp(allow_upgrades=False)):
        assert (await Poller.open(only_polling)).handshake["upgrades"] == []


async def test_messages_go_out_in_order_with_the_next_poll(app: EchoApp):
    client = await Poller.open(app)
    posted = await client.post("4a\x1ebAQID\x1e4€".encode())
    assert (posted.status, posted.body) == (200, b"ok")
    assert posted.headers["content-type"] == "text/html"
    assert (await client.get()).body == "4a\x1ebAQID\x1e4€".encode()


async def test_a_poll_that_waits_is_answered_once_for_all_that_is_sent_at_a_time(app: EchoApp):
    client = await Poller.open(app)
    poll = await client.waiting()
    await client.post(b"4a\x1e4b")
    assert (await poll).body == b"4a\x1e4b"
    assert not client.peer.session.transport.writable


async def test_the_second_poll_at_a_time_ends_the_session(app: EchoApp):
    client = await Poller.open(app)
    poll = await client.waiting()
    assert (await client.get()).status == 400
    assert (await poll).body == b"1"
    assert (await client.get()).status == 400
    assert client.peer.reasons == [DisconnectReason.TRANSPORT_ERROR]


async def test_the_second_post_at_a_time_ends_the_session(app: EchoApp):
    client = await Poller.open(app)
    client.peer.session.transport.pause_reading()
    first = asyncio.ensure_future(client.post(b"4a"))
    async with asyncio.timeout(5):
        while not client.peer.received:
            await asyncio.sleep(0)
    assert (await client.post(b"4b")).status == 400
    assert (await first).status == 200
    assert client.peer.reasons == [DisconnectReason.TRANSPORT_ERROR]
    assert client.peer.received == [b"4a"]


async def test_an_abandoned_poll_ends_the_session(app: EchoApp):
    client = await Poller.open(app)
    gone = asyncio.Event()
    poll = asyncio.ensure_future(request(app, "GET", client.query, gone=gone))
    async with asyncio.timeout(5):
        while not client.peer.session.transport.writable:
            await asyncio.sleep(0)
    gone.set()
    assert await poll is None
    assert client.peer.reasons == [DisconnectReason.TRANSPORT_ERROR]
    assert (await client.get()).status == 400


async def test_a_poll_that_the_host_cancels_ends_the_session(app: EchoApp):
    client = await Poller.open(app)
    poll = await client.waiting()
    poll.cancel()
    with pytest.raises(asyncio.CancelledError):
        await poll
    assert client.peer.reasons == [DisconnectReason.TRANSPORT_ERROR]


async def test_an_abandoned_post_ends_the_session(app: EchoApp):
    client = await Poller.open(app)

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        raise AssertionError(message)

    scope: dict[str, object] = {
        "type": "http",
        "method": "POST",
        "path": "/socket.io/",
        "query_string": client.query.encode(),
        "headers": [],
        "client": None,
        "scheme": "http",
    }
    await app(scope, receive, send)
    assert client.peer.reasons == [DisconnectReason.TRANSPORT_ERROR]


async def test_the_client_says_goodbye_while_it_polls(app: EchoApp):
    client = await Poller.open(app)
    poll = await client.waiting()
    assert (await client.post(b"1")).status == 200
    assert (await poll).body == b"6"
    assert (await client.get()).status == 400
    assert client.peer.reasons == [DisconnectReason.TRANSPORT_CLOSE]


async def test_the_server_says_goodbye_behind_its_last_words(app: EchoApp):
    client = await Poller.open(app)
    poll = await client.waiting()
    client.peer.session.transport.send_text(b"4last words")
    client.peer.session.close(DisconnectReason.FORCED_CLOSE)
    assert (await poll).body == b"4last words"
    assert (await client.get()).body == b"6\x1e1"
    assert (await client.get()).status == 400


async def test_the_server_says_goodbye_to_the_next_poll(app: EchoApp):
    client = await Poller.open(app)
    client.peer.session.transport.send_text(b"4last words")
    client.peer.session.close(DisconnectReason.FORCED_CLOSE)
    client.peer.session.transport.send_text(b"4too late")
    assert (await client.post(b"4x")).status == 200
    assert (await answer(app, "GET", f"EIO=3&transport=polling&sid={client.sid}")).status == 400
    assert (await client.get()).body == b"4last words"
    assert (await client.get()).body == b"6\x1e1"
    assert (await client.get()).status == (await client.post(b"4x")).status == 400
    assert not client.peer.received
    assert client.peer.reasons == [DisconnectReason.FORCED_CLOSE]


async def test_a_client_may_go_without_the_last_words(app: EchoApp):
    client = await Poller.open(app)
    client.peer.session.transport.send_text(b"4last words")
    client.peer.session.close(DisconnectReason.FORCED_CLOSE)
    assert (await client.post(b"1")).status == 200
    assert (await client.get()).status == 400
    assert client.peer.reasons == [DisconnectReason.FORCED_CLOSE]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"abc", 200, DisconnectReason.PARSE_ERROR),
        (b"", 200, DisconnectReason.PARSE_ERROR),
        (b"7", 200, DisconnectReason.PARSE_ERROR),
        (b"4a\x1e", 200, DisconnectReason.PARSE_ERROR),
        (b"\x1e4a", 200, DisconnectReason.PARSE_ERROR),
        (b"4a\x1e\x1e4b", 200, DisconnectReason.PARSE_ERROR),
        (b"4\xff", 400, DisconnectReason.PARSE_ERROR),
        (b"b====", 400, DisconnectReason.PARSE_ERROR),
        (b"2", 200, DisconnectReason.TRANSPORT_ERROR),
        (b"2probe", 200, DisconnectReason.TRANSPORT_ERROR),
    ],
)
async def test_a_broken_body_ends_the_session(app: EchoApp, body: bytes, status: int, reason: DisconnectReason):
    client = await Poller.open(app)
    assert (await client.post(body)).status == status
    assert client.peer.reasons == [reason]
    assert (await client.get()).status == 400


async def test_nothing_is_delivered_behind_the_end_of_a_session(app: EchoApp):
    client = await Poller.open(app)
    await client.post(b"4a\x1e1\x1e4b\x1ebAQ==")
    assert client.peer.received == [b"4a"]
    assert client.peer.reasons == [DisconnectReason.TRANSPORT_CLOSE]


async def test_packets_without_a_meaning_are_passed_over(app: EchoApp):
    client = await Poller.open(app)
    assert (await client.post(b"0\x1e3\x1e3probe\x1e5\x1e6\x1e4a")).status == 200
    assert client.peer.received == [b"4a"]
    assert not client.peer.reasons


async def test_a_binary_body_ends_the_session(app: EchoApp):
    client = await Poller.open(app)
    assert (await client.post(b"\x01\x02\x03", {"content-type": "application/octet-stream"})).status == 400
    assert client.peer.reasons == [DisconnectReason.TRANSPORT_ERROR]


async def test_a_compressed_body_is_refused(app: EchoApp):
    client = await Poller.open(app)
    assert (await client.post(b"\x1f\x8b", {"content-encoding": "gzip"})).status == 415


async def test_a_body_may_be_as_large_as_the_limit():
    app = EchoApp(max_payload=1000)
    client = await Poller.open(app)
    assert (await client.post([b"4" * 500, b"4" * 500])).status == 200
    assert client.peer.received == [b"4" * 1000]


async def test_a_body_that_is_too_large_is_refused_unread():
    app = EchoApp(max_payload=1000)
    client = await Poller.open(app)
    log: list[str] = []
    assert (await client.post(b"4" * 1001, {"content-length": "1001"}, log=log)).status == 413
    assert not log


async def test_a_body_without_a_length_is_read_up_to_the_limit():
    app = EchoApp(max_payload=1000)
    client = await Poller.open(app)
    log: list[str] = []

    def endless() -> Iterator[bytes]:
        while True:
            yield b"4" * 100

    assert (await client.post(endless(), log=log)).status == 413
    assert len(log) == 11
    assert not client.peer.received


async def test_reading_that_is_paused_holds_up_the_answer_to_a_post(app: EchoApp):
    client = await Poller.open(app)
    transport = client.peer.session.transport
    transport.pause_reading()
    post = asyncio.ensure_future(client.post(b"4a\x1e4b\x1e4c"))
    async with asyncio.timeout(5):
        while not client.peer.received:
            await asyncio.sleep(0)
    assert not post.done()
    assert client.peer.received == [b"4a"]
    transport.resume_reading()
    assert (await post).status == 200
    assert client.peer.received == [b"4a", b"4b", b"4c"]


async def test_the_end_of_a_session_answers_a_post_that_is_held_up(app: EchoApp):
    client = await Poller.open(app)
    client.peer.session.transport.pause_reading()
    post = asyncio.ensure_future(client.post(b"4a"))
    await asyncio.sleep(0)
    client.peer.session.close(DisconnectReason.FORCED_CLOSE)
    assert (await post).status == 200


async def test_a_flood_of_tiny_packets_leaves_the_others_their_turn(app: EchoApp):
    client = await Poller.open(app)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    started = time.perf_counter()
    assert (await client.post(b"\x1e".join([b"3"] * 100_000))).status == 200
    task.cancel()
    assert turns > 100
    assert time.perf_counter() - started < 5
    assert (await client.post(b"\x1e".join([b"2"] * 500_000))).status == 200
    assert client.peer.reasons == [DisconnectReason.TRANSPORT_ERROR]


async def test_an_awaited_emit_waits_until_the_messages_are_fetched():
    app = EchoApp(high_water=100)
    client = await Poller.open(app)
    transport = client.peer.session.transport
    await transport.drained()
    transport.send_text(b"4" + b"x" * 100)
    drained = asyncio.ensure_future(transport.drained())
    await asyncio.sleep(0)
    assert not drained.done()
    await client.get()
    async with asyncio.timeout(5):
        await drained


async def test_an_engine_that_closes_says_goodbye_and_lets_nobody_in(app: EchoApp):
    polling, between = await Poller.open(app), await Poller.open(app)
    poll = await polling.waiting()
    await app.engine.close()
    assert (await poll).body == b"1"
    assert (await between.get()).body == b"6\x1e1"
    assert [peer.reasons for peer in app.peers] == [[DisconnectReason.SERVER_SHUTTING_DOWN]] * 2
    assert (await answer(app, "GET", HANDSHAKE)).status == 503
    assert app.engine.sessions == 0


class TestOrigins:
    async def test_pages_of_other_sites_are_refused(self, app: EchoApp):
        refused = await answer(app, "GET", HANDSHAKE, origin="https://evil.example", host="chat.example")
        assert (refused.status, json.loads(refused.body)["code"]) == (403, 4)
        assert "access-control-allow-origin" not in refused.headers
        assert app.engine.sessions == 0

    @pytest.mark.parametrize("origin", ["null", "", "https://", "https://chat.example.evil.example", "http://[", "x"])
    async def test_what_is_no_origin_of_this_site_is_refused(self, app: EchoApp, origin: str):
        assert (await answer(app, "GET", HANDSHAKE, origin=origin, host="chat.example")).status == 403

    @pytest.mark.parametrize(
        ("origin", "host"),
        [
            ("http://localhost:3000", "localhost:3000"),
            ("https://chat.example", "chat.example"),
            ("https://chat.example", "chat.example:443"),
            ("https://Chat.Example", "chat.example"),
            ("http://[::1]:3000", "[::1]:3000"),
        ],
    )
    async def test_pages_of_the_same_site_are_let_in(self, app: EchoApp, origin: str, host: str):
        assert (await answer(app, "GET", HANDSHAKE, origin=origin, host=host)).status == 200

    async def test_the_port_is_part_of_the_site(self, app: EchoApp):
        refused = await answer(app, "GET", HANDSHAKE, origin="http://localhost:5000", host="localhost:3000")
        assert refused.status == 403

    async def test_sites_that_are_allowed_may_read_the_answer(self):
        app = EchoApp(cors=("https://one.example",))
        opened = await answer(app, "GET", HANDSHAKE, origin="https://one.example")
        assert opened.status == 200
        assert opened.headers["access-control-allow-origin"] == "https://one.example"
        assert opened.headers["access-control-allow-credentials"] == "true"
        assert opened.headers["vary"] == "Origin"
        assert (await answer(app, "GET", HANDSHAKE, origin="https://two.example")).status == 403

    async def test_a_star_allows_any_site_without_credentials(self):
        opened = await answer(EchoApp(cors=("*",)), "GET", HANDSHAKE, origin="https://one.example")
        assert opened.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in opened.headers

    async def test_pages_that_are_allowed_may_ask_before(self):
        app = EchoApp(cors=("https://one.example",))
        asked = await answer(
            app, "OPTIONS", HANDSHAKE, origin="https://one.example", access_control_request_headers="x-token"
        )
        assert (asked.status, asked.body) == (204, b"")
        assert asked.headers["access-control-allow-origin"] == "https://one.example"
        assert asked.headers["access-control-allow-headers"] == "x-token"
        assert "POST" in asked.headers["access-control-allow-methods"]
        assert (await answer(app, "OPTIONS", HANDSHAKE, origin="https://two.example")).status == 403
