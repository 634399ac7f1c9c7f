"""What the application decides over connections: who comes in, by which id, and what the answers carry."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from moongate import EngineOptions, WsException
from moongate.config import Settings
from moongate.engine.raw import RawEngine, RawSession
from moongate.errors import ConfigurationError
from moongate.transport.base import Accepted, Refused, Request
from moongate.types import DisconnectReason
from tests.engine.echo import Answer, EchoApp, Poller, Wire, request

pytestmark = pytest.mark.anyio

HANDSHAKE = "EIO=4&transport=polling"
WEBSOCKET = Request("/socket.io/", "EIO=4&transport=websocket", b"x-token: t\r\n", None, secure=False)
BARE = Request("/ws/chat", "", b"x-token: t\r\n", None, secure=False)


def app_of(**options: Any) -> EchoApp:
    return EchoApp(options=EngineOptions(**options))


async def get(app: EchoApp, query: str = HANDSHAKE, **headers: str) -> Answer:
    answer = await request(app, "GET", query, headers={name.replace("_", "-"): text for name, text in headers.items()})
    assert answer
    return answer


async def accept(app: EchoApp, query: str = "EIO=4&transport=websocket") -> Accepted:
    accepted = app.accept_websocket(Request("/socket.io/", query, b"x-token: t\r\n", None, secure=False))
    return await accepted if isinstance(accepted, Awaitable) else accepted


class BareConnection:
    subprotocol: str | None = None

    def on_open(self) -> None: ...
    def on_text(self, data: bytes) -> None: ...
    def on_bytes(self, data: bytes) -> None: ...
    def on_closed(self, reason: Any) -> None: ...


class BareDoor:
    """Lets every bare client in that it is asked about."""

    def __init__(self) -> None:
        self.names: list[str] = []

    async def admit(self, session: RawSession, name: str) -> BareConnection:
        self.names.append(name)
        return BareConnection()


def refusing(message: str) -> Callable[[Request], bool]:
    def allow(request: Request) -> bool:
        raise WsException(message)

    return allow


def failing(request: Request) -> Any:
    raise RuntimeError("the secret of the database")


def later(function: Callable[[Request], Any]) -> Callable[[Request], Awaitable[Any]]:
    async def asynchronous(request: Request) -> Any:
        await asyncio.sleep(0)
        return function(request)

    return asynchronous


REFUSALS = [
    (lambda _: False, "Forbidden"),
    (lambda _: 0, "Forbidden"),
    (refusing("Your account is closed"), "Your account is closed"),
    (failing, "Forbidden"),
]


class TestAllowRequest:
    @pytest.mark.parametrize("allowed", [True, None])
    @pytest.mark.parametrize("wrap", [lambda function: function, later])
    async def test_who_is_allowed_comes_in(self, allowed: bool | None, wrap: Any):
        asked: list[str | None] = []

        def allow(request: Request) -> bool | None:
            asked.append(request.header("x-token"))
            return allowed

        app = app_of(allow_request=wrap(allow))
        assert (await get(app, x_token="t")).status == 200
        Wire((await accept(app)).receiver).open().receiver.on_text(b"4a")
        assert asked == ["t", "t"]
        assert app.engine.sessions == 2

    @pytest.mark.parametrize(("allow", "message"), REFUSALS)
    @pytest.mark.parametrize("wrap", [lambda function: function, later])
    async def test_who_is_not_is_told_so(self, allow: Any, message: str, wrap: Any):
        app = app_of(allow_request=wrap(allow))
        refused = await get(app)
        assert refused.status == 403
        assert refused.headers["content-type"] == "application/json"
        assert json.loads(refused.body) == {"code": 4, "message": message}
        with pytest.raises(Refused) as refusal:
            await accept(app)
        assert (refusal.value.status, refusal.value.body) == (400, message.encode())
        door = BareDoor()
        with pytest.raises(Refused) as refusal:
            await RawEngine(Settings(), door, EngineOptions(allow_request=wrap(allow))).open_websocket(BARE)
        assert refusal.value.status == 403
        assert json.loads(refusal.value.body) == {"status": "error", "message": message}
        assert app.engine.sessions == 0
        assert not door.names

    async def test_an_unexpected_error_is_logged_whole(self, caplog: pytest.LogCaptureFixture):
        await get(app_of(allow_request=failing))
        assert "RuntimeError: the secret of the database" in caplog.text

    async def test_only_new_clients_are_asked_about(self):
        asked: list[str] = []
        app = app_of(allow_request=lambda request: asked.append(request.url))
        client = await Poller.open(app)
        await client.post(b"4a")
        await client.get()
        wire = Wire((await accept(app, f"EIO=4&transport=websocket&sid={client.sid}")).receiver).open()
        wire.receiver.on_text(b"2probe")
        for query in (f"{HANDSHAKE}&sid=none", "EIO=4&transport=none", "EIO=4&transport=websocket"):
            await get(app, query)
        await request(app, "POST", HANDSHAKE)
        assert asked == [f"/socket.io/?{HANDSHAKE}"]

    async def test_nobody_waits_to_be_allowed_into_an_engine_that_closes(self):
        gate = asyncio.Event()

        async def allow(request: Request) -> None:
            await gate.wait()

        app = app_of(allow_request=allow)
        polling, websocket = asyncio.ensure_future(get(app)), asyncio.ensure_future(accept(app))
        await asyncio.sleep(0)
        await app.engine.close()
        gate.set()
        assert (await polling).status == 503
        with pytest.raises(Refused):
            await websocket
        assert app.engine.sessions == 0

    async def test_nothing_is_awaited_where_nothing_is_asked(self):
        assert isinstance(EchoApp().accept_websocket(WEBSOCKET), Accepted)
        assert isinstance(app_of(headers=lambda _: {}).accept_websocket(WEBSOCKET), Accepted)


class TestSessionIds:
    @pytest.mark.parametrize("wrap", [lambda function: function, later])
    async def test_an_own_id(self, wrap: Any):
        app = app_of(session_id=wrap(lambda request: f"node-1.{request.header('x-token')}"))
        opened = await get(app, x_token="a~_B")
        assert json.loads(opened.body[1:])["sid"] == "node-1.a~_B"
        assert (await get(app, f"{HANDSHAKE}&sid=none")).status == 400
        wire = Wire((await accept(app)).receiver).open()
        assert json.loads(wire.sent[0][1:])["sid"] == "node-1.t"

    @pytest.mark.parametrize("made", ["", "a b", "a/b", "ä", "a\r\nb", "a&sid=b", "a%20", None, 7, b"abc"])
    async def test_what_is_no_id_is_refused(self, made: Any, caplog: pytest.LogCaptureFixture):
        app = app_of(session_id=lambda _: made)
        refused = await get(app)
        assert (refused.status, json.loads(refused.body)["code"]) == (400, 3)
        with pytest.raises(Refused) as refusal:
            await accept(app)
        assert (refusal.value.status, refusal.value.body) == (400, b"Bad request")
        assert "session_id" in caplog.text

    async def test_an_error_is_refused_and_logged(self, caplog: pytest.LogCaptureFixture):
        refused = await get(app_of(session_id=failing))
        assert json.loads(refused.body) == {"code": 3, "message": "Bad request"}
        assert "the secret of the database" in caplog.text

    async def test_an_id_is_of_one_open_session(self, caplog: pytest.LogCaptureFixture):
        app = app_of(session_id=lambda _: "same")
        client = await Poller.open(app)
        refused = await get(app)
        assert json.loads(refused.body) == {"code": 3, "message": "Bad request"}
        assert caplog.records[-1].levelno == logging.ERROR
        assert "same" not in caplog.text
        await client.post(b"1")
        assert (await Poller.open(app)).sid == "same"

    async def test_two_at_a_time_do_not_share_an_id(self):
        app = app_of(session_id=lambda _: "same")
        first, second = (await accept(app)), (await accept(app))
        wires = [Wire(accepted.receiver).open() for accepted in (first, second)]
        assert wires[0].closed is None
        assert (wires[1].closed, wires[1].sent) == (1005, [])
        wires[1].receiver.on_text(b"4a")
        wires[1].receiver.on_closed(1000, "")
        assert len(app.peers) == app.engine.sessions == 1

    async def test_the_last_words_of_another_are_not_for_the_next_with_an_id(self):
        app = app_of(session_id=lambda _: "same")
        first = await Poller.open(app)
        first.peer.session.transport.send_text(b"4for the first")
        first.peer.session.close(DisconnectReason.FORCED_CLOSE)
        second = await Poller.open(app)
        await second.post(b"4a")
        assert (await second.get()).body == b"4a"


class TestHeaders:
    async def test_the_first_answer_and_every_answer(self):
        asked: list[tuple[str, str]] = []

        def initial(request: Request) -> dict[str, str]:
            asked.append(("initial", request.query.get("sid", "")))
            return {"X-First": "yes"}

        def every(request: Request) -> dict[str, str]:
            asked.append(("every", request.query.get("sid", "")))
            return {"X-Every": "yes"}

        app = app_of(initial_headers=initial, headers=every)
        opened = await get(app)
        assert (opened.headers["x-first"], opened.headers["x-every"]) == ("yes", "yes")
        client = Poller(app, json.loads(opened.body[1:])["sid"], {})
        for answer in (await client.post(b"4a"), await client.get()):
            assert answer.headers["x-every"] == "yes"
            assert "x-first" not in answer.headers
        assert asked == [("initial", ""), ("every", ""), ("every", client.sid), ("every", client.sid)]

    async def test_the_answer_to_a_request_for_a_websocket(self):
        app = app_of(initial_headers=lambda _: {"X-First": "1"}, headers=lambda _: {"X-Every": "2"})
        assert (await accept(app)).headers == (("x-first", "1"), ("x-every", "2"))
        client = await Poller.open(app)
        upgrade = await accept(app, f"EIO=4&transport=websocket&sid={client.sid}")
        assert upgrade.headers == (("x-every", "2"),)
        options = EngineOptions(initial_headers=lambda _: {"X-First": "1"})
        bare = await RawEngine(Settings(), BareDoor(), options).open_websocket(BARE)
        assert bare.headers == (("x-first", "1"),)

    async def test_they_stand_for_the_servers_own_and_may_be_repeated(self):
        app = app_of(headers=lambda _: {"Cache-Control": "no-cache", "Set-Cookie": ["a=1", "b=2"]})
        headers = (await get(app)).all_headers
        assert [value for name, value in headers if name == "cache-control"] == ["no-cache"]
        assert [value for name, value in headers if name == "set-cookie"] == ["a=1", "b=2"]

    async def test_errors_carry_none(self):
        app = app_of(headers=lambda _: {"X-Every": "yes"})
        assert "x-every" not in (await get(app, f"{HANDSHAKE}&sid=none")).headers

    @pytest.mark.parametrize(
        "made",
        [
            {"X-A": "1\r\nSet-Cookie: admin=1"},
            {"X-A": "1\nb"},
            {"X-A": "1\x00"},
            {"X-A": "ä"},
            {"X-A": 1},
            {"X-A\r\nX-B": "1"},
            {"X A": "1"},
            {"": "1"},
            {"Content-Length": "1"},
            {"Sec-WebSocket-Accept": "1"},
            None,
        ],
    )
    async def test_what_is_no_header_is_refused_and_opens_nothing(self, made: Any, caplog: pytest.LogCaptureFixture):
        app = app_of(initial_headers=lambda _: made)
        refused = await get(app)
        assert (refused.status, json.loads(refused.body)["message"]) == (500, "Internal server error")
        with pytest.raises(Refused) as refusal:
            await accept(app)
        assert refusal.value.status == 500
        assert app.engine.sessions == 0
        assert "the headers of an answer could not be made" in caplog.text

    async def test_a_failure_loses_no_message(self):
        made: list[dict[str, str]] = [{}, {"X-A": "\n"}, {}]
        app = app_of(headers=lambda _: made.pop(0))
        client = await Poller.open(app)
        client.peer.session.transport.send_text(b"4a")
        assert (await client.get()).status == 500
        assert (await client.get()).body == b"4a"


@pytest.mark.parametrize("option", ["allow_request", "initial_headers", "headers", "session_id"])
async def test_options_have_to_be_callable(option: str):
    with pytest.raises(ConfigurationError, match=f"EngineOptions.{option}: expected a callable, got dict"):
        EngineOptions(**dict[str, Any]({option: {}}))


class Asynchronous:
    async def __call__(self, request: Request) -> dict[str, str]:
        return {}


@pytest.mark.parametrize("made", [later(lambda _: {}), Asynchronous(), partial(Asynchronous.__call__, Asynchronous())])
@pytest.mark.parametrize("option", ["initial_headers", "headers"])
async def test_headers_are_made_at_once(option: str, made: Any):
    with pytest.raises(ConfigurationError, match="Write def, not async def"):
        EngineOptions(**dict[str, Any]({option: made}))
