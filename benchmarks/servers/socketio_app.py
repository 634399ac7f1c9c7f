from typing import Any

import socketio

server = socketio.AsyncServer(async_mode="asgi")
app = socketio.ASGIApp(server)


@server.event
async def connect(sid: str, _environ: dict[str, Any]) -> None:
    await server.enter_room(sid, "bench")


@server.event
async def echo(_sid: str, body: dict[str, Any]) -> dict[str, Any]:
    return body


@server.event
async def publish(_sid: str, body: dict[str, Any]) -> None:
    await server.emit("message", body, room=body["room"])
