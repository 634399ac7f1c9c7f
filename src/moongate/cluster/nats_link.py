"""Connections to NATS: opened by nats-py, with its credentials, TLS and WebSockets, and used by ourselves then.

nats-py keeps a queue and a task for every subscription, so that messages of two channels may change places. Here each
message is one callback, in the order in which NATS sent them. A connection that is lost is not mended: another one is
opened in its place, which holds nothing that was to be sent by the one before.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError

from moongate.cluster.bus import Unreachable
from moongate.errors import ConfigurationError

__all__ = ["NatsLink"]

_TIMEOUT = 2.0
"""Seconds until NATS counts as gone."""

_OPENING = 5.0
"""Seconds that a connection may take until it is there, all servers tried."""

_RATE = 1_000_000
"""Bytes that NATS takes in a second at least."""

_TURN = 64
"""How many messages are handled before the clients get a turn."""

_REFUSAL = re.compile(r"permissions violation for (publish|subscription) to \"([^\"]*)\"")
"""What NATS says to what a user may not do; nats-py gives it in lower case."""

_HOPELESS = (
    "authorization violation",
    "authentication expired",
    "authentication revoked",
    "nats: invalid",
    "nats: mixing",
)
"""What is in errors that no other try would mend."""

_Receive = Callable[[bytes, bytes], None]


class NatsLink:
    """One open connection. *receive* is called with each message's subject and data, *lost* once, with the reason.

    *receive* may not raise.
    """

    def __init__(self, receive: _Receive, lost: Callable[[str], None]) -> None:
        self._client = _Client(receive)
        self._lost = lost
        self._closed = False
        self._error: Exception | None = None  # the last one
        self._gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()  # done when it is lost: why
        # Whoever waits for an answer of NATS, and the subjects that may not be published to, in lower case.
        self._waiting: dict[asyncio.Future[bool], set[str]] = {}
        self._numbers: dict[str, int] = {}  # of the subscriptions
        self._number = 0  # of the last one
        self._closing: asyncio.Task[None] | None = None
        self.hopeless: bool = False  # whether another connection would end as this one did

    @classmethod
    async def open(
        cls,
        servers: Sequence[str],
        arguments: Mapping[str, Any],
        receive: _Receive,
        lost: Callable[[str], None],
    ) -> "NatsLink":
        """Connect; raises Unreachable, and ConfigurationError for what no other try would mend."""
        link = cls(receive, lost)
        link._closed = True  # until it is open
        try:
            async with asyncio.timeout(_OPENING):
                await link._connect(servers, arguments)
            link._closed = False
        except (FileNotFoundError, PermissionError) as error:  # the file with the credentials
            raise ConfigurationError(f"NATS cannot be asked: {error}", where="cluster") from error
        except (NatsError, OSError, TimeoutError) as error:
            reason = str(link._error or error) or f"no answer within {_OPENING:g} s"
            if any(part in reason.lower() for part in _HOPELESS):
                raise ConfigurationError(f"NATS does not let us in: {reason}", where="cluster") from error
            raise Unreachable(f"NATS cannot be reached: {reason}", written=False) from error
        except (TypeError, ValueError, ImportError) as error:
            raise ConfigurationError(f"NATS cannot be asked: {error}", where="cluster option connect") from error
        finally:
            if link._closed:
                await link._discard()
        return link

    async def _connect(self, servers: Sequence[str], arguments: Mapping[str, Any]) -> None:
        await self._client.connect(
            **{
                "connect_timeout": _TIMEOUT,
                "name": "moongate",
                **arguments,
                "servers": list(servers),
                "allow_reconnect": False,
                "max_reconnect_attempts": 1,
                "reconnect_time_wait": 0,
                "pending_size": 0,
                "no_echo": False,
                "error_cb": self._failed,
                "closed_cb": self._ended,
            }
        )

    @property
    def max_payload(self) -> int:
        """The largest message that NATS takes, in bytes."""
        return self._client.max_payload

    def subscribe(self, subjects: Iterable[str]) -> bytes:
        """Return the commands that subscribe."""
        commands = []
        for subject in subjects:
            self._number += 1
            self._numbers[subject] = self._number
            commands.append(f"SUB {subject} {self._number}\r\n")
        return "".join(commands).encode()

    def unsubscribe(self, subject: str) -> bytes:
        """Return the command that ends a subscription."""
        number = self._numbers.pop(subject, None)
        return b"" if number is None else f"UNSUB {number}\r\n".encode()

    async def perform(self, commands: bytes) -> set[str]:
        """Send *commands*; return, when NATS has done them, which subjects may not be published to, in lower case.

        Raises Unreachable.
        """
        # nats-py writes a PING before what it was given to publish, so its PONG would say nothing about that.
        transport = self._client._transport  # noqa: SLF001
        if self._closed or transport is None or not self._client.is_connected:
            self.close("the connection to NATS is lost")
            raise Unreachable("the connection to NATS is lost", written=False)
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        refused: set[str] = set()
        self._waiting[answer] = refused
        timeout = _TIMEOUT + len(commands) / _RATE
        try:
            async with asyncio.timeout(timeout):
                transport.write(commands)
                await self._client._send_ping(answer)  # noqa: SLF001  # `flush` is content if nobody reads any more
                await asyncio.wait((answer, self._gone), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            self.close(f"NATS gave no answer within {timeout:.3g} s")
        except (OSError, RuntimeError) as error:  # RuntimeError: what uvloop says of a closed connection
            self.close(f"the connection to NATS is lost: {error}")
        finally:
            del self._waiting[answer]
        if not answer.done():
            raise Unreachable(self._gone.result(), written=True)
        return refused

    def close(self, reason: str) -> None:
        """Let go of the connection."""
        if self._closed:
            return
        self._closed = True
        self._closing = asyncio.get_running_loop().create_task(self._discard(), name="moongate cluster farewell")
        self._gone.set_result(reason)
        self._lost(reason)

    async def closed(self) -> None:
        """Return when nothing is left of a connection that was closed."""
        if self._closing is not None:
            await asyncio.wait((self._closing,))

    async def _discard(self) -> None:
        transport = self._client._transport  # noqa: SLF001  # nats-py waits until a server that says nothing has read all
        if transport is None:
            return
        writer = getattr(transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self._client.close()
        except (NatsError, OSError, RuntimeError, TimeoutError) as error:
            self._error = error

    async def _failed(self, error: Exception) -> None:
        self._error = error
        refusal = _REFUSAL.search(str(error).lower())
        if refusal is None:
            return
        if refusal[1] == "publish":
            for refused in self._waiting.values():
                refused.add(refusal[2])
        else:
            self.hopeless = True
            self.close(f"NATS refused a subscription: {error}")

    async def _ended(self) -> None:
        error = self._client.last_error or self._error
        self.close(f"the connection to NATS is lost: {error}" if error else "NATS closed the connection")


class _Client(Client):
    """Gives messages on at once."""

    def __init__(self, receive: _Receive) -> None:
        super().__init__()
        self._receive = receive
        self._turn = 0

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        del sid, reply, headers
        self._receive(subject, data)
        self._turn += 1
        if self._turn % _TURN == 0:
            await asyncio.sleep(0)
