"""Nodes with a client each, on a Redis of their own or another bus, which all send to all the time."""

import asyncio
import itertools
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from moongate import ClusterError, ClusterHealth, LocalCluster, NatsCluster, RedisCluster, RedisStreamsCluster
from moongate.cluster.bus import Cluster
from moongate.testing import SocketIoClient, TestApp
from tests.cluster.party import health, until
from tests.faults.desk import ROOM, Desk, desk_app
from tests.faults.ledger import Ledger
from tests.faults.proxy import Proxy
from tests.support.nats import NatsServer
from tests.support.redis import RedisServer

__all__ = ["ALL_KINDS", "KINDS", "USUAL", "Scene", "cluster_of", "side_by_side"]

KINDS = ("classic", "sharded", "streams")
"""Those that Redis carries."""

ALL_KINDS = (*KINDS, "nats", "local")

FAST: dict[str, Any] = {"heartbeat_interval": 0.2, "heartbeat_timeout": 1.0}
"""Heartbeats for tests that need not take as long as in practice."""

USUAL: dict[str, Any] = {"heartbeat_interval": 1, "heartbeat_timeout": 5}
"""Heartbeats as they are if nobody says anything."""

_ECHO_PAUSE = 0.05
_FOREVER = 3600.0


def cluster_of(kind: str, url: str, **options: Any) -> Cluster:
    """Return the cluster of a kind, with fast heartbeats if nothing else is said."""
    options = {**FAST, **options}
    if kind == "nats":
        return NatsCluster(url, **options)
    if kind == "local":
        return LocalCluster(url, **options)
    return (
        RedisStreamsCluster(url, **options)
        if kind == "streams"
        else RedisCluster(url, sharded=kind == "sharded", **options)
    )


async def side_by_side(play: Callable[..., Awaitable[None]], *variants: Any, kinds: Sequence[str] = KINDS) -> None:
    """Play the same fault on all *kinds* at the same time: what they have to wait for, they wait for together.

    *variants* of it are played all on each kind, as the second argument of *play*.
    """
    plays = [(kind, variant) for kind in kinds for variant in variants] if variants else [(kind,) for kind in kinds]
    results = await asyncio.gather(*(play(*each) for each in plays), return_exceptions=True)
    for each, result in zip(plays, results, strict=True):
        if result is not None:
            result.add_note(f"played: {each}")
            raise result


