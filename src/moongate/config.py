"""Every limit and default of the application, in one frozen struct."""

import os
import re
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

import msgspec

from moongate.errors import ConfigurationError

__all__ = ["Compression", "Cookie", "Settings", "TransportName"]

TransportName: TypeAlias = Literal["polling", "websocket"]
"""How a Socket.IO client may reach the server."""

_Seconds: TypeAlias = Annotated[float, msgspec.Meta(gt=0)]
_Bytes: TypeAlias = Annotated[int, msgspec.Meta(gt=0)]

_ORIGIN = re.compile(
    r"[a-z][a-z0-9+.-]*://(?:\*\.)?(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::[0-9]+)?", re.ASCII
)
"""An origin as browsers write it, in lower case; `*.` in front of the host is any subdomain."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
"""The name of a header or a cookie (RFC 9110 section 5.6.2)."""

_COOKIE_TEXT = re.compile(r"[ -:<-~]*", re.ASCII)
"""A path or a domain in a cookie: neither control characters nor a semicolon (RFC 6265 section 4.1.1)."""


class Cookie(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cookie that holds the id of a client's session, by which load balancers find the instance again.

    The attributes are those of RFC 6265 section 4.1.2. Raises ConfigurationError for what browsers would not take.
    """

    name: str = "io"
    path: str | None = "/"
    domain: str | None = None
    max_age: int | None = None
    """Seconds that the browser keeps it; None is until it is closed."""
    http_only: bool = True
    """Whether scripts of the page cannot read it."""
    secure: bool = False
    """Whether it is only sent over encrypted connections."""
    same_site: Literal["strict", "lax", "none"] | None = "lax"
    """Which pages of other sites send it along; `none`, which is all of them, needs `secure`."""

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.name):
            raise _cookie_error(f"expected a name of letters, digits and some signs, got {self.name!r}")
        for value in (self.path, self.domain):
            if value is not None and not _COOKIE_TEXT.fullmatch(value):
                raise _cookie_error(f"expected a path and a domain without ';' and control characters, got {value!r}")
        if self.path is not None and not self.path.startswith("/"):
            raise _cookie_error(f"expected a path that starts with '/', got {self.path!r}")
        if self.same_site not in {"strict", "lax", "none", None}:
            raise _cookie_error(f"expected same_site to be 'strict', 'lax' or 'none', got {self.same_site!r}")
        if self.max_age is not None and self.max_age < 0:
            raise _cookie_error(f"expected max_age in seconds, got {self.max_age!r}")
        if self.same_site == "none" and not self.secure:
            raise _cookie_error("browsers take same_site='none' only with secure=True", "Add secure=True.")
        if self.name.startswith(("__Secure-", "__Host-")) and not self.secure:
            raise _cookie_error(f"browsers take the name {self.name} only with secure=True", "Add secure=True.")
        if self.name.startswith("__Host-") and (self.domain is not None or self.path != "/"):
            raise _cookie_error(f"browsers take the name {self.name} only with path='/' and without a domain")


def _cookie_error(problem: str, mend: str = "") -> ConfigurationError:
    return ConfigurationError(problem, where="Settings.cookie", mend=mend)


