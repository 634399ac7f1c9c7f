"""A redis-server of the tests' own, which they may stop, pause and start again empty."""

import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from tests.support.process import free_port

__all__ = ["RedisCluster3", "RedisServer", "wait_for_port"]

LIMIT = 15.0


def wait_for_port(port: int, process: "subprocess.Popen[bytes] | None" = None) -> None:
    """Return when Redis answers on *port*; raises AssertionError if it does not, or *process* has ended."""
    deadline = time.monotonic() + LIMIT
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(5):
                    return
        except OSError:
            pass
        assert time.monotonic() < deadline, f"nobody answers on port {port}"
        assert process is None or process.poll() is None, "it has ended"
        time.sleep(0.02)


class RedisServer:
    """One redis-server on a free port of 127.0.0.1, which keeps nothing on disk."""

    def __init__(self, *options: str, port: int | None = None) -> None:
        self.port: int = free_port() if port is None else port
        self._options = options
        self._folder = tempfile.TemporaryDirectory(prefix="redis-")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and return when it answers; it is empty then."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        command += ["--dir", self._folder.name, *self._options]
        with (Path(self._folder.name) / "log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for_port(self.port, self._process)
        except AssertionError as error:
            raise AssertionError((Path(self._folder.name) / "log").read_text()) from error

    def stop(self) -> None:
        """End it at once, as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(timeout=LIMIT)

    def restart(self) -> None:
        """End it and start another one, which is empty, in its place."""
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

    def command(self, *parts: Any) -> Any:
        """Return the answer to a command."""
        with redis.Redis(port=self.port, decode_responses=True) as client:
            return client.execute_command(*parts)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._folder.cleanup()


class RedisCluster3:
    """A Redis Cluster of three masters without replicas."""

    def __init__(self) -> None:
        self.servers: list[RedisServer] = []

    @property
    def port(self) -> int:
        return self.servers[0].port

    def __enter__(self) -> Self:
        for _ in range(3):
            port = free_port()
            while port + 10_000 > 65_535:  # the port of the cluster's own bus
                port = free_port()
            self.servers.append(RedisServer("--cluster-enabled", "yes", "--cluster-config-file", "nodes", port=port))
            self.servers[-1].start()
        addresses = [f"127.0.0.1:{server.port}" for server in self.servers]
        command = ["redis-cli", "--cluster", "create", *addresses, "--cluster-yes"]
        subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL)
        self.wait()
        return self

    def wait(self) -> None:
        """Return when the servers have found each other."""
        deadline = time.monotonic() + LIMIT
        while not all("cluster_state:ok" in server.command("CLUSTER", "INFO") for server in self.servers):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self.servers:
            server.__exit__(kind, error, trace)
