"""Node's server and ours, told the same."""

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.differential.application import application
from tests.differential.differences import Difference
from tests.differential.side import Side, masked
from tests.support.live import LiveServer

__all__ = ["Pair", "Script", "describe", "node_server", "our_server", "run_all"]

SERVER = Path(__file__).parent.parent / "clients" / "server.mjs"

Script = Callable[[Side], Sequence[str]]


UNKNOWN_EVENT = re.compile(r'4\d(?:(\d+)-)?.*"status":"error","message":"Unknown event"')
"""What a client of ours is told that sends an event which nobody handles (UNKNOWN of the differences)."""


def without_unknown_events(lines: Iterable[str]) -> list[str]:
    """The lines without what is told of unknown events, attachments of theirs included."""
    result = []
    attachments = 0
    for line in lines:
        if found := UNKNOWN_EVENT.match(line):
            attachments = int(found.group(1) or 0)
        elif attachments:
            attachments -= 1
        else:
            result.append(line)
    return result


class Pair:
    """Two servers that are told the same."""

    def __init__(self, node_port: int, our_port: int) -> None:
        self.node_port = node_port
        self.our_port = our_port

    def run(self, script: Script) -> tuple[list[str], list[str]]:
        """What Node's server answers, and what ours does."""
        with Side(self.node_port) as node, Side(self.our_port) as ours:
            return masked(script(node)), without_unknown_events(masked(script(ours)))

    def check(self, script: Script, difference: Difference | None = None) -> None:
        """Fail, with both answers, if they differ; if they do not although there should be a *difference*, as well."""
        node, ours = self.run(script)
        if difference is None:
            assert ours == node, describe(node, ours)
        else:
            assert ours != node, f"The answers are the same; this is no difference any more: {difference.what}"


def run_all(pair: Pair, scripts: Sequence[Script]) -> list[tuple[list[str], list[str]]]:
    """What both servers answer to each script, several at a time."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(pair.run, scripts))


def describe(node: Sequence[str], ours: Sequence[str]) -> str:
    """Both answers, for people."""
    return "\n".join(["", "Node:", *(f"  {line}" for line in node), "ours:", *(f"  {line}" for line in ours)])


@contextmanager
def node_server(**options: Any) -> Iterator[int]:
    """The port of Node's server with these options."""
    command = ["node", str(SERVER), json.dumps({"pingInterval": 300_000, **options})]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(10)


@contextmanager
def our_server(**settings: Any) -> Iterator[int]:
    """The port of our server with these settings."""
    with LiveServer(application(**{"ping_interval": 300.0, **settings})) as server:
        yield server.port
