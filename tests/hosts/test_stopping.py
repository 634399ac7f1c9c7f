"""SIGTERM while clients are connected, with every kind of server."""

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.hosts.hosts import HOSTS
from tests.support.node import Node

# Since Python 3.12 `asyncio.Server.wait_closed` waits for all connections, and hypercorn awaits it before it ends any.
HYPERCORN_WAITS = sys.version_info >= (3, 12)

TALK = """
    const clients = [
      await on("/hosts", { transports: ["polling"] }),
      await on("/hosts", { transports: ["websocket"] }),
    ];
    const other = await plain("/ws/hosts");
    await call("stop");
    const reasons = [];
    for (const client of clients) reasons.push(await next(client, "disconnect"));
    return [...reasons, (await heard(other, "$close"))[0]];
"""


def stop(name: str, node: Node, folder: Path) -> tuple[list[object], int, list[str]]:
    """Stop the host; returns what the clients saw, the exit status, and what the application wrote in the end."""
    statuses: list[int] = []
    with ExitStack() as stack:
        served = HOSTS[name].start(stack, folder)
        seen = served.run(node, TALK, calls={"stop": lambda: statuses.append(served.process.stop())})
        lines = [line for line in served.process.log.splitlines() if line.startswith(("left:", "application"))]
    return seen, statuses[0], lines


@pytest.mark.parametrize("name", ["moongate", "moongate-asyncio", "app.run"])
def test_our_own_server_says_goodbye(name: str, node: Node, tmp_path: Path):
    seen, status, lines = stop(name, node, tmp_path)
    assert seen == ["transport close", "transport close", 1001]
    assert status == 0
    assert lines == ["left: server shutting down"] * 3 + ["application stopped"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("uvicorn", 1012),
        ("granian", 1006),
        *(() if HYPERCORN_WAITS else [("hypercorn", 1011)]),
    ],
)
def test_other_servers_close_the_connections_first(name: str, code: int, node: Node, tmp_path: Path):
    seen, _, lines = stop(name, node, tmp_path)
    assert seen == ["transport error", "transport close", code]
    assert lines == ["left: transport close"] * 2 + ["left: server shutting down", "application stopped"]


def hypercorn_waits_until_its_clients_have_left(node: Node, tmp_path: Path):
    script = """
        const client = await on("/hosts", { transports: ["websocket"] });
        await call("terminate");
        for (let i = 0; i < 3; i++) await ack(client, "echo", i);
        client.disconnect();
    """
    with ExitStack() as stack:
        served = HOSTS["hypercorn"].start(stack, tmp_path)
        served.run(node, script, calls={"terminate": served.process.terminate})
        assert served.process.stop() == 0
        assert "left: client namespace disconnect\napplication stopped" in served.process.log


if HYPERCORN_WAITS:
    test_hypercorn_waits_until_its_clients_have_left = hypercorn_waits_until_its_clients_have_left
