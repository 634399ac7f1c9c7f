"""The clusters that are measured."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.peers import moongate, node, uvicorn

__all__ = ["CROSSINGS", "GROWING", "WORKERS", "Deployment", "growths"]


@dataclass(frozen=True, slots=True)
class Deployment:
    """Some nodes of one kind on one bus; a row of a table."""

    key: str
    title: str
    command: tuple[str, ...]
    bus: str
    """As the servers know it: none, local, nats, or one of the three ways by Redis: classic, sharded, streams."""
    nodes: int = 2
    namespaces: int = 1
    rooms: int = 1
    """In each namespace."""

    @property
    def environment(self) -> dict[str, str]:
        """What its servers read, besides BUS_URL."""
        return {"BUS": self.bus, "NAMESPACES": str(self.namespaces), "ROOMS": str(self.rooms)}


MOONGATE = moongate("cluster_app:app")
NODE = node("cluster.mjs")
PYTHON_SOCKETIO = uvicorn("benchmarks.servers.cluster_socketio_app:app")

# The first is the one that the ratios are of.
CROSSINGS = (
    Deployment("classic", "Moongate, Redis classic", MOONGATE, "classic"),
    Deployment("sharded", "Moongate, Redis sharded", MOONGATE, "sharded"),
    Deployment("streams", "Moongate, Redis streams", MOONGATE, "streams"),
    Deployment("nats", "Moongate, NATS", MOONGATE, "nats"),
    Deployment("local", "Moongate, workers of one machine", MOONGATE, "local"),
    Deployment("node-classic", "socket.io, Redis classic", NODE, "classic"),
    Deployment("node-sharded", "socket.io, Redis sharded", NODE, "sharded"),
    Deployment("node-streams", "socket.io, Redis streams", NODE, "streams"),
    Deployment("python-socketio", "python-socketio, Redis", PYTHON_SOCKETIO, "classic"),
)
GROWING = tuple(one for one in CROSSINGS if one.key in {"classic", "sharded", "node-classic", "node-sharded"})
WORKERS = tuple(
    Deployment(
        f"workers-{number}",
        f"--workers {number}" if number > 1 else "1 process",
        (*moongate("cluster_app:app"), *(("--workers", str(number)) if number > 1 else ())),
        "none",
        nodes=number,
    )
    for number in (1, 2)
)


def growths(one: Deployment) -> list[Deployment]:
    """The same with more rooms, namespaces or nodes; the first is the smallest, which the ratios are of."""
    return [
        replace(one, key=f"{one.key}-smallest", title="2 nodes, 1 namespace, 1 room"),
        *(replace(one, key=f"{one.key}-rooms-{n}", title=f"{n:,} rooms", rooms=n) for n in (100, 10_000)),
        *(replace(one, key=f"{one.key}-namespaces-{n}", title=f"{n} namespaces", namespaces=n) for n in (10, 100)),
        *(replace(one, key=f"{one.key}-nodes-{n}", title=f"{n} nodes", nodes=n) for n in (4, 8)),
    ]
