"""What servers of one cluster say to each other about clients whose requests came to the wrong one."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

import msgspec

from moongate.errors import ProtocolError
from moongate.transport.base import Request

__all__ = [
    "Answered",
    "Asked",
    "Closed",
    "Data",
    "ForwardedRequest",
    "HungUp",
    "Opened",
    "Ready",
    "Refusal",
    "Relay",
    "RelayMessage",
    "Taken",
    "Wanted",
    "decode",
    "encode",
    "forwarded",
]


class Relay(Protocol):
    """Carries messages between the servers of a cluster: each at most once, and in order between two servers."""

    @property
    def node(self) -> str:
        """This server's id: 16 hexadecimal digits."""

    def knows(self, node: str) -> bool:
        """Whether another server is alive, as far as its heartbeats tell."""

    def send(self, node: str, payload: bytes) -> Awaitable[None]:
        """Send to one server; awaiting the result raises ClusterError if the message could not be sent."""

    def listen(self, receive: Callable[[str, bytes], None], lost: Callable[[str], None]) -> None:
        """Call *receive* with a sender and what it sent to this server, *lost* with the id of a server that is gone."""


class ForwardedRequest(msgspec.Struct, frozen=True, array_like=True):
    """A request as it came; see `Request`."""

    path: str
    query_string: str
    head: bytes
    host: str
    port: int
    secure: bool

    def request(self) -> Request:
        """Return the request."""
        address = (self.host, self.port) if self.host else None
        return Request(self.path, self.query_string, self.head, address, secure=self.secure)


def forwarded(request: Request) -> ForwardedRequest:
    """Return *request* as it travels."""
    host, port = request.address or ("", 0)
    return ForwardedRequest(request.path, request.query_string, request.head, host, port, request.secure)


class Asked(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Answer this request by HTTP."""

    number: int
    method: str
    request: ForwardedRequest
    body: bytes


class HungUp(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The client does not wait for the answer any more."""

    number: int


class Answered(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """This is the answer; `head` are lines as in `Request.head`."""

    number: int
    status: int
    head: bytes
    body: bytes


class Wanted(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """A client wants a WebSocket."""

    number: int
    request: ForwardedRequest


class Opened(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """It may have it."""

    number: int
    head: bytes
    subprotocol: str | None


class Refusal(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """It may not have it."""

    number: int
    status: int
    content_type: str
    body: bytes
    head: bytes


class Ready(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """The WebSocket is open."""

    number: int


class Data(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """A message of the WebSocket, `place` counting those of one direction from 0; `owner` as in `Closed`."""

    number: int
    owner: bool
    place: int
    is_text: bool
    data: bytes


class Taken(msgspec.Struct, frozen=True, array_like=True, tag=9):
    """So many bytes of the WebSocket have been passed on so far; `owner` as in `Closed`."""

    number: int
    owner: bool
    total: int


class Closed(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """The WebSocket is closed, or is to be; `owner` says whether the owner of the session says so."""

    number: int
    code: int
    reason: str
    owner: bool


RelayMessage: TypeAlias = Asked | HungUp | Answered | Wanted | Opened | Refusal | Ready | Data | Taken | Closed

encode: Callable[[RelayMessage], bytes] = msgspec.msgpack.Encoder().encode

_decode = msgspec.msgpack.Decoder(RelayMessage).decode


def decode(payload: bytes) -> RelayMessage:
    """Return a message; raises ProtocolError for what is none."""
    try:
        message: RelayMessage = _decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ProtocolError("a message about a client elsewhere", f"{payload[:40]!r} ({error})") from error
    return message
