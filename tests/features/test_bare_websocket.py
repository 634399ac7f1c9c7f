"""Clients without Socket.IO: any WebSocket, messages in JSON."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
import pytest

from moongate import (
    Ack,
    Namespace,
    Socket,
    SubscribeMessage,
    WebSocketGateway,
    WsException,
    WsResponse,
)
from tests.support.live import Serve
from tests.support.node import Node


class Text(msgspec.Struct):
    room: str
    text: Annotated[str, msgspec.Meta(max_length=5)]


@WebSocketGateway("/chat")
class ChatGateway:
    server: Namespace

    def __init__(self) -> None:
        self.log: list[Any] = []

    def handle_connection(self, client: Socket) -> None:
        self.log.append(("came", client.namespace.name, client.handshake.query.get("name"), client.transport))
        client.join("lobby")

    def handle_disconnect(self, client: Socket, reason: str) -> None:
        self.log.append(("gone", str(reason), sorted(client.rooms - {client.id})))

    @SubscribeMessage("text")
    async def text(self, client: Socket, text: Text) -> Text:
        self.server.to(text.room).emit("text", text)
        return text

    @SubscribeMessage("whoami")
    async def whoami(self, client: Socket) -> str:
        return client.id

    @SubscribeMessage("quiet")
    async def quiet(self) -> None: ...

    @SubscribeMessage("fail")
    async def fail(self, value: Any) -> None:
        raise WsException("No", data={"code": 7})

    @SubscribeMessage("crash")
    async def crash(self) -> None:
        raise RuntimeError("secret")

    @SubscribeMessage("ask")
    async def ask(self) -> WsResponse[int]:
        return WsResponse("answer", 42)

    @SubscribeMessage("stream")
    async def stream(self, count: int) -> AsyncIterator[WsResponse[int]]:
        for number in range(count):
            yield WsResponse("number", number)

    @SubscribeMessage("divide")
    async def divide(self, ack: Ack) -> None:
        ack(17)

    @SubscribeMessage("leave")
    async def leave(self, client: Socket) -> None:
        client.disconnect()


@WebSocketGateway()
class RootGateway:
    @SubscribeMessage("echo")
    async def echo(self, value: Any) -> Any:
        return value


def test_the_root_namespace(serve: Serve, node: Node):
    values = [1, "two", None, {"three": [3]}, [4], True, "ünï 🦊"]
    script = """
        const s = await bare("/ws");
        const answers = [];
        for (const value of args) answers.push(await ask(s, "echo", value));
        return answers;
    """
    answers = node.run(serve(RootGateway), script, args=values)
    assert [answer.get("data") for answer in answers] == values
    assert all(set(answer) <= {"data"} for answer in answers)


def test_an_id_is_given_back_as_it_came(serve: Serve, node: Node):
    script = """
        const s = await bare("/ws");
        s.send('{"event":"echo","data":1,"id":7}');
        const answers = [];
        s.on("message", (data) => answers.push(data.toString()));
        s.send('{"id":8,"data":{"a": 2},"event":"echo"}');
        await ask(s, "echo");
        return answers;
    """
    answers = node.run(serve(RootGateway), script)
    assert [msgspec.json.decode(answer) for answer in answers[:2]] == [
        {"id": 7, "data": 1},
        {"id": 8, "data": {"a": 2}},
    ]


def test_another_namespace_has_its_own_path(serve: Serve, node: Node):
    server = serve(ChatGateway, RootGateway)
    script = """
        const s = await bare("/ws/chat?name=ada");
        s.close();
        await heard(s, "$close");
    """
    node.run(server, script)
    log = server.app.get(ChatGateway).log
    server.until(lambda: len(log) == 2)
    assert log == [("came", "/chat", "ada", "websocket"), ("gone", "transport close", ["lobby"])]


def test_a_reply_and_an_event(serve: Serve, node: Node):
    script = """
        const [a, b] = [await bare("/ws/chat"), await bare("/ws/chat")];
        const answer = await ask(a, "text", { room: "lobby", text: "hi" });
        return [answer, await heard(a, "text"), await heard(b, "text")];
    """
    message = {"room": "lobby", "text": "hi"}
    assert node.run(serve(ChatGateway), script) == [{"data": message}, message, message]


def test_without_an_id_nothing_is_answered(serve: Serve, node: Node):
    script = """
        const s = await bare("/ws");
        const came = [];
        s.on("message", (data) => came.push(JSON.parse(data)));
        tell(s, "echo", "unasked");
        await ask(s, "echo", "asked");
        return came.length;
    """
    assert node.run(serve(RootGateway), script) == 1


def test_a_handler_without_a_result_answers(serve: Serve, node: Node):
    answer = node.run(serve(ChatGateway), 'return await ask(await bare("/ws/chat"), "quiet")')
    assert answer in ({}, {"data": None})


def test_what_a_bare_client_is_told_when_something_fails(serve: Serve, node: Node):
    script = """
        const s = await bare("/ws/chat");
        const answers = [];
        for (const [event, data] of args) answers.push((await ask(s, event, data)).error);
        for (const [event, data] of args) {
          tell(s, event, data);
          if (event !== "nobody") answers.push(await heard(s, "exception"));
        }
        return answers;
    """
    events = [["fail", {"a": 1}], ["crash", None], ["text", {"room": "a", "text": "too long"}], ["nobody", 5]]
    answers = node.run(serve(ChatGateway), script, args=events)
    fail, crash, text, nobody = answers[:4]
    assert fail == {"status": "error", "message": "No", "code": 7, "cause": {"pattern": "fail", "data": {"a": 1}}}
    assert (crash["message"], crash["cause"]["pattern"]) == ("Internal server error", "crash")
    assert (text["message"], text["errors"][0]["path"]) == ("Validation failed", "$.text")
    assert nobody["message"] == "Unknown event"
    assert answers[4:7] == [fail, crash, text]


def test_responses_streams_and_acks(serve: Serve, node: Node):
    script = """
        const s = await bare("/ws/chat");
        await ask(s, "ask");
        await ask(s, "stream", 3);
        return [
          await heard(s, "answer"),
          [await heard(s, "number"), await heard(s, "number"), await heard(s, "number")],
          await ask(s, "divide"),
        ];
    """
    assert node.run(serve(ChatGateway), script) == [42, [0, 1, 2], {"data": 17}]


def test_messages_are_handled_in_order(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("step")
        async def step(self, number: int) -> int:
            await asyncio.sleep(0.001 if number % 2 else 0)
            return number

    script = """
        const s = await bare();
        const order = [];
        await Promise.all([...Array(20).keys()].map(async (n) => order.push((await ask(s, "step", n)).data)));
        return order;
    """
    assert node.run(serve(Gateway), script) == list(range(20))


@pytest.mark.usefixtures("transport")
def test_both_kinds_of_clients_meet_in_one_room(serve: Serve, node: Node):
    script = """
        const [official, plain] = [await connect("/chat"), await bare("/ws/chat")];
        const message = { room: "lobby", text: "a" };
        await ack(official, "text", message);
        const first = [await next(official, "text"), await heard(plain, "text")];
        await ask(plain, "text", message);
        const { data: id } = await ask(plain, "whoami");
        return [...first, await next(official, "text"), await heard(plain, "text"), id.length];
    """
    message = {"room": "lobby", "text": "a"}
    assert node.run(serve(ChatGateway), script) == [message] * 4 + [20]


def test_the_server_sends_a_bare_client_away(serve: Serve, node: Node):
    server = serve(ChatGateway)
    script = 'const s = await bare("/ws/chat"); tell(s, "leave"); return (await heard(s, "$close"))[0]'
    assert node.run(server, script) == 1000
    log = server.app.get(ChatGateway).log
    server.until(lambda: len(log) == 2)
    assert log[1][1] == "server namespace disconnect"


def test_middleware_refuses_before_the_upgrade(serve: Serve, node: Node):
    @WebSocketGateway("/chat")
    class Gateway:
        def after_init(self, server: Namespace) -> None:
            async def check(client: Socket, call_next: Any) -> None:
                if client.handshake.headers.get("authorization") != "Bearer right":
                    raise WsException("Wrong token", data={"hint": "sign in"})
                await call_next()

            server.use(check)

        @SubscribeMessage("ping")
        async def ping(self) -> str:
            return "pong"

    script = """
        const refusal = await bareRefused("/ws/chat");
        const s = await bare("/ws/chat", { headers: { authorization: "Bearer right" } });
        return [refusal, await ask(s, "ping")];
    """
    (status, body), answer = node.run(serve(Gateway), script)
    told = msgspec.json.decode(body)
    assert status == 403
    assert (told["status"], told["message"], told["hint"]) == ("error", "Wrong token", "sign in")
    assert answer == {"data": "pong"}


@pytest.mark.parametrize("path", ["/ws/nowhere", "/ws/chat/deeper", "/other"])
def test_a_path_that_is_no_namespace_is_refused(serve: Serve, node: Node, path: str):
    status, _ = node.run(serve(ChatGateway), f'return await bareRefused("{path}")')
    assert 400 <= status < 500


@pytest.mark.parametrize("text", ["no json", "[]", "5", '{"data": 1}', '{"event": 5}'])
def test_what_is_no_message_does_not_reach_a_handler_nor_harm_others(serve: Serve, node: Node, text: str):
    script = """
        const [good, bad] = [await bare("/ws"), await bare("/ws")];
        const answered = within(
          Promise.race([heard(bad, "exception"), heard(bad, "$close")]), () => "nothing said to the bad client");
        bad.send(args);
        await answered;
        return await ask(good, "echo", "fine");
    """
    assert node.run(serve(RootGateway), script, args=text) == {"data": "fine"}


def test_a_failing_handle_connection_is_told(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        async def handle_connection(self, client: Socket) -> None:
            raise WsException("Go away")

    script = 'const s = await bare(); return [await heard(s, "exception"), (await heard(s, "$close"))[0] >= 1000]'
    told, closed = node.run(serve(Gateway), script)
    assert (told["message"], told["cause"]["pattern"], closed) == ("Go away", "handle_connection", True)


def test_heartbeats_are_websocket_pings(serve: Serve, node: Node):
    server = serve(ChatGateway, ping_interval=0.05, ping_timeout=0.5)
    script = """
        const s = await bare("/ws/chat");
        let pings = 0;
        await within(new Promise((resolve) => s.on("ping", () => ++pings === 4 && resolve())), () => "no pings");
        return await ask(s, "quiet");
    """
    node.run(server, script)


def test_a_bare_client_that_does_not_answer_heartbeats_is_dropped(serve: Serve, node: Node):
    server = serve(ChatGateway, ping_interval=0.05, ping_timeout=0.1)
    log = server.app.get(ChatGateway).log
    script = 'const s = await bare("/ws/chat", { autoPong: false }); await call("gone")'
    node.run(server, script, calls={"gone": lambda: server.until(lambda: len(log) == 2)})
    assert log[1][1] == "ping timeout"


def test_the_path_of_bare_clients_may_be_another(serve: Serve, node: Node):
    server = serve(RootGateway, websocket_path="/live")
    assert node.run(server, 'return await ask(await bare("/live"), "echo", 5)') == {"data": 5}


def test_a_browser_page_of_another_site_is_refused_unless_allowed(serve: Serve, node: Node):
    script = """
        const refusal = await bareRefused("/ws", { origin: "https://evil.example" });
        const s = await bare("/ws", { origin: "https://good.example" });
        return [refusal[0], await ask(s, "echo", 1)];
    """
    assert node.run(serve(RootGateway, cors=("https://good.example",)), script) == [403, {"data": 1}]
