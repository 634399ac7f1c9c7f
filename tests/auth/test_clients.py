"""Official clients and bare ones with tokens, over the network."""

import time
from collections.abc import Iterator
from typing import Annotated

import pytest

from moongate import FromContext, Inject, Module, Moongate, Socket, SubscribeMessage, ValueProvider, WebSocketGateway
from moongate.auth import Claims, Jwt, JwtGuard, claims_of
from moongate.testing import LiveServer
from tests.auth.tokens import SECRET, token
from tests.support.node import Node

GUARD = JwtGuard(Jwt(key=SECRET, algorithms=["HS256"]))


@WebSocketGateway()
class Gateway:
    def __init__(self, guard: Annotated[JwtGuard, Inject("guard")]) -> None:
        self.guard = guard

    @SubscribeMessage("who")
    async def who(self, claims: Annotated[Claims, FromContext(lambda context: claims_of(context, Claims))]) -> str:
        return claims.sub

    @SubscribeMessage("refresh")
    async def refresh(self, client: Socket, shown: str) -> None:
        await self.guard.refresh(client, shown)


@Module(providers=[ValueProvider("guard", GUARD), Gateway])
class Root: ...


@pytest.fixture
def server() -> Iterator[LiveServer]:
    with LiveServer(Moongate(Root, guards=[GUARD])) as server:
        yield server


def test_official_clients_show_their_token(server: LiveServer, node: Node, transport: str):
    script = """
        const told = [];
        for (const auth of [{}, {token: args.expired}, {token: "x"}]) {
            const error = await refused("/", {auth});
            told.push([error.message, error.data.reason]);
        }
        const client = await connect("/", {auth: {token: args.good}});
        told.push(await ack(client, "who"));
        return told;
    """
    told = node.run(server, script, args={"good": token(), "expired": token(exp=time.time() - 1)})
    reasons = ["missing token", "expired token", "invalid token"]
    assert told == [*(["Unauthorized", reason] for reason in reasons), "alice"]


def test_a_token_that_ends_and_one_that_is_renewed(server: LiveServer, node: Node):
    """Of two clients whose tokens end in a moment, the one that shows another stays."""
    script = """
        const going = await connect("/", {auth: {token: args}});
        const staying = await connect("/", {auth: {token: args}});
        const short = await call("short");
        await Promise.all([ack(going, "refresh", short), ack(staying, "refresh", short)]);
        await ack(staying, "refresh", args);
        return [await next(going, "exception"), await next(going, "disconnect"), await ack(staying, "who")];
    """
    calls = {"short": lambda: token(exp=time.time() + 2)}
    error, reason, who = node.run(server, script, args=token(), calls=calls)
    assert error == {"status": "error", "message": "Unauthorized", "reason": "expired token"}
    assert (reason, who) == ("io server disconnect", "alice")


def test_bare_clients_show_their_token(server: LiveServer, node: Node):
    script = """
        const [status, body] = await bareRefused("/ws");
        const client = await bare("/ws", {headers: {Authorization: `Bearer ${args}`}});
        const who = await ask(client, "who");
        await ask(client, "refresh", await call("short"));
        const {reason} = await heard(client, "exception");
        return [status, JSON.parse(body).reason, who.data, reason, await heard(client, "$close")];
    """
    calls = {"short": lambda: token(exp=time.time() + 2)}
    status, reason, who, told, (code, _) = node.run(server, script, args=token(), calls=calls)
    assert (status, reason, who, told, code) == (403, "missing token", "alice", "expired token", 1000)
