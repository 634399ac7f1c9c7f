"""What is counted, and whose it is: clients without a network, and time that the test moves."""

import asyncio
import gc
import time
from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import jwt
import msgspec
import pytest

from moongate import (
    APP_GUARD,
    ExecutionContext,
    FactoryProvider,
    Inject,
    Module,
    Socket,
    SubscribeMessage,
    UseGuards,
    ValueProvider,
    WebSocketGateway,
)
from moongate.auth import Claims, Jwt, JwtGuard
from moongate.errors import ConfigurationError
from moongate.testing import ConnectRefused, TestApp
from moongate.throttling import THROTTLE_STORE, Limit, LocalStore, SkipThrottle, Throttle, Throttler, ThrottleStore

pytestmark = pytest.mark.anyio

HOUR = 3600.0
SECRET = "a secret of at least thirty-two bytes"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Role(msgspec.Struct, frozen=True):
    role: str


class Account(msgspec.Struct, frozen=True):
    id: UUID


def app(*gateways: Any, store: Any = None, **options: Any) -> TestApp:
    provided = [] if store is None else [ValueProvider(THROTTLE_STORE, store)]

    @Module(providers=[*gateways, *provided])
    class Root: ...

    return TestApp(Root, **options)


@WebSocketGateway()
class Echo:
    @SubscribeMessage("a")
    async def a(self) -> str:
        return "a"


@WebSocketGateway()
class Other:
    @SubscribeMessage("b")
    async def b(self) -> str:
        return "b"


async def said(client: Any, event: str = "a") -> str:
    answer = await client.emit_with_ack(event)
    return answer if isinstance(answer, str) else "-"


def sockets() -> int:
    gc.collect()
    return sum(isinstance(found, Socket) for found in gc.get_objects())


async def entered(application: TestApp, *addresses: str) -> list[bool]:
    """Whether clients with these addresses were let in, one after another."""
    answers = []
    for address in addresses:
        try:
            await application.connect(address=address)
        except ConnectRefused as refused:
            answers.append(refused.message != "Too many requests" or set(refused.data) != {"retry_after"})
        else:
            answers.append(True)
    return answers


async def test_whoever_waits_is_let_through_again():
    clock = Clock()
    async with app(Echo, guards=[Throttler(Limit(3, per=10), store=LocalStore(clock=clock))]) as application:
        client = await application.connect()
        assert [await said(client) for _ in range(4)] == ["a", "a", "a", "-"]
        error = await client.error_of("a")
        assert error["retry_after"] == 3.334
        clock.now += error["retry_after"]
        assert [await said(client) for _ in range(2)] == ["a", "-"]


async def test_what_is_declared_gets_the_store_that_a_module_provides():
    clock = Clock()

    @WebSocketGateway()
    class Gateway:
        @Throttle(Limit(1, per=10))
        @SubscribeMessage("a")
        async def a(self) -> str:
            return "a"

    async with app(Gateway, store=LocalStore(clock=clock)) as application:
        client = await application.connect()
        assert [await said(client) for _ in range(2)] == ["a", "-"]
        clock.now += 10
        assert [await said(client) for _ in range(2)] == ["a", "-"]


async def test_what_one_limit_refuses_is_not_counted_by_another():
    clock = Clock()
    limits = Limit(4, per=HOUR), Limit(1, per=1)
    async with app(Echo, guards=[Throttler(*limits, store=LocalStore(clock=clock))]) as application:
        client = await application.connect()
        assert [await said(client) for _ in range(10)] == ["a"] + ["-"] * 9
        for _ in range(3):
            clock.now += 1
            assert await said(client) == "a"
        clock.now += 1
        assert (await client.error_of("a"))["retry_after"] == pytest.approx(HOUR / 4 - 4, abs=0.001)


