"""An application under test."""

import inspect
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, overload
from urllib.parse import urlencode

from moongate.app import Moongate
from moongate.di.module import AnyModule
from moongate.namespace.namespace import Namespace
from moongate.testing.client import BareClient, SocketIoClient, refusal_of
from moongate.testing.clock import Clock
from moongate.testing.wires import BareWire, SocketIoWire, Wire
from moongate.transport.base import Accepted, Refused, Request
from moongate.transport.memory import MemoryTransport
from moongate.wire.message import MessageCodec

__all__ = ["TestApp"]

T = TypeVar("T")


class TestApp:
    """An application whose clients are in the same event loop.

    Made of a module, or of a Moongate that is there already; *overrides* replace providers by their tokens, and all
    else is for Moongate's constructor. It runs within `async with`.
    """

    __test__ = False  # no test, whatever its name begins with

    def __init__(
        self, module: AnyModule | Moongate, *, overrides: Mapping[Any, Any] | None = None, **options: Any
    ) -> None:
        if isinstance(module, Moongate):
            if overrides or options:
                raise TypeError("an application that is there already cannot be changed: give its module instead")
            self.app: Moongate = module
        else:
            self.app = Moongate(module, overrides=overrides, **options)
        self._clock: Clock | None = None
        self._wires: list[Wire] = []

    async def __aenter__(self) -> Self:
        await self.app.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.app.stop()
        finally:
            if self._clock is not None:
                self._clock.restore()
        failure = next((wire.failure for wire in self._wires if wire.failure is not None), None)
        if failure is not None and error is None:
            raise failure

    @property
    def time(self) -> Clock:
        """The time of the event loop, which can be moved; from the first use on until the application ends."""
        if self._clock is None:
            self._clock = Clock()
        return self._clock

    @overload
    def get(self, token: type[T]) -> T: ...
    @overload
    def get(self, token: object) -> Any: ...
    def get(self, token: Any) -> Any:
        """Return a provider; raises ModuleError if there is none."""
        return self.app.get(token)

    def server(self, namespace: str = "/") -> Namespace:
        """Return a namespace, to emit to its clients."""
        return self.app.server(namespace)

    @overload
    async def connect(
        self,
        namespace: str = "/",
        *,
        protocol: Literal["socketio"] = "socketio",
        auth: Any = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        address: str = "127.0.0.1",
    ) -> SocketIoClient: ...
    @overload
    async def connect(
        self,
        namespace: str = "/",
        *,
        protocol: Literal["websocket"],
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        address: str = "127.0.0.1",
        codec: MessageCodec | None = None,
    ) -> BareClient: ...
    async def connect(
        self,
        namespace: str = "/",
        *,
        protocol: Literal["socketio", "websocket"] = "socketio",
        auth: Any = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        address: str = "127.0.0.1",
        codec: MessageCodec | None = None,
    ) -> SocketIoClient | BareClient:
        """Return a client that is in *namespace*; raises ConnectRefused if it is not let in.

        *auth* is what Socket.IO clients send along, *headers* and *query* are of the request, *address* is where it
        comes from. Socket.IO clients speak the application's parser, bare clients *codec*: JSON if it is None.
        """
        if protocol == "socketio":
            return await self._connect_socketio(namespace, auth, headers, query or {}, address)
        path = self.app.settings.websocket_path + (namespace if namespace != "/" else "")
        accepted = await self._accept(_request(path, query or {}, headers, address))
        wire = BareWire(self.app.settings, accepted.subprotocol, codec)
        client = BareClient(wire, namespace)
        wire.member = client
        self._open(wire, accepted)
        return client

    async def _connect_socketio(
        self, namespace: str, auth: Any, headers: Mapping[str, str] | None, query: Mapping[str, str], address: str
    ) -> SocketIoClient:
        wire = SocketIoWire(self.app.settings, self.app.parser)
        parameters = {"EIO": "4", "transport": "websocket", **query}
        request = _request(f"{self.app.settings.socketio_path}/", parameters, headers, address)
        self._open(wire, await self._accept(request))
        try:
            return await SocketIoClient.enter(wire, namespace, auth)
        except BaseException:
            wire.drop()  # nobody has it
            raise

    async def _accept(self, request: Request) -> Accepted:
        try:
            accepted = self.app.accept_websocket(request)
            return await accepted if inspect.isawaitable(accepted) else accepted
        except Refused as refused:
            raise refusal_of(refused.body, refused.status) from refused

    def _open(self, wire: SocketIoWire | BareWire, accepted: Accepted) -> None:
        wire.transport = MemoryTransport(accepted.receiver, self.app.cork, wire)
        self._wires.append(wire)
        accepted.receiver.on_open(wire.transport)


def _request(path: str, query: Mapping[str, str], headers: Mapping[str, str] | None, address: str) -> Request:
    lines = {"host": "testserver", **{name.lower(): value for name, value in (headers or {}).items()}}
    return Request.from_headers(
        path,
        urlencode(query),
        [(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines.items()],
        (address, 50_000),
        secure=False,
    )
