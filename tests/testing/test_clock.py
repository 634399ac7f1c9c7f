"""Time that is moved: heartbeats and timeouts without waiting."""

import asyncio

import pytest

from moongate import ConfigurationError
from moongate.testing import Clock, TestApp
from tests.testing.chat import ChatGateway, ChatModule

pytestmark = pytest.mark.anyio


async def test_heartbeats_come_when_the_test_wants_them():
    async with TestApp(ChatModule) as app:
        awake, asleep = await app.connect("/chat"), await app.connect("/chat")
        bare = await app.connect("/chat", protocol="websocket")
        asleep.ignore_heartbeats()
        bare.ignore_heartbeats()
        await app.time.advance(44.9)
        assert asleep.connected
        assert bare.connected
        await app.time.advance(0.2)
        assert [await each.disconnected() for each in (asleep, bare)] == ["transport close", "1000 ping timeout"]
        await app.time.advance(1000)
        assert awake.connected
        assert app.get(ChatGateway).left == ["ping timeout", "ping timeout"]


async def test_timeouts_come_when_the_test_wants_them():
    async with TestApp(ChatModule) as app:
        alice = await app.connect("/chat")
        answer = asyncio.ensure_future(alice.emit_with_ack("ask me", timeout=10))
        await app.time.advance(5.1)
        assert (await answer)["message"] == "Internal server error"


async def test_timers_fire_one_after_another_at_their_times():
    loop = asyncio.get_running_loop()
    fired: list[tuple[str, float]] = []
    async with TestApp(ChatModule) as app:
        start = loop.time()

        def again(name: str, delay: float, times: int) -> None:
            fired.append((name, round(loop.time() - start, 1)))
            if times:
                loop.call_later(delay, again, name, delay, times - 1)

        loop.call_later(2, again, "a", 2, 2)
        loop.call_later(2.5, again, "b", 2.5, 1)
        await app.time.advance(10)
    assert fired == [("a", 2.0), ("b", 2.5), ("a", 4.0), ("b", 5.0), ("a", 6.0)]
    assert loop.time() - start < 5


async def test_several_applications_share_the_time_of_their_loop():
    loop = asyncio.get_running_loop()
    own = loop.time
    first, second = TestApp(ChatModule), TestApp(ChatModule)
    async with first:
        await second.__aenter__()
        start = loop.time()
        await first.time.advance(10)
        await second.time.advance(10)
        assert 20 <= loop.time() - start < 21
    clock = second.time
    await clock.advance(10)
    assert 30 <= loop.time() - start < 31
    await second.__aexit__(None, None, None)
    assert loop.time == own
    with pytest.raises(RuntimeError, match="its application has ended"):
        await clock.advance(1)


async def test_who_looks_for_slow_callbacks_finds_none(caplog: pytest.LogCaptureFixture):
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    try:
        async with TestApp(ChatModule) as app:
            await app.connect("/chat")
            await app.time.advance(100)
            allowed = loop.slow_callback_duration
    finally:
        loop.set_debug(False)
    assert not caplog.records
    assert allowed < 1


async def test_time_only_goes_forward():
    async with TestApp(ChatModule) as app:
        with pytest.raises(ValueError, match="time only goes forward"):
            await app.time.advance(-1)


def test_the_time_of_uvloop_cannot_be_moved():
    import uvloop

    async def use() -> None:
        Clock()

    with (
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        pytest.raises(ConfigurationError, match=r"the time of uvloop\.Loop cannot be moved"),
    ):
        runner.run(use())
