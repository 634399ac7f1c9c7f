"""Socket.IO clients whose packets are not in the default format."""

import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Annotated, Any

import msgspec
import pytest

from moongate import (
    Ack,
    ConfigurationError,
    Module,
    Moongate,
    MsgpackParser,
    Namespace,
    PacketDecoder,
    Parser,
    ProtocolError,
    Settings,
    Socket,
    SocketIoPacket,
    SocketIoPacketType,
    SubscribeMessage,
    WebSocketGateway,
    WsException,
    WsResponse,
)
from tests.support.live import LiveServer, Serve, application
from tests.support.node import Node

BINARY = b"\x00\x01\xff\x7f"


class Note(msgspec.Struct):
    room: str
    text: Annotated[str, msgspec.Meta(max_length=5)]
    data: bytes = b""


@WebSocketGateway("/notes")
class NotesGateway:
    server: Namespace

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.clients: list[Socket] = []

    def handle_connection(self, client: Socket) -> None:
        self.clients.append(client)
        client.join("lobby")

    def handle_disconnect(self, client: Socket, reason: str) -> None:
        self.reasons.append(str(reason))

    @SubscribeMessage("echo")
    async def echo(self, *values: Any) -> Any:
        return list(values)

    @SubscribeMessage("note")
    async def note(self, client: Socket, note: Note) -> Note:
        self.server.to(note.room).emit("note", note)
        return note

    @SubscribeMessage("both")
    async def both(self, first: int, second: bytes, ack: Ack) -> None:
        ack(first, second)

    @SubscribeMessage("when")
    async def when(self, moment: dt.datetime) -> dt.datetime:
        return moment + dt.timedelta(seconds=1)

    @SubscribeMessage("fail")
    async def fail(self) -> None:
        raise WsException("No", data={"bytes": BINARY})

    @SubscribeMessage("stream")
    async def stream(self, count: int) -> AsyncIterator[WsResponse[int]]:
        for number in range(count):
            yield WsResponse("number", number)

    @SubscribeMessage("raw")
    async def raw(self, value: msgspec.Raw) -> str:
        return bytes(value).decode()

    @SubscribeMessage("leave")
    async def leave(self, client: Socket) -> None:
        client.disconnect()


class Versioned:
    """JSON behind the version of the format: one character of text, or one byte where there is binary data."""

    def encode(self, packet: SocketIoPacket) -> Sequence[str | bytes]:
        text = msgspec.json.encode({"t": packet.type, "n": packet.namespace, "d": packet.data, "i": packet.id}).decode()
        return [f"1{text}"]

    def decoder(self) -> PacketDecoder:
        return VersionedDecoder()


class VersionedDecoder:
    def __init__(self) -> None:
        self.halves: list[str] = []

    def feed(self, message: str | bytes) -> SocketIoPacket | None:
        if isinstance(message, bytes):  # one packet in two messages: the first is binary
            self.halves.append(message.decode())
            return None
        if not message.startswith("1"):
            raise ProtocolError("version 1", message[:1])
        fields = msgspec.json.decode("".join((*self.halves, message[1:])))
        self.halves.clear()
        return SocketIoPacket(fields["t"], fields["n"], fields.get("d"), fields.get("i"))


VERSIONED = """
    class Emitter {
      listeners = {};
      on(event, listener) { this.listeners[event] = listener; return this; }
      off() { this.listeners = {}; }
      emit(event, ...values) { this.listeners[event]?.(...values); }
    }
    class Encoder {
      encode({ type, nsp, data, id }) { return ["1" + JSON.stringify({ t: type, n: nsp, d: data, i: id })]; }
    }
    class Decoder extends Emitter {
      add(message) {
        const { t: type, n: nsp, d: data, i: id } = JSON.parse(message.slice(1));
        this.emit("decoded", { type, nsp, data: data ?? undefined, id: id ?? undefined });
      }
      destroy() {}
    }
    const parser = { protocol: 5, Encoder, Decoder };
"""

