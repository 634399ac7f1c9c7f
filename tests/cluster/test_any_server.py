"""Official clients whose every request comes to another server of the cluster, as a balancer without affinity does."""

import json
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from moongate import LocalCluster, Module, Moongate, Socket, SubscribeMessage, WebSocketGateway
from moongate.cluster.bus import Cluster
from moongate.testing import LiveServer
from tests.cluster.trio import redis_cluster
from tests.support.balancer import Balancer
from tests.support.node import Node
from tests.support.process import ServerProcess, free_port
from tests.support.redis import RedisServer

LIMIT = 10.0

SAMPLE = """
from moongate import Module, Moongate, RedisCluster, Socket, SubscribeMessage, WebSocketGateway
import os

@WebSocketGateway("/")
class Main:
    @SubscribeMessage("who")
    def who(self, client: Socket) -> int:
        return os.getpid()

@Module(providers=[Main])
class Root:
    pass

async def pid(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})

cluster = RedisCluster(os.environ["REDIS"], prefix="killed", heartbeat_interval=0.2, heartbeat_timeout=1.0)
app = Moongate(Root, http=pid, cluster=cluster)
"""


@WebSocketGateway("/")
class Main:
    def __init__(self) -> None:
        self.numbers: dict[str, list[int]] = {}
        self.present: set[str] = set()

    def handle_connection(self, client: Socket) -> None:
        self.present.add(client.id)

    def handle_disconnect(self, client: Socket) -> None:
        self.present.discard(client.id)

    @SubscribeMessage("number")
    def number(self, client: Socket, number: int) -> None:
        self.numbers.setdefault(client.id, []).append(number)

    @SubscribeMessage("numbers")
    def all_numbers(self, client: Socket) -> list[int]:
        return self.numbers[client.id]

    @SubscribeMessage("echo")
    def echo(self, data: bytes) -> bytes:
        return data

    @SubscribeMessage("count to")
    def count_to(self, client: Socket, last: int) -> None:
        for number in range(last):
            client.emit("counted", number, bytes(number))

    @SubscribeMessage("bye")
    async def bye(self, client: Socket) -> None:
        await client.disconnect()


class Stage:
    """Three servers of one cluster behind a balancer."""

    def __init__(self, stack: ExitStack, cluster: Cluster) -> None:
        self.apps = [Moongate(Module(providers=[Main])(type("Root", (), {})), cluster=cluster) for _ in range(3)]
        self.servers = [stack.enter_context(LiveServer(app)) for app in self.apps]
        until(lambda: all(nodes(app) == 2 for app in self.apps))
        self.balancer = stack.enter_context(Balancer([server.url for server in self.servers]))

    @property
    def url(self) -> str:
        return self.balancer.url


def nodes(app: Moongate) -> int:
    health = app.cluster_health()
    return 0 if health is None else len(health.nodes)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module", params=["classic", "sharded", "streams", "local"])
def stage(
    request: pytest.FixtureRequest, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    kind = request.param
    if kind == "local":
        folder = tmp_path_factory.mktemp("c")
        folder.chmod(0o700)
        cluster: Cluster = LocalCluster(folder)
    else:
        cluster = redis_cluster(kind, redis_server.url, f"any-server-{kind}")
    with ExitStack() as stack:
        yield Stage(stack, cluster)


@pytest.fixture
def node(clients: Node) -> Iterator[Node]:
    yield clients
    clients.transport = "websocket"


@pytest.mark.parametrize("transport", ["polling", "upgrade", "websocket"])
def test_the_client_notices_nothing(stage: Stage, node: Node, transport: str):
    node.transport = transport
    before = len(stage.balancer.requests)
    numbers, echo, large, counted, reason = node.run(
        stage,
        """
        const client = await connect("/");
        const counted = [];
        client.on("counted", (number, data) => counted.push([number, data.length]));
        for (let number = 0; number < 200; number++) client.emit("number", number);
        const numbers = await ack(client, "numbers");
        const echo = await ack(client, "echo", Buffer.from([1, 0, 255]));
        const large = await ack(client, "echo", Buffer.alloc(300_000, 7));
        await acks(client, "count to", 50);
        while (counted.length < 50) await next(client, "counted");
        client.emit("bye");
        return [numbers, echo, large.length, counted, await next(client, "disconnect")];
        """,
    )
    assert numbers == list(range(200))
    assert echo == b"\x01\x00\xff"
    assert large == 300_000
    assert counted == [[number, number] for number in range(50)]
    assert reason == "io server disconnect"
    # The balancer names a WebSocket when it has ended, which may be after its client knows.
    used = 1 if transport == "websocket" else 3
    until(lambda: len({server for server, *_ in stage.balancer.requests[before:]}) == used)


@pytest.mark.parametrize("transport", ["polling", "upgrade"])
def test_the_client_leaves(stage: Stage, node: Node, transport: str):
    node.transport = transport
    node.run(stage, 'const client = await connect("/"); await ack(client, "echo", Buffer.of(1)); client.disconnect();')
    until(lambda: all(app.get(Main).present == set() for app in stage.apps))


def test_requests_of_one_session_straight_to_each_server(stage: Stage):
    opened = json.loads(get(stage.servers[0].url + "/socket.io/?EIO=4&transport=polling")[1:])
    query = f"/socket.io/?EIO=4&transport=polling&sid={opened['sid']}"
    assert post(stage.servers[1].url + query, b"40") == "ok"
    assert get(stage.servers[2].url + query).startswith('40{"sid"')
    assert post(stage.servers[2].url + query, b'421["numbers"]\x1e420["number",7]') == "ok"
    assert get(stage.servers[1].url + query)


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=LIMIT) as answer:  # noqa: S310  # a server of our own
        return str(answer.read().decode())


def post(url: str, body: bytes) -> str:
    request = urllib.request.Request(url, body)  # noqa: S310  # a server of our own
    with urllib.request.urlopen(request, timeout=LIMIT) as answer:  # noqa: S310
        return str(answer.read().decode())


@pytest.mark.parametrize("transport", ["polling", "upgrade"])
def test_a_client_whose_server_is_killed_comes_again_to_another(
    redis_server: RedisServer, node: Node, tmp_path: Path, transport: str
):
    (tmp_path / "sample.py").write_text(SAMPLE)
    node.transport = transport
    with ExitStack() as stack:
        servers = {}
        for _ in range(3):
            port = free_port()
            command = [sys.executable, "-m", "moongate", "run", "sample:app", "--port", str(port)]
            server = ServerProcess(command, port=port, folder=tmp_path, variables={"REDIS": redis_server.url})
            server.start()
            stack.callback(server.stop)
            servers[int(server.get("/pid"))] = server
        balancer = stack.enter_context(Balancer([server.url for server in servers.values()]))

        def kill(pid: int) -> None:
            servers[pid].stop(signal.SIGKILL)

        first, second = node.run(
            balancer,
            """
            const client = await connect("/", { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 100 });
            const first = await ack(client, "who");
            await call("kill", first);
            await next(client, "disconnect");
            await next(client, "connect");
            return [first, await ack(client, "who")];
            """,
            calls={"kill": kill},
        )
    assert first in servers
    assert second in servers
    assert second != first
