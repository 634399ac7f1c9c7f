"""The folder by which the processes of one machine find each other: each has a socket in it."""

import contextlib
import errno
import os
import secrets
import socket
import stat
import time
from pathlib import Path

import zmq

from moongate.errors import ConfigurationError

__all__ = ["Folder"]

_SUFFIX = ".sock"

_LONGEST_PATH: int = zmq.IPC_PATH_MAX_LEN
"""Bytes that the path of a UNIX socket may have: 107 on Linux (unix(7): sun_path, with a zero at its end)."""

_YOUNG = 0.2
"""Seconds for which a socket that refuses may be about to listen; a process that takes longer will try another one."""


class Folder:
    """The sockets of a cluster. A socket's address is the name of its file: the id of its node, and a random part."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def prepare(self) -> None:
        """Create the folder if need be; raises ConfigurationError and OSError."""
        if not hasattr(socket, "AF_UNIX"):
            raise ConfigurationError("this system has no UNIX sockets", where="LocalCluster")
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.check()

    def check(self) -> None:
        """Find out whether the folder is this user's alone; raises ConfigurationError if not, and OSError."""
        status = self._path.stat()
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise ConfigurationError(
                f"{self._path} is open to other users, who could read and write every message",
                where="LocalCluster",
                mend=f"Give it to this user alone: chmod 700 {self._path}",
            )

    def new_address(self, node: str) -> str:
        """Return an address for the node's next socket; raises ConfigurationError."""
        address = f"{node}-{secrets.token_hex(2)}{_SUFFIX}"
        if len(os.fsencode(self._path / address)) > _LONGEST_PATH:
            raise ConfigurationError(
                f"the path of {self._path} is too long for UNIX sockets",
                where="LocalCluster",
                mend=f"A path of {_LONGEST_PATH - len(address) - 1} bytes is short enough.",
            )
        return address

    @staticmethod
    def node(address: str) -> str:
        """Return the id of the node that has *address*."""
        return address.rpartition("-")[0]

    def endpoint(self, address: str) -> str:
        """Return an address as ZeroMQ writes it."""
        return f"ipc://{self._path / address}"

    def addresses(self) -> set[str]:
        """Return the addresses of all sockets, those of dead processes too."""
        try:
            return {path.name for path in self._path.iterdir() if path.suffix == _SUFFIX}
        except FileNotFoundError:
            return set()

    def remove(self, address: str) -> None:
        """Remove a socket's file."""
        with contextlib.suppress(OSError):  # whoever comes across it will find that nobody has it any more
            (self._path / address).unlink(missing_ok=True)

    def is_dead(self, address: str) -> bool:
        """Whether nobody has that socket any more; its file is removed then."""
        path = self._path / address
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.setblocking(False)
                failure = probe.connect_ex(os.fspath(path))
            if failure == errno.ECONNREFUSED and time.time() - path.stat().st_mtime >= _YOUNG:
                self.remove(address)
                return True
        except FileNotFoundError:
            return True
        except OSError:  # too many files are open: nobody knows
            return False
        return failure == errno.ENOENT
