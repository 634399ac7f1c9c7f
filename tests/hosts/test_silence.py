"""Clients that stop answering, with every kind of server."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.hosts import hosts
from tests.hosts.hosts import HOSTS, Served
from tests.support.node import Node

NAMES = ["moongate", "moongate-asyncio", "uvicorn", "granian", "hypercorn", "nginx"]

SILENT = """
    const connectTo = (url, transports) =>
      joined(watch(io(`${url}/hosts`, { forceNew: true, reconnection: false, transports })));
    return await Promise.all(args.urls.map(async (url) => {
      const witness = await connectTo(url, ["websocket"]);
      const since = Date.now();
      const silent = [await connectTo(url, ["polling"]), await connectTo(url, ["websocket"])];
      for (const client of silent) client.io.engine.transport.send = () => {};
      const departures = silent.map(({ id }) => ack(witness, "departure", id));
      return [...(await Promise.all(departures)), Date.now() - since];
    }));
"""


def test_they_are_disconnected(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(hosts.VARIABLES, "MOONGATE_PING_INTERVAL", "0.5")
    monkeypatch.setitem(hosts.VARIABLES, "MOONGATE_PING_TIMEOUT", "1")
    with ExitStack() as stack, ThreadPoolExecutor(len(NAMES)) as pool:

        def start(name: str) -> Served:
            folder = tmp_path / name
            folder.mkdir()
            return HOSTS[name].start(stack, folder)

        urls = [served.url for served in pool.map(start, NAMES)]
        told = node.run("", SILENT, args={"urls": urls})
    for name, (polling, websocket, milliseconds) in zip(NAMES, told, strict=True):
        assert polling == websocket == "ping timeout", name
        assert 1400 < milliseconds < 3500, name
