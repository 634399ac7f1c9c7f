"""Socket.IO packets (protocol revision 5) as text, inside Engine.IO messages.

A packet is `<type>[<attachments>-][<namespace>,][<id>][<JSON>]`. Decoding stops at the JSON: what it means is known
only once the handler is, so the arguments stay raw here.
"""

from typing import Any

import msgspec

from moongate.errors import EncodeError, ProtocolError
from moongate.wire.outgoing import Outgoing
from moongate.wire.payload import PayloadEncoder, too_deep

__all__ = [
    "MAX_ACK_ID",
    "RESERVED_EVENTS",
    "ROOT",
    "Packet",
    "PacketType",
    "SocketIoCodec",
    "check_event",
    "check_event_name",
    "check_namespace",
    "decode",
    "event_key",
    "event_name",
]

ROOT = b"/"
"""The namespace that packets without one mean."""

MAX_ACK_ID = 2**53 - 1
"""The largest acknowledgement id: the largest integer that every JavaScript client can hold."""

_DIGITS = b"0123456789"
_MAX_ID_DIGITS = 16
_MAX_NAMESPACE_LENGTH = 256
_MAX_EVENT_LENGTH = 256

RESERVED_EVENTS = frozenset(
    ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")
)
"""Names that no event may have (Socket.IO documentation, "Emit cheatsheet")."""


class PacketType:
    """The packet types, as the ASCII codes of their digits (Socket.IO protocol, "Packet encoding")."""

    CONNECT = 0x30
    DISCONNECT = 0x31
    EVENT = 0x32
    ACK = 0x33
    CONNECT_ERROR = 0x34
    BINARY_EVENT = 0x35
    BINARY_ACK = 0x36


_WITH_ARGUMENTS = (PacketType.EVENT, PacketType.ACK, PacketType.BINARY_EVENT, PacketType.BINARY_ACK)
_WITHOUT_ARGUMENTS = (PacketType.CONNECT, PacketType.DISCONNECT, PacketType.CONNECT_ERROR)
_BINARY = (PacketType.BINARY_EVENT, PacketType.BINARY_ACK)


class Packet(msgspec.Struct, gc=False):
    """One packet whose arguments are not decoded yet.

    `payload` is the JSON text: an array for events (the name first) and acknowledgements, else an object or nothing.
    `attachments` is how many binary messages follow; they are collected in `buffers`. `event` is filled in by whoever
    routes the packet, `ack` by whoever answers it. Where something else than JSON was decoded, `arguments` holds the
    values without the event's name, `buffers` an empty list, and `payload` nothing.
    """

    type: int
    namespace: bytes
    ack_id: int | None
    payload: bytes
    attachments: int
    event: str = ""
    buffers: list[bytes] | None = None
    ack: Any = None
    arguments: list[Any] | None = None


def decode(data: bytes, max_attachments: int, max_depth: int) -> Packet:
    """Decode the packet in an Engine.IO message whose first byte is the Engine.IO packet type.

    Raises ProtocolError for whatever is no packet.
    """
    kind = data[1] if len(data) > 1 else 0
    position = 2
    attachments = 0
    namespace = ROOT
    if kind in _BINARY:
        attachments, position = _decode_attachments(data, max_attachments)
    if data[position : position + 1] == b"/":
        namespace = _decode_namespace(data, position)
        position += len(namespace) + 1
    if kind not in _WITH_ARGUMENTS:
        if kind not in _WITHOUT_ARGUMENTS:
            raise ProtocolError("a packet type from 0 to 6", _excerpt(data))
        # An id means nothing here; Node's server reads it all the same.
        return Packet(kind, namespace, None, data[position:].lstrip(_DIGITS), 0)
    start = data.find(b"[", position)
    if start < 0:
        raise ProtocolError("an array of arguments", _excerpt(data))
    ack_id = _decode_id(data[position:start]) if start > position else None
    payload = data[start:]
    if len(payload) > 2 * max_depth and too_deep(payload, max_depth):
        raise ProtocolError(f"JSON nested at most {max_depth} deep", "deeper")
    return Packet(kind, namespace, ack_id, payload, attachments)


def _decode_namespace(data: bytes, position: int) -> bytes:
    """Read the namespace that begins at *position*, without the comma behind it."""
    comma = data.find(b",", position)
    return data[position:] if comma < 0 else data[position:comma]


def check_namespace(name: bytes) -> bytes:
    """Return *name*; raises ProtocolError if it is too long."""
    if len(name) > _MAX_NAMESPACE_LENGTH:
        raise ProtocolError(f"a namespace of at most {_MAX_NAMESPACE_LENGTH} bytes", f"{len(name)} bytes")
    return name


def _decode_attachments(data: bytes, limit: int) -> tuple[int, int]:
    """Read `<count>-` behind the type; return the count and where the rest begins."""
    dash = data.find(b"-", 2)
    digits = data[2:dash] if dash > 0 else b""
    if not digits.isdigit() or len(digits) > 4 or digits.startswith(b"0") or int(digits) > limit:
        raise ProtocolError(f"1 to {limit} attachments", _excerpt(data))
    return int(digits), dash + 1


