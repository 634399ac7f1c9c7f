"""The application that the tests start in processes of their own."""

import os
from typing import Any

import fastapi
import msgspec

from moongate import Injectable, Module, Moongate, Namespace, Socket, SubscribeMessage, WebSocketGateway

__all__ = ["app"]


class Note(msgspec.Struct):
    """What clients send each other."""

    room: str
    data: Any


@Injectable()
class Journal:
    """Writes what happens to the standard output, where a test can read it."""

    async def on_module_init(self) -> None:
        self.write("module started")

    async def on_application_shutdown(self) -> None:
        self.write("application stopped")

    def write(self, line: str) -> None:
        print(f"journal: {line}", flush=True)  # noqa: T201  # the test reads it


@WebSocketGateway("/notes")
class NotesGateway:
    """Rooms, acknowledgements and binary."""

    server: Namespace

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def handle_disconnect(self, client: Socket, reason: str) -> None:
        self.journal.write(f"left: {reason}")

    @SubscribeMessage("join")
    async def join(self, client: Socket, room: str) -> str:
        await client.join(room)
        return room

    @SubscribeMessage("note")
    async def note(self, note: Note) -> Any:
        self.server.to(note.room).emit("note", note.data)
        return note.data


@Module(providers=[Journal, NotesGateway])
class SampleModule:
    """The root."""


api = fastapi.FastAPI()


@api.get("/hello")
async def hello() -> dict[str, str]:
    """Say which process this is, and greet as the environment says."""
    return {"greeting": os.environ.get("GREETING", "hello"), "process": str(os.getpid())}


@api.post("/announce/{room}")
async def announce(room: str) -> None:
    """Emit from an HTTP route."""
    app.server("/notes").to(room).emit("note", "announced")


@api.websocket("/feed")
async def feed(websocket: fastapi.WebSocket) -> None:
    """Send back what comes."""
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_json({"event": "fed", "data": text})


app = Moongate(SampleModule, http=api)
