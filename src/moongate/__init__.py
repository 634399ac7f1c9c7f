"""WebSocket gateways for Python, speaking Socket.IO and bare WebSocket on the port of any ASGI application."""

from moongate.app import Moongate
from moongate.config import Settings
from moongate.di.module import Module
from moongate.di.provider import (
    AliasProvider,
    ClassProvider,
    FactoryProvider,
    Inject,
    Injectable,
    Scope,
    ValueProvider,
)
from moongate.errors import (
    AckTimeout,
    ClientDisconnected,
    ConfigurationError,
    EncodeError,
    FieldError,
    GatewayError,
    MissingExtraError,
    ModuleError,
    MoongateError,
    PayloadTooLarge,
    ProtocolError,
    ValidationFailed,
    WsException,
)
from moongate.gateway.decorators import SubscribeMessage, WebSocketGateway
from moongate.namespace.acks import Ack
from moongate.namespace.broadcast import Broadcast
from moongate.namespace.clients import RemoteSocket
from moongate.namespace.handshake import Handshake
from moongate.namespace.namespace import CallNext, Middleware, Namespace
from moongate.namespace.socket import Socket
from moongate.pipeline.markers import ConnectedSocket, MessageBody
from moongate.pipeline.reply import WsResponse
from moongate.types import DisconnectReason

__all__ = [
    "Ack",
    "AckTimeout",
    "AliasProvider",
    "Broadcast",
    "CallNext",
    "ClassProvider",
    "ClientDisconnected",
    "ConfigurationError",
    "ConnectedSocket",
    "DisconnectReason",
    "EncodeError",
    "FactoryProvider",
    "FieldError",
    "GatewayError",
    "Handshake",
    "Inject",
    "Injectable",
    "MessageBody",
    "Middleware",
    "MissingExtraError",
    "Module",
    "ModuleError",
    "Moongate",
    "MoongateError",
    "Namespace",
    "PayloadTooLarge",
    "ProtocolError",
    "RemoteSocket",
    "Scope",
    "Settings",
    "Socket",
    "SubscribeMessage",
    "ValidationFailed",
    "ValueProvider",
    "WebSocketGateway",
    "WsException",
    "WsResponse",
]
