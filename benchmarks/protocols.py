"""How the messages of the benchmark look on each wire."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BARE", "NEST_WS", "RAW", "SOCKET_IO", "Protocol"]

# About 70 bytes. The order of the fields and the missing spaces are what every server answers with.
BODY = b'{"room":"bench","text":"hello world, hello world","number":123456}'


@dataclass(frozen=True, slots=True)
class Protocol:
    """The texts of one wire.

    Every reply is compared with these bytes as it comes, so that a server that answers wrongly is never fast.
    """

    name: str
    path: str
    echo: bytes
    echoed: bytes
    publish: bytes
    delivered: bytes
    handshake: tuple[tuple[bytes, bytes], ...] = ()
    """What the server says while a client connects, by its first bytes, and the client's answer; the last has none."""
    heartbeat: tuple[bytes, bytes] | None = None
    """A text of the server that is answered whenever it comes, and the answer."""


SOCKET_IO = Protocol(
    name="Socket.IO",
    path="/socket.io/?EIO=4&transport=websocket",
    echo=b'427["echo",' + BODY + b"]",
    echoed=b"437[" + BODY + b"]",
    publish=b'42["publish",' + BODY + b"]",
    delivered=b'42["message",' + BODY + b"]",
    handshake=((b"0{", b"40"), (b"40{", b"")),
    heartbeat=(b"2", b"3"),
)

BARE = Protocol(
    name="bare",
    path="/ws",
    echo=b'{"event":"echo","data":' + BODY + b',"id":7}',
    echoed=b'{"id":7,"data":' + BODY + b"}",
    publish=b'{"event":"publish","data":' + BODY + b"}",
    delivered=b'{"event":"message","data":' + BODY + b"}",
)

NEST_WS = Protocol(
    name="Nest ws",
    path="/",
    echo=b'{"event":"echo","data":' + BODY + b"}",
    echoed=b'{"event":"echo","data":' + BODY + b"}",
    publish=b'{"event":"publish","data":' + BODY + b"}",
    delivered=b'{"event":"message","data":' + BODY + b"}",
)

# The server sends back the text that it got, to one or to all.
RAW = Protocol(
    name="raw frames",
    path="/",
    echo=b'{"event":"echo","data":' + BODY + b"}",
    echoed=b'{"event":"echo","data":' + BODY + b"}",
    publish=b'{"event":"publish","data":' + BODY + b"}",
    delivered=b'{"event":"publish","data":' + BODY + b"}",
)
