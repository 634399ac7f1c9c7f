"""A small application to be tested."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from moongate import (
    ExecutionContext,
    Module,
    Namespace,
    Socket,
    SubscribeMessage,
    UseGuards,
    WebSocketGateway,
    WsException,
)

__all__ = ["ChatGateway", "ChatModule", "FakeMail", "Mail"]


class Mail:
    async def send(self, text: str) -> str:
        raise RuntimeError("there is no mail server in a test")


class FakeMail:
    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send(self, text: str) -> str:
        self.sent.append(text)
        return f"sent {text}"


def known(context: ExecutionContext) -> bool:
    if context.client.handshake.auth.get("token") == "banned":
        raise WsException("Not you", data={"until": "tomorrow"})
    return context.client.handshake.query.get("known", "yes") == "yes"


class Body(msgspec.Struct):
    text: str


@UseGuards(known)
@WebSocketGateway("/chat")
class ChatGateway:
    server: Namespace

    def __init__(self, mail: Mail) -> None:
        self.mail = mail
        self.left: list[str] = []

    async def handle_connection(self, client: Socket) -> None:
        client.emit("welcome", client.handshake.headers.get("x-name"), client.handshake.address)

    async def handle_disconnect(self, client: Socket, reason: str) -> None:
        self.left.append(reason)

    @SubscribeMessage("mail")
    async def send(self, body: Body) -> str:
        return await self.mail.send(body.text)

    @SubscribeMessage("echo")
    async def echo(self, *arguments: Any) -> Any:
        return arguments if len(arguments) > 1 else arguments[0]

    @SubscribeMessage("tell all")
    async def tell_all(self, text: str) -> None:
        self.server.emit("told", text)

    @SubscribeMessage("ask me")
    async def ask_me(self, client: Socket) -> Any:
        return await client.emit_with_ack("question", 2, timeout=5)

    @SubscribeMessage("count")
    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number

    @SubscribeMessage("leave")
    async def leave(self, client: Socket) -> None:
        client.disconnect()


@WebSocketGateway("/other")
class OtherGateway:
    @SubscribeMessage("where")
    async def where(self, client: Socket) -> str:
        return client.namespace.name


@Module(providers=[Mail, ChatGateway, OtherGateway])
class ChatModule: ...
