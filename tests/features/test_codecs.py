"""Bare WebSocket clients whose messages are not JSON: an own codec, and binary frames."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Annotated, Any

import msgspec
import pytest

from moongate import (
    ConfigurationError,
    GatewayError,
    Message,
    MessageCodec,
    Module,
    Moongate,
    Namespace,
    Settings,
    Socket,
    SubscribeMessage,
    WebSocketGateway,
    WsException,
)
from tests.support.live import LiveServer, Serve
from tests.support.node import Node

BINARY = b"\x00\x01\xff\x7f"

Start = Callable[..., LiveServer]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers with a codec; the end of the test stops them."""
    with ExitStack() as stack:

        def start(*providers: Any, codec: MessageCodec | None = None, plain: bool = False) -> LiveServer:
            root = Module(providers=list(providers))(type("TestModule", (), {}))
            return stack.enter_context(LiveServer(Moongate(root, codec=codec, settings=Settings()), plain=plain))

        yield start


@pytest.fixture(params=[False, True], ids=["own server", "any ASGI server"])
def plain(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


class Lines:
    """Text is `name id {"json": 1}`, with `-` for no name or no id, `!` for an error. Binary is MessagePack."""

    def decode(self, message: str | bytes) -> Message:
        if isinstance(message, bytes):
            return msgspec.msgpack.decode(message, type=Message)
        event, number, data = message.split(" ", 2)
        if event == "v2":
            raise WsException("Version 2 is not supported", data={"newest": 1})
        value = msgspec.json.decode(data) if data else None
        return Message(None if event == "-" else event, value, None if number == "-" else int(number))

    def encode(self, message: Message) -> str | bytes:
        if isinstance(message.data, bytes):
            return msgspec.msgpack.encode(message)
        event = "!" if message.error is not None else message.event or "-"
        value = message.data if message.error is None else message.error
        number = "-" if message.id is None else message.id
        if message.event == "unspeakable":
            raise ValueError("I do not say that")
        return f"{event} {number} {msgspec.json.encode(value).decode()}"


class Note(msgspec.Struct):
    text: Annotated[str, msgspec.Meta(max_length=5)]


LINES = Lines()


class Feed:
    server: Namespace

    def __init__(self) -> None:
        self.clients: list[Socket] = []

    def handle_connection(self, client: Socket) -> None:
        self.clients.append(client)

    @SubscribeMessage("note")
    async def note(self, note: Note) -> Note:
        self.server.emit("note", note, 5)
        return note

    @SubscribeMessage("echo")
    async def echo(self, value: Any) -> Any:
        return value

    @SubscribeMessage("quiet")
    async def quiet(self) -> None: ...

    @SubscribeMessage("crash")
    async def crash(self) -> None:
        raise RuntimeError("secret")

    @SubscribeMessage("say")
    async def say(self, client: Socket) -> str:
        try:
            client.emit("unspeakable")
        except TypeError as error:
            return type(error).__name__ + ": " + str(error)
        return "said"


@WebSocketGateway("/feed", codec=LINES)
class FeedGateway(Feed): ...


@WebSocketGateway("/plain")
class PlainGateway(Feed): ...


LINE = """
    const came = (s) => { const all = []; s.removeAllListeners("message");
      s.on("message", (data, isBinary) => all.push(isBinary ? data : data.toString())); return all; };
    const line = async (all) => within(
      (async () => { while (!all.length) await new Promise((r) => setTimeout(r, 5)); return all.shift(); })(),
      () => "no line");
"""


@pytest.mark.parametrize("everywhere", [False, True], ids=["gateway", "application"])
def test_an_own_codec_both_ways(start: Start, node: Node, plain: bool, everywhere: bool):
    providers = [PlainGateway] if everywhere else [FeedGateway, PlainGateway]
    server = start(*providers, codec=LINES if everywhere else None, plain=plain)
    script = f"""{LINE}
        const s = await bare(args); const lines = came(s); const said = [];
        const say = async (text, count = 1) => {{
          s.send(text);
          for (let i = 0; i < count; i++) said.push(await line(lines));
        }};
        await say('note 7 {{"text":"hi"}}', 2);
        await say("quiet 8 ");
        await say("crash 9 ");
        await say('note - {{"text":"too long"}}');
        await say("nobody 10 1");
        return said;
    """
    path = "/ws/plain" if everywhere else "/ws/feed"
    error = '"status":"error","message":'
    reasons = '"errors":[{"path":"$.text","message":"Expected `str` of length <= 5"}]'
    cause = '"cause":{"pattern":"note","data":{"text":"too long"}}'
    assert node.run(server, script, args=path) == [
        'note - [{"text":"hi"},5]',
        '- 7 {"text":"hi"}',
        "- 8 null",
        f'! 9 {{{error}"Internal server error","cause":{{"pattern":"crash"}}}}',
        f'exception - {{{error}"Validation failed",{reasons},{cause}}}',
        f'! 10 {{{error}"Unknown event","cause":{{"pattern":"nobody","data":1}}}}',
    ]


def test_binary_messages_of_an_own_codec(start: Start, node: Node, plain: bool):
    script = f"""{LINE}
        const s = await bare("/ws/feed"); const lines = came(s);
        s.send(args);
        return await line(lines);
    """
    ask = msgspec.msgpack.encode(Message("echo", BINARY, 3))
    answer = node.run(start(FeedGateway, plain=plain), script, args=ask)
    assert msgspec.msgpack.decode(answer, type=Message) == Message(None, BINARY, 3)


def test_both_formats_and_both_kinds_of_clients(start: Start, node: Node):
    server = start(FeedGateway, PlainGateway)
    script = f"""{LINE}
        const [own, official, json] = [await bare("/ws/feed"), await connect("/feed"), await bare("/ws/plain")];
        const lines = came(own);
        const note = await ack(official, "note", {{ text: "hi" }});
        return [note, await line(lines), await all(official, "note"), await ask(json, "echo", [1])];
    """
    note = {"text": "hi"}
    assert node.run(server, script) == [note, 'note - [{"text":"hi"},5]', [note, 5], {"data": [1]}]


def test_answers_of_clients(start: Start, node: Node):
    server = start(FeedGateway)
    script = f"""{LINE}
        const s = await bare("/ws/feed"); const lines = came(s);
        const answers = [call("ask"), call("askAll")];
        for (const _ of answers) {{
          const [, number, data] = (await line(lines)).split(" ");
          s.send(`- ${{number}} ${{data}}1`);
        }}
        return await Promise.all(answers);
    """

    def ask() -> Any:
        server.until(lambda: server.app.get(FeedGateway).clients)
        return server.call(lambda: server.app.get(FeedGateway).clients[0].emit_with_ack("count", 4, timeout=3))

    calls = {"ask": ask, "askAll": lambda: server.call(lambda: server.namespace("/feed").emit_with_ack("count", 5))}
    assert node.run(server, script, calls=calls) == [41, [51]]


@pytest.mark.parametrize("message", ["", "no line", "echo x 1", "echo - {", "echo -5 1", "- - 1", b"\xc1", b"\x90"])
def test_a_codec_that_fails_to_decode_is_told_and_the_connection_lives(start: Start, node: Node, message: Any):
    script = f"""{LINE}
        const s = await bare("/ws/feed"); const lines = came(s);
        s.send(args);
        const told = await line(lines);
        s.send("echo 1 5");
        return [told, await line(lines)];
    """
    told, answer = node.run(start(FeedGateway), script, args=message)
    assert answer == "- 1 5"
    assert told.startswith('exception - {"status":"error","message":"expected ')


def test_a_codec_may_say_what_is_wrong(start: Start, node: Node):
    script = (
        f'{LINE} const s = await bare("/ws/feed"); const lines = came(s); s.send("v2 1 "); return await line(lines)'
    )
    told = 'exception - {"status":"error","message":"Version 2 is not supported","newest":1}'
    assert node.run(start(FeedGateway), script) == told


def test_a_codec_that_fails_to_encode_fails_at_the_emitting_line(start: Start, node: Node):
    script = (
        f'{LINE} const s = await bare("/ws/feed"); const lines = came(s); s.send("say 1 "); return await line(lines)'
    )
    answer = node.run(start(FeedGateway), script)
    assert answer.startswith('- 1 "EncodeError: cannot send')
    assert "I do not say that" in answer


def test_codecs_that_contradict_each_other_are_refused():
    @WebSocketGateway("/feed", codec=Lines())
    class Other: ...

    @WebSocketGateway("/feed")
    class Third: ...

    @WebSocketGateway("/feed", codec=LINES)
    class Same: ...

    for gateway in (Other, Third):
        root = Module(providers=[FeedGateway, gateway])(type("TestModule", (), {}))
        with pytest.raises(GatewayError, match="codec"):
            Moongate(root, settings=Settings())
    Moongate(Module(providers=[FeedGateway, Same])(type("TestModule", (), {})), settings=Settings())
    with pytest.raises(GatewayError, match="got a class"):
        WebSocketGateway("/feed", codec=Lines)  # type: ignore[arg-type]
    with pytest.raises(GatewayError, match="without `encode`"):
        WebSocketGateway("/feed", codec=msgspec.json.Decoder())  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="got a class"):
        Moongate(Module()(type("TestModule", (), {})), codec=Lines, settings=Settings())  # type: ignore[arg-type]


