"""The application: joins modules, gateways, namespaces and engines, and answers as an ASGI application."""

import asyncio
import functools
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import Enum, auto
from typing import Any, TypeVar, overload

from moongate.cluster.bus import Cluster
from moongate.cluster.health import ClusterHealth
from moongate.cluster.node import Node
from moongate.config import Settings
from moongate.di.container import MISSING, Container
from moongate.di.module import AnyModule
from moongate.di.provider import Scope
from moongate.engine.engine import Engine
from moongate.engine.forwarding import Forwarding
from moongate.engine.http import PollingEndpoint, path_of, request_of
from moongate.engine.options import EngineOptions
from moongate.engine.raw import RawEngine
from moongate.errors import ConfigurationError, MoongateError
from moongate.gateway.assembly import Assembly
from moongate.gateway.explorer import check, describe, enhancer_classes, explore
from moongate.gateway.metadata import GatewaySpec, gateway_metadata
from moongate.gateway.visible import Connections, VisibleProviders, with_provided
from moongate.namespace.formats import check_methods, chosen_parser
from moongate.namespace.handlers import Middleware
from moongate.namespace.namespace import Namespace
from moongate.namespace.router import Router
from moongate.namespace.socket import Socket
from moongate.pipeline.context import ExecutionContext
from moongate.pipeline.enhancers import Enhancers, Reference
from moongate.pipeline.references import classes_among
from moongate.pipeline.reflector import Reflector
from moongate.server.client_files import ClientFiles
from moongate.server.lifespan import HostedLifespan
from moongate.transport.asgi import serve_websocket
from moongate.transport.base import Accepted, Refused, Request
from moongate.transport.flow import Cork
from moongate.types import AsgiApp, Receive, Send
from moongate.types import Scope as AsgiScope
from moongate.wire.message import MessageCodec
from moongate.wire.parser import Parser
from moongate.wire.socketio import Packet

__all__ = ["Moongate"]

_LOGGER = logging.getLogger("moongate")

T = TypeVar("T")


class _Phase(Enum):
    """How far the application is."""

    DECLARED = auto()
    STARTED = auto()
    STOPPED = auto()


