"""Serves an application by several processes on one port: starts them, replaces them, ends them."""

import asyncio
import logging
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Coroutine
from typing import Any

import msgspec

from moongate.errors import ConfigurationError
from moongate.server.listeners import Listeners
from moongate.server.logs import configure_logging
from moongate.server.options import ServeOptions, command_line
from moongate.server.worker import GRACE, Ready, Seat

__all__ = ["run"]

_LOGGER = logging.getLogger("moongate.workers")

_START_FAILED = 3
_STEADY = 10.0  # seconds after which a worker that ends is no sign that its successor ends as well
_FIRST_DELAY = 0.1  # seconds before a worker is replaced; doubled each time that this does not help
_LONGEST_DELAY = 5.0
_SLOW = 30.0  # seconds of a start after which the clients of a worker are left to the others
_SHORTEST_LIMIT = 120.0  # seconds that a start may take, or some times what the first one took
_START_FACTOR = 5
_MESSAGE_SIZE = 256


def run(import_string: str, options: ServeOptions) -> int:
    """Serve *import_string* by `options.workers` processes until SIGINT or SIGTERM; return the exit status.

    It is 0, or that of the first worker if it cannot start, which has said why. SIGHUP replaces all workers, one after
    the other. Raises ConfigurationError where the system has no such signals.
    """
    if not hasattr(signal, "SIGHUP"):
        raise ConfigurationError(
            "this system has no signals and sockets that processes could share",
            where="--workers",
            mend="Leave it away, and run several instances with ports of their own.",
        )
    multiprocessing.current_process().name = "parent"
    configure_logging(options.log_level, with_process=True)
    try:
        listeners = Listeners(options, options.workers)
    except OSError as error:
        _LOGGER.error("%s", error.strerror or error)  # noqa: TRY400  # the stack says nothing about the address
        return _START_FAILED
    folder = tempfile.mkdtemp(prefix="moongate-")  # for this user alone
    try:
        return asyncio.run(_supervise(command_line(import_string, options), listeners, options.workers, folder))
    finally:
        listeners.close()
        shutil.rmtree(folder, ignore_errors=True)


async def _supervise(command: list[str], listeners: Listeners, count: int, folder: str) -> int:
    return await _Supervisor(command, listeners, count, folder).run()


