"""A nats-server of the tests' own, which they may stop, pause and start again."""

import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.process import free_port

__all__ = ["NatsServer"]

LIMIT = 15.0


class NatsServer:
    """One nats-server on a free port of 127.0.0.1; *configuration* is in the form of its configuration file."""

    def __init__(self, configuration: str = "") -> None:
        self.port: int = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="nats-")
        self._file = Path(self._folder.name) / "nats.conf"
        self._file.write_text(configuration)
        self._log = Path(self._folder.name) / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def url_of(self, user: str, password: str) -> str:
        """The URL with which *user* logs in."""
        return f"nats://{user}:{password}@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and return when it answers."""
        command = ["nats-server", "-c", str(self._file), "-a", "127.0.0.1", "-p", str(self.port)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + LIMIT
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                return connection.recv(5) == b"INFO "
        except OSError:
            return False

    def stop(self) -> None:
        """End it at once, as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(timeout=LIMIT)

    def restart(self) -> None:
        """End it and start another one in its place."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Let it hang: connections stay open, and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def publish(self, subject: str, *messages: bytes) -> None:
        """Publish whatever it is, and return when the server has taken it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT) as connection:
            connection.sendall(b'CONNECT {"verbose":false}\r\n')
            for data in messages:
                connection.sendall(b"PUB %b %d\r\n%b\r\n" % (subject.encode(), len(data), data))
            connection.sendall(b"PING\r\n")
            received = b""
            while not received.endswith(b"PONG\r\n"):
                more = connection.recv(65_536)
                assert more, received
                received += more

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._folder.cleanup()
