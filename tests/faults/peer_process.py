"""The process of a Peer: a node with a client, which sends all the time and writes what happens, a line each.

python -m tests.faults.peer_process KIND URL NAME PAUSE
"""

import asyncio
import itertools
import json
import sys

from moongate import ClusterError
from moongate.testing import SocketIoClient, TestApp
from tests.cluster.party import health
from tests.faults.desk import ROOM, desk_app
from tests.faults.scene import cluster_of

__all__: list[str] = []


def _tell(*fields: object) -> None:
    sys.stdout.write(f"{json.dumps(fields)}\n")
    sys.stdout.flush()


async def _send(app: TestApp, name: str, number: int) -> None:
    server = app.server()
    _tell("send", number)
    try:
        await (server.to(ROOM) if number % 2 else server).emit("message", name, number, "")
    except ClusterError as error:
        _tell("fail", number, error.reason, error.sent)
    else:
        _tell("accept", number)


async def _send_all(app: TestApp, name: str, pause: float) -> None:
    async with asyncio.TaskGroup() as group:
        for number in itertools.count():
            group.create_task(_send(app, name, number))
            await asyncio.sleep(pause)


async def _receive(client: SocketIoClient) -> None:
    while True:
        sender, number, _ = await client.receive("message", timeout=3600)
        _tell("receive", sender, number)


async def _main(kind: str, url: str, name: str, pause: str) -> None:
    async with TestApp(desk_app(cluster_of(kind, url))) as app:
        client = await app.connect()
        _tell("node", health(app.app).node)
        await asyncio.to_thread(sys.stdin.readline)  # whoever started it says when to begin
        async with asyncio.TaskGroup() as group:
            group.create_task(_receive(client))
            group.create_task(_send_all(app, name, float(pause)))


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
