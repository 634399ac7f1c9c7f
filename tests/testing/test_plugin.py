"""The fixtures that pytest finds by itself, in a project of its own."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

PLUGIN = "moongate.testing.plugin"
PROJECT = Path(__file__).parents[2]
TESTS = """
import pytest
from moongate import Module, SubscribeMessage, WebSocketGateway

@WebSocketGateway()
class Gateway:
    @SubscribeMessage("echo")
    async def echo(self, text: str) -> str:
        return text

@Module(providers=[Gateway])
class Root: ...

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
async def test_in_memory(moongate_app):
    async with moongate_app(Root) as app:
        client = await app.connect()
        assert await client.emit_with_ack("echo", "hello") == "hello"

def test_live(live_server):
    import urllib.request
    server = live_server(Root)
    with urllib.request.urlopen(f"{server.url}/socket.io/?EIO=4&transport=polling", timeout=5) as answer:
        assert answer.read().startswith(b'0{"sid":')
"""


def test_fixtures(tmp_path: Path):
    (tmp_path / "test_them.py").write_text(TESTS)
    # An installation has told pytest of the plugin; a mere source tree has not.
    is_announced = any(entry.value == PLUGIN for entry in entry_points(group="pytest11"))
    options = [] if is_announced else ["-p", PLUGIN]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", *options, "test_them.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT / "src")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "2 passed" in ran.stdout, ran.stdout + ran.stderr


def test_the_plugin_is_announced():
    project = (PROJECT / "pyproject.toml").read_text()
    assert '[project.entry-points.pytest11]\nmoongate = "moongate.testing.plugin"' in project
