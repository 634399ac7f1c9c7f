"""The servers that are measured, and what each of them speaks."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from benchmarks.protocols import BARE, NEST_WS, RAW, SOCKET_IO, Protocol

__all__ = ["ENHANCED", "PEERS", "Peer"]


@dataclass(frozen=True, slots=True)
class Peer:
    """One row of the table."""

    key: str
    title: str
    command: tuple[str, ...]
    protocol: Protocol


def moongate(application: str = "moongate_app:app") -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "moongate", "run", f"benchmarks.servers.{application}"),
        *("--port", "{port}", "--log-level", "warning"),
    )


def uvicorn(application: str) -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "uvicorn", application, "--port", "{port}"),
        *("--log-level", "warning", "--no-access-log", "--loop", "uvloop"),
    )


def node(file: str) -> tuple[str, ...]:
    return ("node", f"benchmarks/servers/{file}", "{port}")


# The first is the one that the ratios are of.
PEERS = (
    Peer("moongate", "Moongate, Socket.IO", moongate(), SOCKET_IO),
    Peer("moongate-bare", "Moongate, bare WebSocket", moongate(), BARE),
    Peer("ws", "ws, raw frames", node("ws.mjs"), RAW),
    Peer("socketio", "socket.io", node("socketio.mjs"), SOCKET_IO),
    Peer("nest-ws", "NestJS, ws", node("nest_ws.mjs"), NEST_WS),
    Peer("nest-socketio", "NestJS, socket.io", node("nest_socketio.mjs"), SOCKET_IO),
    Peer("fastapi", "FastAPI, raw frames", uvicorn("benchmarks.servers.fastapi_app:app"), RAW),
    Peer("python-socketio", "python-socketio", uvicorn("benchmarks.servers.socketio_app:app"), SOCKET_IO),
)

# The same gateway with what may stand around its handlers.
ENHANCED = tuple(
    Peer(name, title, moongate(f"enhanced_app:{name}"), SOCKET_IO)
    for name, title in {
        "plain": "nothing",
        "guard": "a guard",
        "async_guard": "a guard, async",
        "interceptor": "an interceptor",
        "pipe": "a pipe",
        "exception_filter": "an exception filter",
        "everything": "one of each",
        "message_scope": "a guard with a provider for each message",
    }.items()
)
