"""Starting, reading and stopping the server processes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ServerProcess", "StartError", "pin", "serving"]

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT = 20.0
STOP_TIMEOUT = 5.0


class StartError(Exception):
    """A server ended, or did not listen in time."""


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A running server; the numbers are those that Linux keeps of it in /proc."""

    pid: int
    port: int

    def cpu_seconds(self) -> float:
        """What all its threads, and those of its workers, have run so far, to the nanosecond.

        A tick of /proc/PID/stat would be 10 ms.
        """
        tasks = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        own = sum(int(task.read_text().split(maxsplit=1)[0]) for task in tasks) / 1e9
        return own + sum(worker.cpu_seconds() for worker in self.workers())

    def workers(self) -> list[ServerProcess]:
        """The processes that it has started."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [ServerProcess(int(pid), self.port) for pid in children]

    def memory_kib(self) -> int:
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1])
        raise OSError(f"No Rss in /proc/{self.pid}/smaps_rollup")


@contextmanager
def serving(
    command: Sequence[str], core: int | None = None, variables: Mapping[str, str] | None = None
) -> Iterator[ServerProcess]:
    """Runs `command`, in which `{port}` is replaced by a free port, until the block ends; on one core, if it is named.

    It gets `variables` besides the environment of this process.
    """
    port = free_port()
    arguments = [argument.replace("{port}", str(port)) for argument in command]
    environment = {**os.environ, **(variables or {})} | {
        "NODE_ENV": "production",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(pin(arguments, core), cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            wait_until_listening(process, port)
            yield ServerProcess(process.pid, port)
        except Exception as error:
            log.seek(0)
            error.add_note(f"Command: {' '.join(arguments)}\n{log.read().decode(errors='replace')[-4000:]}")
            raise
        finally:
            stop(process)


def pin(arguments: Sequence[str], core: int | None) -> list[str]:
    """The command on one core; as it is where none is named, there is only one, or no taskset."""
    if shutil.which("taskset") is None or core not in os.sched_getaffinity(0):
        return list(arguments)
    return ["taskset", "--cpu-list", str(core), *arguments]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StartError(f"The server ended with code {process.returncode} before it listened")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise StartError(f"The server did not listen within {START_TIMEOUT:g} s")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
