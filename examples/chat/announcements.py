"""Announcements: what the house says to a room, from outside of any gateway."""

import uuid
from typing import Annotated

from examples.chat.bodies import Message
from examples.chat.messages import MessageService
from moongate import Inject, Injectable, Namespace

__all__ = ["AnnouncementService"]


@Injectable()
class AnnouncementService:
    """Stores an announcement and tells it to everyone in the room."""

    def __init__(self, messages: MessageService, chat: Annotated[Namespace, Inject("/chat")]) -> None:
        self.messages = messages
        self.chat = chat

    async def announce(self, room: str, text: str) -> Message:
        message, _ = await self.messages.save(room, "Announcement", text, uuid.uuid4().hex, "announcement")
        self.chat.to(room).emit("message", message)
        return message
