"""Clients with tokens: who comes in, who has to go, and who may stay."""

import time
from collections.abc import Awaitable, Sequence
from types import SimpleNamespace
from typing import Annotated, Any, TypedDict

import msgspec
import pytest

from moongate import (
    CallNext,
    ExecutionContext,
    FromContext,
    Inject,
    Metadata,
    Module,
    SetMetadata,
    Socket,
    SubscribeMessage,
    UseGuards,
    UseMiddleware,
    ValueProvider,
    WebSocketGateway,
    WsException,
    apply_decorators,
)
from moongate.auth import (
    Claims,
    FromAuth,
    FromCookie,
    FromHeader,
    FromQuery,
    Jwt,
    JwtGuard,
    Public,
    TokenSource,
    claims_of,
)
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


def copy_everything(client: Socket, call_next: CallNext) -> Awaitable[None]:
    """What some do, and should not."""
    client.data.update(client.handshake.auth)
    return call_next()


@Public()
@UseMiddleware(copy_everything)
@WebSocketGateway("/lobby")
class Lobby:
    def __init__(self, guard: Annotated[JwtGuard, Inject("guard")]) -> None:
        self.guard = guard

    @SubscribeMessage("look")
    async def look(self) -> str:
        return "welcome"

    @SubscribeMessage("sign in")
    async def sign_in(self, client: Socket, shown: str) -> str:
        member: Member = await self.guard.refresh(client, shown)
        return member.sub

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


@WebSocketGateway("/handler")
class OneHandler:
    @UseGuards(JwtGuard(Jwt(key=SECRET, algorithms=["HS256"])))
    @SubscribeMessage("guarded")
    async def guarded(self) -> str:
        return "never"


@Public()
@WebSocketGateway("/shared")
class Open:
    @SubscribeMessage("open")
    async def open(self) -> str:
        return "open"


@WebSocketGateway("/shared")
class Closed:
    @SubscribeMessage("closed")
    async def closed(self) -> str:
        return "closed"


