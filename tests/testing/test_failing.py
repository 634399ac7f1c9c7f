"""What a test is told when something fails at the side of its clients."""

from typing import Any

import pytest

from moongate.testing import TestApp
from tests.testing.chat import ChatModule

pytestmark = pytest.mark.anyio


async def test_what_does_not_come_says_what_did():
    async with TestApp(ChatModule) as app:
        alice = await app.connect("/chat")
        with pytest.raises(TimeoutError, match=r"no 'told' within 0.01 s; what came: welcome \[None, '127.0.0.1'\]"):
            await alice.receive("told", timeout=0.01)
        assert alice.received == [("welcome", [None, "127.0.0.1"])]
        with pytest.raises(TimeoutError, match=r"no answer to 'ask me' within 0.01 s"):
            await alice.emit_with_ack("ask me", timeout=0.01)


async def test_timeouts_say_that_the_client_has_left():
    async with TestApp(ChatModule) as app:
        alice = await app.connect("/chat")
        with pytest.raises(TimeoutError, match=r"still connected after 0\.01 s; what came: welcome"):
            await alice.disconnected(timeout=0.01)
        await alice.receive("welcome")
        await alice.emit("leave")
        with pytest.raises(TimeoutError, match=r"nothing else came; the client has left: server disconnect"):
            await alice.receive("told", timeout=0.01)


def fail(number: int) -> int:
    raise LookupError(f"no answer to {number}")


async def fail_later(number: int) -> int:
    raise LookupError(f"no answer to {number}")


@pytest.mark.parametrize("function", [fail, fail_later])
async def test_an_answer_that_fails_fails_the_test(function: Any):
    async with TestApp(ChatModule) as app:
        alice = await app.connect("/chat")
        alice.answer("question", function)
        with pytest.raises(LookupError, match="no answer to 2"):
            await alice.emit_with_ack("ask me")
        await app.time.advance(5)  # the handler has waited in vain
        assert await alice.emit_with_ack("echo", 1) == 1
        await alice.emit("ask me")
        await app.time.settle()
        with pytest.raises(LookupError, match="no answer to 2"):
            await alice.receive("question")


async def test_what_failed_while_nobody_waited_fails_the_test_at_the_end():
    async def test() -> None:
        async with TestApp(ChatModule) as app:
            alice = await app.connect("/chat")
            alice.answer("question", fail)
            await alice.emit("ask me")
            await app.time.settle()

    with pytest.raises(LookupError, match="no answer to 2"):
        await test()
