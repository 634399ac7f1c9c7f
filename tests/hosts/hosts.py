"""Every way to serve an application, and what is different there."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.hosts.nginx import Nginx
from tests.support.node import Node
from tests.support.process import ServerProcess, free_port

__all__ = ["HOSTS", "VARIABLES", "Host", "Served", "certificate"]

TARGET = "tests.hosts.application:app"
MOUNTED = "tests.hosts.application:mounted"
UPSTREAM = "127.0.0.1:3000"  # in the configuration of nginx that is documented
REACH = (Path(__file__).parent / "reach.js").read_text(encoding="utf-8")

# A client that is slow now and then must not be cut, so its answers have time; heartbeats come often.
VARIABLES = {
    "MOONGATE_PING_INTERVAL": "0.2",
    "MOONGATE_PING_TIMEOUT": "10",
    "MOONGATE_MAX_PAYLOAD": "500000",
    "MOONGATE_CORS": '["https://good.example"]',
}


@dataclass(frozen=True, kw_only=True)
class Served:
    """A running server, and how clients reach it."""

    process: ServerProcess
    url: str
    prefix: str = ""
    uds: Path | None = None
    authority: Path | None = None  # the certificate that clients must trust

    def run(
        self, node: Node, script: str, *, calls: Mapping[str, Callable[..., Any]] | None = None, **args: Any
    ) -> Any:
        """Run a script that has what reach.js has."""
        reach = {
            "prefix": self.prefix,
            "uds": str(self.uds) if self.uds else None,
            "ca": self.authority.read_text(encoding="ascii") if self.authority else None,
        }
        return node.run(self.url, REACH + script, args={"reach": reach, **args}, calls=calls)


Start = Callable[[ExitStack, Path], Served]
"""Starts a server that the stack stops; the folder is for its files."""


@dataclass(frozen=True, kw_only=True)
class Host:
    """A way to serve the application."""

    start: Start = field(repr=False)
    pings: bool = True
    """Whether bare clients get WebSocket pings."""
    compresses: bool = True
    """Whether permessage-deflate is agreed on."""
    believes: bool = True
    """Whether X-Forwarded-For and X-Forwarded-Proto of the test's client are believed."""
    collects: bool = False
    """Whether a request reaches the application only when its whole body has come."""
    address: str = "127.0.0.1"
    """What `handshake.address` is for the test's client."""


def python(*arguments: str, port: int = 0, uds: Path | None = None, **variables: str) -> ServerProcess:
    """A Python program that serves the application."""
    command = [sys.executable, *arguments]
    return ServerProcess(command, port=port, uds=uds, variables=VARIABLES | variables)


TCP = ("--host", "127.0.0.1", "--port", "{port}")


def module(*arguments: str, bind: tuple[str, ...] = TCP, prefix: str = "") -> Start:
    """A server that is started as `python -m ...`, on a port of its own."""

    def start(stack: ExitStack, folder: Path) -> Served:
        port = free_port()
        words = [word.format(port=port) for word in (*arguments, *bind)]
        process = stack.enter_context(python("-m", *words, port=port))
        return Served(process=process, url=process.url, prefix=prefix)

    return start


def from_code(stack: ExitStack, folder: Path) -> Served:
    """`app.run`."""
    port = free_port()
    code = f"from tests.hosts.application import app; app.run('127.0.0.1', {port})"
    process = stack.enter_context(python("-c", code, port=port))
    return Served(process=process, url=process.url)


def unix(stack: ExitStack, folder: Path, *options: str) -> Served:
    """`moongate run --uds`."""
    # The path of a UNIX socket has at most 107 bytes; pytest's own folders may have more.
    path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "moongate.sock"
    process = stack.enter_context(python("-m", "moongate", "run", TARGET, "--uds", str(path), *options, uds=path))
    return Served(process=process, url="http://localhost", uds=path)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    path, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    files = ["-keyout", str(key), "-out", str(path)]
    subprocess.run(["openssl", "req", "-x509", *kind, *subject, *files], check=True, capture_output=True, timeout=30)
    return path, key


def encrypted(stack: ExitStack, folder: Path) -> Served:
    """`moongate run --ssl-certfile`."""
    path, key = certificate(folder)
    files = ("--ssl-certfile", str(path), "--ssl-keyfile", str(key))
    served = module("moongate", "run", TARGET, *files)(stack, folder)
    return Served(process=served.process, url=served.url.replace("http:", "https:"), authority=path)


def behind_nginx(stack: ExitStack, folder: Path) -> Served:
    """`moongate run` behind nginx."""
    inner = module("moongate", "run", TARGET)(stack, folder)
    nginx = stack.enter_context(Nginx(folder, {UPSTREAM: inner.url.removeprefix("http://")}))
    return Served(process=inner.process, url=nginx.url)


def behind_encrypted_nginx(stack: ExitStack, folder: Path) -> Served:
    """`moongate run --uds` behind an nginx that decrypts."""
    inner = unix(stack, folder, "--forwarded-allow-ips", "*")
    path, key = certificate(folder)
    nginx = stack.enter_context(Nginx(folder, {UPSTREAM: f"unix:{inner.uds}"}, certificate=path, key=key))
    return Served(process=inner.process, url=nginx.url, authority=path)


def uvicorn(*options: str, target: str = TARGET, prefix: str = "") -> Start:
    """An uvicorn whose own heartbeat comes as often as ours."""
    heartbeat = ("--ws-ping-interval", VARIABLES["MOONGATE_PING_INTERVAL"])
    return module("uvicorn", target, "--lifespan", "on", *heartbeat, *options, prefix=prefix)


def hypercorn(*options: str) -> Start:
    """A hypercorn whose own heartbeat comes as often as it can."""
    times = ("--websocket-ping-interval", "1", "--graceful-timeout", "1")  # whole seconds
    return module("hypercorn", *times, *options, TARGET, bind=("--bind", "127.0.0.1:{port}"))


HOSTS: dict[str, Host] = {
    "moongate": Host(start=module("moongate", "run", TARGET, "--loop", "uvloop"), compresses=False),
    "moongate-asyncio": Host(start=module("moongate", "run", TARGET, "--loop", "asyncio"), compresses=False),
    "app.run": Host(start=from_code, compresses=False),
    "moongate-unix": Host(start=unix, compresses=False, believes=False, address=""),
    "moongate-tls": Host(start=encrypted, compresses=False),
    "uvicorn": Host(start=uvicorn("--loop", "uvloop", "--http", "httptools", "--ws", "websockets")),
    "uvicorn-h11-wsproto": Host(start=uvicorn("--loop", "asyncio", "--http", "h11", "--ws", "wsproto")),
    "uvicorn-sansio": Host(start=uvicorn("--ws", "websockets-sansio")),
    "uvicorn-root-path": Host(start=uvicorn("--root-path", "/live")),
    "fastapi-mount": Host(start=uvicorn(target=MOUNTED, prefix="/live")),
    "granian": Host(
        start=module("granian", "--interface", "asgi", TARGET), pings=False, compresses=False, believes=False
    ),
    "hypercorn": Host(start=hypercorn(), believes=False),
    "hypercorn-uvloop": Host(start=hypercorn("--worker-class", "uvloop"), believes=False),
    "nginx": Host(start=behind_nginx, compresses=False, believes=False, collects=True),
    "nginx-tls-unix": Host(start=behind_encrypted_nginx, compresses=False, believes=False, collects=True),
}
