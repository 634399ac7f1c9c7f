"""The servers that carry messages between nodes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.processes import ServerProcess, serving

__all__ = ["Bus", "carrying"]

REDIS = ("redis-server", "--port", "{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
NATS = ("nats-server", "--addr", "127.0.0.1", "--port", "{port}")


@dataclass(frozen=True, slots=True)
class Bus:
    """What nodes are told, and the process that has the costs; None where there is none."""

    url: str
    process: ServerProcess | None


@contextmanager
def carrying(kind: str, core: int) -> Iterator[Bus]:
    """Runs what the bus of this kind needs, on one core, until the block ends."""
    if kind in {"classic", "sharded", "streams"}:
        with serving(REDIS, core) as process:
            yield Bus(f"redis://127.0.0.1:{process.port}", process)
    elif kind == "nats":
        with serving(NATS, core) as process:
            yield Bus(f"nats://127.0.0.1:{process.port}", process)
    else:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            yield Bus(folder, None)