class Compression(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How WebSocket messages are compressed, for clients that can take that: permessage-deflate (RFC 7692).

    Without takeover of the server's context a broadcast is compressed once for everybody, and a connection costs no
    memory for it.
    """

    threshold: Annotated[int, msgspec.Meta(ge=0)] = 1024
    """From how many bytes on a message is compressed."""
    level: Annotated[int, msgspec.Meta(ge=1, le=9)] = 6
    """From fast, 1, to small, 9."""
    server_context_takeover: bool = False
    """Whether each connection remembers what was sent by it: smaller messages, for up to 300 KiB a connection."""
    client_context_takeover: bool = True
    """Whether clients may do so: smaller messages, for up to 50 KiB a connection here."""
    server_max_window_bits: Annotated[int, msgspec.Meta(ge=9, le=15)] = 15
    """The window of the server is 2 to this power of bytes; a client may ask for less."""
    client_max_window_bits: Annotated[int, msgspec.Meta(ge=9, le=15)] = 15
    """The same for the windows of clients that let it be limited."""

    def __post_init__(self) -> None:
        _check_values(self, "Settings.message_compression")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits and defaults. Times are in seconds, sizes in bytes.

    Each may come from the environment: `MOONGATE_PING_INTERVAL=10`, `MOONGATE_CORS='["https://example.org"]'`.
    """

    ping_interval: _Seconds = 25.0
    """How often the server sends a heartbeat to an idle client."""
    ping_timeout: _Seconds = 20.0
    """How long the client may take to answer a heartbeat."""
    connect_timeout: _Seconds = 45.0
    """How long a Socket.IO connection may stay without a namespace."""
    upgrade_timeout: _Seconds = 10.0
    """How long an upgrade from polling to WebSocket may take."""
    max_payload: _Bytes = 1_000_000
    """The largest message or polling body that a client may send."""
    parser: Literal["json", "msgpack"] = "json"
    """How Socket.IO packets are written; clients need the same. An own parser is given to `Moongate`."""
    transports: tuple[TransportName, ...] = ("polling", "websocket")
    """What Socket.IO clients may use."""
    allow_upgrades: bool = True
    """Whether clients that poll are told that they may change to WebSocket."""
    cors: tuple[str, ...] = ()
    """Origins of other sites whose pages may connect, as `https://example.org`; `https://*.example.org` is each of its
    subdomains, `*` is any origin, without credentials."""
    cors_headers: tuple[str, ...] = ()
    """Names of the request headers that pages of other sites may send; none is whatever they ask for, as in Node."""
    cors_max_age: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """How many seconds browsers may remember what pages of other sites are allowed; None leaves it to them."""
    allow_eio3: bool = False
    """Whether clients of Engine.IO's revision 3, the official ones of the major versions 1 and 2, may connect."""
    cookie: bool | str | Cookie = False
    """Whether polling clients get a cookie with the id of their session: its name or a `Cookie`; True is named `io`."""
    http_compression: Annotated[int, msgspec.Meta(ge=0)] | None = 1024
    """From how many bytes on the answer to a poll is compressed if the client takes that; 0 or None is never."""
    message_compression: bool | Compression = False
    """Whether WebSocket messages are compressed (permessage-deflate) for clients that ask for it, and how."""
    socketio_path: str = "/socket.io"
    """Where Socket.IO clients connect; the official client's default."""
    websocket_path: str = "/ws"
    """Where bare WebSocket clients connect: `/ws` is the namespace `/`, `/ws/chat` is `/chat`."""
    serve_client: bool = True
    """Whether browsers get the official Socket.IO client at `/socket.io/socket.io.js`, as from Node's server."""
    inbox_size: Annotated[int, msgspec.Meta(ge=1)] = 128
    """How many messages of one client may wait for their handler before reading from it pauses."""
    max_streams: Annotated[int, msgspec.Meta(ge=1)] = 128
    """How many streaming handlers may run for one client at the same time; more are refused."""
    high_water: _Bytes = 65_536
    """How many unsent bytes of one client make an awaited `emit` wait."""
    max_attachments: Annotated[int, msgspec.Meta(ge=1)] = 10
    """How many binary values one Socket.IO packet may carry."""
    attachment_timeout: _Seconds = 10.0
    """How long the binary values of a packet may take to follow it."""
    max_namespaces: Annotated[int, msgspec.Meta(ge=1)] = 32
    """How many namespaces one Socket.IO connection may be in."""
    max_depth: Annotated[int, msgspec.Meta(ge=1)] = 64
    """How deep arrays and objects of a packet may nest."""
    acknowledgement_timeout: _Seconds = 60.0
    """How long `emit_with_ack` waits when no `timeout` is given."""
    shutdown_timeout: _Seconds = 10.0
    """How long running handlers and disconnect hooks may take when the application stops."""
    error_cause: bool = True
    """Whether errors told to clients repeat the event and the data that caused them."""

    def __post_init__(self) -> None:
        _check_values(self, "Settings")
        for name in ("socketio_path", "websocket_path"):
            path: str = getattr(self, name)
            if not path.startswith("/") or path.endswith("/"):
                raise ConfigurationError(
                    f"expected a path like '/name', got {path!r}",
                    where=f"Settings.{name}",
                    mend="Start it with a slash and end it without one.",
                )
        if self.socketio_path == self.websocket_path:
            raise ConfigurationError(
                f"socketio_path and websocket_path are both {self.socketio_path!r}",
                where="Settings",
                mend="Give each protocol a path of its own.",
            )
        for origin in self.cors:
            if origin not in {"*", "file://"} and not _ORIGIN.fullmatch(origin):
                raise ConfigurationError(
                    f"expected an origin like 'https://example.org', got {origin!r}",
                    where="Settings.cors",
                    mend="Write it as browsers do: the scheme and the host, in lower case, without a slash behind.",
                )
        for header in self.cors_headers:
            if not _TOKEN.fullmatch(header):
                raise ConfigurationError(
                    f"expected the name of a header, got {header!r}", where="Settings.cors_headers"
                )
        if isinstance(self.cookie, str):
            Cookie(name=self.cookie)
        if not self.transports:
            raise ConfigurationError(
                "expected at least one transport, got none",
                where="Settings.transports",
                mend='Write transports=("polling", "websocket"), or one of the two.',
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Build the settings from `MOONGATE_*` variables; what is not set keeps its default.

        Raises ConfigurationError that names the variable if a value does not fit or the name is unknown.
        """
        variables = os.environ if environment is None else environment
        values: dict[str, object] = {}
        for field in msgspec.structs.fields(cls):
            variable = f"MOONGATE_{field.name.upper()}"
            if variable in variables:
                values[field.name] = _parse(variable, variables[variable], field.type)
        return cls(**values)  # type: ignore[arg-type]  # each value was converted to its field's type


def _check_values(settings: msgspec.Struct, where: str) -> None:
    """Raise ConfigurationError for a value that its field does not take; msgspec only checks what it decodes."""
    for field in msgspec.structs.fields(settings):
        try:
            msgspec.convert(getattr(settings, field.name), field.type)
        except msgspec.ValidationError as error:
            value = getattr(settings, field.name)
            raise ConfigurationError(f"got {value!r}: {error}", where=f"{where}.{field.name}") from None


def _parse(variable: str, text: str, annotation: object) -> object:
    """Read one variable: JSON for lists, objects and truth values, the plain text for all else."""
    try:
        is_json = text.lstrip().startswith(("[", "{")) or text in ("true", "false")
        value: object = msgspec.json.decode(text) if is_json else text
        return msgspec.convert(value, annotation, strict=False)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"got {text!r}: {error}", where=f"environment variable {variable}") from error
