"""One of several processes that serve the same port, as it sees itself."""

import contextlib
import logging
import multiprocessing
import os
import shutil
import signal
import socket
import threading
import time
from types import FrameType

import msgspec

__all__ = ["GRACE", "Ready", "Seat", "Worker"]

GRACE = 5.0  # seconds above `shutdown_timeout` that a worker may take to end

_STARTING_LOGGERS = ("moongate", "uvicorn.error")


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is told on its command line, as JSON. Files are given by their descriptors."""

    number: int
    """From 1 on; a worker that takes the place of another has its number."""
    control: int
    """One end of a socket pair. Its other end closes when the parent dies."""
    listeners: list[int]
    """The sockets to accept from."""
    folder: str
    """Where the workers of this server meet if the application names no cluster."""
    is_first: bool
    """Whether it says what is served; the others would only repeat it."""


class Ready(msgspec.Struct, frozen=True):
    """What a worker tells its parent when it has started."""

    patience: float
    """Seconds that it may take to end."""


class Worker:
    """The worker that sits on *seat*: names it in the log, tells the parent when it is ready, ends with the parent."""

    def __init__(self, seat: Seat) -> None:
        self.seat: Seat = seat
        self.listeners: list[socket.socket] = [socket.socket(fileno=listener) for listener in seat.listeners]
        self._control = socket.socket(fileno=seat.control)
        for inherited in (self._control, *self.listeners):
            inherited.set_inheritable(False)
        self._patience = GRACE
        self._leaving = False
        self._orphaned = False

    def begin(self) -> None:
        """Do what has to be done before the application is imported.

        A terminal sends SIGINT and SIGHUP to every process, and they are the parent's business. Later the server
        handles SIGINT as well; the parent has blocked it until now.
        """
        multiprocessing.current_process().name = f"worker {self.seat.number}"
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _leave_to_parent)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        threading.Thread(target=self._watch_parent, name="parent", daemon=True).start()
        if not self.seat.is_first:
            for name in _STARTING_LOGGERS:
                logging.getLogger(name).addFilter(_is_warning)

    def ready(self, shutdown_timeout: float) -> None:
        """Tell the parent that clients are let in."""
        for name in _STARTING_LOGGERS:
            logging.getLogger(name).removeFilter(_is_warning)
        self._patience = shutdown_timeout + GRACE
        with contextlib.suppress(ConnectionError):  # the parent has died, which is noticed elsewhere
            self._control.sendall(msgspec.json.encode(Ready(self._patience)))

    def leave(self) -> None:
        """Tell the parent that no more clients are let in, so that another worker comes before this one has ended."""
        self._leaving = True
        with contextlib.suppress(ConnectionError):  # as above
            self._control.sendall(b"leaving")

    def end(self) -> None:
        """Leave nothing behind that the parent would have removed."""
        if self._orphaned:
            shutil.rmtree(self.seat.folder, ignore_errors=True)

    def _watch_parent(self) -> None:
        """Stop as on SIGTERM when the parent has died."""
        with contextlib.suppress(ConnectionError):
            self._control.recv(1)  # nothing comes but the end
        if self._leaving:
            return  # it stops anyway, and the parent may have let go of it
        self._orphaned = True
        logging.getLogger("moongate.server").error("the parent of worker %d has died: it stops", self.seat.number)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(self._patience)
        os.kill(os.getpid(), signal.SIGKILL)


def _leave_to_parent(number: int, frame: FrameType | None) -> None:
    """Handle a signal: a handler is not inherited by processes that the application starts, as ignoring would be."""
    del number, frame


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING
