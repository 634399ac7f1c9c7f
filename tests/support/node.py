"""JavaScript clients, driven from Python."""

import base64
import itertools
import json
import queue
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

__all__ = ["Addressed", "Node", "ScriptError", "decode", "encode"]

DRIVER = Path(__file__).parent.parent / "clients" / "driver.mjs"
LIMIT = 45.0


class Addressed(Protocol):
    """Something with an address."""

    @property
    def url(self) -> str: ...


class ScriptError(AssertionError):
    """A script failed; the text is JavaScript's."""


class Node:
    """One Node process that runs scripts with the official clients in it; see clients/driver.mjs for what they may use.

    The process is started when it is first needed and serves one script at a time.
    """

    def __init__(self) -> None:
        self.transport = "websocket"  # how clients connect: "polling", "websocket" or "upgrade"
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._numbers = itertools.count(1)

    def run(
        self,
        server: Addressed | str,
        script: str,
        *,
        args: Any = None,
        calls: Mapping[str, Callable[..., Any]] | None = None,
    ) -> Any:
        """Run *script*, the body of an async function, against *server* and return its result.

        `args` is there in the script; `await call("name", ...)` calls `calls["name"]` here. Raises ScriptError.
        """
        number = next(self._numbers)
        url = server if isinstance(server, str) else server.url
        self._send(
            {"id": number, "script": script, "url": url, "transport": self.transport, "args": encode(args)},
        )
        while True:
            message = self._receive()
            if message["id"] != number:
                continue  # the late end of a script that was given up
            if "call" in message:
                self._answer(message, calls or {})
            elif "error" in message:
                raise ScriptError(message["error"])
            else:
                return decode(message["result"])

    def _answer(self, message: dict[str, Any], calls: Mapping[str, Callable[..., Any]]) -> None:
        answer: dict[str, Any] = {"call": message["call"]}
        try:
            answer["result"] = encode(calls[message["name"]](*decode(message["args"])))
        except Exception as error:  # noqa: BLE001  # it goes to the script that called
            answer["error"] = repr(error)
        self._send(answer)

    def _send(self, message: dict[str, Any]) -> None:
        process = self._started()
        assert process.stdin
        process.stdin.write(json.dumps(message).encode() + b"\n")
        process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=LIMIT)
        except queue.Empty:
            self.close()
            raise ScriptError(f"Node said nothing for {LIMIT} s") from None
        if line is None:
            self.close()
            raise ScriptError("the Node process ended")
        message = json.loads(line)
        assert isinstance(message, dict)
        return message

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._lines = queue.Queue()
            self._process = subprocess.Popen(
                ["node", "--no-warnings", str(DRIVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            threading.Thread(target=self._read, args=(self._process, self._lines), daemon=True).start()
        return self._process

    @staticmethod
    def _read(process: subprocess.Popen[bytes], lines: queue.Queue[bytes | None]) -> None:
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                lines.put(line)
        lines.put(None)

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait(timeout=10)
        assert process.stdin
        process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def encode(value: Any) -> Any:
    """Return *value* as it travels to and from Node."""
    match value:
        case bytes():
            return {"$bytes": base64.b64encode(value).decode()}
        case dict():
            return {key: encode(member) for key, member in value.items()}
        case list() | tuple() | set() | frozenset():
            return [encode(member) for member in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            return repr(value)


def decode(value: Any) -> Any:
    """Return what came from Node."""
    match value:
        case {"$bytes": str(text)}:
            return base64.b64decode(text)
        case dict():
            return {key: decode(member) for key, member in value.items()}
        case list():
            return [decode(member) for member in value]
        case _:
            return value
