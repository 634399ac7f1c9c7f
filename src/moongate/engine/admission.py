"""Who may open a session, by which id, and what the application adds to the answers."""

import inspect
import logging
import re
from collections.abc import Container, Iterator
from typing import TypeAlias

from moongate.config import Cookie, Settings
from moongate.engine.options import EngineOptions, MakeHeaders
from moongate.errors import ConfigurationError, MoongateError, WsException
from moongate.ids import new_id
from moongate.transport.base import Refused, Request
from moongate.wire.engineio import ErrorCode, error_body, error_text

__all__ = ["Admission", "Headers", "Rejected"]

_LOGGER = logging.getLogger("moongate.engine")

Headers: TypeAlias = tuple[tuple[str, str], ...]
"""Names in lower case, and values."""

_SESSION_ID = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)
"""The unreserved characters of a URL (RFC 3986 section 2.3)."""

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
"""Header names and values (RFC 9110 section 5): no line breaks, which would begin another header."""

_RESERVED = frozenset(("connection", "content-encoding", "content-length", "transfer-encoding", "upgrade"))
"""Headers that say where the answer ends and what it is: the server's own."""


class Rejected(MoongateError):
    """A request of a Socket.IO client is rejected with one of Engine.IO's errors."""

    def __init__(self, code: ErrorCode, message: str | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message: str = error_text(code) if message is None else message

    def polling(self) -> Refused:
        """Return the answer to a request by HTTP, as Node's server gives it."""
        return Refused(403 if self.code is ErrorCode.FORBIDDEN else 400, error_body(self.code, self.message))

    def websocket(self) -> Refused:
        """Return the answer to a request for a WebSocket, as Node's server gives it."""
        return Refused(400, self.message.encode(), "text/html")


class Admission:
    """Asks the application, with *options* for its answers."""

    __slots__ = ("_cookie", "_options")

    def __init__(self, settings: Settings, options: EngineOptions) -> None:
        self._options = options
        self._cookie = _cookie_of(settings)

    @property
    def asks(self) -> bool:
        """Whether there is anything to ask before a session is opened."""
        return self._options.allow_request is not None or self._options.session_id is not None

    async def allow(self, request: Request) -> None:
        """Return if the client may come in; raises Rejected."""
        ask = self._options.allow_request
        if ask is None:
            return
        try:
            allowed = ask(request)
            if inspect.isawaitable(allowed):
                allowed = await allowed
        except WsException as error:
            raise Rejected(ErrorCode.FORBIDDEN, error.message) from error
        except Exception as error:
            _LOGGER.exception("allow_request failed; the client is refused")
            raise Rejected(ErrorCode.FORBIDDEN) from error
        if allowed is not None and not allowed:
            raise Rejected(ErrorCode.FORBIDDEN)

    async def new_id(self, request: Request, taken: Container[str]) -> str:
        """Return the id of a new session, none of *taken*; raises Rejected."""
        make = self._options.session_id
        if make is None:
            return new_id()
        try:
            made = make(request)
            sid = await made if inspect.isawaitable(made) else made
        except Exception as error:
            _LOGGER.exception("session_id failed; the client is refused")
            raise Rejected(ErrorCode.BAD_REQUEST) from error
        # An id is secret, so it is not logged.
        if not _is_safe(sid):
            _LOGGER.error("session_id: expected text of A-Z, a-z, 0-9 and -._~, got %s", _describe(sid))
            raise Rejected(ErrorCode.BAD_REQUEST)
        if sid in taken:
            _LOGGER.error("session_id: the id is that of an open session; the client is refused")
            raise Rejected(ErrorCode.BAD_REQUEST)
        return sid

    def headers(self, request: Request, *, initial: bool) -> Headers:
        """Return what the application adds to an answer, to a client's first one if it is *initial*; raises Refused."""
        options = self._options
        if options.headers is None and (options.initial_headers is None or not initial):
            return ()
        try:
            return (
                *(_made(options.initial_headers, request, "initial_headers") if initial else ()),
                *_made(options.headers, request, "headers"),
            )
        except Exception as error:
            _LOGGER.exception("the headers of an answer could not be made")
            raise Refused(500, b'{"status":"error","message":"Internal server error"}') from error

    def cookie(self, sid: str) -> Headers:
        """Return the header that sets the cookie of a new session, if there is to be one."""
        return () if self._cookie is None else (("set-cookie", _serialize(self._cookie, sid)),)


def _cookie_of(settings: Settings) -> Cookie | None:
    match settings.cookie:
        case Cookie() as cookie:
            return cookie
        case str() as name:
            return Cookie(name=name)
        case wanted:
            return Cookie() if wanted else None


def _serialize(cookie: Cookie, value: str) -> str:
    """Write a cookie (RFC 6265 section 4.1), its attributes in the order of Node's server."""
    parts = [f"{cookie.name}={value}"]
    if cookie.max_age is not None:
        parts.append(f"Max-Age={cookie.max_age}")
    if cookie.domain is not None:
        parts.append(f"Domain={cookie.domain}")
    if cookie.path is not None:
        parts.append(f"Path={cookie.path}")
    if cookie.http_only:
        parts.append("HttpOnly")
    if cookie.secure:
        parts.append("Secure")
    if cookie.same_site is not None:
        parts.append(f"SameSite={cookie.same_site.capitalize()}")
    return "; ".join(parts)


def _made(make: MakeHeaders | None, request: Request, option: str) -> Iterator[tuple[str, str]]:
    """Yield the headers that the application makes; raises ConfigurationError for what is none."""
    for name, values in make(request).items() if make is not None else ():
        for value in (values,) if isinstance(values, str) else values:
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or not value.isascii():
                raise ConfigurationError(
                    f"expected a header's name and a value of one line of ASCII, got {name!r}: {value!r}",
                    where=f"EngineOptions.{option}",
                )
            if name.lower() in _RESERVED or name.lower().startswith("sec-websocket-"):
                raise ConfigurationError(f"{name} is set by the server", where=f"EngineOptions.{option}")
            yield name.lower(), value


def _is_safe(sid: object) -> bool:
    return isinstance(sid, str) and _SESSION_ID.fullmatch(sid) is not None


def _describe(sid: object) -> str:
    return f"{len(sid)} characters with others" if isinstance(sid, str) else type(sid).__name__
