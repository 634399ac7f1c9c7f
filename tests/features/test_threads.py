"""Clients from other threads: what handlers that run in one do, and everybody else who is in none of the server's."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from moongate import ClientDisconnected, Namespace, Socket, SubscribeMessage, WebSocketGateway
from tests.support.live import Serve
from tests.support.node import Node

pytestmark = pytest.mark.usefixtures("transport")


async def waited_for(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


@WebSocketGateway()
class ThreadedGateway:
    server: Namespace

    @SubscribeMessage("count", threaded=True)
    def count(self, client: Socket, number: int) -> int:
        for n in range(number):
            client.emit("number", n)
        return number

    @SubscribeMessage("wait", threaded=True)
    def wait(self, client: Socket) -> str:
        asyncio.run(waited_for(client.emit("number", 1)))
        asyncio.run(waited_for(self.server.emit("number", 2)))
        asyncio.run(waited_for(client.join("room")))
        asyncio.run(waited_for(self.server.to("room").emit("number", 3)))
        return "waited"

    @SubscribeMessage("ask", threaded=True)
    def ask(self, client: Socket) -> Any:
        return asyncio.run(client.emit_with_ack("question", timeout=3))

    @SubscribeMessage("ask all", threaded=True)
    def ask_all(self) -> Any:
        return asyncio.run(self.server.timeout(3).emit_with_ack("question"))

    @SubscribeMessage("ask in vain", threaded=True)
    def ask_in_vain(self, client: Socket) -> str:
        client.disconnect()
        try:
            asyncio.run(client.emit_with_ack("question", timeout=3))
        except ClientDisconnected:
            self.server.emit("told")
        return ""


def test_what_a_thread_emits_comes_in_its_order_and_before_the_answer(serve: Serve, node: Node):
    script = """
        const s = await connect();
        const answer = await ack(s, "count", 200);
        return [answer, seen(s, "number")];
    """
    assert node.run(serve(ThreadedGateway), script) == [200, list(range(200))]


def test_a_thread_with_a_loop_of_its_own_may_wait(serve: Serve, node: Node):
    script = 'const s = await connect(); return [await ack(s, "wait"), seen(s, "number")];'
    assert node.run(serve(ThreadedGateway), script) == ["waited", [1, 2, 3]]


@pytest.mark.parametrize(("event", "answer"), [("ask", "yes"), ("ask all", ["yes"])])
def test_a_thread_gets_the_answers_it_asks_for(serve: Serve, node: Node, event: str, answer: object):
    script = 'const s = await connect(); s.on("question", (answer) => answer("yes")); return await ack(s, args);'
    assert node.run(serve(ThreadedGateway), script, args=event) == answer


def test_a_thread_learns_that_the_client_has_left(serve: Serve, node: Node):
    script = """
        const s = await connect(), other = await connect();
        s.emit("ask in vain");
        await next(other, "told");
        return await next(s, "disconnect");
    """
    assert node.run(serve(ThreadedGateway), script) == "io server disconnect"
