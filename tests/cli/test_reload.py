"""`moongate run --reload`: a change of the code replaces the server."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from moongate.server.options import ServeOptions, command_line
from tests.support.process import ServerProcess, free_port

APPLICATION = """
import signal
from moongate import Injectable, Module, Moongate

async def http(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"VERSION"})

@Injectable()
class Service:
    async def on_application_shutdown(self):
        print("goodbye VERSION")

@Module(providers=[Service])
class Root: ...

app = Moongate(Root, http=http)
"""


def write(directory: Path, version: str) -> None:
    (directory / "reloaded.py").write_text(APPLICATION.replace("VERSION", version))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server in a directory and a process group of its own."""
    write(tmp_path, "one")
    port = free_port()
    command = [sys.executable, "-m", "moongate", "run", "reloaded:app", "--reload", "--port", str(port)]
    with ServerProcess(["setsid", *command], port=port, folder=tmp_path) as server:
        yield server


def test_a_change_replaces_the_server(server: ServerProcess, tmp_path: Path):
    assert server.get("/") == "one"
    write(tmp_path, "two")
    server.wait_until(lambda: server.get("/") == "two")
    assert "reloaded.py changed: restarting" in server.log
    assert server.log.count("goodbye one") == 1
    assert server.stop() == 0
    assert server.log.count("goodbye two") == 1


def test_a_mistake_is_said_and_its_mend_served(server: ServerProcess, tmp_path: Path):
    (tmp_path / "reloaded.py").write_text("import package_that_is_missing")
    server.wait_for_log("it imports 'package_that_is_missing'")
    write(tmp_path, "mended")
    server.wait_until(lambda: server.get("/") == "mended")


def test_control_c_reaches_both_and_stops_cleanly(server: ServerProcess):
    process = server._process
    assert process
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(20) == 0
    assert server.log.count("goodbye one") == 1
    assert "Traceback" not in server.log
    with pytest.raises(OSError, match="refused"):
        server.get("/")


def test_the_server_gets_every_option(tmp_path: Path):
    options = ServeOptions(
        host="::1",
        port=8080,
        loop="asyncio",
        forwarded_allow_ips="10.0.0.0/8",
        log_level="debug",
        ssl_certfile=tmp_path / "certificate.pem",
        ssl_keyfile=tmp_path / "key.pem",
    )
    words = command_line("chat:app", options)[4:]
    assert words[0] == "chat:app"
    given = dict(zip(words[1::2], words[2::2], strict=True))
    assert given == {
        f"--{name.replace('_', '-')}": str(getattr(options, name))
        for name in options.__struct_fields__
        if name not in {"uds", "reload", "workers"}
    }
