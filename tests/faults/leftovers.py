"""What should be as it was before when everything is over."""

import asyncio
import gc
from typing import Any, Self

import msgspec
import redis

from moongate.cluster.requests import Question
from tests.faults.scene import Scene

__all__ = ["Leftovers", "nothing_runs"]

_LIMIT = 5.0


class Leftovers(msgspec.Struct, frozen=True):
    """The rooms of both nodes, and what Redis knows about them: connections, channels and patterns."""

    rooms: dict[str, list[str]]
    connections: int
    channels: list[Any]

    @classmethod
    def of(cls, scene: Scene) -> Self:
        """Return what there is now."""
        with redis.Redis(port=scene.server.port) as client:
            channels = [
                sorted(client.execute_command("PUBSUB", "CHANNELS", "*")),
                sorted(client.execute_command("PUBSUB", "SHARDCHANNELS", "*")),
                client.execute_command("PUBSUB", "NUMPAT"),
            ]
            connections = len(client.client_list())
        rooms = {name: sorted(node.server().clients.rooms.names()) for name, node in scene.nodes.items()}
        return cls(rooms, connections, channels)

    async def check(self, scene: Scene) -> None:
        """Wait until everything is again as it was; fail if that does not come."""
        deadline = asyncio.get_running_loop().time() + _LIMIT
        while (found := Leftovers.of(scene)) != self:
            assert asyncio.get_running_loop().time() < deadline, f"before: {self}, after: {found}"
            await asyncio.sleep(0.05)


def nothing_runs() -> None:
    """Fail if there are tasks besides the one that runs, or questions to other nodes."""
    gc.collect()
    questions = [each for each in gc.get_objects() if isinstance(each, Question)]
    tasks = [task for task in asyncio.all_tasks() if "moongate" in repr(task)]
    assert (questions, tasks) == ([], [])
