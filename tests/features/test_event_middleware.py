"""Middleware that decides over each event of one client."""

import asyncio
from typing import Any

import pytest

from moongate import Socket, SubscribeMessage, WebSocketGateway, WsException
from moongate.namespace.middleware import CallNext
from tests.support.live import Serve
from tests.support.node import Node


@WebSocketGateway()
class Guarded:
    def __init__(self) -> None:
        self.log: list[Any] = []
        self.connecting = asyncio.Event()

    async def handle_connection(self, client: Socket) -> None:
        if "late" in client.handshake.query:
            await self.connecting.wait()
        client.on_any(lambda event, *_: self.log.append(["saw", event]))
        client.use(self.first)
        client.use(self.second)

    async def first(self, event: str, arguments: tuple[Any, ...], call_next: CallNext) -> None:
        self.log.append(["first", event, list(arguments)])
        if event == "silent":
            return
        if event == "broken":
            raise ZeroDivisionError
        await call_next()

    async def second(self, event: str, arguments: tuple[Any, ...], call_next: CallNext) -> None:
        self.log.append(["second", event])
        if event == "secret":
            raise WsException("Not you", data={"needs": "admin"})
        await call_next()

    @SubscribeMessage("open")
    @SubscribeMessage("secret")
    @SubscribeMessage("silent")
    @SubscribeMessage("broken")
    async def handle(self, body: Any) -> Any:
        self.log.append(["handled", body])
        return body


@pytest.fixture(params=["socket.io", "bare"])
def ask(request: pytest.FixtureRequest) -> str:
    """What a script calls to send an event and to get its answer."""
    if request.param == "bare":
        return """
            const s = await bare(`/ws${args}`);
            const ask_ = (event, body) => ask(s, event, body).then(({ data, error }) => data ?? error);
            const failed = () => heard(s, "exception");
            const send = (event, body) => tell(s, event, body);
        """
    return """
        const s = open("/", { query: Object.fromEntries(new URLSearchParams(args)) });
        await joined(s);
        const ask_ = (event, body) => ack(s, event, body);
        const failed = () => next(s, "exception");
        const send = (event, body) => s.emit(event, body);
    """


def test_it_lets_events_pass(serve: Serve, node: Node, ask: str):
    server = serve(Guarded)
    assert node.run(server, ask + 'return await ask_("open", 1)', args="") == 1
    log = server.app.get(Guarded).log
    assert log == [["saw", "open"], ["first", "open", [1]], ["second", "open"], ["handled", 1]]


def test_it_refuses_by_an_error_or_by_silence(serve: Serve, node: Node, ask: str):
    server = serve(Guarded)
    script = """
        send("secret", 1);
        const told = await failed();
        return [told, await ask_("secret", 2), await ask_("silent", 3), await ask_("broken", 4), await ask_("open", 5)];
    """
    told, secret, silent, broken, passed = node.run(server, ask + script, args="")
    assert told == {
        "status": "error", "message": "Not you", "needs": "admin", "cause": {"pattern": "secret", "data": 1},
    }  # fmt: skip
    assert secret["message"] == "Not you"
    assert silent["message"] == "Forbidden resource"
    assert broken["message"] == "Internal server error"
    assert passed == 5
    assert [line for line in server.app.get(Guarded).log if line[0] == "handled"] == [["handled", 5]]


def test_what_comes_while_handle_connection_runs_does_not_slip_by(serve: Serve, node: Node, ask: str):
    server = serve(Guarded)
    script = """
        const answers = [ask_("secret", 1), ask_("open", 2)];
        await call("go on");
        return Promise.all(answers);
    """
    gateway = server.app.get(Guarded)
    calls = {"go on": lambda: server.loop.call_soon_threadsafe(gateway.connecting.set)}
    secret, passed = node.run(server, ask + script, args="?late=1", calls=calls)
    assert secret["message"] == "Not you"
    assert passed == 2
    assert ["handled", 1] not in gateway.log
