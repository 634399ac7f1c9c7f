"""WebSocket connections of a plain ASGI server, played by the test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from moongate.config import Settings
from moongate.transport import asgi
from moongate.transport.asgi import serve_websocket
from moongate.transport.base import Accepted, OpenTransport, Receiver, Refused, Request
from moongate.transport.flow import Cork
from moongate.wire.outgoing import Outgoing

ACCEPTED: dict[str, Any] = {"type": "websocket.accept", "subprotocol": None, "headers": []}

pytestmark = pytest.mark.anyio

LIMIT = 5.0
REQUEST = Request("/ws", "", b"", None, secure=False)


class Recorder:
    """A receiver that keeps what comes."""

    def __init__(self) -> None:
        self.transport: OpenTransport
        self.events: list[tuple[Any, ...]] = []

    def on_open(self, transport: OpenTransport) -> None:
        self.transport = transport

    def on_text(self, data: bytes) -> None:
        self.events.append(("text", data))

    def on_bytes(self, data: bytes) -> None:
        self.events.append(("bytes", data))

    def on_pong(self) -> None:
        self.events.append(("pong",))

    def on_closed(self, code: int, reason: str) -> None:
        self.events.append(("closed", code, reason))


class Application:
    """Lets everybody in, or nobody."""

    def __init__(self, receiver: Receiver | Refused, settings: Settings, *, later: bool) -> None:
        self.settings = settings
        self.cork = Cork()
        self._receiver = receiver
        self._later = later

    def accept_websocket(self, request: Request) -> Accepted | Awaitable[Accepted]:
        return self._decide_later() if self._later else self._decide()

    def _decide(self) -> Accepted:
        if isinstance(self._receiver, Refused):
            raise self._receiver
        return Accepted(self._receiver)

    async def _decide_later(self) -> Accepted:
        await asyncio.sleep(0)
        return self._decide()


class Host:
    """The server's side of one connection."""

    def __init__(self, receiver: Receiver | Refused, *, later: bool = False, **settings: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        self.scope: dict[str, Any] = {"type": "websocket", "extensions": {}}
        self.taken = 0
        self.may_send = asyncio.Event()
        self.may_send.set()
        self._upcoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._application = Application(receiver, Settings(**settings), later=later)
        self.put({"type": "websocket.connect"})

    def put(self, message: dict[str, Any]) -> None:
        self._upcoming.put_nowait(message)

    def text(self, text: str) -> None:
        self.put({"type": "websocket.receive", "text": text})

    def end(self, **details: Any) -> None:
        self.put({"type": "websocket.disconnect", **details})

    async def serve(self) -> None:
        async with asyncio.timeout(LIMIT):
            await serve_websocket(self._application, REQUEST, self.scope, self._receive, self._send)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["asyncio.Task[None]"]:
        task = asyncio.ensure_future(self.serve())
        await self.settle()
        yield task
        self.end(code=1001)
        await task

    async def settle(self) -> None:
        """Let everything happen that can."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def _receive(self) -> dict[str, Any]:
        message = await self._upcoming.get()
        self.taken += 1
        return message

    async def _send(self, message: dict[str, Any]) -> None:
        await self.may_send.wait()
        self.sent.append(message)


@pytest.mark.parametrize("later", [False, True])
async def test_a_connection_from_beginning_to_end(later: bool):
    receiver = Recorder()
    host = Host(receiver, later=later)
    host.text("a€")
    host.put({"type": "websocket.receive", "bytes": b"\x01"})
    host.put({"type": "websocket.receive", "bytes": None, "text": "c"})
    host.end(code=1001, reason="bye")
    await host.serve()
    assert host.sent == [ACCEPTED]
    assert receiver.events == [
        ("text", "a€".encode()),
        ("bytes", b"\x01"),
        ("text", b"c"),
        ("closed", 1001, "bye"),
    ]


async def test_messages_are_sent_in_order_by_a_task_that_lives_only_then():
    receiver = Recorder()
    host = Host(receiver)
    async with host.serving():
        idle = len(asyncio.all_tasks())
        receiver.transport.send_text(b"a")
        receiver.transport.send(Outgoing(b"b", (b"\x01", b"\x02")))
        receiver.transport.send_bytes(b"\x03")
        writable = [receiver.transport.writable]
        await host.settle()
        writable.append(receiver.transport.writable)
        assert writable == [False, True]
        assert len(asyncio.all_tasks()) == idle
    assert [message.get("text", message.get("bytes")) for message in host.sent[1:]] == [
        "a",
        "b",
        b"\x01",
        b"\x02",
        b"\x03",
    ]


async def test_what_was_sent_before_leaves_before_the_end():
    receiver = Recorder()
    host = Host(receiver)
    async with host.serving():
        receiver.transport.send_text(b"last words")
        receiver.transport.close(4000, "enough")
        receiver.transport.send_text(b"too late")
        receiver.transport.close(1000)
        host.text("late")
        await host.settle()
    assert host.sent[1:] == [
        {"type": "websocket.send", "text": "last words"},
        {"type": "websocket.close", "code": 4000, "reason": "enough"},
    ]
    assert receiver.events == [("closed", 1001, "")]


async def test_a_host_that_tells_nothing_of_the_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(asgi, "_CLOSE_TIMEOUT", 0.02)
    receiver = Recorder()
    host = Host(receiver)
    async with host.serving() as task:
        receiver.transport.close(4000, "enough")
        async with asyncio.timeout(LIMIT):
            await asyncio.wait([task])
    assert receiver.events == [("closed", 4000, "enough")]


async def test_a_message_that_is_too_large_closes_the_connection():
    receiver = Recorder()
    host = Host(receiver, max_payload=10)
    async with host.serving():
        host.text("€" * 3)
        host.text("€" * 4)
        await host.settle()
    assert receiver.events == [("text", "€€€".encode()), ("closed", 1001, "")]
    assert host.sent[1]["code"] == 1009


async def test_an_awaited_emit_waits_for_the_host():
    receiver = Recorder()
    host = Host(receiver, high_water=10)
    async with host.serving():
        host.may_send.clear()
        receiver.transport.send_text(b"123456789")
        await receiver.transport.drained()
        receiver.transport.send_text(b"123456789")
        drained = asyncio.ensure_future(receiver.transport.drained())
        await host.settle()
        assert not drained.done()
        host.may_send.set()
        async with asyncio.timeout(LIMIT):
            await drained
    assert len(host.sent) == 3


async def test_the_end_of_the_connection_ends_the_wait():
    receiver = Recorder()
    host = Host(receiver, high_water=10)
    async with host.serving():
        host.may_send.clear()
        receiver.transport.send_text(b"1234567890")
        drained = asyncio.ensure_future(receiver.transport.drained())
    async with asyncio.timeout(LIMIT):
        await drained
    host.may_send.set()


async def test_a_host_that_cannot_send_any_more_is_no_error():
    receiver = Recorder()
    host = Host(receiver)

    async def fail(message: object) -> None:
        raise RuntimeError("the peer is gone")

    async with host.serving():
        host.may_send = type("Broken", (), {"wait": lambda _: fail(None)})()
        receiver.transport.send_text(b"a")
        await host.settle()
        receiver.transport.send_text(b"b")
        await host.settle()
    assert host.sent == [ACCEPTED]
    assert receiver.events == [("closed", 1001, "")]


async def test_reading_that_is_paused_takes_nothing_from_the_host():
    receiver = Recorder()
    host = Host(receiver)
    async with host.serving():
        receiver.transport.pause_reading()
        for text in "abc":
            host.text(text)
        await host.settle()
        assert host.taken <= 2
        receiver.transport.resume_reading()
        await host.settle()
        assert receiver.events == [("text", b"a"), ("text", b"b"), ("text", b"c")]


async def test_the_receiver_may_change():
    first, second = Recorder(), Recorder()
    host = Host(first)
    async with host.serving():
        host.text("a")
        await host.settle()
        first.transport.receiver = second
        host.text("b")
        await host.settle()
    assert first.events == [("text", b"a")]
    assert second.events == [("text", b"b"), ("closed", 1001, "")]


@pytest.mark.parametrize("later", [False, True])
async def test_a_refusal_is_answered_by_http_where_the_host_can(later: bool):
    host = Host(Refused(403, b"{}", headers=(("x-why", "because"),)), later=later)
    host.scope["extensions"] = {"websocket.http.response": {}}
    await host.serve()
    start, body = host.sent
    assert (start["status"], body["body"]) == (403, b"{}")
    assert (b"content-type", b"application/json") in start["headers"]
    assert (b"content-length", b"2") in start["headers"]
    assert (b"x-why", b"because") in start["headers"]


async def test_a_refusal_is_a_close_elsewhere():
    host = Host(Refused(403, b"{}"))
    host.scope["extensions"] = None
    await host.serve()
    assert [message["type"] for message in host.sent] == ["websocket.close"]


async def test_an_error_above_closes_the_connection_once():
    class Broken(Recorder):
        def on_text(self, data: bytes) -> None:
            raise ValueError("broken")

    receiver = Broken()
    host = Host(receiver)
    host.text("a")
    with pytest.raises(ValueError, match="broken"):
        await host.serve()
    assert receiver.events == [("closed", 1006, "")]