class Moongate:
    """An application made of *module*: its gateways answer WebSocket clients, *http* answers every other request.

    It is an ASGI application itself, and `run` serves it. Raises ConfigurationError for declarations that contradict
    each other or miss something; nothing is constructed before `start`. *cluster* joins this server with others:
    `RedisCluster("redis://...")` or another one. *guards*, *pipes*, *interceptors* and *filters*
    stand around all gateways: classes, which are injected, instances or functions. *parser* reads and writes the
    packets of Socket.IO clients, *codec* the messages of bare WebSocket clients; both are JSON by default. *engine*
    decides who may connect and what the answers to requests carry. *overrides* are values that replace providers by
    their tokens, for tests.
    """

    def __init__(
        self,
        module: AnyModule,
        *,
        http: AsgiApp | None = None,
        cluster: Cluster | None = None,
        guards: Sequence[Reference] = (),
        pipes: Sequence[Reference] = (),
        interceptors: Sequence[Reference] = (),
        filters: Sequence[Reference] = (),
        settings: Settings | None = None,
        parser: Parser | None = None,
        codec: MessageCodec | None = None,
        engine: EngineOptions | None = None,
        overrides: Mapping[Any, Any] | None = None,
    ) -> None:
        self.settings: Settings = Settings.from_environment() if settings is None else settings
        self.cluster: Cluster | None = cluster  # what joins this server with others; may be set before the start
        self._node: Node | None = None  # this server in the cluster, from the start on
        self._http = http
        self._hosted = HostedLifespan(http) if http is not None else None
        if codec is not None:
            check_methods(codec, "a message codec", ("decode", "encode"), where="Moongate(codec=...)")
        self._router = Router(self.settings, parser=chosen_parser(self.settings, parser), codec=codec)
        self._directory = self._router.directory
        self._engine = Engine(self.settings, self._router, self._router.runtime.cork, engine)
        self._polling = PollingEndpoint(self._engine)
        self._client_files = (
            ClientFiles(self.settings.socketio_path, self.settings.cors) if self.settings.serve_client else None
        )
        self._raw_engine = RawEngine(self.settings, self._router, engine)
        self._enhancers = Enhancers(
            guards=_listed("guards", guards),
            pipes=_listed("pipes", pipes),
            interceptors=_listed("interceptors", interceptors),
            filters=_listed("filters", filters),
        )
        self._container = Container.build(
            module,
            external=self._external,
            overrides=overrides,
            implicit=enhancer_classes,
            implicit_root=classes_among(self._enhancers),
            scoped_values={Scope.CONNECTION: (Socket,), Scope.MESSAGE: (ExecutionContext,)},
        )
        check(self._container.classes())
        for _, cls in self._container.classes():
            metadata = gateway_metadata(cls)
            if metadata is not None:
                handlers = self._directory.declare(metadata.namespace).handlers
                handlers.protocols = frozenset(metadata.protocols)
                handlers.subprotocols = metadata.subprotocols
                handlers.codec = None if metadata.codec is None else self._router.own_codec(metadata.codec)
        self._phase = _Phase.DECLARED
        self._starting: asyncio.Lock | None = None  # made in the loop that starts the application
        self._state: dict[str, Any] = {}

    @property
    def parser(self) -> Parser | None:
        """What reads and writes the packets of Socket.IO clients; None if it is the default one."""
        return self._router.runtime.parser

    @property
    def cork(self) -> Cork:
        """What joins the writes of all connections, for the server's transports."""
        return self._router.runtime.cork

    @overload
    def get(self, token: type[T]) -> T: ...
    @overload
    def get(self, token: object) -> Any: ...
    def get(self, token: Any) -> Any:
        """Return the provider of *token*, from whichever module; raises ModuleError if there is none."""
        return self._container.get(token)

    def server(self, namespace: str = "/") -> Namespace:
        """Return a namespace, to emit from anywhere; the text of a pattern means all namespaces that match it.

        Raises ConfigurationError if no gateway or provider names it.
        """
        declared = {declared.name: declared for declared in self._directory}
        found = declared.get(namespace) or self._directory.find(namespace)
        if found is None:
            raise ConfigurationError(
                f"expected one of {', '.join(declared)}, got {namespace!r}",
                where="Moongate.server",
                mend=f"Declare a gateway for it: @WebSocketGateway({namespace!r}).",
            )
        return found

    def run(self, host: str = "127.0.0.1", port: int = 3000, *, log_level: str = "info") -> None:
        """Serve until SIGINT or SIGTERM. Needs the extra `standard`; `moongate run` knows more options."""
        from moongate.server.options import ServeOptions  # the server is an extra
        from moongate.server.uvicorn import run

        status = run(self, ServeOptions(host=host, port=port, log_level=log_level))
        if status:
            raise SystemExit(status)

    async def start(self) -> None:
        """Construct every provider and run the start-up hooks; clients are let in from then on.

        Whatever serves the application calls it. Raises what a hook or a constructor raises, and ConfigurationError.
        """
        self._starting = self._starting or asyncio.Lock()
        async with self._starting:
            if self._phase is _Phase.STARTED:
                return
            if self._phase is _Phase.STOPPED:
                raise ConfigurationError("the application was stopped", mend="Make a new Moongate to start again.")
            self._router.runtime.start()
            if self._hosted is not None:
                await self._hosted.start(self._state)
            middleware = {namespace.name: list(namespace.handlers.middleware) for namespace in self._directory}
            try:
                await self._join_cluster()
                specs = await self._start_gateways()
                await self._directory.settled()
            except BaseException:
                await self._abandon_start(middleware)
                raise
            self._phase = _Phase.STARTED
        for line in describe(specs):
            _LOGGER.info(line)

    def cluster_health(self) -> ClusterHealth | None:
        """Return how this server's connection to its cluster is, and what went through it; None without a cluster."""
        return None if self._node is None else self._node.health()

    async def _join_cluster(self) -> None:
        if self.cluster is None:
            return
        node = self._node = Node(self.cluster, self._router.runtime.encoder)
        node.changed = self._cluster_changed
        await node.start()
        self._directory.join_cluster(node)
        if "polling" in self.settings.transports:
            self._engine.forwarding = Forwarding(node, self._engine, self._polling)

    def _cluster_changed(self, health: ClusterHealth) -> None:
        if self._phase is _Phase.STARTED:
            self._router.runtime.dispatcher.spawn(self._container.tell("on_cluster_change", health))

    async def _leave_cluster(self) -> None:
        if self._node is not None:
            await self._node.stop()

    async def _start_gateways(self) -> list[GatewaySpec]:
        await self._container.create()
        specs = explore(self._container.instances())
        connections = Connections(self._container)
        visible = functools.partial(VisibleProviders, self._container, connections)
        everywhere = with_provided(self._enhancers, self._container)
        Assembly(self._directory, self.settings, everywhere, visible).connect(specs)
        if self._container.has_scopes:
            for namespace in self._directory:
                namespace.handlers.left = connections.left
        await self._run_after_init(specs)
        await self._container.start()
        return specs

    async def _abandon_start(self, middleware: dict[str, list[Middleware]]) -> None:
        """End what was started when the rest could not, so that it may be tried again; *middleware* came before."""
        for namespace in self._directory:
            namespace.handlers.reset(middleware.get(namespace.name, []))
        await self._container.abandon()
        await self._leave_cluster()
        if self._hosted is not None:
            await self._hosted.stop()

    async def stop(self, signal: str | None = None) -> None:
        """Run the shutdown hooks and say goodbye to all clients. Stopping twice is stopping once."""
        if self._phase is not _Phase.STARTED:
            return
        self._phase = _Phase.STOPPED
        try:
            await self._container.stop(self._disconnect_clients, signal)
        finally:
            await self._leave_cluster()
            if self._hosted is not None:
                await self._hosted.stop()

    @asynccontextmanager
    async def lifespan(self, _: object = None) -> AsyncIterator[None]:
        """Start on entering, stop on leaving: `FastAPI(lifespan=app.lifespan)` when mounted in another application."""
        await self.start()
        try:
            yield
        finally:
            await self.stop()

    def handles(self, path: str) -> bool:
        """Whether WebSocket requests for *path* are for the gateways."""
        return self._is_socketio(path) or _below(path, self.settings.websocket_path)

    def _is_socketio(self, path: str) -> bool:
        """Whether *path* is for Socket.IO clients, who put a slash behind its name; Node's server insists on it."""
        return path.startswith(f"{self.settings.socketio_path}/")

    def accept_websocket(self, request: Request) -> Accepted | Awaitable[Accepted]:
        """Return who receives the messages of a new connection; raises Refused."""
        if self._phase is not _Phase.STARTED:
            raise Refused(503, b'{"status":"error","message":"Not accepting clients"}')
        if self._is_socketio(request.path):
            return self._engine.open_websocket(request)
        return self._raw_engine.open_websocket(request)

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer as an ASGI 3.0 application."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._serve_lifespan(scope, receive, send)
            return
        if self._phase is _Phase.DECLARED:
            await self.start()
        path = path_of(scope)
        if kind == "http" and self._client_files is not None and self._client_files.serves(path, scope["method"]):
            await self._client_files.answer(request_of(scope), scope["method"], send)
        elif kind == "http" and self._is_socketio(path):
            await self._polling(scope, receive, send)
        elif kind == "websocket" and self.handles(path):
            await serve_websocket(self, request_of(scope), scope, receive, send)
        elif self._http is not None:
            await self._http(scope, receive, send)
        else:
            await _not_found(scope, receive, send)

    async def _serve_lifespan(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Start and stop with the server (ASGI lifespan protocol)."""
        self._state = scope.get("state", self._state)
        await receive()
        try:
            await self.start()
        except Exception as error:
            if not isinstance(error, MoongateError):
                _LOGGER.exception("the application could not start")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        try:
            await self.stop()
        except Exception as error:
            _LOGGER.exception("the application did not stop cleanly")
            await send({"type": "lifespan.shutdown.failed", "message": str(error)})
            return
        await send({"type": "lifespan.shutdown.complete"})

    def _external(self, annotation: object, token: object) -> object:
        """Give providers what no module does: namespaces, by their name, and the settings."""
        if annotation is Namespace:
            name = "/" if token is None else token
            return self._directory.declare(str(name))
        if annotation is Reflector:
            return Reflector()
        return self.settings if annotation is Settings else MISSING

    async def _run_after_init(self, specs: list[GatewaySpec]) -> None:
        for spec in specs:
            if spec.after_init is not None:
                result = spec.after_init(self._directory.declare(spec.namespace))
                if inspect.isawaitable(result):
                    await result

    async def _disconnect_clients(self) -> None:
        """End every session, then wait for handlers and disconnect hooks."""
        await self._engine.close()
        await self._raw_engine.close()
        await self._router.runtime.dispatcher.stop(self.settings.shutdown_timeout, Packet)
        if self._engine.forwarding is not None:
            await self._engine.forwarding.close()


def _listed(name: str, references: Sequence[Reference]) -> tuple[Reference, ...]:
    """Return *references* as they are kept; raises ConfigurationError for one that stands alone."""
    if not isinstance(references, list | tuple):
        raise ConfigurationError(
            f"expected a list, got {references!r}", where=f"Moongate({name}=...)", mend=f"Write {name}=[...]."
        )
    return tuple(references)


def _below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


async def _not_found(scope: AsgiScope, receive: Receive, send: Send) -> None:
    """Answer that there is nothing here."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": "Not found"})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"9")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": b"Not found"})
