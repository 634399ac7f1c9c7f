"""The words that every layer shares: documented aliases and enumerations."""

from enum import StrEnum
from typing import Any, TypeAlias

__all__ = ["AsgiApp", "DisconnectReason", "Event", "Receive", "Room", "Scope", "Send", "Sid"]

Sid: TypeAlias = str
"""The public id of one client in one namespace: 20 URL-safe characters."""

Room: TypeAlias = str
"""The name of a group of clients of one namespace. Every client is alone in the room named by its own id."""

Event: TypeAlias = str
"""The name of an event, as the client and the server spell it."""

Scope: TypeAlias = Any
"""An ASGI connection scope (a mutable mapping), as the ASGI specification 3.0 defines it."""

Receive: TypeAlias = Any
"""The ASGI `receive` callable."""

Send: TypeAlias = Any
"""The ASGI `send` callable."""

AsgiApp: TypeAlias = Any
"""An ASGI 3.0 application: `await app(scope, receive, send)`."""


class DisconnectReason(StrEnum):
    """Why a client is gone, in the words of the official server (Socket.IO documentation, "Server API", disconnect)."""

    CLIENT_NAMESPACE_DISCONNECT = "client namespace disconnect"
    """The client called `socket.disconnect()`."""
    SERVER_NAMESPACE_DISCONNECT = "server namespace disconnect"
    """The server called `Socket.disconnect()`."""
    SERVER_SHUTTING_DOWN = "server shutting down"
    """The application stops."""
    PING_TIMEOUT = "ping timeout"
    """The client did not answer a heartbeat in time."""
    TRANSPORT_CLOSE = "transport close"
    """The connection was closed: the tab is gone, or the network."""
    TRANSPORT_ERROR = "transport error"
    """The connection failed, or the client broke the Engine.IO protocol."""
    PARSE_ERROR = "parse error"
    """The client sent what is no packet."""
    FORCED_CLOSE = "forced close"
    """The server closed the connection: the client broke the Socket.IO protocol."""
    FORCED_SERVER_CLOSE = "forced server close"
    """The client joined no namespace within `connect_timeout`."""
