"""The message on its way: what guards, interceptors, filters and parameters may know of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from moongate.namespace.arguments import decode_arguments
from moongate.namespace.socket import Socket
from moongate.types import Event
from moongate.wire.socketio import Packet

__all__ = ["ExecutionContext", "Target"]


class Target(msgspec.Struct, frozen=True):
    """What is about to be called: decided at start-up, and the same for every message."""

    gateway: type
    handler: Callable[..., Any] | None
    """The method as its class has it; None while a client connects, before `handle_connection`."""
    metadata: Mapping[str, Any]
    """What `SetMetadata` said: the handler's over the gateway's."""
    where: str
    """How the log names it: `ChatGateway.message`."""


class ExecutionContext:
    """One message on its way to its handler, or one client on its way in."""

    __slots__ = ("_arguments", "_packet", "_target", "client", "is_connect")

    def __init__(self, client: Socket, packet: Packet | None, target: Target, *, is_connect: bool = False) -> None:
        self.client: Socket = client
        self.is_connect: bool = is_connect  # whether the client is about to come in, or `handle_connection` runs
        self._packet = packet
        self._target = target
        self._arguments: Sequence[Any] | None = None

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
        """The class whose handler or hook is called."""
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

    def __repr__(self) -> str:
        return f"<ExecutionContext of {self.where} for client {self.client.id}>"
