"""Uvicorn's HTTP/1.1 protocol, with what it lets pass refused."""

from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["HttpProtocol"]

_MAX_HEAD = 65_536
"""Bytes that the request line and the headers may have together."""

_HEAD_END = b"\r\n\r\n"


class HttpProtocol(HttpToolsProtocol):
    """Refuses heads that are too large, and upgrades of clients that do not wait for the answer."""

    _in_head = True  # between two requests, and until the headers of one are complete
    _head_size = 0
    _ended = False  # whether headers or a request ended among the bytes that came last
    _tail = b""  # the last bytes that came

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._tail = data[-len(_HEAD_END) :] if len(data) >= len(_HEAD_END) else (self._tail + data)[-len(_HEAD_END) :]
        self._ended = False
        super().data_received(data)
        if self._in_head and not self._ended:  # what stands behind a request that has just ended is not worth parsing
            self._head_size += len(data)
            if self._head_size > _MAX_HEAD:
                self._reject(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """A request's headers are there."""
        self._in_head = False
        self._ended = True
        self._head_size = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request is there."""
        self._in_head = True
        self._ended = True
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection on. What came behind the request would be lost, and no client may send it yet."""
        if self._tail == _HEAD_END:
            super().handle_websocket_upgrade()
        else:
            self._reject(HTTPStatus.BAD_REQUEST)

    def _reject(self, status: HTTPStatus) -> None:
        if not self.transport.is_closing():
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(head.encode())
            self.transport.close()
