"""One of the two servers, as a script sees it: what is sent goes out as it is, what comes back is written down."""

import base64
import itertools
import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from http.client import HTTPException, HTTPResponse
from types import TracebackType
from typing import Self

from tests.conformance.peer import BINARY, CLOSE, TEXT, Peer, frame

__all__ = ["END", "POLLING", "WEBSOCKET", "Channel", "Pending", "Poller", "Side", "masked", "packets"]

LIMIT = 5.0
"""Seconds to wait for anything; neither server takes as long to answer what it answers."""

END = "end"
"""The line of a transcript for the end of a connection."""

POLLING = "EIO=4&transport=polling"
WEBSOCKET = "EIO=4&transport=websocket"

_SEPARATOR = b"\x1e"
_SID = re.compile(r'"sid":"([^"]+)"')

_QUESTION = re.compile(r'^(42(?:/[^,]*,)?)(\d+)(\["question"\])')
"""The server asks, under an id that goes on counting through all scripts."""

_HEADERS = re.compile(
    "access-control-.*|allow|cache-control|content-encoding|content-type|sec-websocket-.*|set-cookie|upgrade|vary"
    "|x-xss-protection"
)
"""Names of the headers that mean something to Socket.IO clients and browsers; the others, as the
body's length or chunks, are the HTTP server's."""


def packets(*messages: str | bytes) -> bytes:
    """The body of a POST with these packets."""
    return _SEPARATOR.join(message.encode() if isinstance(message, str) else message for message in messages)


class Pending:
    """A request whose answer is not read yet."""

    def __init__(self, connection: socket.socket, method: str) -> None:
        self._connection = connection
        self._method = method

    def send(self, data: bytes) -> None:
        """Send the next bytes as they are; what the server does not want is for its answer to say."""
        try:
            self._connection.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return

    def finish(self) -> None:
        """Say by TCP that there is no more to send."""
        try:
            self._connection.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def abort(self) -> None:
        """Be gone, without a word."""
        self._connection.close()

    def read(self) -> tuple[int, dict[str, str], bytes]:
        """The status, the headers that matter and the body; status 0 is a connection that ended without an answer."""
        response = HTTPResponse(self._connection, method=self._method)
        try:
            response.begin()
            body = response.read()
        except (HTTPException, ConnectionResetError):
            return 0, {}, b""
        finally:
            self._connection.close()
        headers: dict[str, str] = {}
        for name, value in response.getheaders():
            if _HEADERS.fullmatch(name.lower()):
                headers[name.lower()] = ", ".join(filter(None, [headers.get(name.lower()), value]))
        return response.status, dict(sorted(headers.items())), body

    def answer(self) -> str:
        """The answer, as a line of a transcript."""
        status, headers, body = self.read()
        if not status:
            return END
        fields = "; ".join(f"{name}: {value}" for name, value in headers.items())
        return f"{status} {{{fields}}} {_readable(body)}"


class Channel:
    """A WebSocket. What comes by it is written down."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._markers = itertools.count(900_000)
        self.lines: list[str] = []
        self.open = peer.status == 101
        if not self.open:
            body = peer.rest().decode()
            self.lines.append(f"{peer.status} {peer.headers.get('content-type')} {body}")

    def send(self, *messages: str | bytes) -> None:
        """Send messages, one frame each, all at once."""
        self.raw(b"".join(_framed(message) for message in messages))

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        try:
            self._peer.send(data)
        except (BrokenPipeError, ConnectionResetError):
            return

    def read(self, count: int = 1) -> list[str]:
        """Write down the next *count* frames; fewer if the connection ends."""
        start = len(self.lines)
        while self.open and len(self.lines) < start + count:
            self._read_frame()
        return self.lines[start:]

    def settle(self, namespace: str = "", times: int = 2) -> list[str]:
        """Write down everything until the server has handled all that was sent, or the connection ends.

        It has when it has answered an event, and another one sent after that: some of its work takes a turn longer.
        """
        start = len(self.lines)
        for number in itertools.islice(self._markers, times):
            self.send(f'42{namespace}{number}["echo"]')
            answer = f"43{namespace}{number}[]"
            while self.open and answer not in self.lines[start:]:
                self._read_frame()
            if self.open:
                self.lines.remove(answer)
        return self.lines[start:]

    def converse(self, messages: Sequence[str | bytes | None]) -> list[str]:
        """Send messages, settle at each None and at the end; the client has to be in `/marker`."""
        start = len(self.lines)
        for ended, group in itertools.groupby(messages, lambda message: message is None):
            if not ended:
                self.send(*(_answering(message, self.lines) for message in group if message is not None))
                self.settle("/marker,")
        return self.lines[start:]

    def finish(self) -> list[str]:
        """Write down everything until the server ends the connection."""
        start = len(self.lines)
        while self.open:
            self._read_frame()
        return self.lines[start:]

    def close(self, code: bytes = b"") -> list[str]:
        """Say goodbye as WebSockets do, and write down what comes until the end."""
        self.raw(frame(CLOSE, code))
        return self.finish()

    def stop_sending(self) -> None:
        """Say by TCP that nothing more will be sent."""
        self._peer.finish()

    def leave(self) -> None:
        """Be gone, without a word."""
        self._peer.__exit__(None, None, None)
        self.open = False

    def _read_frame(self) -> None:
        try:
            came = self._peer.frame()
        except (EOFError, ConnectionResetError):
            self.lines.append(END)
            self.open = False
            return
        except TimeoutError:
            self.lines.append("silence")
            self.open = False
            return
        if came.opcode == TEXT:
            self.lines.append(came.payload.decode())
        elif came.opcode == BINARY:
            self.lines.append(f"binary {came.payload.hex()}")
        elif came.opcode == CLOSE:
            reason = came.payload[2:].decode(errors="backslashreplace")
            self.lines.append(f"close {came.close_code or ''} {reason}".rstrip())
            self.raw(frame(CLOSE, came.payload))
        else:
            self.lines.append(f"opcode {came.opcode} {came.payload.hex()}")


class Side:
    """What a script does with one server. At the end all that it opened is closed."""

    def __init__(self, port: int, path: str = "/socket.io/") -> None:
        self.port = port
        self.path = path
        self._opened = ExitStack()

    def start(
        self, method: str, query: str, body: bytes = b"", headers: Mapping[str, str] | None = None, path: str = ""
    ) -> Pending:
        """Send a request, and leave its answer for later."""
        fields = {"Host": "example.org", "Connection": "close", **(headers or {})}
        if body or method == "POST":
            fields.setdefault("Content-Length", str(len(body)))
        target = (path or self.path) + (f"?{query}" if query else "")
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        pending = self.connect(method)
        pending.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return pending

    def connect(self, method: str = "GET") -> Pending:
        """Open a connection on which nothing is sent yet."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._opened.enter_context(connection)
        return Pending(connection, method)

    def http(
        self, method: str, query: str, body: bytes = b"", headers: Mapping[str, str] | None = None, path: str = ""
    ) -> str:
        """Send a request and return its answer as a line of a transcript."""
        return self.start(method, query, body, headers, path).answer()

    def open_polling(self, query: str = POLLING) -> "Poller":
        """Open a session that polls."""
        _, _, body = self.start("GET", query).read()
        return Poller(self, query, body)

    def websocket(self, query: str = WEBSOCKET, path: str = "", **headers: str) -> Channel:
        """Ask for a WebSocket."""
        return Channel(self._opened.enter_context(Peer(self.port, f"{path or self.path}?{query}", **headers)))

    def open_websocket(self, *connects: str) -> Channel:
        """Open a session by WebSocket and enter namespaces; what comes until then is not written down."""
        channel = self.websocket()
        channel.send(*connects)
        channel.read(1 + len(connects))
        return channel

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()


