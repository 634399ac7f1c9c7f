"""Two nodes of a cluster behind the nginx of docs/scaling.md, which gives each request to whichever comes next."""

import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import fastapi
import pytest

from moongate import (
    Module,
    Moongate,
    Namespace,
    RedisCluster,
    RedisStreamsCluster,
    Socket,
    SubscribeMessage,
    WebSocketGateway,
)
from moongate.cluster.bus import Cluster
from moongate.testing import LiveServer
from tests.hosts.nginx import Nginx
from tests.support.node import Node
from tests.support.redis import RedisServer


@WebSocketGateway("/")
class Talk:
    """What clients ask of whichever node has their session."""

    server: Namespace

    def __init__(self) -> None:
        self.name = ""
        self.departures: dict[str, str] = {}  # the reason, by the client's id

    def handle_disconnect(self, client: Socket, reason: str) -> None:
        self.departures[client.id] = reason

    @SubscribeMessage("who")
    async def who(self, client: Socket) -> list[str]:
        return [self.name, client.transport]

    @SubscribeMessage("echo")
    async def echo(self, value: Any) -> Any:
        return value

    @SubscribeMessage("ask")
    async def ask(self, client: Socket, value: Any) -> Any:
        return await client.emit_with_ack("question", value)

    @SubscribeMessage("join")
    async def join(self, client: Socket, room: str) -> None:
        await client.join(room)

    @SubscribeMessage("say")
    async def say(self, client: Socket, room: str, number: int) -> None:
        client.to(room).emit("said", number)


def application(name: str, cluster: Cluster) -> Moongate:
    api = fastapi.FastAPI()

    @api.get("/name")
    async def tell_name() -> str:
        return name

    return Moongate(Module(providers=[Talk])(type("Root", (), {})), http=api, cluster=cluster)


KINDS: Mapping[str, Any] = {
    "classic": RedisCluster,
    "sharded": lambda url: RedisCluster(url, sharded=True),
    "streams": RedisStreamsCluster,
}


class Balanced:
    """Two nodes, `a` and `b`, and the address of the nginx before them."""

    def __init__(self, stack: ExitStack, cluster: Cluster, folder: Path) -> None:
        self.apps = [application(name, cluster) for name in "ab"]
        servers = [stack.enter_context(LiveServer(app)) for app in self.apps]
        for name, app in zip("ab", self.apps, strict=True):
            app.get(Talk).name = name
        places = ["127.0.0.1:3001", "127.0.0.1:3002"]
        addresses = [f"127.0.0.1:{server.port}" for server in servers]
        nginx = Nginx(folder, dict(zip(places, addresses, strict=True)), page="scaling.md")
        self.url = stack.enter_context(nginx).url


@pytest.fixture(scope="module", params=KINDS)
def balanced(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balanced]:
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        yield Balanced(stack, KINDS[request.param](redis.url), tmp_path_factory.mktemp("nginx"))


def test_requests_go_to_both(balanced: Balanced):
    def ask() -> str:
        with urllib.request.urlopen(f"{balanced.url}/name", timeout=5) as response:  # noqa: S310  # a server of our own
            return str(response.read().decode())

    assert {ask() for _ in range(4)} == {'"a"', '"b"'}


TALK = """
    const sockets = await Promise.all(Array.from({ length: 6 }, () => connect("/"))); // so both get some
    const result = { who: [], echoes: [] };
    for (const socket of sockets) result.who.push(await ack(socket, "who"));

    const value = { text: "€ 😀 \\u2028", bytes: [Buffer.from([0, 255, 52])] };
    const big = Buffer.alloc(300_000, 7);
    for (const socket of sockets) {
      const echo = await ack(socket, "echo", value);
      result.echoes.push(echo.text === value.text && echo.bytes[0].equals(value.bytes[0]));
      result.echoes.push(big.equals(await ack(socket, "echo", big)));
    }

    for (const socket of sockets) await ack(socket, "join", "room");
    const count = 30;
    for (let number = 0; number < count; number++) sockets[0].emit("say", "room", number);
    result.said = [];
    for (const socket of sockets.slice(1)) {
      const numbers = [];
      for (let number = 0; number < count; number++) numbers.push(await next(socket, "said"));
      result.said.push(numbers);
    }
    result.own = seen(sockets[0], "said").length;

    result.answers = [];
    for (const socket of sockets) {
      socket.on("question", (question, answer) => answer(question + 1));
      result.answers.push(await ack(socket, "ask", 1));
    }
    return result;
"""


def test_official_clients(balanced: Balanced, node: Node, transport: str):
    result = node.run(balanced.url, TALK)
    nodes, transports = zip(*result["who"], strict=True)
    assert set(nodes) == {"a", "b"}
    assert set(transports) == {"polling" if transport == "polling" else "websocket"}
    assert all(result["echoes"])
    assert result["said"] == [list(range(30))] * 5
    assert result["own"] == 0
    assert result["answers"] == [2] * 6


def test_clients_that_leave_have_left(balanced: Balanced, node: Node, transport: str):
    script = """
        const ids = [];
        for (let index = 0; index < 4; index++) {
          const socket = await connect("/");
          ids.push(socket.id);
          await ack(socket, "echo", index);
          if (index % 2) socket.disconnect();
          else socket.io.engine.close();
        }
        return await call("left", ids);
    """

    def left(ids: list[str]) -> list[str]:
        deadline = time.monotonic() + 5
        while True:
            departures = {sid: reason for app in balanced.apps for sid, reason in app.get(Talk).departures.items()}
            if departures.keys() >= set(ids):
                return [departures[sid] for sid in ids]
            assert time.monotonic() < deadline, f"of {ids} have left: {departures}"
            time.sleep(0.01)

    expected = ["transport close", "client namespace disconnect"] * 2
    assert node.run(balanced.url, script, calls={"left": left}) == expected
