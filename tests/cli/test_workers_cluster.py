"""The workers of `moongate run --workers` are one cluster."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.node import Node
from tests.support.workers import Workers, leftovers, run_fails, write

APPLICATION = """
import os
from moongate import LocalCluster, Module, Moongate, Namespace, Settings, Socket, SubscribeMessage, WebSocketGateway

@WebSocketGateway("/")
class Gateway:
    server: Namespace

    @SubscribeMessage("who")
    async def who(self) -> dict:
        health = app.cluster_health()
        return {"pid": os.getpid(), "node": health.node, "nodes": health.nodes, "folder": str(app.cluster.folder)}

    @SubscribeMessage("join")
    async def join(self, client: Socket, room: str) -> str:
        await client.join(room)
        return room

    @SubscribeMessage("say")
    async def say(self, client: Socket, rooms: list[str], text: str) -> str:
        await self.server.to(*rooms).emit("said", text)
        return text

    @SubscribeMessage("fetch")
    async def fetch(self) -> list[str]:
        found = await self.server.fetch_sockets()
        return sorted(socket.id for socket in found)

    @SubscribeMessage("put out")
    async def put_out(self, room: str) -> str:
        await self.server.to(room).disconnect_sockets()
        return room

@Module(providers=[Gateway])
class Root: ...

app = Moongate(Root, settings=Settings(shutdown_timeout=1)OPTIONS)
"""

CLIENTS = """
const wait = () => new Promise((resolve) => setTimeout(resolve, 20));
/** A client of another worker than those of `others`, when its worker knows the `count` others. */
const join = async (others, count) => {
  const pids = others.map((other) => other.who.pid);
  while (true) {
    const client = await connect("/");
    client.who = await ack(client, "who");
    for (; !pids.includes(client.who.pid); client.who = await ack(client, "who")) {
      if (client.who.nodes.length === count) return client;
      await wait();
    }
    client.disconnect();
  }
};
const known = async (client, nodes) => {
  while (JSON.stringify((await ack(client, "who")).nodes) !== JSON.stringify(nodes)) await wait();
};
const a = await join([], 1);
const b = await join([a], 1);
"""


def source(folder: Path, options: str = "") -> None:
    """Write the application."""
    (folder / "served.py").write_text(APPLICATION.replace("OPTIONS", options))


def test_they_are_one_cluster_by_themselves(serve: Callable[..., Workers], tmp_path: Path, node: Node):
    source(tmp_path)
    server = serve("--workers", "2")
    pids = server.wait_for_workers(2)
    (folder,) = leftovers(tmp_path)
    script = """
        await ack(a, "join", "red");
        await ack(b, "join", "red");
        await ack(b, "join", "blue");
        await ack(a, "say", [], "to all");
        await ack(a, "say", ["blue"], "to blue");
        const said = [];
        for (const client of [a, b, b]) said.push(await next(client, "said"));
        await ack(b, "say", ["red"], "to red"); // after the others have come: between two senders there is no order
        for (const client of [a, b]) said.push(await next(client, "said"));
        const ids = [a.id, b.id].sort();
        const found = await ack(a, "fetch");
        await ack(a, "put out", "blue");
        const reason = await next(b, "disconnect");
        return { who: [a.who, b.who], said, found, ids, reason, left: a.connected };
    """
    got = node.run(server, CLIENTS + script)
    assert sorted(who["pid"] for who in got["who"]) == sorted(pids)
    assert {who["folder"] for who in got["who"]} == {str(folder)}
    assert got["said"] == ["to all", "to all", "to blue", "to red", "to red"]
    assert got["found"] == got["ids"]
    assert (got["reason"], got["left"]) == ("io server disconnect", True)
    assert server.stop() == 0
    assert not leftovers(tmp_path)


def test_the_cluster_of_the_application_is_used_instead(serve: Callable[..., Workers], tmp_path: Path, node: Node):
    folder = tmp_path / "own"
    source(tmp_path, f", cluster=LocalCluster({str(folder)!r})")
    server = serve("--workers", "2")
    server.wait_for_workers(2)
    script = """
        await ack(a, "say", [], "hello");
        return [a.who.folder, b.who.folder, await next(b, "said")];
    """
    assert node.run(server, CLIENTS + script) == [str(folder), str(folder), "hello"]


def test_a_worker_that_is_killed_is_noticed_and_its_successor_joins(
    serve: Callable[..., Workers], tmp_path: Path, node: Node
):
    source(tmp_path)
    server = serve("--workers", "2")
    server.wait_for_workers(2)
    script = """
        await ack(b, "join", "red");
        await call("kill", a.who.pid);
        const c = await join([a, b], 1);
        await known(b, [c.who.node]);
        await ack(c, "join", "red");
        await ack(b, "say", ["red"], "hello");
        return [await next(b, "said"), await next(c, "said"), await ack(b, "fetch"), [b.id, c.id].sort()];
    """
    calls: dict[str, Any] = {"kill": lambda pid: os.kill(pid, signal.SIGKILL)}
    *said, found, ids = node.run(server, CLIENTS + script, calls=calls)
    assert said == ["hello", "hello"]
    assert found == ids


def test_a_temporary_folder_with_too_long_a_path_is_said_once(tmp_path: Path):
    folder = tmp_path / ("x" * 60)
    folder.mkdir()
    write(folder)
    result = run_fails(folder, "--port", "0")
    assert result.returncode != 0
    assert result.stderr.count("is too long for UNIX sockets") == 1
