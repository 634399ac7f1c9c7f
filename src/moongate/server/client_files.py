"""The official Socket.IO client for browsers, served as Node's `socket.io` does (its option `serveClient`)."""

import asyncio
import json
import threading
from pathlib import Path

from moongate.transport.base import Request
from moongate.transport.compression import ContentCoding, choose_coding, compress
from moongate.transport.origin import cors_headers
from moongate.types import Send

__all__ = ["ClientFiles"]

_FOLDER = Path(__file__).parent.parent / "client"
"""Where `scripts/client` puts the files; wheels hold them."""

_NAMES = frozenset(
    f"socket.io{kind}.js{suffix}" for kind in ("", ".min", ".esm.min", ".msgpack.min") for suffix in ("", ".map")
)

_MISSING = b"""The Socket.IO client is not in this installation of Moongate. In a checkout, fetch it with:

    scripts/client
"""


class ClientFiles:
    """Answers the requests for the client's files below *path*: eight names, and nothing else.

    They are read and compressed when they are first asked for, in a worker thread, and kept.
    """

    __slots__ = ("_bodies", "_folder", "_loading", "_origins", "_paths", "_version")

    def __init__(self, path: str, origins: tuple[str, ...], folder: Path = _FOLDER) -> None:
        self._paths = {f"{path}/{name}": name for name in _NAMES}
        self._origins = origins
        self._folder = folder
        self._version: str | None = None
        self._bodies: dict[tuple[str, ContentCoding | None], bytes] = {}  # by name and content coding
        self._loading = threading.Lock()  # no file is compressed twice

    def serves(self, path: str, method: str) -> bool:
        """Whether a request is for a file of the client; a preflight of another site's page is the engine's."""
        return path in self._paths and not (method == "OPTIONS" and self._origins)

    async def answer(self, request: Request, method: str, send: Send) -> None:
        """Answer a request for one of the files: with its content, with 304, or with 404 if it was never fetched."""
        headers = request.headers
        # Caches would otherwise give compressed content to those who did not ask for it; Node leaves that out.
        common = [*cors_headers(headers, self._origins), (b"vary", b"Accept-Encoding")]
        name = self._paths[request.path]
        coding = choose_coding(headers.get("accept-encoding", ""))
        try:
            tag = f'"{await self._find_version()}"'
            if headers.get("if-none-match") in {tag, f"W/{tag}"}:
                await _send(send, 304, common)
                return
            body = self._bodies.get((name, coding)) or await asyncio.to_thread(self._load, name, coding)
        except OSError:
            await _send(send, 404, [*common, (b"content-type", b"text/plain; charset=utf-8")], _MISSING, method)
            return
        content_type = f"application/{'json' if name.endswith('.map') else 'javascript'}; charset=utf-8"
        common += [
            (b"cache-control", b"public, max-age=0"),
            (b"content-type", content_type.encode()),
            (b"etag", tag.encode()),
        ]
        if coding is not None:
            common.append((b"content-encoding", coding.encode()))
        await _send(send, 200, common, body, method)

    async def _find_version(self) -> str:
        """Return the version of the client, which is the files' entity tag; raises OSError if there are none."""
        if self._version is None:
            package = json.loads(await asyncio.to_thread((self._folder / "package.json").read_bytes))
            self._version = package["version"]
        return self._version

    def _load(self, name: str, coding: ContentCoding | None) -> bytes:
        """Read a file, and compress it; raises OSError."""
        with self._loading:
            body = self._bodies.get((name, coding))
            if body is None:
                body = (self._folder / name).read_bytes()
                if coding is not None:
                    body = compress(body, coding)
                self._bodies[name, coding] = body
        return body


async def _send(
    send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes | None = None, method: str = "GET"
) -> None:
    """Answer a request; None is an answer that has no content by its status (RFC 9110 section 15.4.5)."""
    if body is not None:
        headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" or body is None else body})
