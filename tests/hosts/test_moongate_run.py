"""`moongate run`: how it starts, what it says, how it stops."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.node import Node
from tests.support.process import ServerProcess, free_port, host_command

TARGET = "tests.support.sample:app"


@pytest.fixture
def moongate() -> Iterator[Callable[..., ServerProcess]]:
    """Starts `moongate run`."""
    started: list[ServerProcess] = []

    def start(*options: str, target: str = TARGET, **variables: str) -> ServerProcess:
        port = free_port()
        command = [*host_command("moongate", target, port), *options]
        server = ServerProcess(command, port=port, variables=variables)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.stop()


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_stops_it_cleanly(moongate: Callable[..., ServerProcess], node: Node, signal_number: signal.Signals):
    server = moongate()
    script = """
        const [a, b] = [await connect("/notes"), await bare("/ws/notes")];
        await ack(a, "join", "room");
        await ask(b, "join", "room");
        await call("stop");
        return [typeof (await next(a, "disconnect")), typeof (await heard(b, "$close"))[0]];
    """
    codes = []
    answer = node.run(server, script, calls={"stop": lambda: codes.append(server.stop(signal_number))})
    assert codes == [0]
    assert answer == ["string", "number"]
    log = server.log
    assert log.index("journal: module started") < log.index("journal: left: server shutting down")
    assert log.count("journal: left: server shutting down") == 2
    assert log.rindex("journal: left") < log.index("journal: application stopped")
    assert "Traceback" not in log


def test_the_log_says_what_is_served_and_where(moongate: Callable[..., ServerProcess]):
    server = moongate()
    server.wait_for_log(server.url)
    for word in ("/notes", "NotesGateway", "join", "note"):
        assert re.search(rf"{re.escape(word)}\b", server.log), word


def test_the_log_level(moongate: Callable[..., ServerProcess]):
    server = moongate("--log-level", "error")
    server.get("/hello")
    server.stop()
    assert "NotesGateway" not in server.log


def test_settings_come_from_the_environment(moongate: Callable[..., ServerProcess], node: Node):
    server = moongate(MOONGATE_PING_INTERVAL="7", MOONGATE_SOCKETIO_PATH="/live")
    script = 'return (await (await fetch(url + "/live/?EIO=4&transport=polling")).text()).slice(1)'
    assert '"pingInterval":7000' in node.run(server, script)


def run_fails(*options: str, folder: Path | None = None) -> str:
    """What `moongate run` says when it cannot start."""
    done = subprocess.run(
        [sys.executable, "-m", "moongate", "run", *options],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=folder,
        check=False,
        env=ServerProcess.environment(),
    )
    assert done.returncode
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_a_start_up_error_is_shown_without_a_traceback(tmp_path: Path):
    (tmp_path / "broken.py").write_text("""
from moongate import Module, Moongate, SubscribeMessage, WebSocketGateway

@WebSocketGateway()
class BrokenGateway:
    @SubscribeMessage("message")
    async def on_message(self, body):
        return body

@Module(providers=[BrokenGateway])
class Root: ...

app = Moongate(Root)
""")
    said = run_fails("broken:app", "--port", str(free_port()), folder=tmp_path)
    for word in ("BrokenGateway", "on_message", "body"):
        assert word in said