class _StartError(Exception):
    """A worker ended before it let clients in; *status* is that of the process, negative for a signal."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Process:
    """The process of one worker."""

    def __init__(self, number: int, process: "subprocess.Popen[bytes]", control: socket.socket) -> None:
        self.process = process
        self.name = f"worker {number} (process {process.pid})"
        self.ended = asyncio.Event()
        self._control = control
        self._patience = GRACE
        self._ready_at: float | None = None

    @property
    def fate(self) -> str:
        """How it ended."""
        status = self.process.returncode
        if status >= 0:
            return f"ended with status {status}"
        names = {number.value: number.name for number in signal.Signals}  # those of real time have none
        return f"was ended by {names.get(-status, f'signal {-status}')}"

    @property
    def was_steady(self) -> bool:
        """Whether it has served for so long that there is no hurry to suspect its successor."""
        return self._ready_at is not None and time.monotonic() - self._ready_at >= _STEADY

    def reap(self) -> None:
        """Notice that it has ended, if it has."""
        if self.process.poll() is not None:
            self.ended.set()

    async def wait_until_ready(self) -> None:
        """Wait until it lets clients in; raises _StartError if it ends before."""
        message = await self._heard()
        if not message:
            raise _StartError(self.process.returncode)
        self._patience = msgspec.json.decode(message, type=Ready).patience
        self._ready_at = time.monotonic()

    async def wait_until_leaving(self) -> None:
        """Wait until it lets nobody in any more: it stops, or has ended."""
        await self._heard()

    async def _heard(self) -> bytes:
        """Return what it says next, nothing once it has ended. Whoever it has started may hold its socket longer."""
        receiving = asyncio.ensure_future(asyncio.get_running_loop().sock_recv(self._control, _MESSAGE_SIZE))
        ending = asyncio.ensure_future(self.ended.wait())
        either: set[asyncio.Future[Any]] = {receiving, ending}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            message = receiving.result() if receiving.done() else b""
        except ConnectionError:
            message = b""
        finally:
            for each in either:
                each.cancel()
        if not message:
            await self.ended.wait()
        return message

    async def stop(self) -> None:
        """Let it say goodbye to its clients; kill it if that takes too long."""
        self.process.terminate()
        try:
            await asyncio.wait_for(self.ended.wait(), self._patience)
        except TimeoutError:
            _LOGGER.warning("%s did not stop within %g s: it is killed", self.name, self._patience)
            await self.kill()

    async def kill(self) -> None:
        """End it now."""
        self.process.kill()
        await self.ended.wait()

    def close(self) -> None:
        """Let go of it."""
        self._control.close()


class _Supervisor:
    """Keeps *count* workers running, each by *command*, that accept from *listeners*."""

    def __init__(self, command: list[str], listeners: Listeners, count: int, folder: str) -> None:
        self._command = command
        self._listeners = listeners
        self._numbers = range(1, count + 1)
        self._folder = folder
        self._serving: dict[int, _Process] = {}  # by number
        self._running: set[_Process] = set()  # these, and those that start or stop
        self._replacing = {number: asyncio.Lock() for number in self._numbers}
        self._stopping = asyncio.Event()
        self._forced = asyncio.Event()
        self._renewal = asyncio.Event()
        self._has_terminal = _has_terminal()
        self._start_limit = float("inf")  # seconds

    async def run(self) -> int:
        """Serve until a signal comes; return the exit status."""
        self._handle_signals()
        try:
            await self._unless_stopped(self._serve())
        except _StartError as error:
            return error.status if error.status > 0 else _START_FAILED
        finally:
            await self._stop_all()
        return 0

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def _reap(self) -> None:
        for process in list(self._running):
            process.reap()
            if process.ended.is_set():
                self._running.discard(process)

    def _interrupt(self) -> None:
        """Ctrl-C: the first time politely."""
        (self._forced if self._stopping.is_set() else self._stopping).set()

    def _hang_up(self) -> None:
        """Renew the workers, unless it means that the terminal was closed in which they run."""
        (self._stopping if self._has_terminal and not _has_terminal() else self._renewal).set()

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Do *work* until a signal asks for the end."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if working.done():
            working.result()
        working.cancel()
        await asyncio.wait({working, stopping})

    async def _serve(self) -> None:
        """Start all workers and keep them; raises _StartError if one does not start at all."""
        first, *others = self._numbers
        began = time.monotonic()
        await self._start(first, is_first=True)  # alone, so that what hinders it is said once
        self._start_limit = max(_SHORTEST_LIMIT, _START_FACTOR * (time.monotonic() - began))
        await asyncio.gather(*map(self._start, others))
        _LOGGER.info("%d workers run on %s (Press CTRL+C to quit)", len(self._numbers), self._listeners.where)
        await asyncio.gather(self._renew_on_demand(), *map(self._keep, self._numbers))

    async def _start(self, number: int, *, is_first: bool = False) -> None:
        """Start a worker that serves from now on as *number*; raises _StartError."""
        try:
            process = self._spawn(number, is_first=is_first)
        except OSError as error:
            _LOGGER.error("worker %d could not be started: %s", number, error)  # noqa: TRY400  # the system's reason
            raise _StartError(_START_FAILED) from error
        try:
            async with asyncio.timeout(self._start_limit):
                await process.wait_until_ready()
        except TimeoutError:
            _LOGGER.error("%s has not started within %g s: it is killed", process.name, self._start_limit)  # noqa: TRY400  # there is no more to say
            await process.kill()
            process.close()
            raise _StartError(process.process.returncode) from None
        except _StartError:
            process.close()
            if not self._stopping.is_set():
                _LOGGER.error("%s %s before it served", process.name, process.fate)  # noqa: TRY400  # it has said why
            raise
        self._serving[number] = process
        _LOGGER.info("%s serves", process.name)

    def _spawn(self, number: int, *, is_first: bool) -> _Process:
        listeners = [listener.fileno() for listener in self._listeners.of(number)]
        ours, theirs = socket.socketpair()
        with theirs:
            seat = Seat(
                number=number, control=theirs.fileno(), listeners=listeners, folder=self._folder, is_first=is_first
            )
            command = [*self._command, "--as-worker", msgspec.json.encode(seat).decode()]
            # A terminal sends Ctrl-C to the worker as well, which must not see it before it can handle it.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                process = subprocess.Popen(command, pass_fds=[theirs.fileno(), *listeners])  # noqa: S603  # this very program
            except OSError:
                ours.close()
                raise
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        ours.setblocking(False)
        worker = _Process(number, process, ours)
        self._running.add(worker)
        return worker

    async def _keep(self, number: int) -> None:
        """Replace the worker *number* whenever it ends, or begins to."""
        delay = _FIRST_DELAY
        while True:
            process = self._serving[number]
            await process.wait_until_leaving()
            async with self._replacing[number]:
                if self._serving[number] is not process:
                    continue  # it was renewed
                process.close()
                if process.was_steady:
                    delay = _FIRST_DELAY
                level = logging.ERROR if process.process.returncode else logging.INFO
                fate = process.fate if process.ended.is_set() else "stops"
                _LOGGER.log(level, "%s %s: another takes its place", process.name, fate)
                delay = await self._replace(number, delay)

    async def _replace(self, number: int, delay: float) -> float:
        """Start workers until one serves; return how long to wait the next time."""
        while True:
            if delay > _FIRST_DELAY:
                self._listeners.release(number)
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)
            slow = asyncio.get_running_loop().call_later(_SLOW, self._leave_clients, number)
            try:
                await self._start(number)
            except _StartError:
                _LOGGER.info("worker %d is tried again in %g s", number, delay)
            else:
                return delay
            finally:
                slow.cancel()

    def _leave_clients(self, number: int) -> None:
        _LOGGER.warning("worker %d has not started for %g s: new clients go to the others", number, _SLOW)
        self._listeners.release(number)

    async def _renew_on_demand(self) -> None:
        """Replace all workers, one by one, whenever that is asked for; each serves before the one before it stops."""
        while True:
            await self._renewal.wait()
            self._renewal.clear()
            _LOGGER.info("the workers are renewed")
            for number in self._numbers:
                async with self._replacing[number]:
                    before = self._serving[number]
                    try:
                        await self._start(number)
                    except _StartError:
                        _LOGGER.error("the workers that serve stay")  # noqa: TRY400  # said before
                        break
                    await before.stop()
                    before.close()

    async def _stop_all(self) -> None:
        """End every process: politely, unless a second SIGINT comes."""
        self._stopping.set()
        self._listeners.close()
        if self._running:
            _LOGGER.info("the workers stop")
        stopped = asyncio.gather(*(process.stop() for process in self._running))
        forced = asyncio.ensure_future(self._forced.wait())
        either: set[asyncio.Future[Any]] = {stopped, forced}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        forced.cancel()
        if not stopped.done():
            _LOGGER.warning("the workers are killed")
            await asyncio.gather(*(process.kill() for process in self._running))
        await stopped


def _has_terminal() -> bool:
    """Whether there is a terminal that this process belongs to, and was not closed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
