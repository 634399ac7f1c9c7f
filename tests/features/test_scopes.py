"""Providers that live as long as the application, a client or a message."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest

from moongate import (
    APP_GUARD,
    ClassProvider,
    DynamicModule,
    ExecutionContext,
    FactoryProvider,
    Inject,
    Injectable,
    Module,
    ModuleError,
    ModuleRef,
    Moongate,
    Namespace,
    NextHandler,
    Scope,
    Socket,
    SubscribeMessage,
    UseGuards,
    UseInterceptors,
    ValueProvider,
    WebSocketGateway,
)
from tests.support.live import Serve
from tests.support.node import Node

log: list[str] = []


class Session:
    def __init__(self, number: int) -> None:
        self.number = number
        self.items: list[str] = []


class Sessions:
    def __init__(self) -> None:
        self.opened = 0

    async def open(self, client: Socket) -> AsyncIterator[Session]:
        self.opened += 1
        number = self.opened
        log.append(f"open session {number}")
        yield Session(number)
        log.append(f"close session {number}")


sessions = Sessions()


async def open_session(client: Socket) -> AsyncIterator[Session]:
    async for session in sessions.open(client):
        yield session


def unit_of(session: Session, context: ExecutionContext) -> Iterator["Unit"]:
    log.append(f"open unit of {session.number} for {context.event}")
    yield Unit(session)
    log.append(f"close unit of {session.number} for {context.event}")


class Unit:
    def __init__(self, session: Session) -> None:
        self.session = session


@Injectable(scope=Scope.CONNECTION)
class Known:
    def __init__(self, session: Session) -> None:
        self.session = session

    async def can_activate(self, context: ExecutionContext) -> bool:
        return bool(context.client.handshake.auth.get("known", True))


@Injectable(scope=Scope.MESSAGE)
class Remember:
    def __init__(self, unit: Unit) -> None:
        self.unit = unit

    async def intercept(self, context: ExecutionContext, call_next: NextHandler) -> object:
        self.unit.session.items.append(str(context.event))
        return await call_next()


@UseGuards(Known)
@UseInterceptors(Remember)
@WebSocketGateway()
class Gateway:
    @SubscribeMessage("items")
    async def items(self, unit: Annotated[Unit, Inject()], session: Annotated[Session, Inject(Session)]) -> object:
        assert unit.session is session
        return [session.number, session.items]

    @SubscribeMessage("stream")
    async def stream(self, unit: Annotated[Unit, Inject()], count: int) -> AsyncIterator[int]:
        for number in range(count):
            log.append(f"item {number}")
            yield number

    @SubscribeMessage("hang")
    async def hang(self, client: Socket, unit: Annotated[Unit, Inject()]) -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()


PROVIDERS: list[Any] = [
    FactoryProvider(Session, open_session, scope=Scope.CONNECTION),
    FactoryProvider(Unit, unit_of, scope=Scope.MESSAGE),
    Gateway,
]


@pytest.fixture(autouse=True)
def _forget():
    log.clear()
    sessions.opened = 0


def test_each_client_and_each_message_has_its_own(serve: Serve, node: Node):
    server = serve(*PROVIDERS)
    script = """
        const [a, b] = [await connect(), await connect()];
        const answers = [await ack(a, "items"), await ack(a, "items"), await ack(b, "items")];
        const bare_ = await bare();
        answers.push((await ask(bare_, "items")).data);
        a.disconnect();
        b.disconnect();
        bare_.close();
        return answers;
    """
    assert node.run(server, script) == [[1, ["items"]], [1, ["items", "items"]], [2, ["items"]], [3, ["items"]]]
    server.until(lambda: len([line for line in log if line.startswith("close session")]) == 3)
    assert [line for line in log if line.endswith(("1", "1 for items"))] == [
        "open session 1",
        *["open unit of 1 for items", "close unit of 1 for items"] * 2,
        "close session 1",
    ]


def test_what_a_message_had_ends_with_its_stream(serve: Serve, node: Node):
    server = serve(*PROVIDERS)
    node.run(server, 'const s = await connect(); await ack(s, "stream", 2); s.disconnect();')
    server.until(lambda: "close session 1" in log)
    assert log[1:] == [
        "open unit of 1 for stream",
        "item 0",
        "item 1",
        "close unit of 1 for stream",
        "close session 1",
    ]


@pytest.mark.parametrize("end", ["s.disconnect()", "s.io.engine.close()"])
def test_who_leaves_in_the_middle_leaves_nothing_open(serve: Serve, node: Node, end: str):
    server = serve(*PROVIDERS)
    node.run(server, f'const s = await connect(); s.emit("hang"); await next(s, "hang"); {end};')
    server.until(lambda: "close session 1" in log)
    assert log[-2:] == ["close unit of 1 for hang", "close session 1"]


def test_the_end_of_the_server_closes_all(serve: Serve, node: Node):
    server = serve(*PROVIDERS, shutdown_timeout=0.2)
    node.run(server, 'const s = await connect(); s.emit("hang"); await next(s, "hang"); await call("stop")', calls={
        "stop": server.stop
    })  # fmt: skip
    assert sorted(log)[:2] == ["close session 1", "close unit of 1 for hang"]


def test_who_is_refused_leaves_nothing_open(serve: Serve, node: Node):
    server = serve(*PROVIDERS)
    assert node.run(server, 'return (await refused("/", {auth: {known: false}})).message') == "Forbidden resource"
    server.until(lambda: "close session 1" in log)
    assert log == ["open session 1", "close session 1"]


def test_a_bare_client_that_goes_while_it_is_let_in_leaves_nothing_open(serve: Serve):
    waiting = asyncio.Event()

    @Injectable(scope=Scope.CONNECTION)
    class Waits:
        def __init__(self, session: Session) -> None: ...

        async def can_activate(self, context: ExecutionContext) -> bool:
            waiting.set()
            await asyncio.sleep(0.05)
            return True

    @UseGuards(Waits)
    @WebSocketGateway("/slow")
    class Slow: ...

    server = serve(*PROVIDERS, Slow)
    with socket.create_connection(("127.0.0.1", server.port)) as stream:
        stream.sendall(
            b"GET /ws/slow HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        server.until(waiting.is_set)
    server.until(lambda: "close session 1" in log)


@Injectable(scope=Scope.CONNECTION)
@WebSocketGateway("/own")
class OwnGateway:
    server: Namespace

    def __init__(self, session: Session, client: Socket) -> None:
        self.session = session
        self.client = client

    async def handle_connection(self, client: Socket) -> None:
        assert client is self.client
        self.session.items.append("connected")

    async def handle_disconnect(self, client: Socket, reason: str) -> None:
        log.append(f"{self.session.number} left: {self.session.items}")

    @SubscribeMessage("add")
    async def add(self, item: str) -> list[str]:
        self.session.items.append(item)
        self.server.emit("added", item)
        return self.session.items

    @SubscribeMessage("later", threaded=True)
    def later(self, item: str, *, times: int = 2) -> str:
        return f"{self.session.number}{item * times}"


def test_a_gateway_may_belong_to_a_client(serve: Serve, node: Node):
    server = serve(*PROVIDERS, OwnGateway)
    script = """
        const [a, b] = [await connect("/own"), await connect("/own")];
        const answers = [await ack(a, "add", "x"), await ack(b, "add", "y"), await ack(b, "later", "z")];
        const came = [await next(a, "added"), await next(a, "added")];
        a.disconnect();
        b.disconnect();
        return [answers, came];
    """
    answers, heard = node.run(server, script)
    assert answers == [["connected", "x"], ["connected", "y"], "2zz"]
    assert heard == ["x", "y"]
    server.until(lambda: "close session 2" in log)
    assert "1 left: ['connected', 'x']" in log
    assert log.index("1 left: ['connected', 'x']") < log.index("close session 1")


@Injectable(scope=Scope.CONNECTION)
class Short: ...


@Injectable()
class Long:
    def __init__(self, short: Short) -> None: ...


def refusal(module: type) -> str:
    with pytest.raises(ModuleError) as caught:
        Moongate(module)
    return str(caught.value)


def test_what_lives_longer_cannot_need_what_lives_shorter():
    @Module(providers=[Short, Long])
    class Root: ...

    assert refusal(Root) == (
        "Root -> Long(short: Short): it lives as Scope.APPLICATION says, and Short only as Scope.CONNECTION\n"
        "  Declare Long with @Injectable(scope=Scope.CONNECTION) as well, or let a handler ask for it: "
        "Annotated[Short, Inject(Short)]."
    )


class Database:
    def __init__(self, url: str) -> None:
        self.url = url


@Module()
class DatabaseModule:
    @classmethod
    def for_root(cls, url: str) -> DynamicModule:
        return DynamicModule(
            cls, providers=[FactoryProvider(Database, lambda: Database(url))], exports=[Database], global_=True
        )


class Table:
    def __init__(self, database: Database, name: Annotated[str, Inject("name")]) -> None:
        self.name = f"{database.url}/{name}"


@Module()
class TableModule:
    @classmethod
    def for_feature(cls, name: str) -> DynamicModule:
        return DynamicModule(cls, providers=[Table, ValueProvider("name", name)], exports=[Table])


class Users:
    def __init__(self, table: Table, modules: ModuleRef) -> None:
        self.table = table
        self.modules = modules


class Rooms:
    def __init__(self, table: Table) -> None:
        self.table = table


@Module(imports=[TableModule.for_feature("users")], providers=[Users])
class UsersModule: ...


@Module(imports=[TableModule.for_feature("rooms")], providers=[Rooms])
class RoomsModule: ...


@Module(imports=[DatabaseModule.for_root("db:"), UsersModule, RoomsModule])
class DynamicRoot: ...


@pytest.mark.anyio
async def test_modules_made_by_functions():
    app = Moongate(DynamicRoot)
    async with app.lifespan():
        users = app.get(Users)
        assert (users.table.name, app.get(Rooms).table.name) == ("db:/users", "db:/rooms")
        assert users.modules.get(Table) is users.table
        with pytest.raises(ModuleError, match="nothing that UsersModule sees provides Rooms"):
            users.modules.get(Rooms)
        assert users.modules.get(Rooms, strict=False) is app.get(Rooms)
        created = await users.modules.create(Rooms)
        assert created is not app.get(Rooms)
        assert created.table is users.table


def test_references_are_not_lazy():
    @Module(imports=[lambda: UsersModule])  # type: ignore[list-item]
    class Root: ...

    assert "there are no lazy references" in refusal(Root)


class Counting:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def can_activate(self, context: ExecutionContext) -> bool:
        log.append(f"asked for {context.event}")
        return True


def test_any_module_may_provide_guards_for_all(serve: Serve, node: Node):
    @Module(providers=[Sessions, ClassProvider(APP_GUARD, Counting), ClassProvider(APP_GUARD, Counting)])
    class GuardModule: ...

    @Module(imports=[GuardModule], providers=PROVIDERS)
    class Root: ...

    server = serve(module=Root)
    node.run(server, 'await ack(await connect(), "items")')
    assert [line for line in log if line.startswith("asked")] == ["asked for None"] * 2 + ["asked for items"] * 2
