"""Clients in memory speak what the application speaks."""

import json
from typing import Any

import pytest

from moongate import Message, MsgpackParser
from moongate.testing import ConnectRefused, TestApp
from tests.testing.chat import ChatModule

pytestmark = pytest.mark.anyio


class Lines:
    """`id|event|data`, in binary."""

    def decode(self, message: str | bytes) -> Message:
        assert isinstance(message, bytes)
        number, event, data = message.split(b"|", 2)
        value = json.loads(data)
        if event == b"!":
            return Message(id=int(number), error=value)
        return Message(event.decode() or None, value, int(number) if number else None)

    def encode(self, message: Message) -> bytes:
        number = "" if message.id is None else message.id
        event = "!" if message.error is not None else message.event or ""
        return f"{number}|{event}|{json.dumps(message.error or message.data)}".encode()


class AnswersOnly(Lines):
    def decode(self, message: str | bytes) -> Message:
        read = super().decode(message)
        if read.event is not None:
            raise KeyError(read.event)
        return read


@pytest.mark.parametrize("parser", [None, MsgpackParser()])
async def test_socketio_clients_speak_the_parser_of_the_application(parser: Any):
    async with TestApp(ChatModule, parser=parser) as app:
        alice = await app.connect("/chat", headers={"X-Name": "Alice"})
        assert (await alice.receive("welcome"))[0] == "Alice"
        assert await alice.emit_with_ack("echo", b"\x00", {"deep": [b"x"]}) == [b"\x00", {"deep": [b"x"]}]
        alice.answer("question", lambda number: number * 21)
        assert await alice.emit_with_ack("ask me") == 42
        assert (await alice.error_of("mail", {"text": 5}))["message"] == "Validation failed"
        with pytest.raises(ConnectRefused) as caught:
            await app.connect("/chat", auth={"token": "banned"})
        assert (caught.value.message, caught.value.data) == ("Not you", {"until": "tomorrow"})
        await alice.disconnect()
        bob = await app.connect("/chat")
        await bob.emit("leave")
        assert await bob.disconnected() == "server disconnect"


async def test_bare_clients_speak_the_codec_that_they_are_given():
    async with TestApp(ChatModule, codec=Lines()) as app:
        alice = await app.connect("/chat", protocol="websocket", codec=Lines())
        assert await alice.receive("welcome") == [None, "127.0.0.1"]
        assert await alice.emit_with_ack("echo", {"a": 1}) == {"a": 1}
        assert (await alice.error_of("mail", {"text": 5}))["message"] == "Validation failed"
        alice.answer("question", lambda number: number * 21)
        assert await alice.emit_with_ack("ask me") == 42


async def test_what_a_client_cannot_read_fails_the_test():
    async with TestApp(ChatModule, codec=Lines()) as app:
        alice = await app.connect("/chat", protocol="websocket", codec=AnswersOnly())
        with pytest.raises(KeyError, match="welcome"):
            await alice.receive("welcome")


async def test_bytes_travel_as_bytes():
    async with TestApp(ChatModule) as app:
        alice = await app.connect("/chat")
        assert await alice.emit_with_ack("echo", b"\x00\xff", {"deep": b"x"}) == [b"\x00\xff", {"deep": b"x"}]
