"""`moongate run`: what it is told, and what it says when that is wrong."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from moongate.app import Moongate
from moongate.cli.commands import moongate
from moongate.server import reload, uvicorn
from moongate.server.options import ServeOptions
from tests.support.process import ServerProcess

APPLICATION = """
from moongate import Module, Moongate

@Module()
class Root: ...

first = Moongate(Root)
second = Moongate(Root)
text = "no application"
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The name of a module with two applications, in the current directory."""
    name = f"application_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(APPLICATION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return name


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ServeOptions]]:
    """What would have been served."""
    served: list[tuple[Any, ServeOptions]] = []

    def run(target: Any, options: ServeOptions) -> int:
        served.append((target, options))
        return 0

    monkeypatch.setattr(uvicorn, "run", run)
    monkeypatch.setattr(reload, "run", run)
    return served


def run(*arguments: str) -> Result:
    return CliRunner().invoke(moongate, ["run", *arguments], prog_name="moongate")


def refused(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    return result.stderr


def test_an_application_of_the_current_directory_is_served(module: str, served: list[tuple[Any, ServeOptions]]):
    result = run(f"{module}:second")
    assert result.exit_code == 0, result.output
    ((app, options),) = served
    assert app is sys.modules[module].second
    assert isinstance(app, Moongate)
    assert options == ServeOptions(host="127.0.0.1", port=3000, log_level="info")


def test_every_option_arrives(module: str, tmp_path: Path, served: list[tuple[Any, ServeOptions]]):
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.touch()
    key.touch()
    where = ["--host", "0.0.0.0", "--port", "0", "--log-level", "debug", "--loop", "asyncio"]
    tls = ["--ssl-certfile", str(certificate), "--ssl-keyfile", str(key)]
    assert run(f"{module}:first", *where, *tls).exit_code == 0
    assert run(f"{module}:first", "--uds", "socket", "--forwarded-allow-ips", "*").exit_code == 0
    assert [options for _, options in served] == [
        ServeOptions(
            host="0.0.0.0", port=0, log_level="debug", loop="asyncio", ssl_certfile=certificate, ssl_keyfile=key
        ),
        ServeOptions(uds="socket", forwarded_allow_ips="*"),
    ]


def test_the_exit_code_is_that_of_the_server(module: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(uvicorn, "run", lambda app, options: 3)
    assert run(f"{module}:first").exit_code == 3


def test_reload_imports_nothing_itself(module: str, served: list[tuple[Any, ServeOptions]]):
    assert run(f"{module}:first", "--reload").exit_code == 0
    assert served == [(f"{module}:first", ServeOptions(reload=True))]
    assert module not in sys.modules


def test_a_module_that_is_not_there(module: str, tmp_path: Path):
    text = refused("nowhere:app")
    assert "there is no module 'nowhere'" in text
    assert str(tmp_path) in text
    assert "there is no module 'nowhere'" in refused("nowhere.chat:app")
    assert f"{module}.chat" in refused(f"{module}.chat:app")


def test_a_module_that_imports_what_is_not_there(module: str, tmp_path: Path):
    (tmp_path / f"{module}.py").write_text("import sys\nimport package_that_is_missing\n")
    text = refused(f"{module}:app")
    assert f"{module}.py, line 2: it imports 'package_that_is_missing'" in text


def test_an_attribute_that_is_not_there(module: str):
    text = refused(f"{module}:app")
    assert f"{module}:app: the module has no 'app'" in text
    assert f"Did you mean {module}:first or {module}:second?" in text


def test_an_attribute_that_is_no_application(module: str):
    text = refused(f"{module}:text")
    assert "expected an application, got a value of type str" in text
    assert f"{module}:first" in text


def test_a_module_without_an_application(module: str, tmp_path: Path):
    (tmp_path / f"{module}.py").write_text("")
    assert "app = Moongate(YourModule)" in refused(f"{module}:app")


def test_an_application_that_is_declared_wrongly(module: str, tmp_path: Path):
    (tmp_path / f"{module}.py").write_text("from moongate import WebSocketGateway\nWebSocketGateway(3000)\n")
    assert "Error: WebSocketGateway(3000): expected a namespace" in refused(f"{module}:app")


@pytest.mark.parametrize(
    ("target", "mend"),
    [
        ("chat", "chat:app"),
        ("chat:", "chat:app"),
        (":app", "module:app"),
        ("examples/chat/app.py:app", "examples.chat.app:app"),
        ("./app.py", "app:app"),
    ],
)
def test_what_is_no_import_string(target: str, mend: str):
    text = refused(target)
    assert text.startswith("Error: expected ")
    assert text.rstrip().endswith(mend)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--uds", "socket", "--port", "3000"], "--uds and --port contradict each other"),
        (["--uds", "socket", "--host", "::"], "--uds and --host contradict each other"),
        (["--ssl-certfile", __file__], "--ssl-certfile needs --ssl-keyfile too"),
        (["--ssl-keyfile", __file__], "--ssl-keyfile needs --ssl-certfile too"),
        (["--ssl-certfile", "missing.pem"], "missing.pem"),
        (["--port", "99999"], "--port"),
        (["--log-level", "loud"], "--log-level"),
        (["--loop", "fast"], "--loop"),
    ],
)
def test_options_that_do_not_fit(arguments: list[str], problem: str):
    assert problem in refused("chat:app", *arguments)


def python(*arguments: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        cwd=directory,
        env=ServerProcess.environment(),
    )


def test_it_is_a_command_of_the_interpreter(tmp_path: Path):
    result = python("-m", "moongate", "run", "nowhere:app", directory=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("Error: nowhere: there is no module 'nowhere'")


def test_without_click_it_says_what_to_install(tmp_path: Path):
    code = "import sys; sys.modules['click'] = None; from moongate.cli.main import main; main()"
    result = python("-c", code, directory=tmp_path)
    assert result.returncode == 2
    assert "pip install 'moongate[cli]'" in result.stderr
