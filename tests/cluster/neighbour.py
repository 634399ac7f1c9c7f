"""A node in a process of its own, with a client in the room `kitchen`: it can be stopped and killed.

python -m tests.cluster.neighbour FOLDER
"""

import asyncio
import os
import signal
import sys
from types import TracebackType
from typing import Self

from moongate import LocalCluster, Module, Moongate
from moongate.testing import TestApp
from tests.cluster.bus_checks import QUICK
from tests.cluster.party import LIMIT, Lobby, health
from tests.support.process import ROOT, ServerProcess

__all__ = ["Neighbour"]


class Neighbour:
    """Joins the LocalCluster of *folder*; `node` is its id."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.node = ""
        self._folder = os.fspath(folder)
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.cluster.neighbour", self._folder,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT, env=ServerProcess.environment(),
        )  # fmt: skip
        assert self._process.stdout is not None
        async with asyncio.timeout(LIMIT):
            self.node = (await self._process.stdout.readline()).decode().strip()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            await self.kill()

    def pause(self) -> None:
        """Let it hang: its sockets stay open, and nobody reads."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        await self._process.wait()


async def _main(folder: str) -> None:
    root = Module(providers=[Lobby])(type("Root", (), {}))
    async with TestApp(Moongate(root, cluster=LocalCluster(folder, **QUICK))) as running:
        client = await running.connect()
        await client.emit_with_ack("join", "kitchen", timeout=LIMIT)
        sys.stdout.write(f"{health(running.app).node}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)  # until the test ends


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
