"""What docs/scaling.md and docs/node-cluster.md give to be copied, as it stands there."""

import importlib.util
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from moongate.testing import LiveServer
from tests.cluster.party import Party
from tests.cluster.test_redis_servers import exchange
from tests.support.node import Node
from tests.support.process import ROOT, free_port
from tests.support.redis import RedisServer

SCALING = (ROOT / "docs/scaling.md").read_text(encoding="utf-8")
NODE = (ROOT / "docs/node-cluster.md").read_text(encoding="utf-8")


def rules_of(kind: str) -> list[str]:
    """The rule for the user of a cluster, as the words of a command."""
    rules = re.findall(r"^ACL SETUSER .*$", SCALING, re.MULTILINE)
    sharded, streams, classic = (rule.split() for rule in rules)
    return {"classic": classic, "sharded": sharded, "streams": streams}[kind]


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["classic", "sharded", "streams"])
async def test_acl_rules(party: Party, kind: str):
    with RedisServer() as server:
        server.command(*rules_of(kind))
        server.command("ACL", "SETUSER", "default", "off")
        stream = {"stream": "chat"} if kind == "streams" else {}
        await exchange(party, kind, f"redis://chat:secret@127.0.0.1:{server.port}", prefix="chat", **stream)


def first_block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", NODE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def run_module(source: str, folder: Path) -> ModuleType:
    """Import a module, whose classes have annotations that are read later."""
    path = folder / "chat.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("chat", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wait_for_listener(port: int) -> None:
    deadline = time.monotonic() + 15
    while True:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, f"nobody listens on port {port}"
        time.sleep(0.02)


@pytest.fixture
def urls(tmp_path: Path) -> Iterator[list[str]]:
    """Where the Moongate node is, and the Node server."""
    address, port = "redis://127.0.0.1:6379", free_port()
    with RedisServer() as redis:
        script = first_block("js").replace(address, redis.url).replace("3001", str(port))
        command = ["node", "--input-type=module", "--eval", script]
        with subprocess.Popen(command, cwd=ROOT / "tests/clients") as process:
            try:
                wait_for_listener(port)
                module = run_module(first_block("python").replace(address, redis.url), tmp_path)
                with LiveServer(module.app) as server:
                    yield [server.url, f"http://127.0.0.1:{port}"]
            finally:
                process.kill()


def test_a_python_and_a_node_server(urls: list[str], node: Node):
    script = """
        const [here, there] = await Promise.all(args.map((url) => joined(watch(
          io(url + "/chat", { forceNew: true, reconnection: false, transports: ["websocket"] })))));
        await ack(here, "join", "lobby");
        there.emit("join", "lobby");
        let ids = [];
        for (let turn = 0; ids.length < 2 && turn < 100; turn++) ids = await ack(here, "who", "lobby");
        here.emit("message", "lobby", "from Python");
        const first = [await next(here, "message"), await next(there, "message")];
        there.emit("message", "lobby", "from Node");
        const second = [await next(here, "message"), await next(there, "message")];
        return [ids.length, first, second, await ack(here, "loads")];
    """
    result: Any = node.run("", script, args=urls)
    assert result == [2, ["from Python"] * 2, ["from Node"] * 2, [1]]
