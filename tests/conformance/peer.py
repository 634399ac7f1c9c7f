"""A WebSocket client that sends exactly the bytes that it is told to (RFC 6455 section 5)."""

import base64
import os
import socket
from contextlib import suppress
from types import TracebackType
from typing import Self

import msgspec

__all__ = ["BINARY", "CLOSE", "CONTINUATION", "PING", "PONG", "TEXT", "Frame", "Peer", "frame"]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

LIMIT = 5.0
MASK = b"\x12\x34\x56\x78"


class Frame(msgspec.Struct, frozen=True):
    """One frame that the server sent."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0

    @property
    def close_code(self) -> int | None:
        """The code of a close frame; None if it has none."""
        return int.from_bytes(self.payload[:2]) if self.payload else None


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True, length: int | None = None
) -> bytes:
    """The bytes of a frame; *length* is what its header says, if that is not the truth."""
    size = len(payload) if length is None else length
    head = bytearray([(0x80 if fin else 0) | rsv << 4 | opcode])
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head.append(mask_bit | size)
    elif size < 65536:
        head += bytes([mask_bit | 126]) + size.to_bytes(2)
    else:
        head += bytes([mask_bit | 127]) + size.to_bytes(8)
    if not masked:
        return bytes(head) + payload
    return bytes(head) + MASK + mask(payload)


def mask(payload: bytes) -> bytes:
    """XOR with the mask, all at once."""
    key = (MASK * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(len(payload))


class Peer:
    """One connection. Reading waits a few seconds at most."""

    def __init__(self, port: int, path: str = "/ws", **headers: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=LIMIT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        fields = {
            "Host": f"127.0.0.1:{port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))
        self.head = self._read_until(b"\r\n\r\n").decode("latin-1")
        self.status = int(self.head.split(" ")[1])

    @property
    def headers(self) -> dict[str, str]:
        """Those of the answer to the handshake, names in lower case."""
        pairs = (line.partition(":") for line in self.head.split("\r\n")[1:] if line)
        return {name.lower(): value.strip() for name, _, value in pairs}

    def send(self, *parts: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(b"".join(parts))

    def text(self, text: str) -> None:
        """Send one whole text message."""
        self.send(frame(TEXT, text.encode()))

    def frame(self) -> Frame:
        """The next frame of the server; EOFError at the end of the connection."""
        first, second = self._read(2)
        length = second & 0x7F
        assert not second & 0x80, "a server must not mask (RFC 6455 section 5.1)"
        if length == 126:
            length = int.from_bytes(self._read(2))
        elif length == 127:
            length = int.from_bytes(self._read(8))
        return Frame(first & 0x0F, self._read(length), bool(first & 0x80), first >> 4 & 0x07)

    def ended(self) -> bool:
        """Whether the server ends the connection, and says nothing before it does."""
        try:
            return not self._buffer and not self._socket.recv(1)
        except ConnectionResetError:
            return True

    def receive(self) -> bytes:
        """Some of the bytes that come next; none at the end of the connection."""
        return self._socket.recv(1 << 20)

    def drop(self) -> None:
        """End the connection by TCP alone, whatever is under way."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def finish(self) -> None:
        """Say that nothing more will be sent, by TCP alone."""
        self._socket.shutdown(socket.SHUT_WR)

    def _read(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._fill()
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _read_until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._fill()
        return self._read(self._buffer.index(end) + len(end))

    def rest(self) -> bytes:
        """All that comes until the connection ends."""
        try:
            while True:
                self._fill()
        except (EOFError, ConnectionResetError):
            return bytes(self._buffer)

    def _fill(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise EOFError
        self._buffer += data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
