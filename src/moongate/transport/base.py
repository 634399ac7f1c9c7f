"""What a transport promises to the layers above it, and what it expects of them."""

from collections.abc import Awaitable
from typing import Protocol
from urllib.parse import parse_qsl

import msgspec

from moongate.config import Settings, TransportName
from moongate.errors import MoongateError
from moongate.transport.flow import Cork
from moongate.wire.outgoing import Outgoing

__all__ = ["NO_STATUS", "Accepted", "Acceptor", "OpenTransport", "Receiver", "Refused", "Request", "Transport"]


NO_STATUS: int = 1005
"""Stands for a close frame without a code (RFC 6455 section 7.1.5)."""


class Transport(Protocol):
    """Moves messages of one connection. It knows nothing of sessions.

    Sending never blocks and never raises for a peer that is gone: what cannot be sent any more is dropped, because the
    receiver is told by `on_closed` anyway.
    """

    name: TransportName

    @property
    def writable(self) -> bool:
        """Whether a message would leave at once; what is volatile is dropped when it would not."""

    @property
    def paused(self) -> bool:
        """Whether nothing is read from the peer at the moment, because of `pause_reading`."""

    def send_text(self, data: bytes) -> None:
        """Send one text message (UTF-8)."""

    def send_bytes(self, data: bytes) -> None:
        """Send one binary message."""

    def send(self, message: Outgoing) -> None:
        """Send a message that was encoded before, attachments included."""

    def drained(self) -> Awaitable[None]:
        """Return an awaitable that is done when the peer can take more, or is gone."""

    def ping(self) -> bool:
        """Send a WebSocket ping (RFC 6455 section 5.5.2); False if this transport cannot."""

    def pause_reading(self) -> None:
        """Take no more messages from the peer until `resume_reading`; a few already received may still arrive."""

    def resume_reading(self) -> None:
        """Take messages again."""

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send what is waiting, then close. `code` is a WebSocket close code (RFC 6455 section 7.4).

        NO_STATUS says none, where the host can; others say 1000.
        """


class OpenTransport(Transport, Protocol):
    """A transport with a peer at the other end."""

    receiver: "Receiver"
    """Who gets the messages; it may be changed while the connection is open."""


class Receiver(Protocol):
    """What a transport hands its messages to. The calls come from the event loop, one at a time."""

    def on_open(self, transport: OpenTransport) -> None:
        """The transport is ready to send. Called once, before all else."""

    def on_text(self, data: bytes) -> None:
        """A whole text message came; it is valid UTF-8."""

    def on_bytes(self, data: bytes) -> None:
        """A whole binary message came."""

    def on_pong(self) -> None:
        """The peer answered a ping of ours."""

    def on_closed(self, code: int, reason: str) -> None:
        """The connection is gone; `code` is 1006 if there was no closing handshake.

        Called once, after all else; alone if the peer was accepted and is gone before the connection was open.
        """


class Request:
    """The HTTP request that opened a connection.

    Kept as one block of bytes, because most are never looked at and there is one for every connection.
    """

    __slots__ = ("_head", "address", "path", "query_string", "secure")

    def __init__(
        self, path: str, query_string: str, head: bytes, address: tuple[str, int] | None, *, secure: bool
    ) -> None:
        self.path: str = path  # decoded, without the prefix under which the application is mounted
        self.query_string: str = query_string  # as sent, without the question mark
        self._head = head  # b"name: value\r\n" lines, names in lower case
        self.address: tuple[str, int] | None = address  # host and port of the peer; None on a UNIX socket
        self.secure: bool = secure  # whether the connection is encrypted

    @classmethod
    def from_headers(
        cls,
        path: str,
        query_string: str,
        headers: list[tuple[bytes, bytes]],
        address: tuple[str, int] | None,
        *,
        secure: bool,
    ) -> "Request":
        """Build a request from ASGI's list of lower-case header names and values."""
        head = b"".join(b"%b: %b\r\n" % header for header in headers)
        return cls(path, query_string, head, address, secure=secure)

    @property
    def head(self) -> bytes:
        """The headers as lines, names in lower case."""
        return self._head

    @property
    def url(self) -> str:
        """The path and the query, as in the request line."""
        return f"{self.path}?{self.query_string}" if self.query_string else self.path

    @property
    def headers(self) -> dict[str, str]:
        """Names in lower case and values; those of a repeated header are joined with a comma (RFC 9110 section 5.3)."""
        headers: dict[str, str] = {}
        for line in self._head.decode("latin-1").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                value = value.strip(" \t")
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return headers

    @property
    def query(self) -> dict[str, str]:
        """The query's names and values; the last one counts where a name is repeated."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    def header(self, name: str) -> str | None:
        """Return one header by its lower-case name, or None."""
        return self.headers.get(name)


class Refused(MoongateError):
    """A request to open a connection is refused: answer it with `status`, `headers` and `body`, and open nothing."""

    def __init__(
        self,
        status: int,
        body: bytes,
        content_type: str = "application/json",
        *,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers


class Accepted(msgspec.Struct, frozen=True):
    """A WebSocket request is accepted: who receives the messages, and what the answer to the request says beside."""

    receiver: Receiver
    headers: tuple[tuple[str, str], ...] = ()
    """Names and values that the answer carries (status 101); checked, so that they can be written as they are."""
    subprotocol: str | None = None
    """What was agreed on (RFC 6455 section 1.9), one of those that the client asked for."""


class Acceptor(Protocol):
    """What decides over WebSocket requests on the application's paths, and what its connections share."""

    settings: Settings

    @property
    def cork(self) -> Cork:
        """What joins the writes of all connections."""

    def accept_websocket(self, request: Request) -> Accepted | Awaitable[Accepted]:
        """Return who receives the messages of this connection; raises (or its awaitable raises) Refused."""
