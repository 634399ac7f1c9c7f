"""Sockets of ZeroMQ between the processes of one machine: one to read from, and one to write to each other process."""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import zmq

__all__ = ["Context", "Inbox", "Peer"]

Context: TypeAlias = "zmq.Context[zmq.Socket[bytes]]"

_QUEUE = 1000
"""Messages of ZeroMQ that wait for a process at most at either end, besides what the system's own buffers hold."""

_ON_THE_WAY = 16_777_216
"""Bytes that a process has not handled yet at most, and one message more."""

_AROUND = 1_048_576
"""Bytes that may stand around a message: others that go with it."""

_LINGER = 1000
"""Milliseconds for which what was sent before a socket was closed may still leave."""

_TURN = 64
"""After how many messages the clients get a turn."""


class Inbox:
    """A socket from which *receive* gets what comes, and returns how many messages that was.

    Who sends what has many more bytes than *limit* is cut off, and connects anew.
    """

    def __init__(self, context: Context, endpoint: str, receive: Callable[[bytes], int], limit: int) -> None:
        self._receive = receive
        self._socket = context.socket(zmq.PULL)
        self._socket.linger = 0
        self._socket.rcvhwm = _QUEUE
        self._socket.maxmsgsize = limit + _AROUND
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError:
            self._socket.close()
            raise
        self._file: int = self._socket.getsockopt(zmq.FD)  # type: ignore[assignment]
        self._loop = asyncio.get_running_loop()
        self._waiting = False  # whether messages wait for their turn
        self._loop.add_reader(self._file, self._read)
        self._loop.call_soon(self._read)

    def close(self) -> None:
        """Let go of the socket, and of what was not read."""
        if not self._socket.closed:
            self._loop.remove_reader(self._file)
            self._socket.close()

    def _next_turn(self) -> None:
        self._waiting = False
        self._read()

    def _read(self) -> None:
        # The file says once that there is something, and no more until all of it was read (zmq_getsockopt: ZMQ_FD).
        if self._waiting:
            return
        socket, receive = self._socket, self._receive
        handled = 0
        try:
            while handled < _TURN:
                if socket.closed:
                    return
                handled += receive(socket.recv(zmq.NOBLOCK))
        except zmq.Again:
            return
        self._waiting = True
        self._loop.call_soon(self._next_turn)


class Peer:
    """Another process, which may be this one as well: what it listens to, and the way to it."""

    def __init__(self, context: Context, address: str, endpoint: str, limit: float | None = None) -> None:
        self.address: str = address
        self.channels: set[str] = set()
        self.seen: int = 0  # at which look around it was heard last
        self.stalled: bool = False  # it has taken nothing for too long
        self.silent: bool = False  # it has confirmed nothing for too long
        self.outdated: bool = False  # it has still to be told what this process listens to
        self.owed: int = 0  # the number of its subscriptions that has still to be confirmed
        self._limit = _ON_THE_WAY if limit is None else limit
        self._on_the_way = 0  # bytes of which it has not said that it has handled them
        self._handled = 0  # bytes that came from it, and that it has not been told of
        self._socket = context.socket(zmq.PUSH)
        self._socket.linger = _LINGER
        self._socket.sndhwm = _QUEUE
        self._socket.connect(endpoint)

    @property
    def closed(self) -> bool:
        """Whether it is gone."""
        return bool(self._socket.closed)

    @property
    def has_room(self) -> bool:
        """Whether it takes a message now."""
        return bool(int(self._socket.events) & zmq.POLLOUT)

    def give(self, parcel: bytes) -> bool:
        """Send what it has to handle; return whether there was room for it."""
        if self._on_the_way >= self._limit or not self.send(parcel):
            return False
        self._on_the_way += len(parcel)
        self.stalled = False
        return True

    def send(self, data: bytes) -> bool:
        """Send what is between the processes themselves; return whether there was room for it."""
        try:
            self._socket.send(data, zmq.NOBLOCK)
        except zmq.Again:
            # It may have made room in the meantime, which ZeroMQ notices when it is asked for that.
            return self.has_room and self.send(data)
        return True

    def has_handled(self, size: int) -> None:
        """It has handled so many bytes more."""
        self._on_the_way = max(0, self._on_the_way - size)

    def forget_what_is_on_the_way(self) -> None:
        """It does not know what it was given before, and will not say that it has handled that."""
        self._on_the_way = 0

    def came(self, size: int) -> int:
        """So many bytes of it have been handled here; return of how many it should be told now, if so."""
        self._handled += size
        return self._handled if self._handled >= _ON_THE_WAY // 4 else 0

    def told(self, size: int) -> None:
        """It has been told of so many bytes."""
        self._handled -= size

    def close(self) -> None:
        """Let go of it; what waits for it leaves if it can."""
        self._socket.close()

    def drop(self) -> None:
        """Let go of it: nobody reads what waits for it."""
        self._socket.close(linger=0)
