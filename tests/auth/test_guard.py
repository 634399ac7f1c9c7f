"""Clients with tokens: who comes in, who has to go, and who may stay."""

import time
from typing import Annotated, Any

import msgspec
import pytest

from moongate import (
    ExecutionContext,
    FromContext,
    Inject,
    Metadata,
    Module,
    SetMetadata,
    Socket,
    SubscribeMessage,
    UseGuards,
    ValueProvider,
    WebSocketGateway,
    apply_decorators,
)
from moongate.auth import Claims, FromCookie, FromQuery, Jwt, JwtGuard, Public, claims_of
from moongate.testing import ConnectRefused, TestApp
from tests.auth.tokens import SECRET, token

pytestmark = pytest.mark.anyio


class Member(msgspec.Struct, frozen=True):
    sub: str
    roles: list[str] = []


Roles = Metadata[list[str]]("roles")


def has_role(context: ExecutionContext) -> bool:
    wanted = Roles.of(context)
    return context.is_connect or wanted is None or not set(wanted).isdisjoint(claims_of(context, Member).roles)


def for_roles(*roles: str) -> Any:
    return apply_decorators(UseGuards(has_role), Roles(list(roles)))


CurrentMember = Annotated[Member, FromContext(lambda context: claims_of(context, Member))]


@WebSocketGateway()
class Gateway:
    def __init__(self, guard: Annotated[JwtGuard, Inject("guard")]) -> None:
        self.guard = guard

    @SubscribeMessage("who")
    async def who(self, member: CurrentMember) -> str:
        return member.sub

    @for_roles("admin", "owner")
    @SubscribeMessage("secret")
    async def secret(self) -> str:
        return "the secret"

    @SubscribeMessage("refresh")
    async def refresh(self, client: Socket, shown: str) -> str:
        member: Member = await self.guard.refresh(client, shown)
        return member.sub


@Public()
@WebSocketGateway("/lobby")
class Lobby:
    @SubscribeMessage("look")
    async def look(self) -> str:
        return "welcome"

    @Public(False)
    @SubscribeMessage("enter")
    async def enter(self, member: CurrentMember) -> str:
        return member.sub


@SetMetadata("kind", "private")
@WebSocketGateway("/partly")
class Partly:
    @Public()
    @SubscribeMessage("open")
    async def open(self) -> str:
        return "open"