class Scene:
    """Two nodes, "a" and "b"; what they send and receive is in `ledger`, which is printed at the end."""

    def __init__(
        self,
        fault: str,
        kind: str,
        *,
        pause: float = 0.01,
        proxied: bool = False,
        slow: Mapping[str, float] | None = None,
        padding: int = 0,
        server: RedisServer | None = None,
        **options: Any,
    ) -> None:
        self.kind = kind
        self.ledger = Ledger(fault, kind)
        self.url = ""
        self._given = server
        self.server: RedisServer  # if it is Redis that carries messages
        self.options = options
        self.proxy: Proxy | None = None  # of the node "a"
        self._slow = dict(slow or {})  # how the network of the node "a" is
        self._padding = "x" * padding  # what each message has beside its number
        self._is_proxied = proxied or bool(slow)
        self.nodes: dict[str, TestApp] = {}
        self.clients: dict[str, SocketIoClient] = {}
        self._pause = pause
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._senders: list[asyncio.Task[None]] = []
        self._sendings: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        try:
            self.url = self._start_bus()
            if self._is_proxied:
                self.proxy = await self._stack.enter_async_context(Proxy(self.server.port, **self._slow))
            for name in ("a", "b"):
                await self.enter(name)
            await until(lambda: all(len(self.health(name).nodes) == 1 for name in self.nodes))
        except BaseException:
            await self._stack.aclose()
            raise
        self._senders = [self._run(self._send_all(name)) for name in self.nodes]
        await until(lambda: self.ledger.received > 20)
        return self

    def _start_bus(self) -> str:
        """Start what carries messages, and return where it is."""
        if self.kind == "nats":
            return self._stack.enter_context(NatsServer()).url
        if self.kind == "local":
            return self._stack.enter_context(tempfile.TemporaryDirectory(prefix="local-"))
        self.server = self._given or RedisServer()
        return self._stack.enter_context(self.server).url

    async def enter(self, name: str) -> None:
        """Start a node, and a client of it."""
        proxied = self.proxy is not None and name == "a"
        url = f"redis://127.0.0.1:{self.proxy.port}" if self.proxy is not None and proxied else self.url
        app = desk_app(cluster_of(self.kind, url, **self.options))
        self.nodes[name] = await self._stack.enter_async_context(TestApp(app))
        self.clients[name] = client = await self.nodes[name].connect()
        self.ledger.receivers.append(name)
        self._run(self._receive(name, client))
        self._run(self._echo(client))
        self._run(self._watch(name))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                await self.quiet()
        finally:
            for task in (*self._tasks, *self._sendings):
                task.cancel()
            done = await asyncio.gather(*self._tasks, *self._sendings, return_exceptions=True)
            await self._stack.aclose()
            print(self.ledger)  # noqa: T201  # pytest shows it with -rP
        failures = [each for each in done if isinstance(each, Exception)]
        if failures and error is None:
            raise failures[0]
        if error is None:
            self.ledger.check()

    async def quiet(self) -> None:
        """Send no more, and wait until everything is decided and delivered."""
        for task in self._senders:
            task.cancel()
        if self._sendings:
            _, late = await asyncio.wait(self._sendings, timeout=self.nodes["a"].app.cluster.options.outbox_timeout + 3)  # type: ignore[union-attr]
            assert not late, f"{len(late)} emits wait for ever: {self.ledger!r}"
        for name in self.nodes:  # what comes behind everything shows that everything has come
            await self.nodes[name].server().emit("end", name)
        for client in self.clients.values():
            for _ in self.nodes:
                await client.receive("end", timeout=5)
        await until(lambda: all(self._unread(client) == 0 for client in self.clients.values()))
        for _ in range(10):  # who has been given a message has still to take its turn
            await asyncio.sleep(0)

    def _unread(self, client: SocketIoClient) -> int:
        return sum(event == "message" for event, _ in client.received)

    def health(self, name: str) -> ClusterHealth:
        return health(self.nodes[name].app)

    def desk(self, name: str) -> Desk:
        return self.nodes[name].get(Desk)

    async def recover(self, limit: float = 10.0) -> None:
        """Wait until all nodes are up, and what is sent arrives everywhere; the fault is over."""
        self.ledger.heal()
        try:
            async with asyncio.timeout(limit):
                while not self._is_well():
                    await asyncio.sleep(0.02)
                await asyncio.sleep(0.3)  # some load behind it
        except TimeoutError:
            states = {name: self.health(name) for name in self.nodes}
            raise AssertionError(f"not well after {limit:g} s: {self.ledger!r}\n{states}") from None

    def _is_well(self) -> bool:
        self.ledger.recovered = self.ledger.recovery()
        up = all(self.health(name).status == "up" for name in self.nodes)
        return up and self.ledger.recovered is not None

    def _run(self, work: Any) -> "asyncio.Task[None]":
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.append(task)
        return task

    async def _send_all(self, name: str) -> None:
        for number in itertools.count():
            task = asyncio.get_running_loop().create_task(self._send(name, number))
            self._sendings.add(task)
            task.add_done_callback(self._sendings.discard)
            await asyncio.sleep(self._pause)

    async def _send(self, name: str, number: int) -> None:
        server = self.nodes[name].server()
        self.ledger.send(name, number)
        try:
            # Every other one by the room, which has a channel of its own where Redis is sharded.
            await (server.to(ROOM) if number % 2 else server).emit("message", name, number, self._padding)
        except ClusterError as error:
            self.ledger.fail(name, number, error)
        else:
            self.ledger.accept(name, number)

    async def _receive(self, name: str, client: SocketIoClient) -> None:
        while True:
            sender, number, _ = await client.receive("message", timeout=_FOREVER)
            self.ledger.receive(name, sender, number)

    async def _echo(self, client: SocketIoClient) -> None:
        loop = asyncio.get_running_loop()
        for number in itertools.count():
            start = loop.time()
            assert await client.emit_with_ack("echo", number, timeout=5) == number
            self.ledger.echo = max(self.ledger.echo, loop.time() - start)
            await asyncio.sleep(_ECHO_PAUSE)

    async def _watch(self, name: str) -> None:
        while True:
            if self.health(name).status != "up":
                self.ledger.notice()
            await asyncio.sleep(0.01)
