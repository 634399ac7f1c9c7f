"""A program that is no server, and tells something to everybody in town.

python -m examples.cluster.announce redis://127.0.0.1:6379 The market opens at noon
"""

import sys

from examples.cluster.bodies import Said
from moongate import Emitter

__all__ = ["announce"]


def announce(redis_url: str, text: str) -> None:
    """Emit *text* to both rooms."""
    with Emitter(redis_url, "/town") as emitter:
        for room in ("garden", "harbour"):
            emitter.to(room).emit("said", Said("The town crier", "a script", "outside", room, text))


if __name__ == "__main__":
    announce(sys.argv[1], " ".join(sys.argv[2:]))
