"""A running server whose application the test can look into."""

import asyncio
import inspect
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self

import uvicorn
import uvloop

from moongate import Module, Moongate, Namespace, Settings
from moongate.server.options import ServeOptions
from moongate.server.uvicorn import create_server

__all__ = ["LiveServer", "Serve", "application"]

LIMIT = 10.0


class LiveServer:
    """Serves an application on a free port of 127.0.0.1, from a thread with its own event loop.

    `asgi` is the application itself unless another one, in which it is mounted, is served. With `plain` the host is a
    plain ASGI server, as `uvicorn module:app` starts it.
    """

    def __init__(self, app: Moongate, *, asgi: Any = None, plain: bool = False, port: int = 0) -> None:
        self.app = app
        self._asgi = asgi or app
        self._plain = plain or asgi is not None
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self._running_loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        assert self._running_loop
        return self._running_loop

    def start(self) -> Self:
        """Serve; raises what the application's start raised."""
        self._thread.start()
        assert self._started.wait(LIMIT), "the server did not start in time"
        if self._failure:
            self.stop()
            raise self._failure
        return self

    def stop(self) -> None:
        """Stop as SIGTERM does."""
        if self._thread.is_alive() and self._stopping:
            self.loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(LIMIT)
        self._socket.close()
        assert not self._thread.is_alive(), "the server did not stop in time"

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call *function* on the server's event loop, await what it returns if that can be awaited."""

        async def run() -> Any:
            result = function(*args)
            return await result if inspect.isawaitable(result) else result

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(LIMIT)

    def namespace(self, name: str = "/") -> Namespace:
        return self.app.server(name)

    def emit(self, event: str, *args: Any, namespace: str = "/") -> None:
        """Emit to everyone."""
        self.call(lambda: self.namespace(namespace).emit(event, *args))

    def until(self, happened: Callable[[], object], limit: float = 5.0) -> None:
        """Wait until *happened* returns something true; fails after *limit* seconds."""
        deadline = time.monotonic() + limit
        while not happened():
            assert time.monotonic() < deadline, (
                f"did not happen within {limit} s: {inspect.getsource(happened).strip()}"
            )
            time.sleep(0.005)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001  # handed to the thread that waits in start()
            self._failure = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._running_loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = _host(self._asgi, plain=self._plain)
        server.main_loop = partial(self._serve_until_stopped, server)  # type: ignore[method-assign]  # its own sleeps on
        await server.serve(sockets=[self._socket])
        assert self._started.is_set(), "the application did not start; the log says why"

    async def _serve_until_stopped(self, server: uvicorn.Server) -> None:
        assert self._stopping
        self._started.set()
        await self._stopping.wait()
        deadline = time.monotonic() + 0.2
        # A plain uvicorn fails when it shuts down a WebSocket whose closing handshake is under way.
        while self._plain and server.server_state.connections and time.monotonic() < deadline:
            await asyncio.sleep(0.01)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Serve(Protocol):
    """Starts a server whose root module has these providers, with these settings."""

    def __call__(
        self,
        *providers: Any,
        module: Any = None,
        http: Any = None,
        plain: bool = False,
        enhancers: dict[str, Any] | None = None,
        **settings: Any,
    ) -> LiveServer: ...


def application(
    *providers: Any, module: Any = None, http: Any = None, enhancers: dict[str, Any] | None = None, **settings: Any
) -> Moongate:
    """An application whose root module has these providers, unless *module* is given; *enhancers* are around all."""
    root = module or Module(providers=list(providers))(type("TestModule", (), {}))
    return Moongate(root, http=http, settings=Settings(**settings), **(enhancers or {}))


def _host(asgi: Any, *, plain: bool) -> uvicorn.Server:
    if plain:
        return uvicorn.Server(uvicorn.Config(asgi, lifespan="on", log_config=None, timeout_graceful_shutdown=1))
    return create_server(asgi, ServeOptions())
