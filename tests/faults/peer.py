"""A node in a process of its own, which can be stopped and killed."""

import asyncio
import json
import signal
import sys
from types import TracebackType
from typing import Any, Self

from moongate import ClusterError
from tests.faults.ledger import Ledger
from tests.support.process import ROOT, ServerProcess

__all__ = ["Peer"]

_LIMIT = 20.0


class Peer:
    """Sends and receives as the nodes of a Scene do; what happens there is written into *ledger*."""

    def __init__(self, name: str, kind: str, url: str, ledger: Ledger, *, pause: float = 0.01) -> None:
        self.name = name
        self.node: str = ""
        self._arguments = (kind, url, name, str(pause))
        self._ledger = ledger
        self._process: asyncio.subprocess.Process
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.faults.peer_process", *self._arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT, env=ServerProcess.environment(),
        )  # fmt: skip
        async with asyncio.timeout(_LIMIT):
            _, self.node = await self._line()
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            await self.kill()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def begin(self) -> None:
        """Let it send."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")

    def pause(self) -> None:
        """Let it hang: its connections stay open."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """End it at once; returns when everything that it wrote is in the ledger."""
        self._process.kill()
        await self._process.wait()
        await self._task
        self._ledger.crash(self.name)

    async def _line(self) -> Any:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        return json.loads(line) if line.endswith(b"\n") else None

    async def _read(self) -> None:
        while (line := await self._line()) is not None:
            match line:
                case ["send", number]:
                    self._ledger.send(self.name, number)
                case ["accept", number]:
                    self._ledger.accept(self.name, number)
                case ["fail", number, reason, sent]:
                    self._ledger.fail(self.name, number, ClusterError(reason, sent=sent))
                case ["receive", sender, number]:
                    self._ledger.receive(self.name, sender, number)
