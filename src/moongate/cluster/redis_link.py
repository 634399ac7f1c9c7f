"""Connections to Redis: opened by redis-py, with its TLS, ACL users and Sentinels, and driven by ourselves then.

redis-py reads and writes by streams, a task and some timeouts for every message. What is on the path of a message here
is the protocol parser of hiredis and one callback.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError

from moongate.cluster.bus import Unreachable
from moongate.errors import ConfigurationError

__all__ = ["Commands", "Connect", "Link", "is_error"]

Connect = Callable[[], AbstractConnection]
"""Returns a connection of redis-py that is not connected yet."""

_AROUND = 1_048_576
"""Bytes that may stand around a message: names of channels, and what came before it."""

_TURN = 64
"""How many replies are handled before the clients get a turn."""

_TIMEOUT = 2.0
"""Seconds of silence until Redis counts as gone."""

_RATE = 100_000
"""Bytes that the network takes in a second at least."""

_NOTHING = object()


def is_error(reply: object) -> bool:
    """Whether Redis refused a command."""
    return isinstance(reply, hiredis.ReplyError)


class Link(asyncio.Protocol):
    """One open connection. *receive* is called with each reply, *lost* once, with the reason, when it is gone.

    It is closed if a reply has many more bytes than *limit*, before there are more of them.
    """

    def __init__(
        self,
        connection: AbstractConnection,
        receive: Callable[[Any], None],
        lost: Callable[[str], None],
        limit: float = inf,
    ) -> None:
        self._connection = connection
        self._receive = receive
        self._lost = lost
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._transport: asyncio.Transport
        self.came: int = 0  # how many bytes have come
        self._limit = limit + _AROUND
        self._unread = 0  # of these, about how many are of a reply that is not whole yet
        self._closed = False
        self._waiting = False  # whether replies wait for their turn

    @classmethod
    async def open(
        cls,
        connect: Connect,
        receive: Callable[[Any], None],
        lost: Callable[[str], None],
        limit: float = inf,
    ) -> "Link":
        """Connect and authenticate; raises Unreachable, and ConfigurationError for what no other try would mend."""
        connection = connect()
        connection.retry = Retry(NoBackoff(), 0)  # whoever needs the link tries again, and knows best when
        try:
            async with asyncio.timeout(_TIMEOUT):
                await connection.connect()  # type: ignore[no-untyped-call]
        except (AuthenticationError, AuthorizationError, NoPermissionError) as error:
            raise ConfigurationError(f"Redis does not let us in: {error}", where="cluster") from error
        except Exception as error:  # what gives passwords, say, is the user's, and may raise anything
            await connection.disconnect(nowait=True)
            reason = f"no answer within {_TIMEOUT:g} s" if isinstance(error, TimeoutError) else str(error)
            raise Unreachable(f"Redis cannot be reached: {reason or repr(error)}", written=False) from error
        except asyncio.CancelledError:
            await connection.disconnect(nowait=True)
            raise
        link = cls(connection, receive, lost, limit)
        writer: asyncio.StreamWriter = connection._writer  # type: ignore[assignment]  # noqa: SLF001  # it is open
        link._transport = writer.transport  # type: ignore[assignment]  # streams are made of such
        link._transport.set_protocol(link)
        return link

    def write(self, data: bytes) -> None:
        """Send packed commands."""
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self.came += len(data)
        self._unread += len(data)
        if self._unread > self._limit:
            self.close(f"Redis sent a message of more than {self._limit - _AROUND:.0f} bytes")
            return
        self._reader.feed(data)
        if not self._waiting:
            self._read()

    def _read(self) -> None:
        try:
            for _ in range(_TURN):
                reply = self._reader.gets()
                if reply is _NOTHING or self._closed:
                    self._wait_no_longer()
                    return
                self._unread = 0
                self._receive(reply)
        except hiredis.ProtocolError as error:
            self.close(f"Redis sent what is no reply: {error}")
            return
        if not self._waiting:
            self._waiting = True
            self._transport.pause_reading()  # Redis shall hold what this node has no time for
        asyncio.get_running_loop().call_soon(self._read)

    def _wait_no_longer(self) -> None:
        if self._waiting:
            self._waiting = False
            if not self._closed:
                self._transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self.close(f"the connection to Redis is lost: {error}" if error else "Redis closed the connection")

    def eof_received(self) -> None:
        """Redis says nothing more."""
        self.close("Redis closed the connection")

    def pause_writing(self) -> None:
        """Redis takes nothing for the moment: nothing more is written than a batch, whose answer is awaited."""

    def resume_writing(self) -> None:
        """Redis takes more."""

    def close(self, reason: str) -> None:
        """Let go of the connection."""
        if self._closed:
            return
        self._closed = True
        self._transport.abort()
        self._connection._reader = self._connection._writer = None  # noqa: SLF001  # redis-py must not close it again
        self._lost(reason)


class Commands:
    """Sends commands and returns Redis' answers, by one connection that is opened when needed."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._link: Link | None = None
        self._opening: asyncio.Lock = asyncio.Lock()
        self._answers: deque[_Answers] = deque()

    async def call(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Send *commands* and return an answer for each, which may be an error; raises Unreachable.

        Who is cancelled while waiting leaves its place in the row of answers, so that those of others stay theirs.
        """
        link = self._link or await self._open()
        answers = _Answers(len(commands))
        self._answers.append(answers)
        data = b"".join(map(hiredis.pack_command, commands))
        link.write(data)
        try:
            return await self._answered(link, answers.complete, _TIMEOUT + len(data) / _RATE)
        except asyncio.CancelledError:
            answers.complete.cancel()
            raise

    async def _answered(self, link: Link, complete: "asyncio.Future[list[Any]]", patience: float) -> list[Any]:
        """Wait as long as anything comes: large answers may take long; raises Unreachable."""
        came = -1
        while not complete.done() and link.came != came:
            came = link.came
            await asyncio.wait((complete,), timeout=patience)
            patience = _TIMEOUT
        if not complete.done():
            link.close(f"Redis gave no answer within {_TIMEOUT:g} s")  # which tells whoever waits
        return complete.result()

    async def open(self) -> None:
        """Connect if need be; raises as `Link.open`."""
        if self._link is None:
            await self._open()

    async def _open(self) -> Link:
        async with self._opening:
            if self._link is None:
                self._link = await Link.open(self._connect, self._received, self._gone)
            return self._link

    def close(self) -> None:
        """Let go of the connection."""
        if self._link is not None:
            self._link.close("closed")

    def _received(self, reply: Any) -> None:
        if isinstance(reply, hiredis.PushNotification) or not self._answers:
            return
        answers = self._answers[0]
        answers.replies.append(reply)
        if len(answers.replies) == answers.count:
            self._answers.popleft()
            if not answers.complete.done():
                answers.complete.set_result(answers.replies)

    def _gone(self, reason: str) -> None:
        self._link = None
        lost, self._answers = self._answers, deque()
        for answers in lost:
            if not answers.complete.done():
                answers.complete.set_exception(Unreachable(reason, written=True))


class _Answers:
    """The answers to some commands."""

    __slots__ = ("complete", "count", "replies")

    def __init__(self, count: int) -> None:
        self.count = count
        self.replies: list[Any] = []
        self.complete: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
