"""A handler that never ends costs its client no farewell, and the server no clean end."""

import asyncio

import pytest

from moongate import Socket, SubscribeMessage, WebSocketGateway
from tests.support.live import Serve
from tests.support.node import Node

pytestmark = pytest.mark.usefixtures("transport")


def test_every_client_is_seen_off_when_the_server_stops(serve: Serve, node: Node):
    left: list[str] = []
    handled: list[int] = []

    @WebSocketGateway()
    class Gateway:
        async def handle_disconnect(self, client: Socket, reason: str) -> None:
            await asyncio.sleep(0.01)
            left.append(client.id)

        @SubscribeMessage("hang")
        async def hang(self, client: Socket) -> None:
            client.emit("hanging")
            await asyncio.Event().wait()

        @SubscribeMessage("count")
        async def count(self, number: int) -> None:
            handled.append(number)

    script = """
        const clients = [await connect(), await connect(), await connect()];
        for (const s of clients.slice(1)) {
            s.emit("hang");
            s.emit("count", 1);
            await next(s, "hanging");
        }
        const ids = clients.map((s) => s.id);
        await call("stop");
        return ids;
    """
    server = serve(Gateway, shutdown_timeout=0.2)
    ids = node.run(server, script, calls={"stop": server.stop})
    assert sorted(left) == sorted(ids)
    assert handled == []


def test_who_emits_without_end_to_a_client_that_has_left_holds_up_nobody(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("flood")
        async def flood(self, client: Socket) -> None:
            while True:
                await client.emit("more", 1)

        @SubscribeMessage("alive")
        async def alive(self) -> bool:
            return True

    script = """
        const [stays, leaves] = [await connect(), await connect()];
        leaves.emit("flood");
        await next(leaves, "more");
        leaves.disconnect();
        for (let i = 0; i < 5; i++) await ack(stays, "alive");
        return await ack(stays, "alive");
    """
    server = serve(Gateway, shutdown_timeout=0.1)
    assert node.run(server, script) is True


def test_who_waits_for_a_slow_handler_is_not_taken_for_dead(serve: Serve, node: Node):
    """Its answers to the heartbeat stand behind its messages, of which no more are read for now."""

    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("slow")
        async def slow(self, number: int) -> int:
            await asyncio.sleep(0.25)
            return number

    script = """
        const s = await connect();
        let left = null;
        s.on("disconnect", (reason) => { left = reason; });
        const answers = await Promise.all([...Array(8).keys()].map((i) => ack(s, "slow", i)));
        return [answers, left];
    """
    server = serve(Gateway, inbox_size=2, ping_interval=0.3, ping_timeout=0.3)
    assert node.run(server, script) == [list(range(8)), None]
