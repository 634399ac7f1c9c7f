"""What clients say to the chat, and what they hear."""

import msgspec

from examples.chat.bodies import Message, NewMessage, People, RoomRequest, Typing, TypingChange, User
from examples.chat.messages import MessageService
from moongate import Namespace, Socket, SubscribeMessage, WebSocketGateway, WsException

__all__ = ["ChatGateway"]


@WebSocketGateway("/chat")
class ChatGateway:
    """Rooms that people join, talk in and leave.

    Clients hear `message`, `typing` and `people` from the rooms that they are in.
    """

    server: Namespace

    def __init__(self, messages: MessageService) -> None:
        self.messages = messages

    async def handle_connection(self, client: Socket) -> None:
        """Take the name that the client connects with; without a fitting one it is sent away."""
        try:
            user = msgspec.convert(client.handshake.auth, User)
        except msgspec.ValidationError as error:
            raise WsException(f"Choose a name of 1 to 32 characters: {error}") from error
        client.data["name"] = user.name

    async def handle_disconnect(self, client: Socket) -> None:
        """Tell every room that the client was in who is left."""
        for room in client.rooms - {client.id}:
            client.to(room).emit("people", await self.people(room, without=client))

    @SubscribeMessage("join")
    async def join(self, client: Socket, request: RoomRequest) -> People:
        client.join(request.room)
        people = await self.people(request.room)
        client.to(request.room).emit("people", people)
        return people

    @SubscribeMessage("leave")
    async def leave(self, client: Socket, request: RoomRequest) -> None:
        client.leave(request.room)
        self.server.to(request.room).emit("people", await self.people(request.room))

    @SubscribeMessage("message")
    async def message(self, client: Socket, message: NewMessage) -> Message:
        """Store a message and tell it to the others in the room; the acknowledgement is the stored message."""
        self.require_member(client, message.room)
        saved, is_new = await self.messages.save(message.room, client.data["name"], message.text, message.key)
        if is_new:
            client.to(message.room).emit("message", saved)
        return saved

    @SubscribeMessage("typing")
    def typing(self, client: Socket, change: TypingChange) -> None:
        self.require_member(client, change.room)
        client.to(change.room).volatile.emit("typing", Typing(change.room, client.data["name"], change.active))

    async def people(self, room: str, *, without: Socket | None = None) -> People:
        members = await self.server.to(room).fetch_sockets()
        names = {member.data["name"] for member in members if without is None or member.id != without.id}
        return People(room, sorted(names, key=str.casefold))

    @staticmethod
    def require_member(client: Socket, room: str) -> None:
        if room not in client.rooms:
            raise WsException(f"You are not in the room {room!r}: join it first")
