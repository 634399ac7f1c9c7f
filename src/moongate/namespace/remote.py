"""Clients of other servers, as `fetch_sockets` returns them; and clients of this one, as others are told of them."""

import logging
from collections.abc import Awaitable, Mapping
from email.utils import formatdate
from typing import Any, Protocol

from moongate.cluster.messages import RemoteClient
from moongate.errors import EncodeError
from moongate.namespace.handshake import Handshake
from moongate.transport.base import Request
from moongate.types import Event, Room, Sid
from moongate.wire.payload import PayloadEncoder

__all__ = ["FetchedSocket", "describe"]

_LOGGER = logging.getLogger("moongate.namespace")


class Reach(Protocol):
    """A broadcast to one client, wherever it is."""

    def emit(self, event: Event, *arguments: Any) -> Awaitable[None]:
        """Send an event."""

    def sockets_join(self, *rooms: Room) -> Awaitable[None]:
        """Put the client into rooms."""

    def sockets_leave(self, *rooms: Room) -> Awaitable[None]:
        """Take the client out of rooms."""

    def disconnect_sockets(self, close: bool = False) -> Awaitable[None]:  # noqa: FBT001, FBT002  # as in Socket.IO
        """Put the client out of the namespace."""


class FetchedSocket:
    """A client of another server, as it was when that server answered.

    What is done to it is told to its server; awaiting it raises ClusterError if the message could not be sent.
    """

    __slots__ = ("_reach", "data", "handshake", "id", "rooms")

    def __init__(self, reach: Reach, client: RemoteClient) -> None:
        self._reach = reach
        self.id: Sid = client.id
        self.rooms: frozenset[Room] = frozenset(client.rooms)
        self.data: Any = {} if client.data is None else client.data
        self.handshake: Handshake = _handshake(client.handshake)

    def emit(self, event: Event, *arguments: Any) -> Awaitable[None]:
        """Send an event to the client."""
        return self._reach.emit(event, *arguments)

    def join(self, *rooms: Room) -> Awaitable[None]:
        """Put the client into *rooms*."""
        return self._reach.sockets_join(*rooms)

    def leave(self, *rooms: Room) -> Awaitable[None]:
        """Take the client out of *rooms*."""
        return self._reach.sockets_leave(*rooms)

    def disconnect(self, close: bool = False) -> Awaitable[None]:  # noqa: FBT001, FBT002  # as in Socket.IO
        """Put the client out of the namespace; with *close*, end its connection."""
        return self._reach.disconnect_sockets(close)

    def __repr__(self) -> str:
        return f"<FetchedSocket {self.id}>"


def describe(
    sid: Sid, rooms: frozenset[Room], data: dict[str, Any], handshake: Handshake, encoder: PayloadEncoder
) -> RemoteClient:
    """Return a client of this server as others are told of it, the handshake as Node's server has it.

    What of *data* has no JSON form does not travel.
    """
    return RemoteClient(
        sid,
        tuple(rooms),
        _portable(data, encoder, sid),
        {
            "headers": handshake.headers,
            "time": formatdate(handshake.time, usegmt=True),
            "address": handshake.address,
            "xdomain": "origin" in handshake.headers,
            "secure": handshake.secure,
            "issued": round(handshake.time * 1000),
            "url": handshake.url,
            "query": handshake.query,
            "auth": handshake.auth,
        },
    )


def _portable(data: dict[str, Any], encoder: PayloadEncoder, sid: Sid) -> dict[str, Any]:
    portable: dict[str, Any] = {}
    for key, value in data.items():
        try:
            portable[str(key)] = encoder.builtins(value)
        except EncodeError as error:
            _LOGGER.debug("data[%r] of client %s stays on this server: %s", key, sid, error)
    return portable


def _handshake(fields: Mapping[str, Any]) -> Handshake:
    """Return what another server says of a handshake; what is missing, or is none, is as if it had been empty."""
    headers = fields.get("headers")
    pairs = headers.items() if isinstance(headers, Mapping) else ()
    # A line break would begin another header.
    lines = [f"{name}: {value}".replace("\r", " ").replace("\n", " ") for name, value in pairs]
    head = "".join(f"{line}\r\n" for line in lines).encode("latin-1", errors="replace")
    path, _, query = str(fields.get("url") or "/").partition("?")
    address, issued, auth = fields.get("address"), fields.get("issued"), fields.get("auth")
    request = Request(path, query, head, (str(address), 0) if address else None, secure=bool(fields.get("secure")))
    time = issued / 1000 if isinstance(issued, int | float) else 0.0
    return Handshake(request, auth if isinstance(auth, dict) else {}, time, {})
