"""Applications of one process that are one cluster."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from moongate import ClusterHealth, Module, Moongate, Namespace, Socket, SubscribeMessage, WebSocketGateway
from moongate.cluster.bus import Cluster
from moongate.testing import TestApp

__all__ = ["LIMIT", "Lobby", "Party", "health", "nodes", "until"]

LIMIT = 10.0


@WebSocketGateway("/")
class Lobby:
    server: Namespace

    def __init__(self) -> None:
        self.changes: list[ClusterHealth] = []

    def after_init(self, server: Namespace) -> None:
        server.on("sum", lambda *numbers: sum(numbers))

    def handle_connection(self, client: Socket) -> None:
        client.data.update(name=client.handshake.auth.get("name"), secret=object())

    @SubscribeMessage("join")
    async def join(self, client: Socket, room: str) -> None:
        await client.join(room)

    @SubscribeMessage("leave")
    async def leave(self, client: Socket, room: str) -> None:
        await client.leave(room)

    def on_cluster_change(self, health: ClusterHealth) -> None:
        self.changes.append(health)


@WebSocketGateway("/teams/{team}")
class Teams:
    server: Namespace


class Party:
    """Starts applications, which end with the test."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.apps: list[Moongate] = []

    async def app(self, cluster: Cluster) -> TestApp:
        """Start an application and wait until it and those before know each other."""
        root = Module(providers=[Lobby, Teams])(type("Root", (), {}))
        app = Moongate(root, cluster=cluster)
        self.apps.append(app)
        running = await self._stack.enter_async_context(TestApp(app))
        await until(lambda: all(len(nodes(each)) == len(self.apps) - 1 for each in self.apps))
        return running


async def until(condition: Callable[[], Any]) -> None:
    """Return when *condition* holds, fail if it does not soon."""
    async with asyncio.timeout(LIMIT):
        while not condition():
            await asyncio.sleep(0.005)


def health(app: Moongate) -> ClusterHealth:
    found = app.cluster_health()
    assert found is not None
    return found


def nodes(app: Moongate) -> tuple[str, ...]:
    return health(app).nodes
