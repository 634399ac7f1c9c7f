"""Every error that Moongate raises.

.. code-block:: text

    MoongateError
    ├── ConfigurationError             a start-up error: what is wrong, where, and the mend
    │   ├── GatewayError               a gateway class or one of its handlers is declared wrongly
    │   ├── ModuleError                a module or a provider is declared wrongly
    │   └── MissingExtraError          an optional dependency is not installed
    ├── ProtocolError                  a peer broke the protocol; the connection closes
    │   └── PayloadTooLarge            a peer sent more than `max_payload` bytes
    ├── EncodeError (also TypeError)   a value that cannot be sent, raised at the emitting line
    ├── AckTimeout (also TimeoutError) an acknowledgement did not come in time
    ├── ClientDisconnected             the client left while an answer of it was awaited
    ├── ClusterError                   the other nodes did not, or may not, get a message
    └── WsException                    what a handler raises for the client to see
        └── ValidationFailed           a body that does not fit its annotated type
"""

from collections.abc import Sequence
from typing import Any

import msgspec

__all__ = [
    "AckTimeout",
    "ClientDisconnected",
    "ClusterError",
    "ConfigurationError",
    "EncodeError",
    "FieldError",
    "GatewayError",
    "MissingExtraError",
    "ModuleError",
    "MoongateError",
    "PayloadTooLarge",
    "ProtocolError",
    "ValidationFailed",
    "WsException",
]


class FieldError(msgspec.Struct, frozen=True):
    """One reason why a body does not fit.

    `path` is where in the body, as `$.text` or `$.items[2].price` (`$` is the whole body); `message` says what was
    expected and what came.
    """

    path: str
    message: str


class MoongateError(Exception):
    """The root of every error that Moongate raises."""


class ConfigurationError(MoongateError):
    """The application cannot start as it is declared.

    `problem` says what is wrong, `where` names the place (class, method, module path, setting), and `mend` what to
    write instead.
    """

    def __init__(self, problem: str, *, where: str = "", mend: str = "") -> None:
        super().__init__(problem, where, mend)
        self.problem = problem
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        mend = f"\n  {self.mend}" if self.mend else ""
        return f"{place}{self.problem}{mend}"


class GatewayError(ConfigurationError):
    """A gateway class, one of its hooks or one of its handlers is declared wrongly."""


class ModuleError(ConfigurationError):
    """A module or a provider is declared wrongly, or a dependency cannot be resolved."""


class MissingExtraError(ConfigurationError):
    """A feature was used whose optional dependency is not installed; the text names the extra."""

    def __init__(self, feature: str, *, extra: str) -> None:
        super().__init__(
            f"{feature} needs a package that is not installed",
            mend=f"Install it with: pip install 'moongate[{extra}]'",
        )
        self.feature = feature
        self.extra = extra


class ProtocolError(MoongateError):
    """A peer sent what the protocol does not allow. The connection that it came from is closed.

    `expected` and `got` are short texts; `got` is already cut to a length that is safe to log.
    """

    def __init__(self, expected: str, got: str = "") -> None:
        super().__init__(expected, got)
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        return f"expected {self.expected}, got {self.got}" if self.got else f"expected {self.expected}"


class PayloadTooLarge(ProtocolError):
    """A message or a request body has more than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"at most {limit} bytes")
        self.limit = limit


class EncodeError(MoongateError, TypeError):
    """A value cannot be sent: `value_type` is what came, `reason` why it does not fit.

    Raised by the call that was given the value; nothing has been sent.
    """

    def __init__(self, value_type: type, reason: str) -> None:
        super().__init__(value_type, reason)
        self.value_type = value_type
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot send a value of type {self.value_type.__qualname__}: {self.reason}"


class AckTimeout(MoongateError, TimeoutError):
    """An acknowledgement of `event` did not come within `seconds`.

    `answers` holds what did come before the time was over, by socket id, when many clients were asked; `missing` are
    the nodes of the cluster that did not say whom they asked.
    """

    def __init__(
        self, event: str, seconds: float, answers: dict[str, Any] | None = None, missing: tuple[str, ...] = ()
    ) -> None:
        super().__init__(event, seconds)
        self.event = event
        self.seconds = seconds
        self.answers: dict[str, Any] = answers or {}
        self.missing: tuple[str, ...] = missing

    def __str__(self) -> str:
        return f"no acknowledgement of {self.event!r} within {self.seconds:g} s ({len(self.answers)} answered)"


class ClientDisconnected(MoongateError):
    """The client `sid` disconnected before it answered."""

    def __init__(self, sid: str, reason: str) -> None:
        super().__init__(sid, reason)
        self.sid = sid
        self.reason = reason

    def __str__(self) -> str:
        return f"client {self.sid} disconnected: {self.reason}"


class ClusterError(MoongateError):
    """A message did not reach the bus that carries it to the other nodes; clients of this node have got it.

    Awaiting what `emit` returns raises it. `sent` says what is known: False if no other node gets the message, None if
    the connection was lost while it was sent, so that it may have arrived or not.
    """

    def __init__(self, reason: str, *, sent: bool | None = False) -> None:
        super().__init__(reason, sent)
        self.reason = reason
        self.sent = sent

    def __str__(self) -> str:
        fate = "it was not sent" if self.sent is False else "it may have been sent or not"
        return f"{self.reason}: {fate}"


class WsException(MoongateError):
    """What a handler raises for the client to see.

    The client gets `{"status": "error", "message": message, ...}` with the members of *data*, if it is a dict, added.
    """

    def __init__(self, message: str, *, data: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


class ValidationFailed(WsException):
    """A body does not fit the handler's annotation; `errors` says where and why. The handler is not called."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("Validation failed")
        self.errors: tuple[FieldError, ...] = tuple(errors)

    def __str__(self) -> str:
        return "; ".join(f"{error.path}: {error.message}" for error in self.errors)
