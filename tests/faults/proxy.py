"""A network between a node and its Redis, which can be cut while all connections stay open."""

import asyncio
import contextlib
from types import TracebackType
from typing import Literal, Self

__all__ = ["Direction", "Proxy"]

Direction = Literal["to the node", "to Redis", "both"]

_SIZE = 65_536


class Proxy:
    """Forwards connections to a port of 127.0.0.1. What is sent while it is cut arrives when it is whole again."""

    def __init__(self, target: int) -> None:
        self.port: int = 0
        self._target = target
        self._open: dict[str, asyncio.Event] = {}
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._open = {"to Redis": asyncio.Event(), "to the node": asyncio.Event()}
        self.heal()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self, direction: Direction) -> None:
        """Forward nothing more in a direction; nobody is told."""
        for each, gate in self._open.items():
            if direction in (each, "both"):
                gate.clear()

    def heal(self) -> None:
        """Forward everything again."""
        for gate in self._open.values():
            gate.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.closing(writer), contextlib.suppress(OSError):
            of, to = await asyncio.open_connection("127.0.0.1", self._target)
            with contextlib.closing(to):
                await self._forward((reader, to, self._open["to Redis"]), (of, writer, self._open["to the node"]))

    async def _forward(self, *ways: tuple[asyncio.StreamReader, asyncio.StreamWriter, asyncio.Event]) -> None:
        """Forward until one side is gone."""
        pumps = [asyncio.create_task(_pump(*way)) for way in ways]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event) -> None:
    while data := await reader.read(_SIZE):
        await gate.wait()
        if reader.exception() is not None:
            return  # a connection that was reset takes with it what has not arrived
        writer.write(data)
        await writer.drain()
    await gate.wait()
