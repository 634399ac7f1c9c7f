"""`moongate run --workers` in a folder of its own, as a test starts it."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.support.process import ServerProcess, free_port

__all__ = ["APPLICATION", "SERVES", "Workers", "command", "is_gone", "leftovers", "run_fails", "write"]

APPLICATION = """
import os
import time
from moongate import Injectable, Module, Moongate, Settings, SubscribeMessage, WebSocketGateway

async def http(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})

@WebSocketGateway("/who")
class Gateway:
    @SubscribeMessage("pid")
    async def pid(self) -> int:
        return os.getpid()

@Injectable()
class Hooks:
    async def on_module_init(self):
        START

    async def on_application_shutdown(self):
        STOP
        os.write(1, b"goodbye %d\\n" % os.getpid())  # at once, for all of them write to one file

@Module(providers=[Gateway, Hooks])
class Root: ...

app = Moongate(Root, http=http, settings=Settings(shutdown_timeout=1))
"""


SERVES = re.compile(r"worker (\d) \(process (\d+)\) serves")


def write(folder: Path, *, start: str = "...", stop: str = "...") -> None:
    """Write the application; *start* and *stop* are what it does then."""
    (folder / "served.py").write_text(APPLICATION.replace("START", start).replace("STOP", stop))


def command(*options: str, patch: str = "") -> list[str]:
    """Return what starts the server; *patch* is run first, in the parent alone."""
    start = f"{patch}\nimport runpy\nrunpy.run_module('moongate', run_name='__main__', alter_sys=True)"
    return [sys.executable, *(("-c", start) if patch else ("-m", "moongate")), "run", "served:app", *options]


class Workers(ServerProcess):
    """A server with workers in a folder of its own, which is where its temporary files go as well."""

    def __init__(self, folder: Path, *options: str, patch: str = "") -> None:
        port = free_port()
        # It leads a process group, to which a terminal would send its signals.
        words = ["setsid", *command("--port", str(port), *options, patch=patch)]
        super().__init__(words, port=port, folder=folder, variables={"TMPDIR": str(folder)})
        self.folder = folder

    @property
    def pids(self) -> list[int]:
        """The processes that have said that they serve, by the numbers of the workers; a later one counts."""
        latest = {int(number): int(pid) for number, pid in SERVES.findall(self.log)}
        return [pid for _, pid in sorted(latest.items())]

    @property
    def parent(self) -> int:
        assert self._process
        return self._process.pid

    def wait_for_workers(self, count: int) -> list[int]:
        """Wait until all of the first workers serve."""
        self.wait_for_log(f"{count} workers run on")
        assert len(self.pids) == count
        return self.pids

    def answers(self, count: int) -> Counter[int]:
        """How many of *count* requests each process has answered."""
        return Counter(int(self.get("/")) for _ in range(count))

    def wait_for_end(self) -> int:
        assert self._process
        return self._process.wait(20)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()


def leftovers(folder: Path) -> list[Path]:
    return list(folder.glob("moongate-*"))


def run_fails(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    environment = {**ServerProcess.environment(), "TMPDIR": str(folder)}
    result = subprocess.run(
        command("--workers", "2", *options),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        cwd=folder,
        env=environment,
    )
    assert not leftovers(folder)
    return result
