"""The transport of a client that polls, by itself; `tests/engine` has whole requests."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from moongate.errors import ProtocolError
from moongate.transport.flow import Cork
from moongate.transport.polling import Misuse, PollingTransport
from moongate.wire.outgoing import Outgoing

pytestmark = pytest.mark.anyio


class Recorder:
    """A receiver that keeps what comes."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.then: Callable[[], object] = lambda: None

    def on_open(self, transport: Any) -> None: ...

    def on_text(self, data: bytes) -> None:
        self.received.append(data)
        self.then()

    on_bytes = on_text

    def on_pong(self) -> None: ...

    def on_closed(self, code: int, reason: str) -> None: ...


async def stay() -> dict[str, Any]:
    """The client that stays, as ASGI's `receive`."""
    await asyncio.Event().wait()
    raise AssertionError


async def leave() -> dict[str, Any]:
    return {"type": "http.disconnect"}


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def transport(recorder: Recorder) -> PollingTransport:
    return PollingTransport(recorder, Cork(), 100)


async def begin(transport: PollingTransport) -> "asyncio.Task[bytes | None]":
    poll = asyncio.ensure_future(transport.poll(stay))
    while not transport.writable:
        await asyncio.sleep(0)
    return poll


async def test_what_is_sent_in_one_turn_leaves_together(transport: PollingTransport):
    poll = await begin(transport)
    transport.send(Outgoing(b"4a", (b"\x01", b"\x02")))
    transport.send_text(b"4b")
    assert await poll == b"4a\x1ebAQ==\x1ebAg==\x1e4b"


async def test_what_is_sent_behind_an_answer_waits_for_the_next_poll(transport: PollingTransport):
    poll = await begin(transport)
    transport.send_text(b"4a")
    transport.flush()
    transport.send_text(b"4b")
    assert await poll == b"4a"
    assert await transport.poll(stay) == b"4b"


async def test_a_released_poll_takes_what_there_is_or_nothing(transport: PollingTransport):
    transport.release()
    poll = await begin(transport)
    transport.release()
    assert await poll == b"6"
    poll = await begin(transport)
    transport.send_text(b"4a")
    transport.release()
    assert await poll == b"4a"


async def test_a_client_that_leaves_takes_nothing_along(transport: PollingTransport):
    assert await transport.poll(leave) is None
    transport.send_text(b"4a")
    assert await transport.poll(stay) == b"4a"


async def test_one_poll_and_one_post_at_a_time(transport: PollingTransport):
    poll = await begin(transport)
    with pytest.raises(Misuse):
        await transport.poll(stay)
    with transport.posting(), pytest.raises(Misuse), transport.posting():
        raise AssertionError
    with transport.posting():
        transport.release()
    assert await poll == b"6"


async def test_a_closed_transport_drops_what_is_sent(transport: PollingTransport):
    transport.close()
    transport.send_text(b"4a")
    assert not transport.unfetched
    assert await transport.poll(stay) == b"6\x1e1"
    assert transport.parted


async def test_a_body_is_delivered_up_to_where_it_breaks(transport: PollingTransport, recorder: Recorder):
    with pytest.raises(ProtocolError):
        await transport.deliver(b"4a\x1ebAQ==\x1eb!\x1e4b")
    assert recorder.received == [b"4a", b"\x01"]


async def test_delivery_stops_when_the_transport_is_closed(transport: PollingTransport, recorder: Recorder):
    recorder.then = transport.close
    await transport.deliver(b"4a\x1e4b")
    assert recorder.received == [b"4a"]


async def test_delivery_pauses_between_two_packets(transport: PollingTransport, recorder: Recorder):
    recorder.then = transport.pause_reading
    delivery = asyncio.ensure_future(transport.deliver(b"4a\x1e4b"))
    for expected in ([b"4a"], [b"4a", b"4b"]):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert recorder.received == expected
        assert not delivery.done()
        assert transport.paused
        transport.resume_reading()
    await delivery


async def test_a_poll_lets_an_awaited_emit_go_on(transport: PollingTransport):
    transport.send_bytes(b"x" * 100)
    drained = asyncio.ensure_future(transport.drained())
    await asyncio.sleep(0)
    assert not drained.done()
    await transport.poll(stay)
    async with asyncio.timeout(5):
        await drained
