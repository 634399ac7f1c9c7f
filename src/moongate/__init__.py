"""WebSocket gateways for Python, speaking Socket.IO and bare WebSocket on the port of any ASGI application."""

from moongate.app import Moongate
from moongate.config import Compression, Cookie, Settings
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
from moongate.engine.options import EngineOptions
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
from moongate.namespace.handlers import Middleware
from moongate.namespace.handshake import Handshake
from moongate.namespace.middleware import CallNext, EventMiddleware
from moongate.namespace.namespace import Namespace
from moongate.namespace.socket import Socket
from moongate.pipeline.markers import ConnectedSocket, MessageBody
from moongate.pipeline.reply import WsResponse
from moongate.transport.base import Request
from moongate.types import DisconnectReason
from moongate.wire.message import Message, MessageCodec
from moongate.wire.msgpack import MsgpackParser
from moongate.wire.parser import PacketDecoder, Parser, SocketIoPacket, SocketIoPacketType

__all__ = [
    "Ack",
    "AckTimeout",
    "AliasProvider",
    "Broadcast",
    "CallNext",
    "ClassProvider",
    "ClientDisconnected",
    "Compression",
    "ConfigurationError",
    "ConnectedSocket",
    "Cookie",
    "DisconnectReason",
    "EncodeError",
    "EngineOptions",
    "EventMiddleware",
    "FactoryProvider",
    "FieldError",
    "GatewayError",
    "Handshake",
    "Inject",
    "Injectable",
    "Message",
    "MessageBody",
    "MessageCodec",
    "Middleware",
    "MissingExtraError",
    "Module",
    "ModuleError",
    "Moongate",
    "MoongateError",
    "MsgpackParser",
    "Namespace",
    "PacketDecoder",
    "Parser",
    "PayloadTooLarge",
    "ProtocolError",
    "RemoteSocket",
    "Request",
    "Scope",
    "Settings",
    "Socket",
    "SocketIoPacket",
    "SocketIoPacketType",
    "SubscribeMessage",
    "ValidationFailed",
    "ValueProvider",
    "WebSocketGateway",
    "WsException",
    "WsResponse",
]
