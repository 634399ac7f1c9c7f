"""The town of examples/cluster, running, and somebody who is in it."""

import contextlib
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from playwright.sync_api import Locator, Page, expect

from tests.support.process import ROOT, ServerProcess, free_port

__all__ = ["RunningTown", "Visitor"]

SERVER = re.compile(r"(http://127\.0\.0\.1:\d+) +([\w ]+) \([\w.]+, process (\d+)\)")


def free_ports(count: int) -> int:
    """The first of so many ports in a row that nobody listens on."""
    while True:
        first = free_port()
        with contextlib.suppress(OSError, OverflowError), contextlib.ExitStack() as listeners:
            for port in range(first, first + count):
                listeners.enter_context(socket.create_server(("127.0.0.1", port)))
            return first


class RunningTown:
    """What `scripts/cluster` runs. `urls` and `pids` are those of the servers, by name."""

    def __init__(self) -> None:
        first = free_ports(3)
        command = [sys.executable, "-m", "examples.cluster", str(first)]
        self._process = ServerProcess(command, port=first + 2)
        self.urls: dict[str, str] = {}
        self.pids: dict[str, int] = {}
        self._redis = ""

    @property
    def log(self) -> str:
        return self._process.log

    def wait_for_log(self, text: str) -> None:
        self._process.wait_for_log(text)

    def announce(self, text: str) -> None:
        """Run the program that is no server."""
        command = [sys.executable, "-m", "examples.cluster.announce", self._redis, *text.split()]
        subprocess.run(command, check=True, cwd=ROOT, env=ServerProcess.environment(), timeout=20)

    def __enter__(self) -> Self:
        assert (ROOT / "examples/cluster/node_modules").is_dir(), "run: npm ci --prefix examples/cluster"
        self._process.start()
        self._process.wait_for_log("Ctrl-C ends everything")
        for url, name, pid in SERVER.findall(self.log):
            self.urls[name] = url
            self.pids[name] = int(pid)
        found = re.search(r"redis://127\.0\.0\.1:\d+", self.log)
        assert found
        self._redis = found[0]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stop(signal.SIGINT) == 0, self.log
        assert "Traceback" not in self.log, self.log
        assert not [pid for pid in self.pids.values() if Path(f"/proc/{pid}").exists()]


class Visitor:
    """Somebody with the page of one server."""

    def __init__(self, page: Page, name: str, url: str) -> None:
        self.page = page
        self.name = name
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(f"{name}: {error}"))
        page.goto(f"{url}/?name={name}")
        expect(page.locator("#state")).to_contain_text(f"as {name}")

    def say(self, text: str) -> None:
        self.page.get_by_role("textbox", name="Message").fill(text)
        self.page.get_by_role("button", name="Say").click()

    def go(self, room: str) -> None:
        self.page.get_by_role("button", name=room).click()

    def send_away(self, name: str) -> None:
        self.page.get_by_role("button", name=f"Send {name} away").click()

    def ask(self, server: str, notice: str) -> None:
        self.page.get_by_label("Ask a server").select_option(server)
        self.page.get_by_role("textbox", name="Notice").fill(notice)
        self.page.get_by_role("button", name="Tell").click()

    @property
    def state(self) -> Locator:
        return self.page.locator("#state")

    @property
    def cluster(self) -> Locator:
        return self.page.locator("#cluster")

    @property
    def notices(self) -> Locator:
        return self.page.locator("#messages .notice")

    def hears(self, *messages: tuple[str, str, str]) -> None:
        """See exactly these messages: each a name, a server and a text."""
        log = self.page.locator("#messages .said")
        expect(log).to_have_text([re.compile(rf"{name}\s*{server}\s*{text}") for name, server, text in messages])

    def sees(self, *people: tuple[str, str, str]) -> None:
        """See exactly these people: each a name, a server and a room."""
        there = self.page.locator("#people li")
        expect(there).to_have_text([re.compile(rf"{name}\s*{server} in the {room}") for name, server, room in people])