class Wall:
    """The time of day, which a test sets."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def application(**options: Any) -> tuple[TestApp, Wall]:
    wall = Wall()
    guard = JwtGuard(Jwt(key=SECRET, algorithms=["HS256"], claims=Member), clock=wall, **options)
    module = Module(providers=[ValueProvider("guard", guard), Gateway, Lobby, Partly])(type("Root", (), {}))
    return TestApp(module, guards=[guard]), wall


async def refused(app: TestApp, namespace: str = "/", **options: Any) -> tuple[str, Any]:
    with pytest.raises(ConnectRefused) as caught:
        await app.connect(namespace, **options)
    return caught.value.message, caught.value.data


async def test_who_has_a_good_token_comes_in():
    app, _ = application()
    async with app:
        alice = await app.connect(auth={"token": token()})
        assert await alice.emit_with_ack("who") == "alice"
        bare = await app.connect(protocol="websocket", headers={"Authorization": f"bearer {token(sub='bob')}"})
        assert await bare.emit_with_ack("who") == "bob"


@pytest.mark.parametrize(
    ("auth", "reason"),
    [
        (None, "missing token"),
        ({}, "missing token"),
        ({"token": ""}, "missing token"),
        ({"token": 5}, "missing token"),
        ({"token": "x"}, "invalid token"),
        ({"token": token(exp=time.time() - 5)}, "expired token"),
        ({"token": token("another secret " * 5)}, "invalid token"),
    ],
)
async def test_who_has_none_does_not(auth: Any, reason: str):
    app, _ = application()
    async with app:
        assert await refused(app, auth=auth) == ("Unauthorized", {"reason": reason})


async def test_a_bare_client_without_a_token():
    app, _ = application()
    async with app:
        assert await refused(app, protocol="websocket") == ("Unauthorized", {"reason": "missing token"})


async def test_tokens_may_be_elsewhere():
    app, _ = application(sources=[FromQuery("access"), FromCookie("session")])
    async with app:
        alice = await app.connect(query={"access": token()})
        bob = await app.connect(headers={"Cookie": f"a=b; session={token(sub='bob')}"})
        assert [await each.emit_with_ack("who") for each in (alice, bob)] == ["alice", "bob"]
        assert (await refused(app, auth={"token": token()}))[1] == {"reason": "missing token"}


async def test_roles():
    app, _ = application()
    async with app:
        admin = await app.connect(auth={"token": token(roles=["admin"])})
        guest = await app.connect(auth={"token": token(sub="guest", roles=["guest"])})
        assert await admin.emit_with_ack("secret") == "the secret"
        assert (await guest.error_of("secret"))["message"] == "Forbidden resource"


async def test_a_token_that_expires_puts_its_client_out():
    app, wall = application()
    async with app:
        alice = await app.connect(auth={"token": token(exp=wall.now + 600)})
        await app.time.advance(590)
        wall.now += 590
        assert await alice.emit_with_ack("who") == "alice"
        wall.now += 11
        assert (await alice.error_of("who"))["reason"] == "expired token"
        await app.time.advance(11)
        assert await alice.exception() == {"status": "error", "message": "Unauthorized", "reason": "expired token"}
        assert await alice.disconnected() == "server disconnect"


async def test_a_token_of_many_years_needs_no_long_timer():
    app, wall = application()
    async with app:
        alice = await app.connect(auth={"token": token(exp=wall.now + 1e10)})
        await app.time.advance(100_000)
        assert await alice.emit_with_ack("who") == "alice"


async def test_a_token_is_refreshed_on_the_living_connection():
    app, wall = application()
    async with app:
        alice = await app.connect(auth={"token": token(exp=wall.now + 60)})
        for _ in range(5):
            assert await alice.emit_with_ack("refresh", token(exp=wall.now + 60)) == "alice"
            await app.time.advance(50)
            wall.now += 50
        assert await alice.emit_with_ack("who") == "alice"
        assert await alice.emit_with_ack("refresh", token(exp=wall.now + 5)) == "alice"
        wall.now += 6
        await app.time.advance(6)
        assert await alice.disconnected() == "server disconnect"


async def test_a_refresh_that_fails_leaves_what_was_there():
    app, _ = application()
    async with app:
        alice = await app.connect(auth={"token": token(roles=["guest"])})
        other = await alice.error_of("refresh", token(sub="bob", roles=["admin"]))
        wrong = await alice.error_of("refresh", "x")
        assert [other["reason"], wrong["reason"]] == ["token of another subject", "invalid token"]
        assert await alice.emit_with_ack("who") == "alice"
        assert (await alice.error_of("secret"))["message"] == "Forbidden resource"


async def test_public_gateways_and_handlers():
    app, _ = application()
    async with app:
        anybody = await app.connect("/lobby")
        assert await anybody.emit_with_ack("look") == "welcome"
        assert (await anybody.error_of("enter"))["reason"] == "missing token"
        alice = await app.connect("/lobby", auth={"token": token()})
        assert await alice.emit_with_ack("enter") == "alice"
        assert (await refused(app, "/lobby", auth={"token": "x"}))[1] == {"reason": "invalid token"}
        assert (await refused(app, "/partly"))[1] == {"reason": "missing token"}
        assert await (await app.connect("/partly", auth={"token": token()})).emit_with_ack("open") == "open"


async def test_claims_are_asked_for_by_their_type():
    app, _ = application()
    async with app:
        await app.connect(auth={"token": token()})
        (client,) = await app.server().fetch_sockets()
        assert client.data["claims"] == Member("alice")
        with pytest.raises(TypeError, match="expected claims of type Claims, got Member"):
            claims_of(client, Claims)  # type: ignore[arg-type]  # of this server, it is the socket itself
