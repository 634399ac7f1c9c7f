"""Markers that say what a handler's parameter is, for `Annotated`, where its type does not say it already."""

from collections.abc import Callable
from typing import Any

import msgspec

from moongate.errors import GatewayError
from moongate.pipeline.context import ExecutionContext

__all__ = ["ConnectedSocket", "FromContext", "MessageBody"]


class MessageBody(msgspec.Struct, frozen=True):
    """The body of a message, which is the client's first argument, or the member *key* of it.

    `room: Annotated[str, MessageBody("room")]` takes `body["room"]`; without a key the parameter is the whole body.
    Raises GatewayError for what is no key.
    """

    key: str | None = None

    def __post_init__(self) -> None:
        if self.key is not None and not isinstance(self.key, str):
            raise GatewayError(
                f"expected the name of a member, got {self.key!r}",
                where="MessageBody",
                mend="Write MessageBody('key') for a member of the body, MessageBody() for all of it.",
            )


class ConnectedSocket(msgspec.Struct, frozen=True):
    """The client who sent the message. An annotation `Socket` alone says the same."""


class FromContext(msgspec.Struct, frozen=True):
    """The value that *function* gives of the message's `ExecutionContext`, or an awaitable of it.

    It makes parameters of one's own: `CurrentUser = Annotated[User, FromContext(user_of)]`.
    Raises GatewayError for what is no function.
    """

    function: Callable[[ExecutionContext], Any]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise GatewayError(
                f"expected a function of the ExecutionContext, got {self.function!r}",
                where="FromContext",
                mend="Write FromContext(lambda context: context.client.data['user']).",
            )