@WebSocketGateway("/binary")
class BinaryGateway:
    server: Namespace

    @SubscribeMessage("message")
    async def message(self, client: Socket, data: bytes) -> bytes:
        client.send(data + b"!")
        return data

    @SubscribeMessage("tell everybody")
    async def tell(self, text: str) -> None:
        self.server.send(text.encode())


@pytest.mark.parametrize("annotation", [bytes, bytearray, memoryview, bytes | None, bytes | dict, Annotated[bytes, 1]])
def test_a_binary_frame_goes_to_a_handler_that_takes_binary(serve: Serve, node: Node, plain: bool, annotation: Any):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("message")
        async def message(self, client: Socket, data: annotation) -> None:
            await asyncio.sleep(0)
            client.send(data)

    script = 'const s = await bare(); s.send(args); return await heard(s, "$binary")'
    assert node.run(serve(Gateway, plain=plain), script, args=BINARY) == BINARY


def test_binary_both_ways(serve: Serve, node: Node, plain: bool):
    script = """
        const [a, b, official] = [await bare("/ws/binary"), await bare("/ws/binary"), await connect("/binary")];
        a.send(args);
        const echoed = await heard(a, "$binary");
        tell(a, "tell everybody", "hi");
        return [
          echoed, await heard(a, "$binary"), await heard(b, "$binary"), await next(official, "message"),
          await ack(official, "message", args), await next(official, "message"),
        ];
    """
    answer = node.run(serve(BinaryGateway, plain=plain), script, args=BINARY)
    assert answer == [BINARY + b"!", b"hi", b"hi", b"hi", BINARY, BINARY + b"!"]


