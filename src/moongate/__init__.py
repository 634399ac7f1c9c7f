"""WebSocket gateways for Python, speaking Socket.IO and bare WebSocket on the port of any ASGI application."""

from moongate.app import Moongate
from moongate.cluster.emitter import AsyncEmitter, Emitter
from moongate.cluster.health import ClusterHealth
from moongate.cluster.local import LocalCluster
from moongate.cluster.nats import NatsCluster
from moongate.cluster.redis import RedisCluster
from moongate.cluster.redis_streams import RedisStreamsCluster
from moongate.cluster.requests import Answers
from moongate.config import Compression, Cookie, Settings
from moongate.di.dynamic import DynamicModule
from moongate.di.module import Module
from moongate.di.module_ref import ModuleRef
from moongate.di.provider import (
    APP_FILTER,
    APP_GUARD,
    APP_INTERCEPTOR,
    APP_PIPE,
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
    ClusterError,
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
from moongate.pipeline.context import ExecutionContext
from moongate.pipeline.contracts import (
    ArgumentMetadata,
    ExceptionFilter,
    Guard,
    Interceptor,
    MiddlewareClass,
    NextHandler,
    Pipe,
)
from moongate.pipeline.enhancers import (
    Catch,
    OnConnect,
    OnMessage,
    SetMetadata,
    UseFilters,
    UseGuards,
    UseInterceptors,
    UseMiddleware,
    UsePipes,
    apply_decorators,
)
from moongate.pipeline.filters import BaseExceptionFilter
from moongate.pipeline.markers import ConnectedSocket, FromContext, MessageBody
from moongate.pipeline.pipes import DefaultValue, ParseBool, ParseEnum, ParseFloat, ParseInt, ParseUUID, ValidationPipe
from moongate.pipeline.reflector import Metadata, Reflector
from moongate.pipeline.reply import WsResponse
from moongate.transport.base import Request
from moongate.types import DisconnectReason
from moongate.wire.message import Message, MessageCodec
from moongate.wire.msgpack import MsgpackParser
from moongate.wire.parser import PacketDecoder, Parser, SocketIoPacket, SocketIoPacketType

__all__ = [
    "APP_FILTER",
    "APP_GUARD",
    "APP_INTERCEPTOR",
    "APP_PIPE",
    "Ack",
    "AckTimeout",
    "AliasProvider",
    "Answers",
    "ArgumentMetadata",
    "AsyncEmitter",
    "BaseExceptionFilter",
    "Broadcast",
    "CallNext",
    "Catch",
    "ClassProvider",
    "ClientDisconnected",
    "ClusterError",
    "ClusterHealth",
    "Compression",
    "ConfigurationError",
    "ConnectedSocket",
    "Cookie",
    "DefaultValue",
    "DisconnectReason",
    "DynamicModule",
    "Emitter",
    "EncodeError",
    "EngineOptions",
    "EventMiddleware",
    "ExceptionFilter",
    "ExecutionContext",
    "FactoryProvider",
    "FieldError",
    "FromContext",
    "GatewayError",
    "Guard",
    "Handshake",
    "Inject",
    "Injectable",
    "Interceptor",
    "LocalCluster",
    "Message",
    "MessageBody",
    "MessageCodec",
    "Metadata",
    "Middleware",
    "MiddlewareClass",
    "MissingExtraError",
    "Module",
    "ModuleError",
    "ModuleRef",
    "Moongate",
    "MoongateError",
    "MsgpackParser",
    "Namespace",
    "NatsCluster",
    "NextHandler",
    "OnConnect",
    "OnMessage",
    "PacketDecoder",
    "ParseBool",
    "ParseEnum",
    "ParseFloat",
    "ParseInt",
    "ParseUUID",
    "Parser",
    "PayloadTooLarge",
    "Pipe",
    "ProtocolError",
    "RedisCluster",
    "RedisStreamsCluster",
    "Reflector",
    "RemoteSocket",
    "Request",
    "Scope",
    "SetMetadata",
    "Settings",
    "Socket",
    "SocketIoPacket",
    "SocketIoPacketType",
    "SubscribeMessage",
    "UseFilters",
    "UseGuards",
    "UseInterceptors",
    "UseMiddleware",
    "UsePipes",
    "ValidationFailed",
    "ValidationPipe",
    "ValueProvider",
    "WebSocketGateway",
    "WsException",
    "WsResponse",
    "apply_decorators",
]
