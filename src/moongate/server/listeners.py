"""The sockets that the workers of one server accept their clients from."""

import errno
import os
import socket
import stat
import sys
from pathlib import Path

from moongate.server.options import ServeOptions

__all__ = ["Listeners"]

_UNIX_MODE = 0o666  # whom the folder lets in; as uvicorn makes a UNIX socket
_UNAVAILABLE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


class Listeners:
    """One port, or one UNIX socket, for *count* workers. Raises OSError if it cannot be had.

    On Linux each worker has a socket of its own for the same port (SO_REUSEPORT), among which the kernel spreads
    connections evenly. Workers that accept from one socket get what they are fast enough to take: of 1 000 connections
    one worker of two may take 990. That remains for UNIX sockets, and for systems whose kernel does not spread.

    The sockets are bound, but do not listen: each does so when a worker has started with it. They are kept here, so
    that clients who wait in the queue of a worker which is killed are served by its successor.
    """

    def __init__(self, options: ServeOptions, count: int) -> None:
        self._path = None if options.uds is None else Path(options.uds)
        self._identity: tuple[int, int] | None = None  # of the file at that path
        self._addresses: list[tuple[socket.AddressFamily, tuple[object, ...]]] = []
        self._spread = self._path is None and sys.platform == "linux"
        self._claims: list[socket.socket] = []
        try:
            first = self._bind_first(options)
            self._sockets = [first, *(self._bind_all() if self._spread else first for _ in range(1, count))]
        except BaseException:
            self._release_claims()
            self._forget_path()
            raise
        self.where: str = _where(options, first)

    def of(self, number: int) -> list[socket.socket]:
        """Return the sockets of the worker *number*, which counts from 1, to listen on."""
        return self._sockets[number - 1]

    def release(self, number: int) -> None:
        """Leave the clients of the worker *number*, which does not start, to the others; the last ones stay.

        The sockets stay bound and do not listen, whoever else holds them, until a worker listens on them again.
        """
        if not self._spread:  # the others accept from the same socket
            return
        own = self._sockets[number - 1]
        if any(_listens(listener) for others in self._sockets if others is not own for listener in others):
            for listener in filter(_listens, own):  # to shut one down that does not would spoil what it accepts later
                listener.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Accept nobody any more."""
        for listeners in self._sockets:
            for listener in listeners:
                listener.close()
        self._release_claims()
        self._forget_path()

    def _bind_first(self, options: ServeOptions) -> list[socket.socket]:
        if self._path is not None:
            listener = _bound_unix(self._path)
            self._identity = _identity(self._path)
            return [listener]
        listeners: list[socket.socket] = []
        port = options.port
        problem: OSError | None = None
        for family, address in _addresses(options.host, port):
            try:
                if self._spread and port:
                    # A socket with SO_REUSEPORT could share the port with a server that is there already.
                    self._claims.append(_claimed(family, (address[0], port)))
                    _bound(family, (address[0], port, *address[2:]), spread=False).close()
                listener = _bound(family, (address[0], port, *address[2:]), spread=self._spread)
                if self._spread and not port:
                    # The system takes back a port that it has chosen when its socket is shut down, but not this one.
                    with listener:
                        listener = _bound(family, listener.getsockname(), spread=True)
            except OSError as error:
                if error.errno not in _UNAVAILABLE:
                    raise
                problem = error
                continue
            listeners.append(listener)
            self._addresses.append((family, listener.getsockname()))
            port = listener.getsockname()[1]
        if problem is not None and not listeners:
            raise problem
        return listeners

    def _bind_all(self) -> list[socket.socket]:
        return [_bound(family, address, spread=True) for family, address in self._addresses]

    def _release_claims(self) -> None:
        for claim in self._claims:
            claim.close()

    def _forget_path(self) -> None:
        """Remove the UNIX socket, unless another server has put its own there."""
        if self._path is not None and self._identity is not None and _identity(self._path) == self._identity:
            self._path.unlink(missing_ok=True)


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[object, ...]]]:
    """Return where *host* is to be listened on; an empty one is every address of the machine."""
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _bound(family: socket.AddressFamily, address: tuple[object, ...], *, spread: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if spread:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # as asyncio binds
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"cannot listen on {address[0]}, port {address[1]}: {error.strerror}") from None
    return listener


def _listens(listener: socket.socket) -> bool:
    return bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _claimed(family: socket.AddressFamily, address: tuple[object, int]) -> socket.socket:
    """Keep others that serve by workers from *address*: while they start, their sockets do not listen yet.

    The name lives as long as the socket, in Linux' abstract namespace of UNIX sockets (unix(7)).
    """
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        claim.bind(f"\0moongate-workers-{family:d}-{address[0]}-{address[1]}")
    except OSError as error:
        claim.close()
        raise OSError(error.errno, f"cannot listen on {address[0]}, port {address[1]}: {error.strerror}") from None
    return claim


def _bound_unix(path: Path) -> socket.socket:
    """Bind a UNIX socket; one that a server has left there goes, as asyncio does it."""
    mode = _UNIX_MODE
    if path.exists():
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_socket():
            path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(mode)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"cannot listen on {path}: {error.strerror}") from None
    return listener


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116  # so that what is read here is one thing
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _where(options: ServeOptions, listeners: list[socket.socket]) -> str:
    """Return where clients find the server, as uvicorn says it."""
    if options.uds is not None:
        return f"unix socket {options.uds}"
    host = f"[{options.host}]" if ":" in options.host else options.host or "0.0.0.0"  # noqa: S104  # a text
    return f"{'https' if options.ssl_certfile else 'http'}://{host}:{listeners[0].getsockname()[1]}"
