"""The message on its way: what guards, interceptors, filters and parameters may know of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from moongate.namespace.arguments import decode_arguments
from moongate.namespace.socket import Socket
from moongate.types import Event
from moongate.wire.socketio import Packet

__all__ = ["ExecutionContext", "MessageScope", "Scopes", "Target"]


class MessageScope(Protocol):
    """What lives as long as one message is handled."""

    async def get(self, token: Any) -> Any:
        """Return the provider of *token*, constructed if it is not there yet."""

    async def close(self) -> None:
        """Let go of everything."""


class Scopes(Protocol):
    """Providers as the module of one gateway sees them."""

    def open(self, context: "ExecutionContext") -> MessageScope:
        """Begin the life of what belongs to one message."""


class Target(msgspec.Struct, frozen=True):
    """What is about to be called: decided at start-up, and the same for every message."""

    gateway: type
    handler: Callable[..., Any] | None
    """The method as its class has it; None while a client connects, before `handle_connection`."""
    metadata: Mapping[str, Any]
    """What `SetMetadata` said: the handler's over the gateway's."""
    where: str
    """How the log names it: `ChatGateway.message`."""
    scopes: Scopes


class ExecutionContext:
    """One message on its way to its handler, or one client on its way in."""

    __slots__ = ("_arguments", "_packet", "_scope", "_target", "client", "is_connect", "stream")

    def __init__(self, client: Socket, packet: Packet | None, target: Target, *, is_connect: bool = False) -> None:
        self.client: Socket = client
        self.is_connect: bool = is_connect  # whether the client is about to come in, or `handle_connection` runs
        self._packet = packet
        self._target = target
        self._arguments: Sequence[Any] | None = None
        self._scope: MessageScope | None = None  # opened when something is asked of it
        self.stream: Any = None  # what the handler itself sends item by item, whatever interceptors make of it

    @property
    def event(self) -> Event | None:
        """The name of the event; None while the client connects, and when it has left."""
        return None if self._packet is None else self._packet.event

    @property
    def args(self) -> Sequence[Any]:
        """The client's arguments as plain values, before any pipe; empty while it connects.

        They are decoded when they are first asked for. Raises ProtocolError if what came is no JSON.
        """
        if self._arguments is None:
            self._arguments = () if self._packet is None else tuple(decode_arguments(self._packet))
        return self._arguments

    @property
    def gateway(self) -> type:
        """The class whose handler or hook is called; `object` in a namespace that no gateway serves."""
        return self._target.gateway

    @property
    def handler(self) -> Callable[..., Any] | None:
        """The method that is called, as its class has it; None while guards decide whether a client may come in."""
        return self._target.handler

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What `SetMetadata` said of the handler, and of the gateway where the handler says nothing."""
        return self._target.metadata

    @property
    def wants_ack(self) -> bool:
        """Whether the client asked for an acknowledgement."""
        return self._packet is not None and self._packet.ack_id is not None

    @property
    def where(self) -> str:
        """How the log names what is called: `ChatGateway.message`."""
        return self._target.where

    @property
    def packet(self) -> Packet:
        """What came, not decoded yet; raises LookupError where there is no message."""
        if self._packet is None:
            raise LookupError(f"{self.where} is called without a message")
        return self._packet

    async def resolve(self, token: Any) -> Any:
        """Return a provider as the gateway's module sees it: of the application, of this client, or of this message.

        Raises ModuleError if there is none, and what its constructor raises.
        """
        if self._scope is None:
            self._scope = self._target.scopes.open(self)
        return await self._scope.get(token)

    async def close(self) -> None:
        """Let go of what lived as long as this message."""
        scope, self._scope = self._scope, None
        if scope is not None:
            await scope.close()

    @property
    def is_open(self) -> bool:
        """Whether something lives as long as this message."""
        return self._scope is not None

    def __repr__(self) -> str:
        return f"<ExecutionContext of {self.where} for client {self.client.id}>"
