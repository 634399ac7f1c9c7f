"""Requests of clients whose session lives on another server of the cluster: answered there, through this one."""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from moongate.config import Settings
from moongate.engine.admission import Headers, Rejected
from moongate.engine.relay import (
    Answered,
    Asked,
    Closed,
    Data,
    HungUp,
    Opened,
    Ready,
    Refusal,
    Relay,
    RelayMessage,
    Taken,
    Wanted,
    decode,
    encode,
    forwarded,
)
from moongate.engine.tunnel import RemoteTransport, Tunnel
from moongate.errors import ClusterError, EncodeError, ProtocolError
from moongate.transport.base import Accepted, Refused, Request
from moongate.types import Receive, Send
from moongate.wire.engineio import ErrorCode

__all__ = ["Forwarding", "Owner"]

_LOGGER = logging.getLogger("moongate.engine")

_MARGIN = 5.0
"""Seconds that an answer may take on its way, beyond what the owner may take for it."""

_PATIENCE = 1.0
"""Seconds that answers for other servers may take when this one stops."""

_MAX_WAITING = 10_000
"""How many requests of clients wait for other servers at most."""

_ABNORMAL_CLOSURE = 1006
_GOING_AWAY = 1001
_INTERNAL_ERROR = 1011
"""WebSocket close codes (RFC 6455 section 7.4.1)."""


class Owner(Protocol):
    """The engine of a server, as other servers use it."""

    settings: Settings

    def open_websocket(self, request: Request) -> Accepted | Awaitable[Accepted]:
        """Return who receives the messages of a WebSocket; raises Refused."""

    def end_session(self, request: Request) -> None:
        """End the session that *request* is of."""