class Wall:
    """The time of day, which a test sets."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


GATEWAYS = [Gateway, Lobby, Partly, OneHandler, Open, Closed]


def application(
    *, sources: Sequence[TokenSource] | None = None, everywhere: bool = True, **options: Any
) -> tuple[TestApp, Wall]:
    wall = Wall()
    jwt = Jwt(**{"key": SECRET, "algorithms": ["HS256"], "claims": Member, **options})
    guard = JwtGuard(jwt, clock=wall) if sources is None else JwtGuard(jwt, sources=sources, clock=wall)
    module = Module(providers=[ValueProvider("guard", guard), *GATEWAYS])(type("Root", (), {}))
    return TestApp(module, guards=[guard] if everywhere else []), wall


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


@pytest.mark.parametrize(
    ("source", "headers", "expected"),
    [
        (FromCookie("session"), {"cookie": "session=abc"}, "abc"),
        (FromCookie("session"), {"cookie": 'a={"b": 1}; x y; session="abc"; c'}, "abc"),
        (FromCookie("session"), {"cookie": "session=first; session=second"}, "first"),
        (FromCookie("session"), {"cookie": "asession=abc; session=; sessionx=1"}, None),
        (FromCookie("session"), {}, None),
        (FromHeader(), {"authorization": "Bearer abc"}, "abc"),
        (FromHeader(), {"authorization": "bearer  abc "}, "abc"),
        (FromHeader(), {"authorization": "Basic abc"}, None),
        (FromHeader(), {"authorization": "Bearer"}, None),
        (FromHeader(), {}, None),
        (FromHeader("X-Token", scheme=""), {"x-token": "abc"}, "abc"),
        (FromAuth(), {}, None),
    ],
    ids=str,
)
def test_what_is_found_in_headers(source: TokenSource, headers: dict[str, str], expected: str | None):
    handshake: Any = SimpleNamespace(headers=headers, auth={})
    assert source.find(handshake) == expected


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


async def test_a_bare_client_whose_token_expires_has_to_go_as_well():
    app, wall = application()
    async with app:
        headers = {"Authorization": f"Bearer {token(exp=wall.now + 60)}"}
        bob = await app.connect(protocol="websocket", headers=headers)
        wall.now += 61
        await app.time.advance(61)
        assert (await bob.exception())["reason"] == "expired token"
        await bob.disconnected()


async def test_the_leeway_counts_for_those_who_are_here_too():
    app, wall = application(leeway=30)
    async with app:
        alice = await app.connect(auth={"token": token(exp=wall.now + 60)})
        wall.now += 80
        await app.time.advance(80)
        assert await alice.emit_with_ack("who") == "alice"
        wall.now += 11
        await app.time.advance(11)
        assert await alice.disconnected() == "server disconnect"


async def test_a_subject_is_one_of_its_issuer():
    app, _ = application()
    async with app:
        alice = await app.connect(auth={"token": token(iss="here")})
        other = await alice.error_of("refresh", token(iss="elsewhere"))
        nowhere = await alice.error_of("refresh", token())
        assert [other["reason"], nowhere["reason"]] == ["token of another subject"] * 2
        assert await alice.emit_with_ack("refresh", token(iss="here")) == "alice"


async def test_a_token_of_nobody_cannot_be_refreshed():
    app, _ = application(claims=dict, require=["exp"])
    async with app:
        somebody = await app.connect(auth={"token": token(sub=None)})
        assert (await somebody.error_of("refresh", token(sub=None)))["reason"] == "token of another subject"


async def test_who_came_without_a_token_may_show_one_later():
    app, wall = application()
    async with app:
        anybody = await app.connect("/lobby")
        assert await anybody.emit_with_ack("sign in", token(exp=wall.now + 60)) == "alice"
        assert await anybody.emit_with_ack("enter") == "alice"
        assert (await anybody.error_of("sign in", token(sub="bob")))["reason"] == "token of another subject"
        wall.now += 61
        await app.time.advance(61)
        assert await anybody.disconnected() == "server disconnect"


async def test_claims_that_a_client_makes_up_do_not_count():
    app, _ = application()
    async with app:
        forged = {"claims": {"sub": "alice"}, "claims_subject": "alice", "claims_expire": 1e12}
        anybody = await app.connect("/lobby", auth=forged)
        assert (await anybody.error_of("enter"))["reason"] == "missing token"


@pytest.mark.parametrize(("gone", "timers"), [(False, 1), (True, 0)])
async def test_a_client_that_leaves_while_its_token_is_checked_leaves_no_timer(gone: bool, timers: int):
    armed: list[float] = []
    client: Any = SimpleNamespace(data={}, gone=gone, call_later=lambda delay, _: armed.append(delay))
    await JwtGuard(Jwt(key=SECRET, algorithms=["HS256"])).refresh(client, token())
    assert len(armed) == timers


async def test_a_guard_of_one_handler_does_not_see_clients_come_in():
    app, _ = application(everywhere=False)
    async with app:
        alice = await app.connect("/handler", auth={"token": token()})
        assert (await alice.error_of("guarded"))["reason"] == "missing token"


async def test_every_gateway_of_a_namespace_is_asked():
    app, _ = application()
    async with app:
        assert (await refused(app, "/shared"))[1] == {"reason": "missing token"}
        alice = await app.connect("/shared", auth={"token": token()})
        assert await alice.emit_with_ack("open") == "open"


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


class Shape(TypedDict):
    sub: str


def test_claims_may_be_of_types_that_are_dicts():
    client: Any = SimpleNamespace(data={"claims": {"sub": "alice"}})
    assert claims_of(client, Shape)["sub"] == claims_of(client, dict[str, Any])["sub"] == "alice"
    with pytest.raises(TypeError, match="expected claims of type Claims, got dict"):
        claims_of(client, Claims)
    client.data.clear()
    with pytest.raises(WsException, match="Unauthorized"):
        claims_of(client, Shape)
