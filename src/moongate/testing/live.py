"""A server in a thread of its own, for clients that need a network: official ones, browsers."""

import asyncio
import inspect
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Self

from moongate.app import Moongate
from moongate.errors import MissingExtraError
from moongate.namespace.namespace import Namespace
from moongate.server.options import ServeOptions

__all__ = ["LiveServer"]

_LIMIT = 10.0
"""Seconds that a start, an end or a call may take."""


class LiveServer:
    """Serves an application on a port of 127.0.0.1, a free one unless it is given, while its `with` block runs.

    *asgi* is the application itself unless another one, in which it is mounted, is served. With *plain* the host is a
    plain ASGI server, as `uvicorn module:app` starts it. It needs the extra `standard`; raises MissingExtraError.
    """

    def __init__(self, app: Moongate, *, asgi: Any = None, plain: bool = False, port: int = 0) -> None:
        self.app: Moongate = app
        self._server = _host(asgi or app, plain=plain or asgi is not None)
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
        """What clients connect to."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The server's event loop; raises RuntimeError before the start."""
        if self._running_loop is None:
            raise RuntimeError("the server has not started")
        return self._running_loop

    def start(self) -> Self:
        """Serve; raises what the application's start raises, and TimeoutError."""
        self._thread.start()
        if not self._started.wait(_LIMIT):
            raise TimeoutError(f"the server did not start within {_LIMIT:g} s")
        if self._failure:
            self.stop()
            raise self._failure
        return self

    def stop(self) -> None:
        """Stop as SIGTERM does; raises TimeoutError."""
        if self._thread.is_alive() and self._stopping:
            self.loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_LIMIT)
        self._socket.close()
        if self._thread.is_alive():
            raise TimeoutError(f"the server did not stop within {_LIMIT:g} s")

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call *function* on the server's event loop, and await what it returns if that can be awaited."""

        async def run() -> Any:
            result = function(*arguments)
            return await result if inspect.isawaitable(result) else result

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(_LIMIT)

    def namespace(self, name: str = "/") -> Namespace:
        """Return a namespace; what it does is called by `call`."""
        return self.app.server(name)

    def emit(self, event: str, *arguments: Any, namespace: str = "/") -> None:
        """Emit to everyone in a namespace."""
        self.call(lambda: self.namespace(namespace).emit(event, *arguments))

    def until(self, happened: Callable[[], object], limit: float = 5.0) -> None:
        """Wait until *happened* returns something true; raises TimeoutError after *limit* seconds."""
        deadline = time.monotonic() + limit
        while not happened():
            if time.monotonic() > deadline:
                raise TimeoutError(f"did not happen within {limit:g} s: {inspect.getsource(happened).strip()}")
            time.sleep(0.005)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001  # handed to the thread that waits in start()
            self._failure = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._running_loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = self._server
        server.main_loop = partial(self._serve_until_stopped, server, self._stopping)  # its own sleeps on
        await server.serve(sockets=[self._socket])
        if not self._started.is_set():
            raise RuntimeError("the application did not start; the log says why")

    async def _serve_until_stopped(self, server: Any, stopping: asyncio.Event) -> None:
        self._started.set()
        await stopping.wait()
        deadline = time.monotonic() + 0.2
        # A plain uvicorn fails when it shuts down a WebSocket whose closing handshake is under way.
        while self._plain and server.server_state.connections and time.monotonic() < deadline:  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.01)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _host(asgi: Any, *, plain: bool) -> Any:
    try:
        import uvicorn

        from moongate.server.uvicorn import create_server
    except ImportError as error:
        raise MissingExtraError("LiveServer", extra="standard") from error
    if plain:
        return uvicorn.Server(uvicorn.Config(asgi, lifespan="on", log_config=None, timeout_graceful_shutdown=1))
    return create_server(asgi, ServeOptions())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None  # asyncio's own
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
