"""Acknowledgements that the server asks for."""

import asyncio
import time
from typing import Any

import pytest

from moongate import AckTimeout, ClientDisconnected, Namespace, Socket, SubscribeMessage, WebSocketGateway
from tests.support.live import Serve
from tests.support.node import Node

pytestmark = pytest.mark.usefixtures("transport")


class _Collector:
    """A gateway's notes of what it was told."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []


def test_a_client_answers_an_event(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("start")
        async def start(self, client: Socket) -> Any:
            return await client.emit_with_ack("sum", 2, {"three": 3}, b"4", timeout=3)

    script = """
        const s = await connect();
        s.on("sum", (a, b, c, answer) => answer({ sum: a + b.three, bytes: c }));
        return await ack(s, "start");
    """
    assert node.run(serve(Gateway), script) == {"sum": 5, "bytes": b"4"}


def test_many_answers_at_once_find_their_questions(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("start")
        async def start(self, client: Socket) -> Any:
            return await asyncio.gather(*(client.emit_with_ack("double", n, timeout=3) for n in range(20)))

    script = """
        const s = await connect();
        s.on("double", (n, answer) => setTimeout(() => answer(2 * n), 20 - n));
        return await ack(s, "start");
    """
    assert node.run(serve(Gateway), script) == [2 * number for number in range(20)]


@pytest.mark.parametrize("way", ["argument", "method"])
def test_an_answer_that_does_not_come_in_time(serve: Serve, node: Node, way: str):
    notes = _Collector()

    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("start")
        async def start(self, client: Socket) -> bool:
            try:
                if way == "argument":
                    await client.emit_with_ack("silence", timeout=0.05)
                else:
                    await client.timeout(0.05).emit_with_ack("silence")
            except TimeoutError as error:
                notes.errors.append(error)
                return True
            return False

    started = time.monotonic()
    assert node.run(
        serve(Gateway), 'const s = await connect(); s.on("silence", () => {}); return await ack(s, "start")'
    )
    assert time.monotonic() - started < 3
    (error,) = notes.errors
    assert isinstance(error, AckTimeout)
    assert (error.event, error.seconds) == ("silence", 0.05)


def test_a_late_answer_harms_nobody(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("start")
        async def start(self, client: Socket) -> str:
            try:
                return await client.emit_with_ack("slow", timeout=0.02)
            except AckTimeout:
                return "timeout"

        @SubscribeMessage("ping")
        async def ping(self) -> str:
            return "pong"

    script = """
        const s = await connect();
        let late;
        s.on("slow", (answer) => (late = answer));
        const first = await ack(s, "start");
        late("late");
        late("twice");
        return [first, await ack(s, "ping")];
    """
    assert node.run(serve(Gateway), script) == ["timeout", "pong"]


def test_a_client_that_leaves_before_it_answers(serve: Serve, node: Node):
    notes = _Collector()

    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("start")
        async def start(self, client: Socket) -> None:
            try:
                await client.emit_with_ack("question", timeout=30)
            except ClientDisconnected as error:
                notes.errors.append(error)
                raise

    server = serve(Gateway)
    node.run(
        server,
        'const s = await connect(); s.emit("start"); await new Promise((r) => s.on("question", r)); s.disconnect()',
    )
    server.until(lambda: notes.errors)
    (error,) = notes.errors
    assert isinstance(error, ClientDisconnected)
    assert error.reason == "client namespace disconnect"


def test_everyone_answers(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        server: Namespace

        @SubscribeMessage("poll")
        async def poll(self) -> list[Any]:
            return sorted(await self.server.timeout(3).emit_with_ack("vote", "now"))

        @SubscribeMessage("others")
        async def others(self, client: Socket) -> list[Any]:
            return await client.broadcast.timeout(3).emit_with_ack("vote", "others")

        @SubscribeMessage("nobody")
        async def nobody(self) -> list[Any]:
            return await self.server.to("nobody").timeout(3).emit_with_ack("vote")

    script = """
        const sockets = [await connect(), await connect(), await connect()];
        sockets.forEach((s, n) => s.on("vote", (word, answer) => answer(`${word} ${n}`)));
        const [first] = sockets;
        return [await ack(first, "poll"), (await ack(first, "others")).sort(), await ack(first, "nobody")];
    """
    assert node.run(serve(Gateway), script) == [["now 0", "now 1", "now 2"], ["others 1", "others 2"], []]


def test_some_do_not_answer_in_time(serve: Serve, node: Node):
    notes = _Collector()

    @WebSocketGateway()
    class Gateway:
        server: Namespace

        @SubscribeMessage("poll")
        async def poll(self) -> None:
            try:
                await self.server.timeout(0.2).emit_with_ack("vote")
            except AckTimeout as error:
                notes.errors.append(error)

    script = """
        const [a, b] = [await connect(), await connect()];
        a.on("vote", (answer) => answer("yes"));
        b.on("vote", () => {});
        await ack(a, "poll");
        return a.id;
    """
    sid = node.run(serve(Gateway), script)
    (error,) = notes.errors
    assert isinstance(error, AckTimeout)
    assert error.answers == {sid: "yes"}
