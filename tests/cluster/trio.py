"""Three servers that are one cluster, each with a client: two of Python, and a third of Python or of Node."""

import asyncio
import time
from collections.abc import Coroutine
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from moongate import (
    AsyncEmitter,
    Module,
    Moongate,
    Namespace,
    RedisCluster,
    RedisStreamsCluster,
    Socket,
    WebSocketGateway,
)
from moongate.cluster.bus import Cluster
from moongate.testing import LiveServer
from tests.support.cluster_node import ClusterNode

__all__ = ["Main", "Trio", "redis_cluster"]


def redis_cluster(kind: str, url: str, prefix: str) -> Cluster:
    """The cluster of Moongate that is one with Node's adapter of this kind."""
    if kind == "streams":
        return RedisStreamsCluster(url, stream=prefix, prefix=prefix)
    return RedisCluster(url, sharded=kind == "sharded", prefix=prefix)


class _Rooms:
    """What the Node server does as well: names, rooms, two events of servers."""

    server: Namespace

    def __init__(self) -> None:
        self.heard: list[list[Any]] = []

    def after_init(self, server: Namespace) -> None:
        server.on("wake up", lambda *values: self.heard.append(list(values)))
        server.on("sum", lambda first, second: first + second)

    async def handle_connection(self, client: Socket) -> None:
        client.data["name"] = client.handshake.auth.get("name")
        await client.join(*client.handshake.auth.get("rooms", ()))
        client.emit("ready")


@WebSocketGateway("/")
class Main(_Rooms):
    pass


@WebSocketGateway("/chat")
class Chat(_Rooms):
    pass


class Trio:
    """`one` and `two` are applications; `third` is one more, or a `node`."""

    def __init__(self, kind: str, cluster: Cluster, third: str, redis_url: str, prefix: str) -> None:
        self.kind = kind
        self.cluster = cluster
        self._stack = ExitStack()
        self.apps = [
            Moongate(Module(providers=[Main, Chat])(type("Root", (), {})), cluster=cluster)
            for _ in range(2 if third == "node" else 3)
        ]
        servers = [self._stack.enter_context(LiveServer(app)) for app in self.apps]
        self.node: ClusterNode | None = None
        self.urls: list[str] = [server.url for server in servers]
        if third == "node":
            self.node = self._stack.enter_context(ClusterNode(kind, redis_url, prefix))
            self.urls.append(self.node.url)
            self._wait_for_node()

    def server(self, namespace: str = "/") -> Namespace:
        """The namespace of the first application."""
        return self.apps[0].server(namespace)

    def wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """The result of a coroutine, in a loop of this thread."""

        async def bounded() -> Any:
            async with asyncio.timeout(10):
                return await coroutine

        return asyncio.run(bounded())

    def _wait_for_node(self) -> None:
        """Return when the Node server answers: it serves before its adapter has subscribed."""
        deadline = time.monotonic() + 10
        namespaces = [app.server(name) for app in self.apps for name in ("/", "/chat")]
        while any(len(self.wait(each.server_side_emit_with_ack("sum", 1, 2))) < 2 for each in namespaces):
            assert time.monotonic() < deadline, "the Node server does not answer"

    def emit_outside(self, *steps: tuple[str, tuple[Any, ...]]) -> None:
        """Let a program that is no server call the methods of an emitter, the last of which sends."""

        async def script() -> None:
            async with AsyncEmitter(self.cluster) as emitter:
                target: Any = emitter
                for name, arguments in steps:
                    target = getattr(target, name)(*arguments)
                await target

        self.wait(script())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
