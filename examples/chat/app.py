"""The chat on one port: the gateway, the HTTP routes and the page.

Start it with `scripts/chat`, or by hand with `moongate run examples.chat.app:app`.
"""

from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from examples.chat.announcements import AnnouncementService
from examples.chat.gateway import ChatGateway
from examples.chat.messages import MessageService
from examples.chat.rest import chat_routes
from moongate import Module, Moongate

__all__ = ["ChatModule", "app", "fastapi_app"]

PAGE = Path(__file__).parent / "page"


@Module(providers=[MessageService, AnnouncementService, ChatGateway])
class ChatModule:
    """Everything that the chat is made of."""


fastapi_app = FastAPI(title="Moongate chat")
app = Moongate(ChatModule, http=fastapi_app)

fastapi_app.include_router(chat_routes(app))
fastapi_app.mount("/", StaticFiles(directory=PAGE, html=True))
