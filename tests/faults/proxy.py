"""A network between a node and its Redis, which can be cut while all connections stay open, or be slow."""

import asyncio
import contextlib
import math
from types import TracebackType
from typing import Literal, Self

__all__ = ["Direction", "Proxy"]

Direction = Literal["to the node", "to Redis", "both"]

_SIZE = 16_384
_ON_THE_WAY = 16
"""How many bytes are read at once, and how often before they have arrived."""


class Proxy:
    """Forwards connections to a port of 127.0.0.1. What is sent while it is cut arrives when it is whole again.

    Each direction of each connection takes *delay* seconds, and carries *rate* bytes a second.
    """

    def __init__(self, target: int, *, delay: float = 0.0, rate: float = math.inf) -> None:
        self.port: int = 0
        self._target = target
        self._delay = delay
        self._rate = rate
        self._deaf: set[asyncio.StreamWriter] = set()  # nodes that get nothing by this connection any more
        self._subscribed: set[asyncio.StreamWriter] = set()
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

    def swallow(self) -> None:
        """Let no message arrive any more by the connections that are open and have subscribed; nobody is told."""
        self._deaf |= self._subscribed

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.CancelledError):  # the end of the test
            of, to = await asyncio.open_connection("127.0.0.1", self._target)
            with contextlib.closing(to):
                await self._forward(reader, writer, of, to)

    async def _forward(
        self,
        node_reads: asyncio.StreamReader,
        node: asyncio.StreamWriter,
        redis_reads: asyncio.StreamReader,
        redis: asyncio.StreamWriter,
    ) -> None:
        """Forward until one side is gone."""
        ways = (
            self._read(node_reads, node, self._open["to Redis"], redis),
            self._read(redis_reads, node, self._open["to the node"], node),
        )
        pumps = [asyncio.create_task(way) for way in ways]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _read(
        self, reader: asyncio.StreamReader, node: asyncio.StreamWriter, gate: asyncio.Event, to: asyncio.StreamWriter
    ) -> None:
        """Read what goes one way; what is on its way is bounded, as in a network."""
        way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=_ON_THE_WAY)
        writing = asyncio.create_task(self._write(way, gate, reader, node, to))
        try:
            while data := await reader.read(_SIZE):
                if to is not node and b"SUBSCRIBE" in data:
                    self._subscribed.add(node)
                await way.put((asyncio.get_running_loop().time() + self._delay, data))
            await way.join()
            await gate.wait()
        finally:
            writing.cancel()

    async def _write(
        self,
        way: "asyncio.Queue[tuple[float, bytes]]",
        gate: asyncio.Event,
        reader: asyncio.StreamReader,
        node: asyncio.StreamWriter,
        to: asyncio.StreamWriter,
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            arrival, data = await way.get()
            await asyncio.sleep(max(arrival - loop.time(), len(data) / self._rate))
            await gate.wait()
            if reader.exception() is None and not (to is node and node in self._deaf):
                # A connection that was reset takes with it what has not arrived.
                with contextlib.suppress(OSError):
                    to.write(data)
                    await to.drain()
            way.task_done()
