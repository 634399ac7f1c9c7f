"""Where a client's token is."""

from typing import Protocol

import msgspec

from moongate.namespace.handshake import Handshake

__all__ = ["FromAuth", "FromCookie", "FromHeader", "FromQuery", "TokenSource"]


class TokenSource(Protocol):
    """Finds a token in what a client sent along when it connected."""

    def find(self, handshake: Handshake) -> str | None:
        """Return the token; None if there is none."""


class FromAuth(msgspec.Struct, frozen=True):
    """In the `auth` of Socket.IO clients: `io(url, { auth: { token } })`."""

    key: str = "token"

    def find(self, handshake: Handshake) -> str | None:
        """Return the token; None if there is none."""
        token = handshake.auth.get(self.key)
        return token if isinstance(token, str) and token else None


class FromHeader(msgspec.Struct, frozen=True):
    """In a header, behind a scheme (RFC 6750 section 2.1). Browsers cannot send one with a WebSocket."""

    name: str = "authorization"
    scheme: str = "Bearer"

    def find(self, handshake: Handshake) -> str | None:
        """Return the token; None if there is none."""
        value = handshake.headers.get(self.name.lower(), "")
        if not self.scheme:
            return value or None
        scheme, _, token = value.partition(" ")
        return token.strip() or None if scheme.lower() == self.scheme.lower() else None


class FromQuery(msgspec.Struct, frozen=True):
    """In the query of the URL, which servers and proxies write into their logs: only for tokens of a short life."""

    name: str = "token"

    def find(self, handshake: Handshake) -> str | None:
        """Return the token; None if there is none."""
        return handshake.query.get(self.name) or None


class FromCookie(msgspec.Struct, frozen=True):
    """In a cookie, which browsers send by themselves: allow no other sites by `Settings.cors`."""

    name: str = "token"

    def find(self, handshake: Handshake) -> str | None:
        """Return the token; None if there is none."""
        # Not by http.cookies, which reads none of a header with one cookie that it does not like, as JSON in another.
        pairs = (pair.partition("=") for pair in handshake.headers.get("cookie", "").split(";"))
        return next((value.strip().strip('"') for name, _, value in pairs if name.strip() == self.name), None) or None
