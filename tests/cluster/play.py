"""Scripts with three official clients, one at each server of a trio: `a`, `b` and `c`."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.cluster.trio import Trio
from tests.support.node import Node

__all__ = ["BODY", "ROOMS", "Play", "named", "settled", "targets", "until"]

CLIENTS = """
const { namespace, memberships } = args;
const sockets = {};
for (const [index, name] of ["a", "b", "c"].entries()) {
  const options = { forceNew: true, reconnection: false, transports: ["websocket"] };
  options.auth = { name, rooms: memberships[name] ?? [] };
  sockets[name] = watch(io(args.urls[index] + namespace, options));
  await next(sockets[name], "connect");
  await next(sockets[name], "ready");
}
const { a, b, c } = sockets;
const ids = { a: a.id, b: b.id, c: c.id };
const news = async (...names) => Object.fromEntries(await Promise.all(names.map(async (name) =>
  [name, await next(sockets[name], "news")])));
/** Who has got something before the end of everything, which this tells to all. */
const last = async () => {
  await call("last");
  const got = {};
  for (const [name, socket] of Object.entries(sockets)) {
    if (!socket.connected) continue;
    await next(socket, "last");
    got[name] = seen(socket, "news");
  }
  return got;
};
"""


BODY = {"text": "ü😀\u2028", "number": 2**53 - 1, "none": None, "deep": [[{"bytes": b"\x00\xff"}], 1.5]}


ROOMS = {"a": ["red"], "b": ["red", "blue"], "c": ["blue"]}

_TARGETS = [
    ("one room", ["red"], [], {"a", "b"}),
    ("another room", ["blue"], [], {"b", "c"}),
    ("two rooms, each client once", ["red", "blue"], [], {"a", "b", "c"}),
    ("a room without another", ["red"], ["blue"], {"a"}),
    ("all without a room", [], ["red"], {"c"}),
    ("a client here", ["$a"], [], {"a"}),
    ("a client elsewhere", ["$c"], [], {"c"}),
    ("all without a client elsewhere", [], ["$c"], {"a", "b"}),
    ("nobody", ["green"], [], set()),
]


def named(names: list[str], ids: dict[str, str]) -> list[str]:
    return [ids[name[1:]] if name.startswith("$") else name for name in names]


targets = pytest.mark.parametrize(
    ("to", "without", "expected"), [each[1:] for each in _TARGETS], ids=[each[0] for each in _TARGETS]
)
"""Rooms, rooms to leave out, and who is meant then; `$a` stands for the id of the client `a`."""


def until(condition: Callable[[], Any]) -> None:
    """Return when *condition* holds; fail if it does not soon."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def settled(sending: Awaitable[Any]) -> None:
    """Wait until the bus has taken what was sent."""
    await sending


class Play:
    """Runs a script with the three clients; the functions given are what it may `call`."""

    def __init__(self, trio: Trio, clients: Node) -> None:
        self.trio = trio
        self._clients = clients

    def __call__(self, script: str, *, namespace: str = "/", joined: Any = None, **calls: Any) -> Any:
        args = {"urls": self.trio.urls, "namespace": namespace, "memberships": joined or {}}
        calls["last"] = lambda: self._last(namespace)
        return self._clients.run("", CLIENTS + script, args=args, calls=calls)

    def _last(self, namespace: str) -> None:
        """Tell everybody, from where the last message came from, so that it comes after that one."""
        self.trio.wait(settled(self.trio.server(namespace).emit("last")))
