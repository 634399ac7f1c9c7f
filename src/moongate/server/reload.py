"""Restarts the server when the code changes."""

import logging
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from moongate.errors import MissingExtraError
from moongate.server.options import ServeOptions, command_line

__all__ = ["run"]

_LOGGER = logging.getLogger("moongate.reload")

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE = 15.0  # seconds that a server may take to stop; above the default `shutdown_timeout`


def run(import_string: str, options: ServeOptions) -> None:
    """Serve *import_string* in a process of its own and replace it whenever a Python file below this directory changes.

    Returns after SIGINT or SIGTERM, when that process has ended. Raises MissingExtraError.
    """
    try:
        from watchfiles import PythonFilter, watch
    except ImportError as error:
        raise MissingExtraError("--reload", extra="dev") from error
    logging.basicConfig(format="%(asctime)s %(levelname)-7s %(name)s  %(message)s", datefmt="%H:%M:%S")
    _LOGGER.setLevel(logging.INFO)
    command = command_line(import_string, options)
    stopped = threading.Event()
    directory = Path.cwd()
    with _stop_signals(stopped):
        process = _start(command)
        try:
            for changes in watch(directory, watch_filter=PythonFilter(), stop_event=stopped, raise_interrupt=False):
                files = sorted({os.path.relpath(path, directory) for _, path in changes})
                _LOGGER.info("%s changed: restarting", ", ".join(files))
                _stop(process)
                process = _start(command)
        finally:
            _stop(process)


def _start(command: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command)  # noqa: S603  # this very program


@contextmanager
def _stop_signals(stopped: threading.Event) -> Iterator[None]:
    """Let the signals that end the process set *stopped* instead."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        stopped.set()

    before = {number: signal.signal(number, stop) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End the server as politely as it lets us.

    It is SIGTERM even after Ctrl-C, which the terminal has sent to the server as well: a second SIGINT would make it
    give up on its clients.
    """
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        _LOGGER.warning("the server did not stop within %g s: it is killed", _PATIENCE)
        process.kill()
        process.wait()
