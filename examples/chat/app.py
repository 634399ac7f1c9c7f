"""The chat on one port: the gateway, the HTTP routes and the page.

Start it with `scripts/chat`, or by hand with `moongate run examples.chat.app:app`.
"""

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles

from examples.chat.announcements import AnnouncementService
from examples.chat.gateway import ChatGateway
from examples.chat.messages import MessageService
from examples.chat.rest import chat_routes
from moongate import Module, Moongate

__all__ = ["ChatModule", "app", "fastapi_app"]

HERE = Path(__file__).parent
CLIENT = HERE / "node_modules/socket.io-client/dist/socket.io.esm.min.js"


@Module(providers=[MessageService, AnnouncementService, ChatGateway])
class ChatModule:
    """Everything that the chat is made of."""


fastapi_app = FastAPI(title="Moongate chat")
app = Moongate(ChatModule, http=fastapi_app)

fastapi_app.include_router(chat_routes(app))


@fastapi_app.get("/client/socket.io.esm.min.js", include_in_schema=False)
def socketio_client() -> Response:
    """Serve the official client, or say how to get it."""
    if CLIENT.is_file():
        return FileResponse(CLIENT, media_type="text/javascript")
    text = "The Socket.IO client is not installed. Fetch it with:\n\n    npm ci --prefix examples/chat\n"
    return PlainTextResponse(text, status_code=503)


fastapi_app.mount("/", StaticFiles(directory=HERE / "page", html=True))
