"""Modules, providers and their lifecycle."""

import asyncio
from typing import Annotated, Any, Protocol

import anyio
import pytest

from moongate import (
    AliasProvider,
    ClassProvider,
    FactoryProvider,
    Inject,
    Injectable,
    Module,
    ModuleError,
    Moongate,
    Namespace,
    Settings,
    Socket,
    SubscribeMessage,
    ValueProvider,
    WebSocketGateway,
)
from tests.support.live import Serve
from tests.support.node import Node


@Injectable()
class Clock:
    def now(self) -> str:
        return "noon"


@Injectable()
class Greeter:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def greet(self, name: str) -> str:
        return f"{name}: it is {self.clock.now()}"


@Module(providers=[Clock, Greeter], exports=[Greeter])
class GreeterModule: ...


def started(module: type, look: Any) -> Any:
    """Start an application of *module*, and return what *look* says of it."""

    async def run() -> Any:
        app = Moongate(module)
        await app.start()
        try:
            return look(app)
        finally:
            await app.stop()

    return anyio.run(run)


def test_a_gateway_gets_its_services_by_type(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        def __init__(self, greeter: Greeter) -> None:
            self.greeter = greeter

        @SubscribeMessage("greet")
        async def greet(self, name: str) -> str:
            return self.greeter.greet(name)

    @Module(imports=[GreeterModule], providers=[Gateway])
    class Root: ...

    assert node.run(serve(module=Root), 'return await ack(await connect(), "greet", "Ada")') == "Ada: it is noon"


def test_a_provider_is_made_once():
    @Injectable()
    class First:
        def __init__(self, greeter: Greeter) -> None:
            self.greeter = greeter

    @Injectable()
    class Second:
        def __init__(self, greeter: Greeter) -> None:
            self.greeter = greeter

    @Module(imports=[GreeterModule], providers=[First])
    class FirstModule: ...

    @Module(imports=[GreeterModule, FirstModule], providers=[Second])
    class Root: ...

    first, second, greeter = started(Root, lambda app: (app.get(First), app.get(Second), app.get(Greeter)))
    assert first.greeter is second.greeter is greeter


def test_each_kind_of_provider():
    class Store(Protocol):
        name: str

    class MemoryStore:
        name = "memory"

    class Connection:
        def __init__(self, address: str) -> None:
            self.address = address

    @Injectable()
    class Service:
        def __init__(
            self,
            store: Store,
            connection: Connection,
            address: Annotated[str, Inject("address")],
            alias: Annotated[str, Inject("alias")],
        ) -> None:
            self.seen = (store.name, connection.address, address, alias)

    async def connect(address: Annotated[str, Inject("address")]) -> Connection:
        await asyncio.sleep(0)
        return Connection(address)

    @Module(
        providers=[
            ClassProvider(Store, MemoryStore),
            ValueProvider("address", "db.example:5432"),
            FactoryProvider(Connection, connect),
            AliasProvider("alias", "address"),
            Service,
        ]
    )
    class Root: ...

    assert started(Root, lambda app: app.get(Service).seen) == (
        "memory",
        "db.example:5432",
        "db.example:5432",
        "db.example:5432",
    )


def test_a_factory_that_yields_is_closed_at_the_end():
    log: list[str] = []

    class Pool: ...

    async def pool() -> Any:
        log.append("opened")
        yield Pool()
        log.append("closed")

    @Module(providers=[FactoryProvider(Pool, pool)])
    class Root: ...

    assert isinstance(started(Root, lambda app: app.get(Pool)), Pool)
    assert log == ["opened", "closed"]


def test_what_is_exported_may_be_a_module():
    @Module(imports=[GreeterModule], exports=[GreeterModule])
    class Between: ...

    @Injectable()
    class Service:
        def __init__(self, greeter: Greeter) -> None:
            self.greeter = greeter

    @Module(imports=[Between], providers=[Service])
    class Root: ...

    assert started(Root, lambda app: app.get(Service).greeter.greet("Ada")) == "Ada: it is noon"


def test_what_is_not_exported_is_not_visible():
    @Injectable()
    class Service:
        def __init__(self, clock: Clock) -> None: ...

    @Module(imports=[GreeterModule], providers=[Service])
    class Root: ...

    with pytest.raises(ModuleError) as caught:
        started(Root, lambda app: app)
    for word in ("Clock", "GreeterModule", "Service", "Root"):
        assert word in str(caught.value)


def test_a_global_module_is_visible_everywhere():
    @Module(providers=[Clock], exports=[Clock], global_=True)
    class ClockModule: ...

    @Injectable()
    class Service:
        def __init__(self, clock: Clock) -> None:
            self.clock = clock

    @Module(providers=[Service])
    class Feature: ...

    @Module(imports=[ClockModule, Feature])
    class Root: ...

    assert started(Root, lambda app: app.get(Service).clock.now()) == "noon"


def test_two_modules_may_have_a_provider_of_the_same_name():
    @Injectable()
    class First:
        def __init__(self, name: Annotated[str, Inject("name")]) -> None:
            self.name = name

    @Injectable()
    class Second:
        def __init__(self, name: Annotated[str, Inject("name")]) -> None:
            self.name = name

    @Module(providers=[ValueProvider("name", "first"), First])
    class FirstModule: ...

    @Module(providers=[ValueProvider("name", "second"), Second])
    class SecondModule: ...

    @Module(imports=[FirstModule, SecondModule])
    class Root: ...

    assert started(Root, lambda app: (app.get(First).name, app.get(Second).name)) == ("first", "second")


def test_the_settings_are_injectable():
    @Injectable()
    class Service:
        def __init__(self, settings: Settings) -> None:
            self.settings = settings

    @Module(providers=[Service])
    class Root: ...

    assert started(Root, lambda app: app.get(Service).settings is app.settings)


def test_an_unknown_token_is_an_error_that_names_it():
    with pytest.raises(ModuleError, match="Nowhere"):
        started(GreeterModule, lambda app: app.get(type("Nowhere", (), {})))


@pytest.mark.usefixtures("transport")
def test_a_service_emits_without_a_gateway(serve: Serve, node: Node):
    @Injectable()
    class Announcer:
        def __init__(self, root: Namespace, chat: Annotated[Namespace, Inject("/chat")]) -> None:
            self.root, self.chat = root, chat

        def announce(self, text: str) -> None:
            self.root.emit("announcement", f"{text} in {self.root.name}")
            self.chat.emit("announcement", f"{text} in {self.chat.name}")

    @WebSocketGateway()
    class RootGateway: ...

    @WebSocketGateway("/chat")
    class ChatGateway: ...

    server = serve(Announcer, RootGateway, ChatGateway)
    script = """
        const [a, b] = [await connect("/"), await connect("/chat")];
        await call("announce");
        return [await next(a, "announcement"), await next(b, "announcement")];
    """
    calls = {"announce": lambda: server.call(server.app.get(Announcer).announce, "news")}
    assert node.run(server, script, calls=calls) == ["news in /", "news in /chat"]


HOOKS = (
    "on_module_init",
    "on_application_bootstrap",
    "on_module_destroy",
    "before_application_shutdown",
    "on_application_shutdown",
)


def logging_provider(name: str, log: list[str], *, is_async: bool) -> type:
    """A provider that writes down each of its hooks."""

    def hook(event: str) -> Any:
        async def asynchronous(self: object, *_: object) -> None:
            await asyncio.sleep(0)
            log.append(f"{name} {event}")

        def synchronous(self: object, *_: object) -> None:
            log.append(f"{name} {event}")

        return asynchronous if is_async else synchronous

    return Injectable()(type(name, (), {event: hook(event) for event in HOOKS}))


@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
def test_the_hooks_run_in_order_over_all_modules(is_async: bool):
    log: list[str] = []
    database = logging_provider("Database", log, is_async=is_async)
    service = logging_provider("Service", log, is_async=is_async)

    @Module(providers=[database], exports=[database])
    class DatabaseModule: ...

    @Module(imports=[DatabaseModule], providers=[service])
    class Root: ...

    started(Root, lambda app: log.append("serving"))
    assert log[:2] == ["Database on_module_init", "Service on_module_init"]
    assert log[2:4] == ["Database on_application_bootstrap", "Service on_application_bootstrap"]
    assert log[4] == "serving"
    phases = [line.split()[1] for line in log[5:]]
    assert phases == [event for event in HOOKS[2:] for _ in range(2)]


@pytest.mark.usefixtures("transport")
def test_clients_come_after_the_start_hooks_and_leave_between_the_shutdown_hooks(serve: Serve, node: Node):
    log: list[str] = []

    @WebSocketGateway()
    class Gateway:
        async def on_module_init(self) -> None:
            await asyncio.sleep(0.02)
            log.append("init")

        async def on_application_bootstrap(self) -> None:
            await asyncio.sleep(0.02)
            log.append("bootstrap")

        def handle_connection(self, client: Socket) -> None:
            log.append("connection")

        async def handle_disconnect(self, client: Socket, reason: str) -> None:
            await asyncio.sleep(0.02)
            log.append(f"disconnect: {reason}")

        def on_module_destroy(self) -> None:
            log.append("destroy")

        def before_application_shutdown(self, signal: str | None) -> None:
            log.append("before shutdown")

        def on_application_shutdown(self, signal: str | None) -> None:
            log.append("shutdown")

    server = serve(Gateway)
    node.run(server, 'await connect(); await call("stop")', calls={"stop": server.stop})
    assert log == [
        "init",
        "bootstrap",
        "connection",
        "destroy",
        "before shutdown",
        "disconnect: server shutting down",
        "shutdown",
    ]


def test_an_error_in_a_start_hook_ends_the_start():
    @Injectable()
    class Database:
        async def on_module_init(self) -> None:
            raise ConnectionError("no database")

    @Module(providers=[Database])
    class Root: ...

    with pytest.raises(Exception, match="no database"):
        started(Root, lambda app: app)


def test_an_error_in_a_shutdown_hook_does_not_keep_the_others_from_running(caplog: pytest.LogCaptureFixture):
    log: list[str] = []

    @Injectable()
    class Failing:
        def on_module_destroy(self) -> None:
            raise RuntimeError("cannot destroy")

    working = logging_provider("Working", log, is_async=True)

    @Module(providers=[Failing, working])
    class Root: ...

    try:
        started(Root, lambda app: None)
    except Exception as error:  # noqa: BLE001  # it may be told by the log or by raising
        log.append(f"raised {error}")
    assert "Working on_application_shutdown" in log
    assert "cannot destroy" in caplog.text + str(log)
