"""One node: what a client says here goes to members of the next room, wherever they are."""

import os
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

from benchmarks.servers.moongate_app import Body
from moongate import (
    LocalCluster,
    Module,
    Moongate,
    Namespace,
    NatsCluster,
    RedisCluster,
    RedisStreamsCluster,
    Socket,
    SubscribeMessage,
    WebSocketGateway,
)

NAMESPACES = [f"/n{number}" for number in range(int(os.environ.get("NAMESPACES", "1")))]
ROOMS = [f"room-{number}" for number in range(int(os.environ.get("ROOMS", "1")))]
WORK = 200e-6

CLUSTERS: dict[str, Callable[[str], Any]] = {
    "none": lambda _url: None,
    "classic": RedisCluster,
    "sharded": lambda url: RedisCluster(url, sharded=True),
    "streams": RedisStreamsCluster,
    "nats": NatsCluster,
    "local": LocalCluster,
}


class BenchGateway:
    server: Namespace

    @SubscribeMessage("enter")
    async def enter(self, client: Socket) -> None:
        await client.join(*ROOMS)

    @SubscribeMessage("publish")
    async def publish(self, body: Body) -> None:
        namespace, room = next(targets)
        namespace.to(room).emit("message", body)

    @SubscribeMessage("echo")
    async def echo(self, body: Body) -> Body:
        return body

    @SubscribeMessage("work")
    async def work(self, body: Body) -> Body:
        """Keeps the processor busy for WORK seconds, as a handler that computes does."""
        end = time.thread_time() + WORK
        while time.thread_time() < end:
            sum(range(100))
        return body


@Module(providers=[WebSocketGateway(name)(type("Gateway", (BenchGateway,), {})) for name in NAMESPACES])
class BenchModule: ...


def turns() -> Iterator[tuple[Namespace, str]]:
    """All rooms of all namespaces, again and again."""
    yield from cycle([(app.server(namespace), room) for namespace in NAMESPACES for room in ROOMS])


targets = turns()
app = Moongate(BenchModule, cluster=CLUSTERS[os.environ.get("BUS", "none")](os.environ.get("BUS_URL", "")))
