"""Which Moongate nodes are alive, as far as their heartbeats tell."""

from collections import deque
from collections.abc import Iterable

__all__ = ["Members"]

_MEMORY = 100
"""How many nodes that fell silent are remembered."""


class Members:
    """The other nodes, by when each was last heard, in the loop's time."""

    __slots__ = ("_heard", "_silent", "_timeout")

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout  # seconds of silence after which a node counts as dead
        self._heard: dict[str, float] = {}
        self._silent: deque[str] = deque(maxlen=_MEMORY)

    def __len__(self) -> int:
        return len(self._heard)

    def __contains__(self, node: str) -> bool:
        return node in self._heard

    @property
    def names(self) -> tuple[str, ...]:
        """Their ids, those first that have been silent for longest."""
        return tuple(sorted(self._heard, key=self._heard.__getitem__))

    @property
    def silent(self) -> tuple[str, ...]:
        """The ids of those that fell silent without a goodbye, and have not been heard again; the last ones only."""
        return tuple(self._silent)

    def heard(self, node: str, now: float) -> bool:
        """A heartbeat came; return whether *node* is new."""
        new = node not in self._heard
        self._heard[node] = now
        if new and node in self._silent:
            self._silent.remove(node)
        return new

    def left(self, node: str) -> bool:
        """*node* said goodbye; return whether it was known."""
        return self._heard.pop(node, None) is not None

    def dead(self, now: float) -> Iterable[str]:
        """Forget, and return, those that have been silent for too long."""
        late = [node for node, heard in self._heard.items() if now - heard > self._timeout]
        for node in late:
            del self._heard[node]
        self._silent.extend(late)
        return late

    def excuse(self, now: float) -> None:
        """This node has heard nobody for a while, which says nothing about the others: count their silence anew."""
        for node in self._heard:
            self._heard[node] = now
