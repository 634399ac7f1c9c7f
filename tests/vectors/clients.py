"""Clients that send Socket.IO packets as they are told to, over WebSocket and over polling."""

import base64
import http.client
from typing import Protocol

import msgspec

from tests.conformance.peer import BINARY, CLOSE, TEXT, Peer, frame
from tests.support.live import LiveServer

__all__ = ["NAMESPACES", "Client", "PollingClient", "WebSocketClient", "joined"]

QUERY = "/socket.io/?EIO=4&transport="

NAMESPACES = {"/": "", "/b": "/b,"}
"""Their names, and how packets write them."""


class Client(Protocol):
    """A client that sends what it is told to, and hears packets without the type of Engine.IO."""

    def send(self, *messages: str | bytes) -> None: ...

    def heard(self) -> str:
        """The next packet; EOFError if the session has ended."""

    def close(self) -> None: ...


class WebSocketClient:
    def __init__(self, server: LiveServer) -> None:
        self._peer = Peer(server.port, f"{QUERY}websocket")
        self._peer.frame()

    def send(self, *messages: str | bytes) -> None:
        frames = (
            frame(TEXT, b"4" + message.encode()) if isinstance(message, str) else frame(BINARY, message)
            for message in messages
        )
        self._peer.send(*frames)

    def heard(self) -> str:
        answer = self._peer.frame()
        if answer.opcode == CLOSE:
            raise EOFError
        return answer.payload.decode()[1:] if answer.opcode == TEXT else self.heard()

    def close(self) -> None:
        self._peer.__exit__(None, None, None)


class PollingClient:
    def __init__(self, server: LiveServer) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        self._path = f"{QUERY}polling"
        self._packets: list[str] = []
        self._path += f"&sid={msgspec.json.decode(self._request('GET')[1:])['sid']}"

    def send(self, *messages: str | bytes) -> None:
        packets = (
            f"4{message}" if isinstance(message, str) else f"b{base64.b64encode(message).decode()}"
            for message in messages
        )
        self._request("POST", "\x1e".join(packets).encode())

    def heard(self) -> str:
        while not self._packets:
            self._packets = self._request("GET").split("\x1e")
        packet = self._packets.pop(0)
        if packet[:1] in {"1", "6"}:
            raise EOFError
        return packet[1:] if packet[:1] == "4" else self.heard()

    def close(self) -> None:
        self._connection.close()

    def _request(self, method: str, body: bytes | None = None) -> str:
        self._connection.request(method, self._path, body)
        with self._connection.getresponse() as answer:
            text = answer.read().decode()
        if answer.status != 200:
            raise EOFError
        return text


def joined(client: Client) -> dict[str, str]:
    """Let *client* into the namespaces; return its ids by their names."""
    ids = {}
    for name, scope in NAMESPACES.items():
        client.send(f"0{scope}")
        ids[name] = msgspec.json.decode(client.heard().removeprefix(f"0{scope}"))["sid"]
    return ids
