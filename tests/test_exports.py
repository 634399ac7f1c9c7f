"""What `import moongate` offers."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import moongate

VOCABULARY = {
    "Ack",
    "AckTimeout",
    "ClientDisconnected",
    "ConnectedSocket",
    "EncodeError",
    "Inject",
    "Injectable",
    "MessageBody",
    "Module",
    "Moongate",
    "MoongateError",
    "Namespace",
    "Scope",
    "Settings",
    "Socket",
    "SubscribeMessage",
    "WebSocketGateway",
    "WsException",
    "WsResponse",
}
PACKAGE = Path(__file__).parent.parent / "src" / "moongate"


def test_the_vocabulary_is_there():
    assert set(moongate.__all__) >= VOCABULARY


def test_names_are_sorted_and_unique():
    assert list(moongate.__all__) == sorted(set(moongate.__all__))


@pytest.mark.parametrize("name", moongate.__all__)
def test_each_name_exists_and_is_documented(name: str):
    exported = getattr(moongate, name)
    if inspect.isclass(exported) or inspect.isfunction(exported):
        assert inspect.getdoc(exported)


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_each_module_keeps_what_it_promises(file: Path):
    if file.name == "__main__.py":
        return
    names = list(file.relative_to(PACKAGE.parent).with_suffix("").parts)
    module = importlib.import_module(".".join(names[:-1] if names[-1] == "__init__" else names))
    exported = getattr(module, "__all__", [])
    assert len(exported) == len(set(exported))
    for name in exported:
        assert hasattr(module, name), name


def test_the_type_marker_is_shipped():
    assert (PACKAGE / "py.typed").exists()


def test_it_can_be_imported_without_any_extra():
    """`import moongate` needs no extra, and serving says which one it wants; pydantic, if there, is dishka's wish."""
    optional = ["click", "httptools", "picows", "uvicorn", "uvloop", "watchfiles"]
    code = f"""
import sys
sys.modules.update(dict.fromkeys({optional}))
from moongate import Module, Moongate
app = Moongate(Module()(type("Root", (), {{}})))
try:
    app.run()
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30, cwd=PACKAGE.parent
    )
    assert done.stdout.startswith("MissingExtraError")
    assert "moongate[standard]" in done.stdout
