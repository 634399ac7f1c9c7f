"""Applications under test, as their authors write the tests."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from moongate import (
    ConfigurationError,
    ExecutionContext,
    Module,
    ModuleError,
    Moongate,
    MsgpackParser,
    Namespace,
    Settings,
    Socket,
    SubscribeMessage,
    UseGuards,
    WebSocketGateway,
    WsException,
)
from moongate.testing import Clock, ConnectRefused, TestApp

pytestmark = pytest.mark.anyio


class Mail:
    async def send(self, text: str) -> str:
        raise RuntimeError("there is no mail server in a test")


class FakeMail:
    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send(self, text: str) -> str:
        self.sent.append(text)
        return f"sent {text}"


def known(context: ExecutionContext) -> bool:
    if context.client.handshake.auth.get("token") == "banned":
        raise WsException("Not you", data={"until": "tomorrow"})
    return context.client.handshake.query.get("known", "yes") == "yes"


class Body(msgspec.Struct):
    text: str


@UseGuards(known)
@WebSocketGateway("/chat")
class ChatGateway:
    server: Namespace

    def __init__(self, mail: Mail) -> None:
        self.mail = mail
        self.left: list[str] = []

    async def handle_connection(self, client: Socket) -> None:
        client.emit("welcome", client.handshake.headers.get("x-name"), client.handshake.address)

    async def handle_disconnect(self, client: Socket, reason: str) -> None:
        self.left.append(reason)

    @SubscribeMessage("mail")
    async def send(self, body: Body) -> str:
        return await self.mail.send(body.text)

    @SubscribeMessage("echo")
    async def echo(self, *arguments: Any) -> Any:
        return arguments if len(arguments) > 1 else arguments[0]

    @SubscribeMessage("tell all")
    async def tell_all(self, text: str) -> None:
        self.server.emit("told", text)

    @SubscribeMessage("ask me")
    async def ask_me(self, client: Socket) -> Any:
        return await client.emit_with_ack("question", 2, timeout=5)

    @SubscribeMessage("count")
    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number

    @SubscribeMessage("leave")
    async def leave(self, client: Socket) -> None:
        client.disconnect()


@WebSocketGateway("/other")
class OtherGateway:
    @SubscribeMessage("where")
    async def where(self, client: Socket) -> str:
        return client.namespace.name


@Module(providers=[Mail, ChatGateway, OtherGateway])
class ChatModule: ...


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


async def test_bytes_travel_as_bytes():
    async with TestApp(ChatModule) as app:
        alice = await app.connect("/chat")
        assert await alice.emit_with_ack("echo", b"\x00\xff", {"deep": b"x"}) == [b"\x00\xff", {"deep": b"x"}]


async def test_what_does_not_come_says_what_did():
    async with TestApp(ChatModule) as app:
        alice = await app.connect("/chat")
        with pytest.raises(TimeoutError, match=r"no 'told' within 0.01 s; what came: welcome \[None, '127.0.0.1'\]"):
            await alice.receive("told", timeout=0.01)
        assert alice.received == [("welcome", [None, "127.0.0.1"])]
        with pytest.raises(TimeoutError, match=r"no answer to 'ask me' within 0.01 s"):
            await alice.emit_with_ack("ask me", timeout=0.01)


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


async def test_clients_in_memory_speak_the_default_parser():
    async with TestApp(ChatModule, parser=MsgpackParser()) as app:
        with pytest.raises(ConfigurationError, match=r"speak Socket\.IO's default parser"):
            await app.connect("/chat")


def test_what_replaces_nothing_is_an_error():
    with pytest.raises(ModuleError, match="nothing provides FakeMail, so there is nothing to replace"):
        TestApp(ChatModule, overrides={FakeMail: FakeMail()})