class Poller:
    """A session that polls."""

    def __init__(self, side: Side, query: str, opened: bytes) -> None:
        self._side = side
        found = _SID.search(opened.decode())
        assert found, f"no session: {opened!r}"
        self.sid = found.group(1)
        self.query = f"{query}&sid={self.sid}"
        self.opened = opened.decode()

    def start_poll(self) -> Pending:
        return self._side.start("GET", self.query)

    def poll(self) -> str:
        return self.start_poll().answer()

    def start_post(self, body: bytes, **headers: str) -> Pending:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._side.start("POST", self.query, body, {"Content-Type": "text/plain;charset=UTF-8", **named})

    def post(self, *messages: str | bytes) -> str:
        return self.start_post(packets(*messages)).answer()

    def settle(self, namespace: str = "") -> list[str]:
        """Poll until the server has answered an event, or the session has ended; each poll's packets in a line."""
        lines: list[str] = []
        for number in (900_000, 900_001):
            posted = self.post(f'42{namespace}{number}["echo"]')
            answer = f"43{namespace}{number}[]"
            while answer not in lines:
                status, _, body = self.start_poll().read()
                if status != 200:
                    return [*lines, posted, f"{status} {_readable(body)}"]
                lines.extend(_readable(body).split("|"))
            lines.remove(answer)
        return lines

    def converse(self, messages: Sequence[str | bytes | None]) -> list[str]:
        """Post messages, in one request up to each None, and write down what comes; the client is in `/marker`."""
        lines: list[str] = []
        for ended, group in itertools.groupby(messages, lambda message: message is None):
            if not ended:
                unfinished = (_answering(message, lines) for message in group if message is not None)
                lines.append(self.post(*[_in_base64(message) for message in unfinished]))
                lines += self.settle("/marker,")
        return lines

    def upgrade(self) -> Channel:
        """Ask for a WebSocket for this session."""
        return self._side.websocket(f"{WEBSOCKET}&sid={self.sid}")


def masked(lines: Iterable[str]) -> list[str]:
    """The lines with the ids of sessions and sockets replaced by numbers, in the order of their appearance."""
    known: dict[str, str] = {}
    result: list[str] = []
    for line in lines:
        for found in _SID.findall(line):
            known.setdefault(found, f"<sid {len(known) + 1}>")
        for sid, name in known.items():
            line = line.replace(sid, name)  # noqa: PLW2901  # several ids may be in a line
        result.append(_QUESTION.sub(r"\1<id>\3", line))
    return result


def _framed(message: str | bytes) -> bytes:
    return frame(TEXT, message.encode()) if isinstance(message, str) else frame(BINARY, message)


def _answering(message: str | bytes, lines: Sequence[str]) -> str | bytes:
    """The message with `<first id>` and `<last id>` replaced by those of the server's questions."""
    if isinstance(message, bytes) or "<" not in message:
        return message
    ids = [found.group(2) for line in lines if (found := _QUESTION.match(line))]
    return message.replace("<first id>", ids[0]).replace("<last id>", ids[-1]) if ids else message


def _in_base64(message: str | bytes) -> str:
    return message if isinstance(message, str) else f"b{base64.b64encode(message).decode()}"


def _readable(body: bytes) -> str:
    return body.decode(errors="backslashreplace").replace(_SEPARATOR.decode(), "|")
