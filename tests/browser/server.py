"""The chat of examples/chat, running."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

__all__ = ["ROOT", "ChatServer"]

ROOT = Path(__file__).parents[2]
START_LIMIT = 20.0  # seconds
STOP_LIMIT = 15.0


class ChatServer:
    """The example, served by `moongate run` in a process of its own. Its port and its database outlive a restart."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "server.log"
        self._environment = {**os.environ, "CHAT_DATABASE": str(folder / "chat.sqlite3")}
        self._http = httpx.Client(base_url=self.url, trust_env=False)  # No proxy stands before 127.0.0.1.
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "moongate", "run", "examples.chat.app:app", "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=log, stderr=log)
        deadline = time.monotonic() + START_LIMIT
        while not self._answers():
            assert self._process.poll() is None, f"the server ended:\n{self.log}"
            assert time.monotonic() < deadline, f"the server does not answer:\n{self.log}"
            time.sleep(0.05)

    def stop(self) -> None:
        """Ask it to stop; having to kill it is a failure."""
        if self._process is None:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            pytest.fail(f"the server did not stop within {STOP_LIMIT:g} s:\n{self.log}")
        finally:
            self._process = None

    def close(self) -> None:
        """Stop it for good."""
        self._http.close()
        self.stop()

    def freeze(self) -> None:
        """Keep every connection, but answer nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def announce(self, text: str) -> None:
        """Say something to the lobby by HTTP."""
        self._http.post("/api/rooms/lobby/announcements", json={"text": text}).raise_for_status()

    def stored(self) -> list[str]:
        """Return the texts of the messages that are stored for the lobby."""
        return [message["text"] for message in self._http.get("/api/rooms/lobby/messages").raise_for_status().json()]

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            return self._http.get("/api/rooms").is_success
        except httpx.TransportError:
            return False
