"""Started by a command: our own server, and any ASGI server."""

import re
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.node import Node
from tests.support.process import ServerProcess, free_port, host_command

TARGET = "tests.support.sample:app"
TALK = """
    const [a, b] = [await connect("/notes"), await connect("/notes")];
    await ack(a, "join", "room");
    const data = { deep: [Buffer.from("bytes")] };
    const answer = await ack(b, "note", { room: "room", data });
    const note = await next(a, "note");
    await fetch(`${url}/announce/room`, { method: "POST" });
    const announced = await next(a, "note");
    const feed = await bare("/feed");
    feed.send("text");
    const plain = await bare("/ws/notes");
    await ask(plain, "join", "room");
    await ack(b, "note", { room: "room", data: 5 });
    const hello = await (await fetch(`${url}/hello`)).json();
    return [answer, note, announced, await heard(feed, "fed"), hello.greeting, await heard(plain, "note")];
"""


@pytest.fixture(scope="module", params=["moongate", "uvicorn", "granian", "hypercorn"])
def host(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    port = free_port()
    with ServerProcess(host_command(request.param, TARGET, port), port=port) as server:
        yield server


@pytest.mark.usefixtures("transport")
def test_every_host_serves_everything(host: ServerProcess, node: Node):
    answer, heard, announced, fed, hello, plain = node.run(host, TALK)
    assert answer == heard == {"deep": [b"bytes"]}
    assert announced == "announced"
    assert fed == "text"
    assert hello == "hello"
    assert plain == 5


def test_every_host_tells_a_bare_client_why_it_is_refused(host: ServerProcess, node: Node):
    status, _ = node.run(host, 'return await bareRefused("/ws/nowhere")')
    assert status in {403, 404}


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


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    subprocess.run(["openssl", "req", "-x509", *kind, *subject, *files], check=True, capture_output=True, timeout=30)
    return certificate, key


@pytest.mark.usefixtures("transport")
def test_tls(moongate: Callable[..., ServerProcess], node: Node, certificate: tuple[Path, Path]):
    server = moongate("--ssl-certfile", str(certificate[0]), "--ssl-keyfile", str(certificate[1]))
    server.url = server.url.replace("http", "https")
    script = """
        const [a, b] = [await connect("/notes", args), await bare("/ws/notes", args)];
        const large = Buffer.alloc(300_000, "x");
        return [await ack(a, "join", "room"), await ask(b, "join", "room"),
                (await ack(a, "note", { room: "none", data: large })).length];
    """
    assert node.run(server, script, args={"ca": certificate[0].read_text()}) == ["room", {"data": "room"}, 300_000]
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    with urllib.request.urlopen(f"{server.url}/hello", timeout=5, context=trusting) as response:  # noqa: S310
        assert response.status == 200


def test_a_unix_socket(node: Node, tmp_path: Path):
    path = tmp_path / "moongate.sock"
    command = [sys.executable, "-m", "moongate", "run", TARGET, "--uds", str(path)]
    script = """
        const [status, body] = await request(args, "/hello");
        const s = await bare("/ws/notes");
        return [status, JSON.parse(body).greeting, await ask(s, "join", "room")];
    """
    with ServerProcess(command, uds=path) as server:
        assert node.run(f"ws+unix:{path}", script, args=str(path)) == [200, "hello", {"data": "room"}]
        assert server.stop() == 0


def test_settings_come_from_the_environment(moongate: Callable[..., ServerProcess], node: Node):
    server = moongate(MOONGATE_PING_INTERVAL="7", MOONGATE_SOCKETIO_PATH="/live")
    script = 'return (await (await fetch(url + "/live/?EIO=4&transport=polling")).text()).slice(1)'
    assert '"pingInterval":7000' in node.run(server, script)


def test_reload(moongate: Callable[..., ServerProcess], tmp_path: Path):
    module = tmp_path / "reloaded.py"
    text = """
import fastapi
from moongate import Module, Moongate

api = fastapi.FastAPI()

@api.get("/version")
def version() -> str:
    return "first"

@Module()
class Root: ...

app = Moongate(Root, http=api)
"""
    module.write_text(text)
    port = free_port()
    command = [*host_command("moongate", "reloaded:app", port), "--reload"]
    with ServerProcess(command, port=port, folder=tmp_path) as server:
        assert server.get("/version") == '"first"'
        module.write_text(text.replace('"first"', '"second"'))
        server.wait_until(lambda: server.get("/version") == '"second"')
        assert server.stop() == 0


def test_run_starts_it_from_code(tmp_path: Path, node: Node):
    script = tmp_path / "main.py"
    port = free_port()
    script.write_text(
        f"from tests.support.sample import app\nif __name__ == '__main__':\n    app.run('127.0.0.1', {port})\n"
    )
    with ServerProcess([sys.executable, str(script)], port=port) as server:
        assert node.run(server, 'return await ack(await connect("/notes"), "join", "room")') == "room"
        assert server.stop() == 0


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


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("no_such_module:app", "no_such_module"),
        ("tests.support.sample:nothing", "nothing"),
        ("tests.support.sample", "tests.support.sample:app"),
    ],
)
def test_a_wrong_target_is_explained(target: str, said: str):
    assert said in run_fails(target)


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