def _decode_id(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > _MAX_ID_DIGITS:
        raise ProtocolError("an acknowledgement id", _excerpt(digits))
    ack_id = int(digits)
    if ack_id > MAX_ACK_ID:
        raise ProtocolError(f"an acknowledgement id up to {MAX_ACK_ID}", _excerpt(digits))
    return ack_id


def event_key(payload: bytes) -> bytes:
    """Return the beginning of *payload* up to the end of the event's name, as clients usually write it.

    It is enough to look up a known event by the key of `[name]` in JSON; a client that writes the name in another
    way, with escapes or white space, has another key, and `event_name` has to read it.
    """
    return payload[: payload.find(b'"', 2)]


def event_name(payload: bytes) -> str:
    """Return the event's name, the first member of *payload*; raises ProtocolError if it is no name."""
    try:
        members = msgspec.json.decode(payload, type=list[msgspec.Raw])
        name = str(msgspec.json.decode(members[0], type=str | int))
    except (msgspec.MsgspecError, ValueError, IndexError, RecursionError) as error:
        raise ProtocolError("an event name and its arguments", _excerpt(payload)) from error
    return check_event_name(name)


def check_event(event: str) -> None:
    """Raise ValueError for the names that the protocol keeps for itself, TypeError for what is no name."""
    if event in RESERVED_EVENTS:
        raise ValueError(f"{event!r} is reserved by Socket.IO: emit under another name")
    if event.__class__ is not str and not isinstance(event, str):
        raise TypeError(f"expected the name of an event, got {event!r}")


def check_event_name(name: str) -> str:
    """Return *name*; raises ProtocolError if no client may send an event under it."""
    if name in RESERVED_EVENTS or len(name) > _MAX_EVENT_LENGTH:
        raise ProtocolError("an event name that is not reserved", repr(name[:40]))
    return name


def _excerpt(data: bytes) -> str:
    """Return the beginning of what came, safe to log."""
    return repr(data[:40])


class SocketIoCodec:
    """Encodes the packets of one namespace, Engine.IO's message type included.

    One is made for each namespace at start-up, so that what is the same in every packet is joined once.
    """

    __slots__ = (
        "_ack",
        "_binary_ack",
        "_binary_event",
        "_connect",
        "_connect_error",
        "_encoder",
        "_event",
        "_max_attachments",
        "disconnect",
    )

    def __init__(self, namespace: str, encoder: PayloadEncoder, max_attachments: int) -> None:
        scope = b"" if namespace == "/" else namespace.encode() + b","
        self._encoder = encoder
        self._max_attachments = max_attachments
        self._event = b"42" + scope
        self._ack = b"43" + scope
        self._binary_event = b"45%d-" + scope.replace(b"%", b"%%")
        self._binary_ack = b"46%d-" + scope.replace(b"%", b"%%")
        self._connect = b"40" + scope
        self._connect_error = b"44" + scope
        self.disconnect: Outgoing = Outgoing(b"41" + scope)

    def event(self, event: str, arguments: tuple[object, ...], ack_id: int | None = None) -> Outgoing:
        """Encode an event; raises EncodeError for arguments that cannot be sent."""
        text, attachments = self._encoder.encode_arguments([event, *arguments])
        prefix = self._binary_event % self._checked_count(attachments) if attachments else self._event
        return Outgoing(prefix + text if ack_id is None else b"%b%d%b" % (prefix, ack_id, text), attachments)

    def text_of(self, event: Outgoing) -> bytes:
        """Return the name and the arguments of an encoded event as a JSON array; empty if there is binary data."""
        return b"" if event.attachments or event.text is None else event.text[len(self._event) :]

    def acknowledgement(self, ack_id: int, arguments: tuple[object, ...]) -> Outgoing:
        """Encode an acknowledgement; raises EncodeError for arguments that cannot be sent."""
        text, attachments = self._encoder.encode_arguments(arguments)
        prefix = self._binary_ack % self._checked_count(attachments) if attachments else self._ack
        return Outgoing(b"%b%d%b" % (prefix, ack_id, text), attachments)

    def _checked_count(self, attachments: tuple[bytes, ...]) -> int:
        """Return how many there are; more than clients take would break their connection, so they are refused here."""
        if len(attachments) > self._max_attachments:
            reason = f"{len(attachments)} binary values in one packet, clients take {self._max_attachments}"
            raise EncodeError(bytes, reason)
        return len(attachments)

    def failure(self, ack_id: int, error: object) -> Outgoing:
        """Encode the acknowledgement of a message whose handler failed."""
        return self.acknowledgement(ack_id, (error,))

    def connected(self, sid: str | None) -> Outgoing:
        """Encode the answer to a client that may come in; None is for one that knows its id."""
        return Outgoing(self._connect if sid is None else self._connect + self._encoder.encode({"sid": sid}))

    def refused(self, error: object) -> Outgoing:
        """Encode CONNECT_ERROR: the answer to a client that may not come in."""
        return Outgoing(self._connect_error + self._encoder.encode(error))
