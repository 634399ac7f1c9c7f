"""The official Engine.IO client against an engine on a plain ASGI server."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from moongate.types import DisconnectReason
from tests.engine.echo import EchoApp

pytestmark = pytest.mark.anyio

SCRIPT = Path(__file__).parent.parent / "clients" / "engine.mjs"
LIMIT = 30.0
TOTAL = 400


@asynccontextmanager
async def serving(app: EchoApp) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="on", log_config=None))
        task = asyncio.ensure_future(server.serve(sockets=[listener]))
        async with asyncio.timeout(LIMIT):
            while not server.started:
                await asyncio.sleep(0.002)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


async def run_client(url: str, transports: str) -> Any:
    arguments = (str(SCRIPT), url, "/socket.io", transports, str(TOTAL))
    process = await asyncio.create_subprocess_exec("node", *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(LIMIT):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return json.loads(output)


@pytest.mark.parametrize(
    ("transports", "used"),
    [
        ("polling", ["polling"]),
        ("websocket", ["websocket"]),
        ("polling,websocket", ["polling", "websocket"]),
    ],
)
async def test_everything_comes_back_in_order(transports: str, used: list[str]):
    app = EchoApp()
    async with serving(app) as url:
        result = await run_client(url, transports)
        assert await app.ended() == DisconnectReason.TRANSPORT_CLOSE
    assert result["came"] == list(range(TOTAL))
    assert result["used"] == used
    assert result["reason"] == "forced close"
    assert app.engine.sessions == 0


@pytest.mark.parametrize("transports", ["polling", "websocket"])
async def test_heartbeats_keep_the_session(transports: str):
    app = EchoApp(ping_interval=0.02, ping_timeout=1.0)
    async with serving(app) as url:
        result = await run_client(url, transports)
    assert result["came"] == list(range(TOTAL))
    assert result["reason"] == "forced close"


@pytest.mark.parametrize("transports", ["polling", "websocket"])
async def test_the_client_learns_that_the_server_closes_the_session(transports: str):
    app = EchoApp()
    async with serving(app) as url:
        client = asyncio.ensure_future(run_client(url, transports))
        async with asyncio.timeout(LIMIT):
            while not app.peers:
                await asyncio.sleep(0.001)
        app.peers[0].session.close(DisconnectReason.FORCED_CLOSE)
        assert (await client)["reason"] == "transport close"
