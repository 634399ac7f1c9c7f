"""The context of a message, metadata, and parameters of one's own."""

from typing import Annotated, Any

import pytest

from moongate import (
    ExecutionContext,
    FromContext,
    GatewayError,
    Inject,
    Metadata,
    Module,
    ModuleError,
    Namespace,
    ParseInt,
    Reflector,
    SetMetadata,
    Socket,
    SubscribeMessage,
    UseGuards,
    WebSocketGateway,
    apply_decorators,
)
from moongate.testing import TestApp

pytestmark = pytest.mark.anyio

Roles = Metadata[list[str]]("roles")
seen: list[Any] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    seen.clear()


def look(context: ExecutionContext) -> bool:
    name = getattr(context.handler, "__name__", None)
    seen.append((
        context.is_connect, context.event, list(context.args), context.gateway.__name__, name, dict(context.metadata),
        context.wants_ack, context.where,
    ))  # fmt: skip
    return True


def header(name: str) -> Any:
    return FromContext(lambda context: context.client.handshake.headers.get(name))


async def user_of(context: ExecutionContext) -> dict[str, Any]:
    return {"name": context.client.handshake.auth.get("name"), "event": context.event}


CurrentUser = Annotated[dict[str, Any], FromContext(user_of)]


def admin_only(kind: str) -> Any:
    return apply_decorators(SetMetadata("kind", kind), Roles(["admin"]), UseGuards(look))


class Service:
    def __init__(self, reflector: Reflector) -> None:
        self.reflector = reflector


@SetMetadata("kind", "gateway")
@Roles(["anyone"])
@UseGuards(look)
@WebSocketGateway("/context")
class Gateway:
    @SubscribeMessage("inherits")
    async def inherits(self, context: ExecutionContext, body: Any) -> Any:
        return [context.event, list(context.args), Roles.of(context)]

    @admin_only("handler")
    @SubscribeMessage("own")
    async def own(self) -> None: ...

    @SubscribeMessage("parameters")
    async def parameters(
        self,
        client: Socket,
        user: CurrentUser,
        number: Annotated[int, header("x-number"), ParseInt()],
        body: str,
        service: Annotated[Service, Inject()],
        news: Annotated[Namespace, Inject("/context")],
    ) -> Any:
        return [user, number, body, service is not None, news.name]

    @SubscribeMessage("resolve")
    async def resolve(self, context: ExecutionContext) -> bool:
        return isinstance(await context.resolve(Service), Service)


@Module(providers=[Service, Gateway])
class Root: ...


async def test_what_a_guard_sees():
    async with TestApp(Root) as app:
        alice = await app.connect("/context")
        await alice.emit_with_ack("inherits", {"a": b"\x00"}, 2)
        await alice.emit("own", 1)
    metadata = {"roles": ["anyone"], "kind": "gateway"}
    assert seen[0] == (True, None, [], "Gateway", None, metadata, False, "Gateway.connect")
    assert seen[1] == (
        False, "inherits", [{"a": b"\x00"}, 2], "Gateway", "inherits", metadata, True, "Gateway.inherits",
    )  # fmt: skip
    own = {"roles": ["admin"], "kind": "handler"}
    assert seen[2:] == [(False, "own", [1], "Gateway", "own", own, False, "Gateway.own")] * 2


async def test_a_handler_may_have_it_too():
    async with TestApp(Root) as app:
        alice = await app.connect("/context")
        assert await alice.emit_with_ack("inherits", 1, 2) == ["inherits", [1, 2], ["anyone"]]
        assert await alice.emit_with_ack("resolve") is True


@pytest.mark.parametrize("protocol", ["socketio", "websocket"])
async def test_parameters_of_ones_own(protocol: Any):
    async with TestApp(Root) as app:
        auth: Any = {"auth": {"name": "alice"}} if protocol == "socketio" else {}
        alice = await app.connect("/context", protocol=protocol, headers={"X-Number": "42"}, **auth)
        user = {"name": "alice" if auth else None, "event": "parameters"}
        assert await alice.emit_with_ack("parameters", "body") == [user, 42, "body", True, "/context"]
        wrong = await app.connect("/context", protocol=protocol, headers={"X-Number": "x"}, **auth)
        assert (await wrong.error_of("parameters", "body"))["message"] == "Validation failed"


async def test_the_reflector():
    async with TestApp(Root) as app:
        reflector = app.get(Service).reflector
        targets = [Gateway.own, Gateway]
        assert reflector.get("kind", Gateway.own) == "handler"
        assert reflector.get("nothing", Gateway) is None
        assert reflector.get("kind", None) is None
        assert reflector.get_all("kind", targets) == ["handler", "gateway"]
        assert reflector.get_all_and_override("kind", [Gateway.inherits, Gateway]) == "gateway"
        assert reflector.get_all_and_merge("roles", targets) == ["admin", "anyone"]


class OpenOnly:
    """Has the reflector injected, as NestJS users know it."""

    def __init__(self, reflector: Reflector) -> None:
        self.reflector = reflector

    def can_activate(self, context: ExecutionContext) -> bool:
        open_to: Any = self.reflector.get_all_and_override("open", [context.handler, context.gateway])
        return context.is_connect or open_to is True


@SetMetadata("open", True)
@SetMetadata("from", "base")
class Base:
    @SubscribeMessage("inherited")
    async def inherited(self, context: ExecutionContext) -> dict[str, Any]:
        return dict(context.metadata)

    @SetMetadata("open", False)
    @SubscribeMessage("closed")
    async def closed(self) -> None: ...


@UseGuards(OpenOnly)
@SetMetadata("from", "gateway")
@WebSocketGateway("/heir")
class Heir(Base):
    @apply_decorators(SetMetadata("from", "first"), SetMetadata("from", "second"), SubscribeMessage("twice"))
    async def twice(self, context: ExecutionContext) -> dict[str, Any]:
        return dict(context.metadata)

    @SubscribeMessage("threaded", threaded=True)
    def threaded(self, context: ExecutionContext, client: Socket) -> list[Any]:
        return [context.client is client, context.gateway is Heir, context.handler is Heir.threaded]


async def test_the_closest_metadata_counts():
    async with TestApp(Module(providers=[Heir])(type("Root", (), {}))) as app:
        alice = await app.connect("/heir")
        assert await alice.emit_with_ack("inherited") == {"open": True, "from": "gateway"}
        assert await alice.emit_with_ack("twice") == {"open": True, "from": "first"}
        assert (await alice.error_of("closed"))["message"] == "Forbidden resource"
        assert await alice.emit_with_ack("threaded") == [True, True, True]


async def test_merging_dicts():
    @SetMetadata("limits", {"a": 1, "b": 1})
    class Outer:
        @SetMetadata("limits", {"b": 2})
        def inner(self) -> None: ...

    assert Reflector().get_all_and_merge("limits", [Outer.inner, Outer]) == {"a": 1, "b": 2}


async def test_a_provider_that_nobody_has_is_a_start_up_error():
    class Missing: ...

    @WebSocketGateway()
    class Wrong:
        @SubscribeMessage("say")
        async def say(self, missing: Annotated[object, Inject(Missing)]) -> None: ...

    with pytest.raises(ModuleError, match="nothing that Root sees provides Missing"):
        async with TestApp(Module(providers=[Wrong])(type("Root", (), {}))):
            pytest.fail("it has started")


def test_a_parameter_is_made_by_a_function():
    with pytest.raises(GatewayError, match="expected a function of the ExecutionContext, got 'user'"):
        FromContext("user")  # type: ignore[arg-type]
