"""Which pages may connect, by the site that they come from (the Fetch standard, "CORS protocol")."""

import re
from urllib.parse import urlsplit

from moongate.config import Settings
from moongate.transport.base import Refused

__all__ = ["check_origin", "cors_headers", "preflight_headers"]

_DEFAULT_PORTS = {"http": 80, "https": 443}

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\\\s,]+", re.ASCII | re.IGNORECASE)
"""A scheme and a host, perhaps a port, and nothing else (RFC 6454 section 6.1)."""

_LABELS = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", re.ASCII)
"""What a star may stand for: one or more labels of a host name."""

_METHODS = b"GET,HEAD,PUT,PATCH,POST,DELETE"
"""What a preflight allows in Node's server."""


def check_origin(headers: dict[str, str], allowed: tuple[str, ...]) -> None:
    """Raise Refused for a page of another site that is not *allowed*. Programs, which send no origin, always may."""
    origin = headers.get("origin")
    if origin is None or "*" in allowed or _is_allowed(origin, allowed) or _is_same(origin, headers.get("host", "")):
        return
    raise Refused(403, b'{"code":4,"message":"Forbidden"}')


def _is_allowed(origin: str, allowed: tuple[str, ...]) -> bool:
    """Whether *origin* is one of *allowed*, or of the form `https://*.example.org` of one."""
    return origin in allowed or any("*" in pattern and _fits(origin, pattern) for pattern in allowed)


def _fits(origin: str, pattern: str) -> bool:
    """Whether *origin* is a subdomain, of whichever depth, of the site in *pattern*.

    What the star stands for ends at a dot: `https://*.example.org` is no `https://evilexample.org`.
    """
    scheme, _, site = pattern.partition("*")
    labels = origin[len(scheme) : -len(site)]
    return origin.startswith(scheme) and origin.endswith(site) and _LABELS.fullmatch(labels) is not None


def _is_same(origin: str, host: str) -> bool:
    """Whether *origin* is the site that serves *host*; the scheme may differ, because a proxy may have decrypted."""
    if not _ORIGIN.fullmatch(origin):
        return False
    try:
        parts = urlsplit(origin)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
        served = urlsplit(f"//{host}")
        same_port = served.port == port if served.port is not None else port in _DEFAULT_PORTS.values()
    except ValueError:
        return False
    return bool(parts.hostname) and parts.hostname == served.hostname and same_port


def cors_headers(headers: dict[str, str], allowed: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    """Return the headers that let a page of another site read the answer; none of them if it must not."""
    if not allowed:
        return []
    if "*" in allowed:
        return [(b"access-control-allow-origin", b"*")]
    # A cache must keep the answers for different sites apart.
    own = [(b"vary", b"Origin")]
    origin = headers.get("origin")
    if origin is None or not _is_allowed(origin, allowed):
        return own
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        *own,
    ]


def preflight_headers(headers: dict[str, str], settings: Settings) -> list[tuple[bytes, bytes]]:
    """Return what a page of another site may ask for (the Fetch standard, "CORS-preflight request")."""
    own = [(b"access-control-allow-methods", _METHODS)]
    if settings.cors_headers:
        own.append((b"access-control-allow-headers", ",".join(settings.cors_headers).encode()))
    else:
        asked = headers.get("access-control-request-headers")
        own.append((b"vary", b"Access-Control-Request-Headers"))
        if asked:
            own.append((b"access-control-allow-headers", asked.encode("latin-1")))
    if settings.cors_max_age is not None:
        own.append((b"access-control-max-age", b"%d" % settings.cors_max_age))
    return own
