"""Which pages may connect, by the site that they come from (the Fetch standard, "CORS protocol")."""

from urllib.parse import urlsplit

from moongate.transport.base import Refused

__all__ = ["check_origin", "cors_headers"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


def check_origin(headers: dict[str, str], allowed: tuple[str, ...]) -> None:
    """Raise Refused for a page of another site that is not *allowed*. Programs, which send no origin, always may."""
    origin = headers.get("origin")
    if origin is None or "*" in allowed or origin in allowed or _is_same(origin, headers.get("host", "")):
        return
    raise Refused(403, b'{"code":4,"message":"Forbidden"}')


def _is_same(origin: str, host: str) -> bool:
    """Whether *origin* is the site that serves *host*; the scheme may differ, because a proxy may have decrypted."""
    try:
        parts = urlsplit(origin)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
        served = urlsplit(f"//{host}")
        same_port = served.port == port if served.port is not None else port in _DEFAULT_PORTS.values()
    except ValueError:
        return False
    return bool(parts.hostname) and parts.hostname == served.hostname and same_port


def cors_headers(headers: dict[str, str], allowed: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    """Return the headers that let a page of another site read the answer; none if it must not."""
    origin = headers.get("origin")
    if origin is None:
        return []
    if "*" in allowed:
        return [(b"access-control-allow-origin", b"*")]
    if origin not in allowed:
        return []
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"Origin"),
    ]
