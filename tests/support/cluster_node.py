"""A Socket.IO server of Node in a cluster, with an official adapter; see clients/cluster.mjs."""

import itertools
import json
import queue
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.node import ScriptError, decode, encode

__all__ = ["ClusterNode"]

SERVER = Path(__file__).parent.parent / "clients" / "cluster.mjs"
LIMIT = 20.0


class ClusterNode:
    """Runs until it is closed. `run` executes a script in it, with `io`, `emitter`, `heard` and `args`."""

    def __init__(self, kind: str, redis_url: str, prefix: str) -> None:
        self._process = subprocess.Popen(
            ["node", "--no-warnings", str(SERVER), kind, redis_url, prefix],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._numbers = itertools.count(1)
        threading.Thread(target=self._read, daemon=True).start()
        self.url: str = f"http://127.0.0.1:{self._line().removeprefix(b'PORT ').decode().strip()}"

    def run(self, script: str, args: Any = None) -> Any:
        """Return the result of *script*, the body of an async function. Raises ScriptError."""
        number = next(self._numbers)
        assert self._process.stdin
        request = {"id": number, "script": script, "args": encode(args)}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        while True:
            answer = json.loads(self._line())
            if answer["id"] == number:
                break
        if "error" in answer:
            raise ScriptError(answer["error"])
        return decode(answer.get("result"))

    def _line(self) -> bytes:
        line = self._lines.get(timeout=LIMIT)
        if line is None:
            raise ScriptError("the Node server has ended")
        return line

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout:
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put(None)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait(timeout=LIMIT)
        assert self._process.stdin
        self._process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