class Forwarding:
    """Passes on what came to the wrong server, and answers what other servers pass on to this one.

    *answer* answers a request by HTTP, as an ASGI application.
    """

    def __init__(self, relay: Relay, owner: Owner, answer: Callable[[Any, Receive, Send], Awaitable[None]]) -> None:
        self._relay = relay
        self._owner = owner
        self._answer = answer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, tuple[str, asyncio.Future[Any]]] = {}  # requests of clients here, and who has them
        self._tunnels: dict[int, tuple[str, Tunnel]] = {}  # WebSockets of clients here
        self._asked: dict[tuple[str, int], asyncio.Event] = {}  # requests of others; set when the client hung up
        self._remote: dict[tuple[str, int], RemoteTransport] = {}  # WebSockets of clients elsewhere
        self._tasks: set[asyncio.Task[None]] = set()
        self.malformed: int = 0  # how much came from other servers that is no message
        self._handlers: dict[type, Callable[[str, Any], None]] = {
            Asked: self._on_asked,
            HungUp: self._on_hung_up,
            Answered: self._on_answered,
            Wanted: self._on_wanted,
            Opened: self._on_answered,
            Refusal: self._on_answered,
            Ready: self._on_ready,
            Data: self._on_data,
            Taken: self._on_taken,
            Closed: self._on_closed,
        }
        relay.listen(self._received, self._lost)

    @property
    def pending(self) -> int:
        """How many requests and WebSockets are forwarded at the moment, either way."""
        own, others = len(self._waiting) + len(self._tunnels), len(self._tasks) + len(self._remote)
        return own + others

    def mark(self, sid: str) -> str:
        """Return the id for a new session of this server, by which others find it."""
        return f"{sid}.{self._relay.node}"

    def owner_of(self, sid: str) -> str | None:
        """Return the other server that has the session *sid*, None if it is this one's, or nobody's."""
        _, dot, node = sid.rpartition(".")
        return node if dot and node != self._relay.node and self._relay.knows(node) else None

    async def ask(
        self, node: str, method: str, request: Request, body: bytes, gone: Awaitable[object]
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes] | None:
        """Return the owner's answer to a request: status, headers and body; None once *gone* is done.

        Raises Refused if there is no answer.
        """
        number = next(self._numbers)
        watch = asyncio.ensure_future(gone)
        answer: RelayMessage | None = None
        try:
            answer = await self._wait(node, Asked(number, method, forwarded(request), body), number, watch)
        finally:
            watch.cancel()
            if not isinstance(answer, Answered):
                self._tell(node, HungUp(number))
        if answer is None:
            return None
        if not isinstance(answer, Answered):
            raise Rejected(ErrorCode.UNKNOWN_SID).polling()
        return answer.status, _pairs(answer.head), answer.body

    async def open_websocket(self, node: str, request: Request) -> Accepted:
        """Return who receives the messages of a WebSocket for a session of another server; raises Refused."""
        number = next(self._numbers)
        tunnel = Tunnel(number, partial(self._tell, node), self._forget_tunnel, self._owner.settings.high_water)
        self._tunnels[number] = (node, tunnel)
        try:
            answer = await self._wait(node, Wanted(number, forwarded(request)), number)
        except BaseException:
            tunnel.cut()  # the owner may have let it in already
            raise
        if isinstance(answer, Opened):
            headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in _pairs(answer.head))
            return Accepted(tunnel, headers, answer.subprotocol)
        tunnel.close(_GOING_AWAY, "")
        if not isinstance(answer, Refusal):
            raise Rejected(ErrorCode.UNKNOWN_SID).websocket()
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in _pairs(answer.head))
        raise Refused(answer.status, answer.body, answer.content_type, headers=headers)

    async def close(self) -> None:
        """Let go of all clients of other servers, and of what others wait for."""
        for _, future in tuple(self._waiting.values()):
            if not future.done():
                future.set_exception(Refused(503, b"Not accepting clients", "text/plain"))
        for _, tunnel in tuple(self._tunnels.values()):
            tunnel.cut()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_PATIENCE)
            for task in late:
                task.cancel()

    async def _wait(
        self, node: str, message: RelayMessage, number: int, gone: "asyncio.Future[Any] | None" = None
    ) -> RelayMessage | None:
        """Send a question and return the answer; None if *gone* is done before. Raises Refused."""
        if len(self._waiting) >= _MAX_WAITING:
            raise Refused(503, b"Too many requests for other servers", "text/plain")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (node, future)
        settings = self._owner.settings
        try:
            async with asyncio.timeout(settings.ping_interval + settings.ping_timeout + _MARGIN):
                await self._relay.send(node, encode(message))
                await asyncio.wait([future] if gone is None else [future, gone], return_when=asyncio.FIRST_COMPLETED)
            answer: RelayMessage | None = future.result() if future.done() else None
        except ClusterError as error:
            raise Refused(503, b"The server of this session cannot be reached", "text/plain") from error
        except EncodeError as error:
            raise Refused(413, b"Too large for the cluster", "text/plain") from error
        except TimeoutError:
            raise Refused(504, b"The server of this session does not answer", "text/plain") from None
        finally:
            del self._waiting[number]
        return answer

    def _tell(self, node: str, message: RelayMessage) -> None:
        self._relay.send(node, encode(message))

    def _received(self, node: str, payload: bytes) -> None:
        try:
            message = decode(payload)
        except ProtocolError as error:
            self.malformed += 1
            _LOGGER.warning("what came from node %s is dropped: %s", node, error)
            return
        self._handlers[type(message)](node, message)

    def _lost(self, node: str) -> None:
        """A server is gone: nothing is waited for from it, and its clients are gone as well."""
        for owner, future in tuple(self._waiting.values()):
            if owner == node and not future.done():
                future.set_result(HungUp(0))
        for owner, tunnel in tuple(self._tunnels.values()):
            if owner == node:
                tunnel.cut()
        for (other, _), hung_up in tuple(self._asked.items()):
            if other == node:
                hung_up.set()
        for (other, _), transport in tuple(self._remote.items()):
            if other == node:
                transport.closed(_ABNORMAL_CLOSURE, "")

    def _spawn(self, work: "asyncio.Task[None]") -> None:
        self._tasks.add(work)
        work.add_done_callback(self._tasks.discard)

    def _forget_tunnel(self, number: int) -> None:
        self._tunnels.pop(number, None)

    def _on_answered(self, node: str, message: Answered | Opened | Refusal) -> None:
        owner, future = self._waiting.get(message.number, ("", None))
        if owner == node and future is not None and not future.done():
            future.set_result(message)
        elif isinstance(message, Opened) and message.number not in self._tunnels:
            self._tell(node, Closed(message.number, _ABNORMAL_CLOSURE, "", owner=False))  # its client has gone

    def _on_asked(self, node: str, message: Asked) -> None:
        hung_up = self._asked[node, message.number] = asyncio.Event()
        self._spawn(asyncio.get_running_loop().create_task(self._answer_for(node, message, hung_up)))

    async def _answer_for(self, node: str, message: Asked, hung_up: asyncio.Event) -> None:
        """Answer a request that came to another server."""
        request = message.request
        scope = {
            "type": "http",
            "method": message.method,
            "path": request.path,
            "query_string": request.query_string.encode("latin-1"),
            "headers": _pairs(request.head),
            "client": (request.host, request.port) if request.host else None,
            "scheme": "https" if request.secure else "http",
        }
        parts: list[dict[str, Any]] = []
        bodies = [message.body]

        async def receive() -> dict[str, Any]:
            if bodies:
                return {"type": "http.request", "body": bodies.pop()}
            await hung_up.wait()
            return {"type": "http.disconnect"}

        async def send(part: dict[str, Any]) -> None:
            parts.append(part)

        try:
            await self._answer(scope, receive, send)
        finally:
            del self._asked[node, message.number]
        if not parts:  # nobody waits for it, as far as this server knows; but it may be mistaken about the other one
            refusal = Rejected(ErrorCode.UNKNOWN_SID).polling()
            head = _head([(b"content-type", refusal.content_type.encode())])
            self._tell(node, Answered(message.number, refusal.status, head, refusal.body))
            return
        start, *rest = parts
        body = b"".join(part.get("body", b"") for part in rest)
        answer = Answered(message.number, start["status"], _head(start["headers"]), body)
        try:
            await self._relay.send(node, encode(answer))
        except (ClusterError, EncodeError) as error:
            # What was in it is lost, so the session must not go on behind it.
            _LOGGER.warning("an answer by way of node %s is lost, and its client is put out: %s", node, error)
            self._owner.end_session(request.request())
            self._tell(node, Answered(message.number, 503, b"", b""))

    def _on_hung_up(self, node: str, message: HungUp) -> None:
        hung_up = self._asked.get((node, message.number))
        if hung_up is not None:
            hung_up.set()

    def _on_wanted(self, node: str, message: Wanted) -> None:
        self._spawn(asyncio.get_running_loop().create_task(self._open_for(node, message)))

    async def _open_for(self, node: str, message: Wanted) -> None:
        """Open a WebSocket that came to another server."""
        try:
            accepted = self._owner.open_websocket(message.request.request())
            if not isinstance(accepted, Accepted):
                accepted = await accepted
        except Refused as refusal:
            head = _head(_encoded(refusal.headers))
            number, status = message.number, refusal.status
            self._tell(node, Refusal(number, status, refusal.content_type, refusal.body, head))
            return
        key = (node, message.number)
        self._remote[key] = RemoteTransport(
            message.number,
            accepted.receiver,
            partial(self._tell, node),
            lambda _: self._remote.pop(key, None),
            self._owner.settings.high_water,
        )
        self._tell(node, Opened(message.number, _head(_encoded(accepted.headers)), accepted.subprotocol))

    def _on_ready(self, node: str, message: Ready) -> None:
        transport = self._remote.get((node, message.number))
        if transport is None:
            self._say_closed(node, message.number, owner=True)
        else:
            transport.open()

    def _on_data(self, node: str, message: Data) -> None:
        end = self._end(node, message.number, owner=not message.owner)
        if end is None:
            self._say_closed(node, message.number, owner=not message.owner)
        else:
            end.take(message)

    def _on_taken(self, node: str, message: Taken) -> None:
        end = self._end(node, message.number, owner=not message.owner)
        if end is None:
            self._say_closed(node, message.number, owner=not message.owner)
        else:
            end.taken(message.total)

    def _end(self, node: str, number: int, *, owner: bool) -> Tunnel | RemoteTransport | None:
        """Return this server's end of a WebSocket, whose session it has (*owner*) or the other one."""
        return self._remote.get((node, number)) if owner else self._tunnel(node, number)

    def _say_closed(self, node: str, number: int, *, owner: bool) -> None:
        """The other server has an end of a WebSocket that has no other end: it does not know that, or not yet."""
        self._tell(node, Closed(number, _INTERNAL_ERROR if owner else _ABNORMAL_CLOSURE, "", owner=owner))

    def _on_closed(self, node: str, message: Closed) -> None:
        if message.owner:
            tunnel = self._tunnel(node, message.number)
            if tunnel is not None:
                tunnel.close(message.code, message.reason)
            return
        transport = self._remote.get((node, message.number))
        if transport is not None:
            transport.closed(message.code, message.reason)

    def _tunnel(self, node: str, number: int) -> Tunnel | None:
        owner, tunnel = self._tunnels.get(number, ("", None))
        return tunnel if owner == node else None


def _encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _head(headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return headers as lines, as in `Request.head`."""
    return b"".join(b"%b: %b\r\n" % pair for pair in headers)


def _pairs(head: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers of lines."""
    lines = (line.partition(b":") for line in head.split(b"\r\n"))
    return [(name, value.strip(b" \t")) for name, colon, value in lines if colon]