async def test_a_client_is_counted_once_however_many_gateways_its_namespace_has():
    guard = Throttler(Limit(2, per=HOUR, by="ip", on="connect"))
    async with app(Echo, Other, guards=[guard]) as application:
        assert await entered(application, "10.0.0.1", "10.0.0.1", "10.0.0.1") == [True, True, False]
        assert await entered(application, *(f"10.0.1.{number}" for number in range(100))) == [True] * 100


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:DB8:0:1:ff::", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("unknown:1", "unknown:2", False),
    ],
)
async def test_whose_an_address_is(first: str, second: str, same: bool):
    async with app(Echo, guards=[Throttler(Limit(1, per=HOUR, by="ip", on="connect"))]) as application:
        assert await entered(application, first, second) == [True, not same]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("ann", "ann", True),
        ("ann", "bob", False),
        (7, 7, True),
        ({"id": 7}, {"id": 7, "name": "Ann"}, True),
        ({"id": 7}, {"id": 8}, False),
        (Account(UUID(int=7)), Account(UUID(int=7)), True),
        (Account(UUID(int=7)), Account(UUID(int=8)), False),
        (UUID(int=7), UUID(int=7), True),
        (None, None, False),
        ("", "", False),
        ({"name": "Ann"}, {"name": "Ann"}, False),
    ],
)
async def test_who_a_user_is(first: Any, second: Any, same: bool):
    users = iter([first, second])

    @WebSocketGateway()
    class Gateway(Echo):
        async def handle_connection(self, client: Socket) -> None:
            client.data["user"] = next(users)

    async with app(Gateway, guards=[Throttler(Limit(1, per=HOUR, by="user"))]) as application:
        one, other = await application.connect(), await application.connect()
        assert [await said(client) for client in (one, one, other)] == ["a", "-", "-" if same else "a"]


async def test_nobody_is_counted_as_a_user_by_the_id_of_a_client():
    @WebSocketGateway()
    class Gateway(Echo):
        async def handle_connection(self, client: Socket) -> None:
            if "as" in client.handshake.auth:
                client.data["user"] = client.handshake.auth["as"]

    async with app(Gateway, guards=[Throttler(Limit(1, per=HOUR, by="user"))]) as application:
        victim = await application.connect()
        other = await application.connect(auth={"as": victim.id})
        assert [await said(client) for client in (other, other, victim)] == ["a", "-", "a"]


@pytest.mark.parametrize("claims", [Claims, Role, dict])
async def test_the_subject_of_a_token_is_a_user(claims: Any):
    def token(subject: str) -> dict[str, str]:
        return {"token": jwt.encode({"sub": subject, "role": "any", "exp": time.time() + HOUR}, SECRET, "HS256")}

    guard = JwtGuard(Jwt(key=SECRET, algorithms=["HS256"], claims=claims))
    async with app(Echo, guards=[guard, Throttler(Limit(1, per=HOUR, by="user"))]) as application:
        clients = [await application.connect(auth=token(name)) for name in ("ann", "ann", "bob")]
        assert [await said(client) for client in clients] == ["a", "-", "a"]


async def test_limits_of_a_handler_count_instead_of_those_of_its_gateway():
    @Throttle(Limit(1, per=HOUR), Limit(1, per=HOUR, by="ip", on="connect"))
    @WebSocketGateway()
    class Gateway(Echo):
        @Throttle(Limit(2, per=HOUR))
        @SubscribeMessage("b")
        async def b(self) -> str:
            return "b"

        @SkipThrottle()
        @SubscribeMessage("free")
        async def free(self) -> str:
            return "free"

    async with app(Gateway) as application:
        client = await application.connect()
        assert [await said(client, event) for event in "ababab"] == ["a", "b", "-", "b", "-", "-"]
        assert [await said(client, "free") for _ in range(3)] == ["free"] * 3
        assert await entered(application, "127.0.0.1", "10.0.0.1") == [False, True]


async def test_skipping_is_for_the_application_s_limits_as_well_and_may_be_undone():
    @SkipThrottle()
    @WebSocketGateway()
    class Gateway(Echo):
        @SkipThrottle(False)
        @SubscribeMessage("b")
        async def b(self) -> str:
            return "b"

    async with app(Gateway, guards=[Throttler(Limit(1, per=HOUR))]) as application:
        client = await application.connect()
        assert [await said(client, event) for event in "aabb"] == ["a", "a", "b", "-"]


async def test_a_refused_client_may_go_on_until_it_has_to_go():
    clock = Clock()
    guard = Throttler(Limit(1, per=HOUR), disconnect_after=2, window=10, store=LocalStore(clock=clock))
    async with app(Echo, guards=[guard]) as application:
        client = await application.connect()
        assert [await said(client) for _ in range(3)] == ["a", "-", "-"]
        clock.now += 10
        assert [await said(client) for _ in range(2)] == ["-", "-"]
        await client.emit("a")
        assert await client.disconnected() == "server disconnect"


async def test_a_bare_client_is_told_the_same():
    async with app(Echo, guards=[Throttler(Limit(1, per=HOUR))]) as application:
        client = await application.connect(protocol="websocket")
        assert [await said(client) for _ in range(2)] == ["a", "-"]
        error = await client.error_of("a")
        assert (error["status"], error["message"]) == ("error", "Too many requests")
        assert HOUR - 5 < error["retry_after"] <= HOUR


