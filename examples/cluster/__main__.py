"""Runs the town on this machine: Redis, two Moongate servers and one of Node. `scripts/cluster` installs what it needs.

python -m examples.cluster [FIRST_PORT]
"""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Sequence
from pathlib import Path

import msgspec

from examples.cluster.bodies import Place

__all__ = ["Town"]

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
LIMIT = 15.0
"""Seconds that a process may take to begin, and to end."""


class Town:
    """The processes of the town. What each of them prints appears behind its name."""

    def __init__(self, first_port: int) -> None:
        kinds = {"Python A": "Moongate", "Python B": "Moongate", "Node": "Socket.IO"}
        self.places = [
            Place(name, kind, f"http://127.0.0.1:{first_port + number}")
            for number, (name, kind) in enumerate(kinds.items())
        ]
        self.redis_port = free_port()
        self._processes: dict[str, Process] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Start everything, and return when Redis or all servers have ended."""
        for program in ("redis-server", "node"):
            if shutil.which(program) is None:
                sys.exit(f"{program} is missing: scripts/cluster installs it")
        for place in self.places:
            if not is_free(port_of(place)):
                sys.exit(f"Port {port_of(place)} is taken. Choose three others: PORT=8000 scripts/cluster")
        with tempfile.TemporaryDirectory(prefix="town-") as folder:
            try:
                await self._start_all(folder)
                self._introduce()
                await self._end_of_it()
            finally:
                await self._stop_all()

    async def _start_all(self, folder: str) -> None:
        redis = ["--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        await self._start("Redis", "redis-server", *redis, "--logfile", "redis.log", port=self.redis_port)
        url = f"redis://127.0.0.1:{self.redis_port}"
        common = {"REDIS": url, "SERVERS": msgspec.json.encode(self.places).decode()}
        for place in self.places:
            port = port_of(place)
            command = moongate(port) if place.kind == "Moongate" else ["node", str(FOLDER / "server.mjs")]
            await self._start(place.name, *command, port=port, NAME=place.name, PORT=str(port), **common)

    async def _start(self, name: str, *command: str, port: int, **variables: str) -> None:
        # A group of its own: Ctrl-C is for this process, which ends the others in their order.
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env={**os.environ, **variables}, stdout=PIPE, stderr=STDOUT, start_new_session=True
        )
        self._processes[name] = process
        task = asyncio.create_task(self._relay(name, process))
        self._tasks.add(task)
        await self._listens(name, process, port)

    async def _listens(self, name: str, process: Process, port: int) -> None:
        deadline = time.monotonic() + LIMIT
        while process.returncode is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)
        sys.exit(f"{name} does not serve on port {port}; its lines above say why")

    async def _relay(self, name: str, process: Process) -> None:
        """Print what a process prints, and that it has ended."""
        assert process.stdout is not None
        while line := await process.stdout.readline():
            print(f"{name:9}| {line.decode(errors='replace').rstrip()}", flush=True)
        print(f"{name:9}| has ended with status {await process.wait()}", flush=True)

    def _introduce(self) -> None:
        print("\nOne town on three servers. Open all of them, side by side:\n")
        for place in self.places:
            process = self._processes[place.name]
            print(f"  {place.url}   {place.name} ({place.kind}, process {process.pid})")
        print(f"\nFrom outside: {os.path.relpath(sys.executable)} -m examples.cluster.announce", end=" ")
        print(f"redis://127.0.0.1:{self.redis_port} Hello to all")
        print("Kill a server and see the others go on. Ctrl-C ends everything.\n", flush=True)

    async def _end_of_it(self) -> None:
        """Return when Redis has ended, or the last server."""
        servers = [asyncio.create_task(self._processes[place.name].wait()) for place in self.places]
        redis = asyncio.create_task(self._processes["Redis"].wait())
        everything = asyncio.gather(*servers)
        try:
            await asyncio.wait((redis, everything), return_when=asyncio.FIRST_COMPLETED)
        finally:
            redis.cancel()
            everything.cancel()
            await asyncio.gather(redis, everything, *servers, return_exceptions=True)

    async def _stop_all(self) -> None:
        """End the servers, then Redis, so that they say goodbye to each other."""
        redis = self._processes.pop("Redis", None)
        for processes in (list(self._processes.values()), [redis] if redis else []):
            await _stop(processes)
        await asyncio.gather(*self._tasks)


async def _stop(processes: Sequence[Process]) -> None:
    for process in processes:
        if process.returncode is None:
            process.terminate()
    for process in processes:
        try:
            await asyncio.wait_for(process.wait(), LIMIT)
        except TimeoutError:
            process.kill()


def moongate(port: int) -> list[str]:
    """The command that starts a Moongate server."""
    return [sys.executable, "-m", "moongate", "run", "examples.cluster.app:app", "--port", str(port)]


def port_of(place: Place) -> int:
    return int(place.url.rpartition(":")[2])


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert isinstance(port, int)
    return port


async def main(first_port: int) -> None:
    """Run the town until Ctrl-C."""
    loop = asyncio.get_running_loop()
    town = asyncio.create_task(Town(first_port).run())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Once: who presses Ctrl-C again must not interrupt the end of the processes.
        loop.add_signal_handler(number, lambda: town.cancelling() or town.cancel())
    with contextlib.suppress(asyncio.CancelledError):
        await town


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3000))
