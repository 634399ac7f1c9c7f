"""What is known of a client from its first request and its CONNECT packet."""

from collections.abc import Mapping
from typing import Any

from moongate.transport.base import Request

__all__ = ["Handshake"]


class Handshake:
    """The request that opened the connection, and what the client sent along with it.

    The headers and the query are parsed each time they are read; most handlers never do.
    """

    __slots__ = ("_auth", "_request", "params", "subprotocol", "time")

    def __init__(self, request: Request, auth: dict[str, Any], time: float, params: Mapping[str, Any]) -> None:
        self._request = request
        self._auth = auth or None  # most clients send none, and an empty dict takes more room than all of this
        self.time: float = time  # when the connection was opened, in seconds since 1970
        self.params: Mapping[str, Any] = params  # of the namespace's pattern, converted; empty if it has none
        self.subprotocol: str | None = None  # what a bare WebSocket client and its gateway agreed on

    @property
    def auth(self) -> dict[str, Any]:
        """The client's `auth` option; empty if it sent none."""
        return {} if self._auth is None else self._auth

    @property
    def headers(self) -> dict[str, str]:
        """The request's headers, names in lower case."""
        return self._request.headers

    @property
    def query(self) -> dict[str, str]:
        """The query of the request's URL."""
        return self._request.query

    @property
    def address(self) -> str:
        """The client's IP address, as the server sees it; empty on a UNIX socket."""
        return self._request.address[0] if self._request.address else ""

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self._request.secure

    @property
    def url(self) -> str:
        """The path and the query of the request."""
        return self._request.url
