"""The start-up log."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec

from moongate.gateway.decorators import SubscribeMessage, WebSocketGateway
from moongate.gateway.description import describe
from moongate.gateway.explorer import explore
from moongate.namespace.acks import Ack
from moongate.namespace.socket import Socket
from moongate.pipeline.markers import MessageBody


class NewMessage(msgspec.Struct):
    text: str


def lines(*targets: type) -> list[str]:
    return describe(explore(("AppModule", target, target()) for target in targets))


def test_each_handler_has_a_line():
    @WebSocketGateway("/chat")
    class ChatGateway:
        @SubscribeMessage("message")
        async def message(self, client: Socket, message: NewMessage, ack: Ack) -> None: ...

        @SubscribeMessage("join", concurrent=True)
        def join(
            self, room: Annotated[str, MessageBody("room")], *rest: Annotated[int, msgspec.Meta(gt=0)]
        ) -> None: ...

    @WebSocketGateway(protocols=["websocket"])
    class Clock: ...

    assert lines(ChatGateway, Clock) == [
        "/chat  ChatGateway  message      -> message(message: NewMessage)",
        "/chat  ChatGateway  join         -> join(room: str, *rest: int)  [concurrent]",
        "/      Clock        (no events)  [bare WebSocket only]",
    ]


def test_types_are_written_as_in_the_source():
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("a")
        def a(
            self,
            b: list[NewMessage] | None,
            c: dict[str, Any],
            d: Literal["x", 1],
            e: Callable[[int], str],
            f: Annotated[NewMessage, "note"],
        ) -> None: ...

    (line,) = lines(Gateway)
    assert line.endswith(
        "a(b: list[NewMessage] | None, c: dict[str, Any], d: Literal['x', 1], e: Callable[[int], str], f: NewMessage)"
    )


def test_nothing_is_nothing():
    assert lines() == []
