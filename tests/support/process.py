"""A server in a process of its own, started by its own command."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["ServerProcess", "free_port", "host_command"]

ROOT = Path(__file__).parent.parent.parent
LIMIT = 20.0


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert isinstance(port, int)
    return port


def host_command(host: str, target: str, port: int) -> list[str]:
    """The command with which *host* serves *target* (`module:app`) on *port*."""
    bind = ["--host", "127.0.0.1", "--port", str(port)]
    commands = {
        "moongate": ["-m", "moongate", "run", target, *bind],
        "uvicorn": ["-m", "uvicorn", target, *bind, "--lifespan", "on"],
        "granian": ["-m", "granian", "--interface", "asgi", *bind, target],
        "hypercorn": ["-m", "hypercorn", "--bind", f"127.0.0.1:{port}", target],
    }
    return [sys.executable, *commands[host]]


class ServerProcess:
    """Runs *command* until it is stopped; `log` is what it printed."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        port: int = 0,
        uds: Path | None = None,
        folder: Path = ROOT,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._address = str(uds) if uds else ("127.0.0.1", port)
        self._command = command
        self._folder = folder
        self._variables = {**self.environment(), **(variables or {})}
        self._output = tempfile.NamedTemporaryFile(buffering=0)  # noqa: SIM115  # closed by stop()
        self._log = ""  # what was printed when it was last looked at
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def environment() -> dict[str, str]:
        """The variables of every such process: it finds the package and the tests."""
        return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), "PYTHONUNBUFFERED": "1"}

    @property
    def log(self) -> str:
        if not self._output.closed:
            self._log = Path(self._output.name).read_text(encoding="utf-8", errors="replace")
        return self._log

    def start(self) -> Self:
        self._process = subprocess.Popen(
            self._command, env=self._variables, cwd=self._folder, stdout=self._output, stderr=subprocess.STDOUT
        )
        deadline = time.monotonic() + LIMIT
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"the server does not listen:\n{self.log}")
            time.sleep(0.02)
        return self

    def _listens(self) -> bool:
        family = socket.AF_UNIX if isinstance(self._address, str) else socket.AF_INET
        with socket.socket(family) as client:
            client.settimeout(1)
            return client.connect_ex(self._address) == 0

    def wait_for_log(self, text: str, limit: float = LIMIT) -> None:
        """Wait until *text* was printed."""
        deadline = time.monotonic() + limit
        while text not in self.log:
            assert time.monotonic() < deadline, f"{text!r} is not in the log:\n{self.log}"
            time.sleep(0.02)

    def wait_until(self, happened: Callable[[], bool], limit: float = LIMIT) -> None:
        """Wait until *happened* is true; while it raises OSError, it is not."""
        deadline = time.monotonic() + limit
        while True:
            with contextlib.suppress(OSError):
                if happened():
                    return
            assert time.monotonic() < deadline, f"did not happen within {limit} s:\n{self.log}"
            time.sleep(0.05)

    def terminate(self) -> None:
        """Send SIGTERM, and do not wait."""
        assert self._process
        self._process.terminate()

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end; returns the exit code."""
        assert self._process
        if self._process.poll() is None:
            self._process.send_signal(signal_number)
        try:
            return self._process.wait(LIMIT)
        finally:
            self._process.kill()
            self._process.wait(LIMIT)
            self._log = self.log
            self._output.close()

    def get(self, path: str) -> str:
        """The body of the answer to a GET request."""
        with urllib.request.urlopen(self.url + path, timeout=5) as response:  # noqa: S310  # a server of our own
            body = response.read()
        assert isinstance(body, bytes)
        return body.decode()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
