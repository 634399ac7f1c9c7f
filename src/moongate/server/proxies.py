"""What a reverse proxy tells of the client behind it: `X-Forwarded-For` and `X-Forwarded-Proto`."""

from typing import Any, cast

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from moongate.transport.base import Request

__all__ = ["Proxies"]

_SCHEMES = {"http": False, "ws": False, "https": True, "wss": True}
"""Whether a connection is encrypted, by what `X-Forwarded-Proto` may say."""


class Proxies:
    """The proxies whose word is taken, named as uvicorn's option `forwarded_allow_ips` names them.

    Uvicorn does this for HTTP requests; our WebSocket connections do not pass through it.
    """

    __slots__ = ("_trusted",)

    def __init__(self, trusted: list[str] | str) -> None:
        self._trusted = ProxyHeadersMiddleware(cast("Any", None), trusted).trusted_hosts

    def apply(self, request: Request) -> None:
        """Set the request's `address` and `secure` to those of the client, if it came through a trusted proxy."""
        peer = request.address[0] if request.address else None
        if peer not in self._trusted:
            return
        headers = request.headers
        request.secure = _SCHEMES.get(headers.get("x-forwarded-proto", ""), request.secure)
        chain = headers.get("x-forwarded-for")
        if chain is not None:
            host, port = self._trusted.get_trusted_client_address(chain)
            if host:
                request.address = (host, port)
