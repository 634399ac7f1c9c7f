"""HTTP routes of the chat. They share the services of the gateway by asking the application for them."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, StringConstraints

from examples.chat.announcements import AnnouncementService
from examples.chat.messages import LARGEST_ID, MessageService
from moongate import Moongate

__all__ = ["Announcement", "chat_routes"]

RoomName = Annotated[str, Path(pattern=r"^[\w-]{1,32}$")]
Limit = Annotated[int, Query(ge=1, le=200)]
MessageId = Annotated[int, Query(ge=0, le=LARGEST_ID)]


class Announcement(BaseModel):
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


def chat_routes(app: Moongate) -> APIRouter:
    """Return the routes under `/api`, which work with the services of *app*."""
    routes = APIRouter(prefix="/api", tags=["chat"])

    @routes.get("/rooms")
    async def rooms() -> list[str]:
        return await app.get(MessageService).rooms()

    @routes.get("/rooms/{room}/messages")
    async def history(
        room: RoomName,
        before: MessageId = LARGEST_ID,
        after: MessageId | None = None,
        limit: Limit = 50,
    ) -> list[dict[str, Any]]:
        """Return the last messages, or those `before` or `after` the one with that id; the oldest comes first."""
        service = app.get(MessageService)
        messages = service.before(room, before, limit) if after is None else service.after(room, after, limit)
        return msgspec.to_builtins(await messages)

    @routes.post("/rooms/{room}/announcements", status_code=201)
    async def announce(room: RoomName, announcement: Announcement) -> dict[str, Any]:
        """Say something to everyone in the room."""
        return msgspec.to_builtins(await app.get(AnnouncementService).announce(room, announcement.text))

    return routes