def test_a_large_and_an_empty_binary_frame(serve: Serve, node: Node, plain: bool):
    script = """
        const s = await bare("/ws/binary");
        const lengths = [];
        for (const size of [0, 125, 126, 65535, 65536, 300000]) {
          s.send(Buffer.alloc(size));
          lengths.push((await heard(s, "$binary")).length);
        }
        return lengths;
    """
    assert node.run(serve(BinaryGateway, plain=plain), script) == [1, 126, 127, 65536, 65537, 300001]


def test_what_does_not_fit_a_handler_of_binary(serve: Serve, node: Node):
    script = """
        const s = await bare("/ws/binary");
        tell(s, "message", "AAA=");
        const { error } = await ask(s, "message", { a: 1 });
        return [await heard(s, "exception"), error];
    """
    failures = node.run(serve(BinaryGateway), script)
    assert [failure["message"] for failure in failures] == ["Validation failed"] * 2


@pytest.mark.parametrize("body", [dict[str, int], Any])
def test_elsewhere_a_binary_frame_holds_json(serve: Serve, node: Node, plain: bool, body: Any):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("message")
        async def message(self, data: body) -> Any:
            return data

    script = """
        const s = await bare();
        s.on("message", () => {});
        s.send(Buffer.from('{"event":"message","data":{"a":1},"id":99}'));
        tell(s, "message", { a: 2 }, 100);
        s.send(Buffer.from([0, 1, 2]));
        const told = await heard(s, "exception");
        return [told.message.startsWith("expected a message"), await ask(s, "message", { a: 3 })];
    """
    assert node.run(serve(Gateway, plain=plain), script) == [True, {"data": {"a": 3}}]


def test_an_error_about_a_binary_message_repeats_it_as_text(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("message")
        async def message(self, data: bytes) -> None:
            raise WsException("No")

    script = 'const s = await bare(); s.send(args); return await heard(s, "exception")'
    cause = {"pattern": "message", "data": "AAH/fw=="}
    assert node.run(serve(Gateway), script, args=BINARY) == {"status": "error", "message": "No", "cause": cause}