Start = Callable[..., LiveServer]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers with a parser; the end of the test stops them."""
    with ExitStack() as stack:

        def start(*providers: Any, parser: Parser | None = None, plain: bool = False, **settings: Any) -> LiveServer:
            root = Module(providers=list(providers))(type("TestModule", (), {}))
            app = Moongate(root, parser=parser, settings=Settings(**settings))
            return stack.enter_context(LiveServer(app, plain=plain))

        yield start


@pytest.fixture(params=[False, True], ids=["own server", "any ASGI server"])
def server(request: pytest.FixtureRequest, start: Start) -> LiveServer:
    return start(NotesGateway, parser=MsgpackParser(), plain=request.param)


MSGPACK = 'const parser = msgpackParser; const join = (o) => connect("/notes", { parser, ...o });'


@pytest.mark.usefixtures("transport")
def test_events_and_acknowledgements(server: LiveServer, node: Node):
    script = f"""{MSGPACK}
        const s = await join();
        const many = [...Array(40).keys()];
        const values = [1, -5, 2 ** 40, 1.5, "ünï 🦊", null, true, {{ a: {{ b: [1] }} }}, args, many];
        const [answer, ...rest] = await acks(s, "echo", ...values);
        return [answer, rest, await acks(s, "both", 7, args)];
    """
    many = list(range(40))
    values = [1, -5, 2**40, 1.5, "ünï 🦊", None, True, {"a": {"b": [1]}}, BINARY, many]
    assert node.run(server, script, args=BINARY) == [values, [], [7, BINARY]]


def test_every_size_of_every_format(server: LiveServer, node: Node):
    edges = [1 << bits for bits in (5, 7, 8, 15, 16, 31, 32, 52)]  # JavaScript's integers end after the last
    sizes = [0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536]
    values = [
        *(number + step for edge in edges for number in (edge, -edge) for step in (-1, 0)),
        *(value for size in sizes for value in ("x" * size, "é" * (size // 2), b"\xff" * size, [0] * size)),
        *({str(number): number for number in range(size)} for size in (0, 15, 16, 70_000)),
        *(1.5, -0.25, 1e-300, True, False, None),
    ]
    script = f"""{MSGPACK}
        const s = await join();
        const same = [];
        for (const value of args) same.push(...(await acks(s, "echo", value))[0]);
        return same;
    """
    assert node.run(server, script, args=values) == values


@pytest.mark.usefixtures("transport")
def test_rooms_and_broadcasts_reach_both_kinds_of_clients(server: LiveServer, node: Node):
    script = f"""{MSGPACK}
        const [a, b, plain] = [await join(), await join(), await bare("/ws/notes")];
        const note = await ack(a, "note", {{ room: "lobby", text: "hi", data: args }});
        return [note, await next(a, "note"), await next(b, "note"), await heard(plain, "note")];
    """
    note = {"room": "lobby", "text": "hi", "data": BINARY}
    assert node.run(server, script, args=BINARY) == [note, note, note, {**note, "data": "AAH/fw=="}]


@pytest.mark.usefixtures("transport")
def test_undefined_dates_and_typed_arrays(server: LiveServer, node: Node):
    script = f"""{MSGPACK}
        const s = await join();
        const moment = await ack(s, "when", new Date(1234567890123));
        const view = new Uint8Array([1, 2, 3]);
        const [echoed] = await acks(s, "echo", undefined, {{ a: undefined, b: view }}, new Date(5));
        return [moment instanceof Date, moment.getTime(), echoed[0] === null, echoed[1], echoed[2].getTime()];
    """
    assert node.run(server, script) == [True, 1234567891123, True, {"b": b"\x01\x02\x03"}, 5]


@pytest.mark.usefixtures("transport")
def test_errors_streams_and_unknown_events(server: LiveServer, node: Node):
    script = f"""{MSGPACK}
        const s = await join();
        s.emit("fail");
        s.emit("stream", 2);
        return [
          await next(s, "exception"), await ack(s, "note", {{ room: "a", text: "too long" }}),
          await ack(s, "nobody", 1), [await next(s, "number"), await next(s, "number")],
          await ack(s, "raw", {{ a: [1] }}),
        ];
    """
    failed, invalid, unknown, numbers, raw = node.run(server, script)
    assert (failed["message"], failed["bytes"], failed["cause"]) == ("No", BINARY, {"pattern": "fail"})
    assert (invalid["message"], invalid["errors"][0]["path"]) == ("Validation failed", "$.text")
    assert invalid["cause"]["data"] == {"room": "a", "text": "too long"}
    assert (unknown["message"], unknown["cause"]["data"]) == ("Unknown event", 1)
    assert (numbers, raw) == ([0, 1], '{"a":[1]}')


@pytest.mark.usefixtures("transport")
def test_acknowledgements_of_many_clients(server: LiveServer, node: Node):
    script = f"""{MSGPACK}
        const clients = [await join(), await join(), await join()];
        clients.forEach((s, number) => s.on("count", (value, answer) => answer(value + number)));
        clients[0].on("last", (value, answer) => answer(value, args));
        return await call("ask");
    """

    async def ask() -> list[Any]:
        client = server.app.get(NotesGateway).clients[0]
        answers = await server.namespace("/notes").timeout(3).emit_with_ack("count", 10)
        return [sorted(answers), await client.emit_with_ack("last", "x", timeout=3)]

    calls = {"ask": lambda: server.call(ask)}
    assert node.run(server, script, args=BINARY, calls=calls) == [[10, 11, 12], ["x", BINARY]]


@pytest.mark.usefixtures("transport")
def test_refusals_and_disconnects(start: Start, node: Node):
    @WebSocketGateway("/closed")
    class Gateway:
        def after_init(self, server: Namespace) -> None:
            async def check(client: Socket, call_next: Any) -> None:
                if client.handshake.auth.get("token") != "right":
                    raise WsException("Wrong token", data={"why": BINARY})
                await call_next()

            server.use(check)

        @SubscribeMessage("ping")
        async def ping(self) -> str:
            return "pong"

    server = start(NotesGateway, Gateway, parser=MsgpackParser())
    script = f"""{MSGPACK}
        const s = await join();
        s.emit("leave");
        const [told, unknown] = [await refused("/closed", {{ parser }}), await refused("/nowhere", {{ parser }})];
        const good = await connect("/closed", {{ parser, auth: {{ token: "right" }} }});
        const other = await join();
        other.disconnect();
        return [await next(s, "disconnect"), told, unknown, await ack(good, "ping")];
    """
    assert node.run(server, script) == [
        "io server disconnect",
        {"message": "Wrong token", "data": {"why": BINARY}},
        {"message": "Invalid namespace"},
        "pong",
    ]
    reasons = server.app.get(NotesGateway).reasons
    server.until(lambda: len(reasons) == 2)
    assert reasons == ["server namespace disconnect", "client namespace disconnect"]


def test_namespaces_of_a_pattern(start: Start, node: Node):
    @WebSocketGateway("/rooms/{number:int}")
    class Rooms:
        server: Namespace

        @SubscribeMessage("tell")
        async def tell(self, client: Socket, text: str) -> int:
            self.server.emit("told", text)
            number: int = client.handshake.params["number"]
            return number

    script = f"""{MSGPACK}
        const [a, b] = [await connect("/rooms/1", {{ parser }}), await connect("/rooms/2", {{ parser }})];
        return [await ack(a, "tell", "hi"), await next(a, "told"), await next(b, "told")];
    """
    assert node.run(start(Rooms, parser=MsgpackParser()), script) == [1, "hi", "hi"]


def test_who_looks_at_events_sees_those_of_every_parser(server: LiveServer, node: Node):
    seen: list[Any] = []

    def watch() -> None:
        server.until(lambda: server.app.get(NotesGateway).clients)
        (client,) = server.app.get(NotesGateway).clients
        client.on_any(lambda *event: seen.append(event))
        client.on_any_outgoing(lambda *event: seen.append(event))

    script = f"""{MSGPACK}
        const s = await join();
        await call("watch");
        return await ack(s, "note", {{ room: "lobby", text: "hi", data: args }});
    """
    node.run(server, script, args=BINARY, calls={"watch": watch})
    note = {"room": "lobby", "text": "hi", "data": BINARY}
    assert seen == [("note", note), ("note", Note("lobby", "hi", BINARY))]


@pytest.mark.usefixtures("transport")
@pytest.mark.parametrize("ours", ["json", "msgpack"])
def test_a_client_with_another_parser_is_sent_away(start: Start, node: Node, ours: str):
    server = start(NotesGateway, parser=MsgpackParser() if ours == "msgpack" else None)
    script = """
        const parsers = { json: {}, msgpack: { parser: msgpackParser } };
        const bystander = await connect("/notes", parsers[args]);
        const stranger = open("/notes", parsers[args === "json" ? "msgpack" : "json"]);
        const closed = within(
          new Promise((resolve) => stranger.io.engine.on("close", resolve)), () => "the stranger may stay");
        await closed;
        return [stranger.connected, await ack(bystander, "echo", 1)];
    """
    assert node.run(server, script, args=ours) == [False, [1]]
    assert len(server.app.get(NotesGateway).clients) == 1


@pytest.mark.parametrize(
    "packet",
    [
        "not msgpack",
        b"",
        b"\xc1",
        b"\x81",
        {"type": 2, "nsp": "/notes", "data": "no list"},
        {"type": 2, "nsp": "/notes", "data": []},
        {"type": 2, "nsp": "/notes", "data": [["no name"]]},
        {"type": 2, "nsp": "/notes", "data": ["disconnect"]},
        {"type": 2, "nsp": "/elsewhere", "data": ["echo"]},
        {"type": 2, "nsp": 7, "data": ["echo"]},
        {"type": 2, "nsp": "/notes", "data": ["echo"], "id": "x"},
        {"type": 2, "nsp": "/notes", "data": ["echo"], "id": -1},
        {"type": 2, "nsp": "/notes", "data": ["echo"], "id": 2**53},
        {"type": 3, "nsp": "/notes", "data": {}},
        {"type": 0, "nsp": "/notes"},
        {"type": 0, "nsp": "/other", "data": [1]},
        {"type": 1, "nsp": "/notes", "data": "why"},
        {"type": 4, "nsp": "/notes", "data": "error"},
        {"type": 5, "nsp": "/notes", "data": ["echo"]},
        {"type": "2", "nsp": "/notes", "data": ["echo"]},
        {"type": 2, "nsp": "/notes", "data": ["echo", msgspec.msgpack.Ext(5, b"12345678")]},
        msgspec.msgpack.encode({"type": 2, "nsp": "/notes", "data": ["echo"]}) + b"\xc0",
        b"\x83\xa4type\x02\xa3nsp\xa6/notes\xa4data\x92\xa4echo" + b"\x91" * 70 + b"\x90",
        b"\x83\xa4type\x02\xa3nsp\xa6/notes\xa4data\x92\xa4echo" + b"\x91" * 100_000 + b"\x90",
        b"\x83\xa4type\x02\xa3nsp\xa6/notes\xa4data\x92\xa4echo" + b"\xdd\xff\xff\xff\xff",
    ],
    ids=lambda packet: repr(packet)[:50],
)
def test_what_is_no_packet_closes_the_connection_and_no_other(serve: Serve, node: Node, packet: Any):
    server = serve(NotesGateway, parser="msgpack")
    message = msgspec.msgpack.encode(packet) if isinstance(packet, dict) else packet
    script = f"""{MSGPACK}
        const [good, bad] = [await join(), await join()];
        bad.io.engine.write(args);
        return [await next(bad, "disconnect"), await ack(good, "echo", 1)];
    """
    assert node.run(server, script, args=message) == ["transport close", [1]]
    reasons = server.app.get(NotesGateway).reasons
    server.until(lambda: reasons)
    assert reasons[0] == "parse error"


@pytest.mark.usefixtures("transport")
def test_an_own_parser(start: Start, node: Node):
    server = start(NotesGateway, parser=Versioned())
    script = f"""{VERSIONED}
        const [s, other] = [await connect("/notes", {{ parser }}), await connect("/notes", {{ parser }})];
        const note = await ack(s, "note", {{ room: "lobby", text: "hi" }});
        const [echoed] = await acks(s, "echo", 1, {{ a: [null] }});
        s.io.engine.write(Buffer.from('{{"t":2,"n":"/notes","d":["note",'));
        s.io.engine.write('1{{"room":"lobby","text":"two"}}]}}');
        const notes = [await next(other, "note"), await next(other, "note")];
        const unknown = await refused("/nowhere", {{ parser }});
        s.emit("leave");
        return [note, echoed, notes, unknown, await next(s, "disconnect")];
    """
    note = {"room": "lobby", "text": "hi", "data": ""}
    assert node.run(server, script) == [
        note, [1, {"a": [None]}], [note, {**note, "text": "two"}],
        {"message": "Invalid namespace"}, "io server disconnect",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "message", ["2{}", "1no json", '1{"t":2}', '1{"t":2,"n":"/notes","d":["echo","\\ud800"],"i":"x"}']
)
def test_an_own_parser_that_fails_to_decode_closes_the_connection(start: Start, node: Node, message: str):
    server = start(NotesGateway, parser=Versioned())
    script = f"""{VERSIONED}
        const [good, bad] = [await connect("/notes", {{ parser }}), await connect("/notes", {{ parser }})];
        bad.io.engine.write(args);
        return [await next(bad, "disconnect"), await ack(good, "echo", 1)];
    """
    assert node.run(server, script, args=message) == ["transport close", [1]]


def test_what_cannot_be_encoded_fails_at_the_emitting_line(server: LiveServer, node: Node):
    script = f'{MSGPACK} const s = await join(); return [await call("emit"), await ack(s, "echo", 1)]'

    def emit() -> list[str]:
        failures = []
        server.until(lambda: server.app.get(NotesGateway).clients)
        for target in (server.app.get(NotesGateway).clients[0], server.namespace("/notes")):
            for value in (object(), {1.5: {object()}}, "\ud800", 10**400):
                with pytest.raises(TypeError, match="cannot send") as failure:
                    server.call(lambda target=target, value=value: target.emit("x", value))
                failures.append(type(failure.value).__name__)
        return failures

    assert node.run(server, script, calls={"emit": emit}) == [["EncodeError"] * 8, [1]]


def test_the_environment_chooses_the_parser(node: Node):
    settings = Settings.from_environment({"MOONGATE_PARSER": "msgpack"})
    app = application(NotesGateway, **msgspec.structs.asdict(settings))
    with LiveServer(app) as server:
        assert node.run(server, f'{MSGPACK} return await ack(await join(), "echo", 1)') == [1]


def test_parsers_that_contradict_each_other_are_refused():
    root = Module()(type("TestModule", (), {}))
    with pytest.raises(ConfigurationError, match="Versioned"):
        Moongate(root, parser=Versioned(), settings=Settings(parser="msgpack"))
    with pytest.raises(ConfigurationError, match="got a class"):
        Moongate(root, parser=MsgpackParser, settings=Settings())  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="without `encode`"):
        Moongate(root, parser=object(), settings=Settings())  # type: ignore[arg-type]
    Moongate(root, parser=MsgpackParser(), settings=Settings(parser="msgpack"))


def test_a_parser_by_hand():
    parser = MsgpackParser()
    packet = SocketIoPacket(SocketIoPacketType.EVENT, "/a", ["e", {"b": b"1"}], 5)
    (message,) = parser.encode(packet)
    assert parser.decoder().feed(message) == packet
