"""One port for Moongate and any ASGI application."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import anyio
import fastapi
import pytest
from starlette.types import Receive, Scope, Send

from moongate import Injectable, Module, Moongate, Namespace, Socket, SubscribeMessage, WebSocketGateway
from tests.support.live import LiveServer, Serve, application
from tests.support.node import Node

pytestmark = pytest.mark.usefixtures("transport")


@Injectable()
class Counter:
    def __init__(self) -> None:
        self.count = 0


@WebSocketGateway("/chat")
class ChatGateway:
    server: Namespace

    def __init__(self, counter: Counter) -> None:
        self.counter = counter

    @SubscribeMessage("count")
    async def count(self, client: Socket) -> int:
        self.counter.count += 1
        return self.counter.count


def fastapi_application() -> fastapi.FastAPI:
    """An application with a route, a WebSocket route and a lifespan of its own."""

    @contextlib.asynccontextmanager
    async def lifespan(api: fastapi.FastAPI) -> AsyncIterator[dict[str, Any]]:
        api.state.log = ["started"]
        yield {"shared": "from the lifespan"}
        api.state.log.append("stopped")

    api = fastapi.FastAPI(lifespan=lifespan)

    @api.get("/hello")
    async def hello(request: fastapi.Request) -> dict[str, Any]:
        return {"log": request.app.state.log, "shared": request.state.shared}

    @api.post("/echo")
    async def echo(body: dict[str, Any]) -> dict[str, Any]:
        return body

    @api.websocket("/feed")
    async def feed(websocket: fastapi.WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_json({"event": "fed", "data": text})

    return api


@pytest.fixture(params=["moongate", "plain"])
def plain(request: pytest.FixtureRequest) -> bool:
    """Whether the host is a plain ASGI server."""
    return bool(request.param == "plain")


def test_every_other_path_belongs_to_the_http_application(serve: Serve, node: Node, plain: bool):
    api = fastapi_application()
    server = serve(Counter, ChatGateway, http=api, plain=plain)
    script = """
        const get = async (path, options) => (await fetch(url + path, options)).json();
        const s = await connect("/chat");
        const feed = await bare("/feed");
        feed.send("text");
        return [
          await get("/hello"),
          await get("/echo", { method: "POST", body: '{"a":1}', headers: { "content-type": "application/json" } }),
          await heard(feed, "fed"),
          await ack(s, "count"),
          (await fetch(url + "/missing")).status,
        ];
    """
    hello = {"log": ["started"], "shared": "from the lifespan"}
    assert node.run(server, script) == [hello, {"a": 1}, "text", 1, 404]
    server.stop()
    assert api.state.log == ["started", "stopped"]


def test_a_bare_websocket_beside_the_websocket_routes_of_the_application(serve: Serve, node: Node, plain: bool):
    server = serve(Counter, ChatGateway, http=fastapi_application(), plain=plain)
    assert node.run(server, 'return await ask(await bare("/ws/chat"), "count")') == {"data": 1}
    status, _ = node.run(server, 'return await bareRefused("/no/such/route")')
    assert status == 403


def test_without_an_http_application_other_paths_are_not_found(serve: Serve, node: Node, plain: bool):
    server = serve(Counter, ChatGateway, plain=plain)
    assert node.run(server, 'return [(await fetch(url + "/")).status, (await fetch(url + "/x")).status]') == [404, 404]


def test_an_http_route_uses_services_and_emits(serve: Serve, node: Node, plain: bool):
    api = fastapi.FastAPI()

    @api.post("/announce/{text}")
    async def announce(text: str) -> dict[str, Any]:
        counter = server.app.get(Counter)
        server.app.server("/chat").emit("announcement", text)
        return {"count": counter.count, "clients": len(await server.app.server("/chat").fetch_sockets())}

    server = serve(Counter, ChatGateway, http=api, plain=plain)
    script = """
        const s = await connect("/chat");
        await ack(s, "count");
        const answer = await (await fetch(url + "/announce/hello", { method: "POST" })).json();
        return [answer, await next(s, "announcement")];
    """
    assert node.run(server, script) == [{"count": 1, "clients": 1}, "hello"]


def test_an_http_route_that_blocks_a_thread_may_emit(serve: Serve, node: Node):
    api = fastapi.FastAPI()

    @api.post("/announce")
    def announce() -> None:
        server.app.server("/chat").emit("announcement", "from a thread")

    server = serve(Counter, ChatGateway, http=api)
    script = """
        const s = await connect("/chat");
        await fetch(url + "/announce", { method: "POST" });
        return await next(s, "announcement");
    """
    assert node.run(server, script) == "from a thread"


@pytest.mark.parametrize("prefix", ["", "/live"])
def test_mounted_inside_fastapi(node: Node, prefix: str):
    app = application(Counter, ChatGateway)

    @contextlib.asynccontextmanager
    async def lifespan(_: fastapi.FastAPI) -> AsyncIterator[None]:
        await app.start()
        yield
        await app.stop()

    api = fastapi.FastAPI(lifespan=lifespan)

    @api.get("/hello")
    async def hello() -> str:
        return "hello"

    api.mount(prefix or "/", app)
    script = f"""
        const s = await connect("/chat", {{ path: "{prefix}/socket.io" }});
        const plain = await bare("{prefix}/ws/chat");
        return [await ack(s, "count"), await ask(plain, "count"), await (await fetch(url + "/hello")).json()];
    """
    with LiveServer(app, asgi=api) as server:
        assert node.run(server, script) == [1, {"data": 2}, "hello"]


def test_a_host_without_a_lifespan_lets_clients_in_only_after_the_start(node: Node):
    log: list[str] = []

    @Injectable()
    class Slow:
        async def on_application_bootstrap(self) -> None:
            await asyncio.sleep(0.05)
            log.append("started")

    @WebSocketGateway()
    class Gateway:
        def handle_connection(self, client: Socket) -> None:
            log.append("connection")

    app = application(Slow, Gateway)

    async def host(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await app.stop()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await app(scope, receive, send)

    with LiveServer(app, asgi=host) as server:
        node.run(server, "await Promise.all([connect(), connect()])")
        server.until(lambda: len(log) == 3)
    assert log == ["started", "connection", "connection"]


def test_a_page_of_another_site(serve: Serve, node: Node):
    server = serve(Counter, ChatGateway, cors=("https://good.example",))
    script = """
        const handshake = async (origin) => {
          const response = await fetch(`${url}/socket.io/?EIO=4&transport=polling`, { headers: { origin } });
          return [response.status, response.headers.get("access-control-allow-origin")];
        };
        const preflight = await fetch(`${url}/socket.io/?EIO=4&transport=polling`, {
          method: "OPTIONS",
          headers: { origin: "https://good.example", "access-control-request-method": "POST" },
        });
        return [await handshake("https://good.example"), await handshake("https://evil.example"),
                [preflight.ok, preflight.headers.get("access-control-allow-origin")]];
    """
    good, evil, preflight = node.run(server, script)
    assert good == [200, "https://good.example"]
    assert evil[1] is None
    assert preflight == [True, "https://good.example"]


def test_an_application_may_be_started_and_stopped_by_hand():
    log: list[str] = []

    @Injectable()
    class Service:
        async def on_module_init(self) -> None:
            log.append("init")

        async def on_application_shutdown(self) -> None:
            log.append("shutdown")

    async def run() -> None:
        app = Moongate(Module(providers=[Service])(type("Root", (), {})))
        await app.start()
        assert isinstance(app.get(Service), Service)
        await app.stop()

    anyio.run(run)
    assert log == ["init", "shutdown"]
