"""Each vector over WebSocket and over polling, beside a client that stays connected and is served."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import msgspec
import pytest

from moongate import CallNext, Namespace, Socket, SubscribeMessage, WebSocketGateway, WsException
from tests.support.live import LiveServer, application
from tests.vectors.clients import Client, PollingClient, WebSocketClient, joined
from tests.vectors.table import VECTORS, End, Vector


class Watched:
    """Keeps what its handlers get and why its clients left."""

    server: Namespace

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.left: dict[str, str] = {}

    def after_init(self, server: Namespace) -> None:
        self.server = server

    def handle_disconnect(self, client: Socket, reason: str) -> None:
        self.left[client.id] = str(reason)

    @SubscribeMessage("echo")
    async def echo(self, *values: Any) -> list[Any]:
        self.calls.append(list(values))
        return list(values)

    @SubscribeMessage("number")
    async def number(self, value: float) -> float:
        self.calls.append(value)
        return value

    @SubscribeMessage("relay")
    async def relay(self, client: Socket, value: Any) -> None:
        client.broadcast.emit("relayed", value, b"bytes")

    async def hidden(self, client: Socket) -> None:
        self.calls.append("hidden")


@WebSocketGateway()
class Root(Watched): ...


@WebSocketGateway("/b")
class Other(Watched): ...


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer(application(Root, Other, Telling)) as server:
        yield server


@pytest.fixture(scope="module")
def bystander(server: LiveServer) -> Iterator[WebSocketClient]:
    with closing(WebSocketClient(server)) as client:
        joined(client)
        yield client


@pytest.fixture(params=[WebSocketClient, PollingClient], ids=["websocket", "polling"])
def client(request: pytest.FixtureRequest, server: LiveServer, bystander: WebSocketClient) -> Iterator[Client]:
    server.app.get(Root).calls.clear()
    with closing(request.param(server)) as client:
        yield client
    bystander.send('21["echo","still here"]')
    assert bystander.heard() == '31[["still here"]]'


@WebSocketGateway("/told")
class Telling:
    """Tells clients what they sent along with CONNECT."""

    def after_init(self, server: Namespace) -> None:
        server.use(self.tell)

    async def tell(self, client: Socket, call_next: CallNext) -> None:
        raise WsException("told", data=client.handshake.auth)


def ended(client: Client, vector: Vector) -> bool:
    """Whether the connection ends with what *client* sends."""
    try:
        client.send(*vector.messages)
        client.heard()
    except EOFError:
        return True
    return False


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.number)
def test_vector(server: LiveServer, client: Client, vector: Vector):
    ids = joined(client) if vector.joined else {}
    root, other = server.app.get(Root), server.app.get(Other)
    if vector.outcome is End.CLOSED:
        assert ended(client, vector)
        left = {"/": root.left, "/b": other.left}
        server.until(lambda: all(sid in left[name] for name, sid in ids.items()))
        assert {left[name][sid] for name, sid in ids.items()} <= {"parse error"}
        assert root.calls == []
        return
    client.send(*vector.messages)
    if isinstance(vector.outcome, str):
        assert client.heard() == vector.outcome
    client.send('2999["echo","after"]')
    assert client.heard() == '3999[["after"]]'
    expected = [vector.outcome] if isinstance(vector.outcome, list) else []
    assert [call for call in root.calls if call not in (["after"], [1])] == expected
    assert not set(ids.values()) & (root.left.keys() | other.left.keys())


def test_40_what_looks_like_a_place_is_not_taken_for_one(client: Client, bystander: WebSocketClient):
    joined(client)
    client.send('21["relay",{"_placeholder":true,"num":0}]')
    assert msgspec.json.decode(client.heard().removeprefix("31"))[0]["message"] == "Internal server error"
    client.send('22["relay","text"]')
    assert client.heard() == "32[]"
    assert bystander.heard() == '51-["relayed","text",{"_placeholder":true,"num":0}]'


def test_9_attachments_that_do_not_come_are_waited_for_no_longer_than_allowed():
    with LiveServer(application(Root, Other, attachment_timeout=0.2)) as server, ExitStack() as stack:
        slow = stack.enter_context(closing(WebSocketClient(server)))
        quick = stack.enter_context(closing(WebSocketClient(server)))
        ids = joined(slow)
        joined(quick)
        runtime = server.app._router.runtime
        slow.send('51-["echo",{"_placeholder":true,"num":0}]')
        quick.send('51-1["echo",{"_placeholder":true,"num":0}]', b"in time")
        assert quick.heard() == '61-1[[{"_placeholder":true,"num":0}]]'
        with pytest.raises(EOFError):
            slow.heard()
        root = server.app.get(Root)
        server.until(lambda: ids["/"] in root.left)
        assert root.left[ids["/"]] == "parse error"
        quick.send('51-["echo",{"_placeholder":true,"num":0}]')
        server.until(lambda: runtime.partials.count == 1)
        quick.close()
        server.until(lambda: runtime.partials.count == 0)


def test_42_binary_data_that_is_too_large_is_refused(server: LiveServer, bystander: WebSocketClient):
    with closing(PollingClient(server)) as client:
        joined(client)
        with pytest.raises(EOFError):
            client.send(b"a" * 800_000)
    bystander.send('21["echo",1]')
    assert bystander.heard() == "31[[1]]"
