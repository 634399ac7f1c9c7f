"""Limits as clients meet them."""

from collections.abc import Awaitable, Sequence
from typing import Any

import pytest

from moongate import ExecutionContext, Socket, SubscribeMessage, ValueProvider, WebSocketGateway
from moongate.errors import ConfigurationError
from moongate.throttling import THROTTLE_STORE, Claim, Limit, LocalStore, SkipThrottle, Throttle, Throttler
from tests.support.live import Serve
from tests.support.node import Node

SLOW = 3600.0  # seconds that no test lasts


@Throttle(Limit(3, per=SLOW))
@WebSocketGateway()
class Gateway:
    async def handle_connection(self, client: Socket) -> None:
        user = client.handshake.auth.get("user")
        if user is not None:
            client.data["user"] = {"id": user}

    @SubscribeMessage("a")
    async def a(self) -> str:
        return "a"

    @SubscribeMessage("b")
    async def b(self) -> str:
        return "b"

    @Throttle(Limit(1, per=SLOW))
    @SubscribeMessage("rare")
    async def rare(self) -> str:
        return "rare"

    @SkipThrottle()
    @SubscribeMessage("free")
    async def free(self) -> str:
        return "free"


@WebSocketGateway()
class Plain:
    async def handle_connection(self, client: Socket) -> None:
        client.data["user"] = client.handshake.auth.get("user")

    @SubscribeMessage("a")
    async def a(self) -> str:
        return "a"

    @SubscribeMessage("b")
    async def b(self) -> str:
        return "b"


def test_a_gateway_is_limited_for_each_client_and_a_handler_by_what_it_says(serve: Serve, node: Node):
    script = """
        const [s, other] = [await connect(), await connect()];
        const answers = [];
        for (const event of ["a", "b", "a", "b", "rare", "rare", "free", "free"]) answers.push(await ack(s, event));
        answers.push(await ack(other, "a"));
        s.emit("a", {some: "data"});
        answers.push(await next(s, "exception"));
        return answers;
    """
    answers = node.run(serve(Gateway), script)
    refused = [answer for answer in answers if isinstance(answer, dict)]
    assert [answer if isinstance(answer, str) else "-" for answer in answers] == [
        "a", "b", "a", "-", "rare", "-", "free", "free", "a", "-",
    ]  # fmt: skip
    assert [{**answer, "retry_after": 0} for answer in refused] == [
        {"status": "error", "message": "Too many requests", "retry_after": 0, "cause": {"pattern": "b"}},
        {"status": "error", "message": "Too many requests", "retry_after": 0, "cause": {"pattern": "rare"}},
        {
            "status": "error",
            "message": "Too many requests",
            "retry_after": 0,
            "cause": {"pattern": "a", "data": {"some": "data"}},
        },
    ]
    assert 1190 < refused[0]["retry_after"] <= 1200
    assert 3590 < refused[1]["retry_after"] <= 3600


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (Limit(2, per=SLOW), ["a", "a", "-", "-", "a", "a"]),
        (Limit(2, per=SLOW, per_event=True), ["a", "a", "-", "b", "a", "a"]),
        (Limit(2, per=SLOW, by="user"), ["a", "a", "-", "-", "-", "-"]),
        (Limit(2, per=SLOW, by="ip"), ["a", "a", "-", "-", "-", "-"]),
        (Limit(2, per=SLOW, by=lambda context: context.event), ["a", "a", "-", "b", "-", "-"]),
    ],
)
def test_whose_messages_are_counted(serve: Serve, node: Node, limit: Limit, expected: list[str]):
    script = """
        const [s, other] = [await connect("/", {auth: {user: "x"}}), await connect("/", {auth: {user: "x"}})];
        const answers = [];
        for (const event of ["a", "a", "a", "b"]) answers.push(await ack(s, event));
        for (const event of ["a", "a"]) answers.push(await ack(other, event));
        return answers.map((answer) => (typeof answer === "string" ? answer : "-"));
    """
    assert node.run(serve(Plain, enhancers={"guards": [Throttler(limit)]}), script) == expected


def test_connects_are_counted_as_well(serve: Serve, node: Node):
    guards = [Throttler(Limit(2, per=SLOW, by="ip", on="connect"))]
    script = """
        const answers = [await ack(await connect(), "a"), (await ask(await bare(), "a")).data];
        const refusal = await refused();
        return [answers, refusal.message, Object.keys(refusal.data), (await bareRefused())[0]];
    """
    assert node.run(serve(Plain, enhancers={"guards": guards}), script) == [
        ["a", "a"],
        "Too many requests",
        ["retry_after"],
        403,
    ]


def test_who_goes_on_and_on_is_put_out(serve: Serve, node: Node):
    guards = [Throttler(Limit(1, per=SLOW), disconnect_after=3)]
    script = """
        const s = await connect();
        const told = [];
        s.on("exception", (error) => told.push(error.message));
        const left = next(s, "disconnect");
        for (let i = 0; i < 6; i++) s.emit("a");
        return [await left, told];
    """
    reason, told = node.run(serve(Plain, enhancers={"guards": guards}), script)
    assert reason == "io server disconnect"
    assert told[:3] == ["Too many requests"] * 3


def test_a_store_may_be_shared_and_asynchronous(serve: Serve, node: Node):
    taken: list[Any] = []

    class Remote:
        def __init__(self) -> None:
            self._local = LocalStore()

        def take(self, claims: Sequence[Claim]) -> Awaitable[float]:
            async def later() -> float:
                taken.extend(key for key, _ in claims)
                return self._local.take(claims)

            return later()

    store = Remote()
    servers = [serve(Gateway, ValueProvider(THROTTLE_STORE, store)) for _ in range(2)]
    script = 'const s = await connect("/"); return [await ack(s, "rare"), (await ack(s, "rare")).message]'
    assert [node.run(server, script) for server in servers] == [["rare", "Too many requests"]] * 2
    assert [key[:2] for key in taken] == [(f"{__name__}.Gateway.rare", 0)] * 4


def test_applications_do_not_share_what_is_declared(serve: Serve, node: Node):
    @WebSocketGateway()
    class Once:
        @Throttle(Limit(1, per=SLOW, by="ip"))
        @SubscribeMessage("once")
        async def once(self, context: ExecutionContext) -> bool:
            return True

    script = 'return (await ack(await connect(), "once"))'
    assert [node.run(serve(Once), script) for _ in range(2)] == [True, True]


@pytest.mark.parametrize("kind", [Throttle, Throttler])
def test_what_limits_nothing_is_refused(kind: Any):
    with pytest.raises(ConfigurationError, match="it limits nothing"):
        kind()
    with pytest.raises(ConfigurationError, match="expected a Limit, got 5"):
        kind(5)
