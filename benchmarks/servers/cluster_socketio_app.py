"""cluster_app.py with python-socketio and its Redis manager."""

import os
from itertools import cycle
from typing import Any

import socketio

NAMESPACES = [f"/n{number}" for number in range(int(os.environ.get("NAMESPACES", "1")))]
ROOMS = [f"room-{number}" for number in range(int(os.environ.get("ROOMS", "1")))]

server = socketio.AsyncServer(
    async_mode="asgi", namespaces=NAMESPACES, client_manager=socketio.AsyncRedisManager(os.environ["BUS_URL"])
)
app = socketio.ASGIApp(server)
targets = cycle([(namespace, room) for namespace in NAMESPACES for room in ROOMS])


def serve(namespace: str) -> None:
    @server.on("enter", namespace=namespace)
    async def enter(sid: str) -> None:
        for room in ROOMS:
            await server.enter_room(sid, room, namespace=namespace)

    @server.on("publish", namespace=namespace)
    async def publish(_sid: str, body: dict[str, Any]) -> None:
        target, room = next(targets)
        await server.emit("message", body, room=room, namespace=target)


for name in NAMESPACES:
    serve(name)