async def test_nothing_passes_when_nothing_can_be_counted():
    class Broken:
        def take(self, claims: Any) -> float:
            raise ConnectionError("the store is away")

    async with app(Echo, guards=[Throttler(Limit(1, per=HOUR), store=Broken())]) as application:
        client = await application.connect()
        assert (await client.error_of("a"))["message"] == "Internal server error"


def test_no_client_connects_to_a_handler():
    async def handler(self: object) -> None: ...

    with pytest.raises(ConfigurationError, match=r"no client connects to a handler") as caught:
        Throttle(Limit(1, per=1), Limit(1, per=1, by="ip", on="connect"))(handler)
    assert "handler" in str(caught.value)


@pytest.mark.parametrize("kind", [Throttle, Throttler])
@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"disconnect_after": 0}, "expected a whole number above 0 as disconnect_after, got 0"),
        ({"disconnect_after": 1.5}, "as disconnect_after, got 1.5"),
        ({"disconnect_after": True}, "as disconnect_after, got True"),
        ({"disconnect_after": 3, "window": 0}, "expected seconds above 0 as window, got 0"),
    ],
)
def test_how_long_a_client_may_go_on_is_checked(kind: Callable[..., Any], options: dict[str, Any], text: str):
    with pytest.raises(ConfigurationError) as caught:
        kind(Limit(1, per=1), **options)
    assert text in str(caught.value)


async def test_one_store_for_everything_that_a_module_gives_to_all():
    clock = Clock()

    def throttler(store: Annotated[ThrottleStore, Inject(THROTTLE_STORE)]) -> Throttler:
        return Throttler(Limit(3, per=10), store=store)

    @WebSocketGateway()
    class Gateway(Echo):
        @Throttle(Limit(1, per=10))
        @SubscribeMessage("b")
        async def b(self) -> str:
            return "b"

    @Module(providers=[Gateway])
    class Inner: ...

    store = LocalStore(clock=clock)

    @Module(providers=[ValueProvider(THROTTLE_STORE, store)], exports=[THROTTLE_STORE], global_=True)
    class Throttling: ...

    @Module(imports=[Inner, Throttling], providers=[FactoryProvider(APP_GUARD, throttler)])
    class Root: ...

    async with TestApp(Root) as application:
        client = await application.connect()
        assert [await said(client, event) for event in "bbaa"] == ["b", "-", "a", "-"]
        assert len(store) == 2
        clock.now += 10
        assert [await said(client, event) for event in "aaaa"] == ["a", "a", "a", "-"]


async def test_a_store_may_go_by_the_time_that_a_test_moves():
    guard = Throttler(Limit(1, per=HOUR), store=LocalStore(clock=lambda: asyncio.get_running_loop().time()))
    async with app(Echo, guards=[guard]) as application:
        await application.time.settle()
        client = await application.connect()
        assert [await said(client) for _ in range(2)] == ["a", "-"]
        await application.time.advance(HOUR)
        assert await said(client) == "a"


async def test_clients_that_came_in_are_not_held_on_to():
    guard = Throttler(Limit(1000, per=HOUR, by="ip", on="connect"))
    async with app(Echo, guards=[guard]) as application:
        before = sockets()
        for _ in range(200):
            await (await application.connect()).disconnect()
        assert sockets() < before + 50


async def test_clients_that_come_in_at_once_are_each_counted_once():
    waiting = asyncio.Event()

    async def slow(context: ExecutionContext) -> bool:
        await waiting.wait()
        return True

    @UseGuards(slow)
    @WebSocketGateway()
    class Slow: ...

    guard = Throttler(Limit(100, per=HOUR, by="ip", on="connect"))
    async with app(Slow, Echo, Other, guards=[guard]) as application:
        entering = [asyncio.ensure_future(application.connect()) for _ in range(101)]
        await asyncio.sleep(0)
        waiting.set()
        results = await asyncio.gather(*entering, return_exceptions=True)
        assert [isinstance(result, ConnectRefused) for result in results] == [False] * 100 + [True]


async def test_what_nobody_handles_is_not_counted_and_what_two_handle_is_counted_twice():
    @WebSocketGateway()
    class Again:
        @SubscribeMessage("a")
        async def a(self) -> None: ...

    async with app(Echo, Again, guards=[Throttler(Limit(4, per=HOUR))]) as application:
        client = await application.connect()
        for _ in range(9):
            assert (await client.error_of("nobody"))["message"] == "Unknown event"
        assert [await said(client) for _ in range(3)] == ["a", "a", "-"]
