"""Applications under test, as their authors write the tests."""

import asyncio
from typing import Any

import pytest

from moongate import ExecutionContext, Module, ModuleError, Moongate, Settings, UseGuards, WebSocketGateway
from moongate.testing import ConnectRefused, TestApp
from tests.testing.chat import ChatGateway, ChatModule, FakeMail, Mail

pytestmark = pytest.mark.anyio


class Locked:
    def can_activate(self, context: ExecutionContext) -> bool:
        return False


@UseGuards(Locked)
@WebSocketGateway("/safe")
class SafeGateway: ...


@Module(providers=[SafeGateway])
class SafeModule: ...


async def test_a_provider_is_replaced():
    mail = FakeMail()
    async with TestApp(ChatModule, overrides={Mail: mail}) as app:
        alice = await app.connect("/chat")
        assert await alice.emit_with_ack("mail", {"text": "hello"}) == "sent hello"
        replaced: object = app.get(Mail)
        assert replaced is mail
    assert mail.sent == ["hello"]


async def test_the_request_is_as_the_test_says():
    async with TestApp(ChatModule) as app:
        alice = await app.connect("/chat", headers={"X-Name": "Alice"}, address="10.1.2.3")
        assert await alice.receive("welcome") == ["Alice", "10.1.2.3"]
        bob = await app.connect("/chat", protocol="websocket", headers={"X-Name": "Bob"})
        assert await bob.receive("welcome") == ["Bob", "127.0.0.1"]


async def test_who_is_refused():
    async with TestApp(ChatModule) as app:
        with pytest.raises(ConnectRefused) as caught:
            await app.connect("/chat", auth={"token": "banned"})
        assert (caught.value.message, caught.value.data) == ("Not you", {"until": "tomorrow"})
        with pytest.raises(ConnectRefused, match="Forbidden resource"):
            await app.connect("/chat", query={"known": "no"})
        with pytest.raises(ConnectRefused) as caught:
            await app.connect("/chat", protocol="websocket", query={"known": "no"})
        assert (caught.value.message, caught.value.status) == ("Forbidden resource", 403)
        with pytest.raises(ConnectRefused, match="Invalid namespace"):
            await app.connect("/nowhere")


@pytest.mark.parametrize("protocol", ["socketio", "websocket"])
async def test_events_errors_and_answers_both_ways(protocol: Any):
    async with TestApp(ChatModule) as app:
        alice, bob = await app.connect("/chat", protocol=protocol), await app.connect("/chat", protocol=protocol)
        await alice.emit("tell all", "hello")
        assert [await each.receive("told") for each in (alice, bob)] == ["hello", "hello"]
        assert await alice.error_of("mail", {"text": 5}) == {
            "status": "error",
            "message": "Validation failed",
            "errors": [{"path": "$.text", "message": "Expected `str`, got `int`"}],
            "cause": {"pattern": "mail", "data": {"text": 5}},
        }
        with pytest.raises(AssertionError, match="expected an error as the answer to 'echo', got"):
            await alice.error_of("echo", 1)
        await alice.emit("mail", {"text": 5})
        assert (await alice.exception())["message"] == "Validation failed"
        alice.answer("question", lambda number: number * 21)
        assert await alice.emit_with_ack("ask me") == 42
        await alice.emit("count", 3)
        assert [await alice.receive("count") for _ in range(3)] == [0, 1, 2]


async def test_the_ends_of_a_connection():
    async with TestApp(ChatModule) as app:
        put_out, leaves, lost = [await app.connect("/chat") for _ in range(3)]
        bare = await app.connect("/chat", protocol="websocket")
        await put_out.emit("leave")
        assert await put_out.disconnected() == "server disconnect"
        assert not put_out.connected
        await leaves.disconnect()
        await lost.drop()
        await bare.emit("leave")
        assert await bare.disconnected() == "1000 server namespace disconnect"
        await app.time.settle()
        assert app.get(ChatGateway).left == [
            "server namespace disconnect",
            "client namespace disconnect",
            "transport close",
            "server namespace disconnect",
        ]
        stays = await app.connect("/chat")
    assert await stays.disconnected() == "transport close"


async def test_one_connection_for_several_namespaces():
    async with TestApp(ChatModule) as app:
        alice = await app.connect("/chat")
        also = await alice.connect("/other")
        assert await also.emit_with_ack("where") == "/other"
        await also.disconnect()
        assert alice.connected
        assert await alice.emit_with_ack("echo", 1) == 1


async def test_thousands_of_messages():
    async with TestApp(ChatModule) as app:
        clients = [await app.connect("/chat") for _ in range(10)]

        async def talk(client: Any) -> list[Any]:
            return [await client.emit_with_ack("echo", number) for number in range(300)]

        assert await asyncio.gather(*map(talk, clients)) == [list(range(300))] * 10


async def test_a_full_inbox_keeps_what_comes():
    async with TestApp(ChatModule, settings=Settings(inbox_size=2)) as app:
        alice = await app.connect("/chat")
        sent = [asyncio.ensure_future(alice.emit_with_ack("echo", number)) for number in range(50)]
        assert await asyncio.gather(*sent) == list(range(50))


async def test_an_application_that_is_there_already():
    application = Moongate(ChatModule)
    async with TestApp(application) as app:
        assert app.app is application
    with pytest.raises(TypeError, match="give its module instead"):
        TestApp(application, overrides={Mail: FakeMail()})


async def test_an_application_that_cannot_start_says_why():
    class Broken:
        def on_module_init(self) -> None:
            raise RuntimeError("no database")

    with pytest.raises(RuntimeError, match="no database"):
        async with TestApp(Module(providers=[Broken])(type("BrokenModule", (), {}))):
            pytest.fail("it has started")


async def test_an_answer_may_take_its_time():
    async with TestApp(ChatModule) as app:
        alice = await app.connect("/chat")

        async def think(number: int) -> int:
            await asyncio.sleep(0.01)
            return number + 1

        alice.answer("question", think)
        assert await alice.emit_with_ack("ask me") == 3


async def test_a_bare_client_that_leaves_has_said_what_it_said():
    async with TestApp(ChatModule, settings=Settings(inbox_size=2)) as app:
        alice, bob = await app.connect("/chat", protocol="websocket"), await app.connect("/chat")
        for number in range(20):
            await alice.emit("tell all", str(number))
        await alice.disconnect()
        assert [await bob.receive("told") for _ in range(20)] == [str(number) for number in range(20)]
        await app.time.settle()
        assert app.get(ChatGateway).left == ["transport close"]


async def test_guards_can_be_replaced():
    class Open:
        def can_activate(self, context: ExecutionContext) -> bool:
            return True

    async with TestApp(SafeModule) as app:
        with pytest.raises(ConnectRefused, match="Forbidden resource"):
            await app.connect("/safe")
    async with TestApp(SafeModule, overrides={Locked: Open()}) as app:
        assert (await app.connect("/safe")).connected


def test_what_replaces_nothing_is_an_error():
    with pytest.raises(ModuleError, match="nothing provides FakeMail, so there is nothing to replace"):
        TestApp(ChatModule, overrides={FakeMail: Mail()})
