"""Every limit and default of the application, in one frozen struct."""

import os
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

import msgspec

from moongate.errors import ConfigurationError

__all__ = ["Settings", "TransportName"]

TransportName: TypeAlias = Literal["polling", "websocket"]
"""How a Socket.IO client may reach the server."""

_Seconds: TypeAlias = Annotated[float, msgspec.Meta(gt=0)]
_Bytes: TypeAlias = Annotated[int, msgspec.Meta(gt=0)]


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
    transports: tuple[TransportName, ...] = ("polling", "websocket")
    """What Socket.IO clients may use."""
    cors: tuple[str, ...] = ()
    """Origins of other sites whose pages may connect, as `https://example.org`; `*` is any, without credentials."""
    socketio_path: str = "/socket.io"
    """Where Socket.IO clients connect; the official client's default."""
    websocket_path: str = "/ws"
    """Where bare WebSocket clients connect: `/ws` is the namespace `/`, `/ws/chat` is `/chat`."""
    inbox_size: Annotated[int, msgspec.Meta(ge=1)] = 128
    """How many messages of one client may wait for their handler before reading from it pauses."""
    high_water: _Bytes = 65_536
    """How many unsent bytes of one client make an awaited `emit` wait."""
    max_attachments: Annotated[int, msgspec.Meta(ge=1)] = 10
    """How many binary values one Socket.IO packet may carry."""
    max_depth: Annotated[int, msgspec.Meta(ge=1)] = 64
    """How deep arrays and objects of a packet may nest."""
    acknowledgement_timeout: _Seconds = 60.0
    """How long `emit_with_ack` waits when no `timeout` is given."""
    shutdown_timeout: _Seconds = 10.0
    """How long running handlers and disconnect hooks may take when the application stops."""
    error_cause: bool = True
    """Whether errors told to clients repeat the event and the data that caused them."""

    def __post_init__(self) -> None:
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


def _parse(variable: str, text: str, annotation: object) -> object:
    """Read one variable: JSON for lists, the plain text for all else."""
    try:
        value: object = msgspec.json.decode(text) if text.lstrip().startswith("[") else text
        return msgspec.convert(value, annotation, strict=False)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"got {text!r}: {error}", where=f"environment variable {variable}") from error
