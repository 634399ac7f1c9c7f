"""Servers with nothing but an engine that forward to each other, by messages in memory."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from moongate.engine.forwarding import Forwarding
from moongate.engine.relay import RelayMessage, decode
from moongate.errors import ClusterError, EncodeError
from moongate.transport.flow import READY
from tests.engine.echo import LIMIT, EchoApp

__all__ = ["MemoryRelay", "Network"]


class MemoryRelay:
    """One server's way to the others."""

    def __init__(self, network: "Network", node: str) -> None:
        self.node = node
        self._network = network
        self.receive: Callable[[str, bytes], None]
        self.lost: Callable[[str], None]

    def knows(self, node: str) -> bool:
        return node in self._network.relays

    def send(self, node: str, payload: bytes) -> Awaitable[None]:
        network = self._network
        if len(payload) > network.largest:
            raise EncodeError(bytes, "it is too large")
        message = decode(payload)
        network.log.append(message)
        if not network.takes:
            refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            refused.set_exception(ClusterError("the bus is gone", sent=False))
            refused.exception()
            return refused
        relay = network.relays.get(node)
        if relay is not None and not network.loses(message):
            asyncio.get_running_loop().call_soon(relay.receive, self.node, payload)
        return READY

    def listen(self, receive: Callable[[str, bytes], None], lost: Callable[[str], None]) -> None:
        self.receive = receive
        self.lost = lost


class Network:
    """`log` is what was sent; `takes` whether anything can be, `loses` what is lost on its way."""

    def __init__(self) -> None:
        self.relays: dict[str, MemoryRelay] = {}
        self.log: list[RelayMessage] = []
        self.takes = True
        self.loses: Callable[[RelayMessage], bool] = lambda _: False
        self.largest = 8_000_000

    def add(self, **settings: Any) -> EchoApp:
        """A server of the cluster."""
        app = EchoApp(**settings)
        node = f"{len(self.relays):016x}"
        relay = self.relays[node] = MemoryRelay(self, node)
        app.engine.forwarding = Forwarding(relay, app.engine, app.polling)
        return app

    def kill(self, index: int) -> None:
        """A server is gone, and the others have noticed."""
        node = f"{index:016x}"
        del self.relays[node]
        for relay in self.relays.values():
            relay.lost(node)

    async def until(self, condition: Callable[[], Any]) -> None:
        """Return when *condition* holds, which takes some turns of the loop at most."""
        async with asyncio.timeout(LIMIT):
            while not condition():
                await asyncio.sleep(0.001)
