"""Puts gateways into their namespaces: their handlers with all that stands around them, their hooks, their guards."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from moongate.config import Settings
from moongate.gateway.metadata import GatewaySpec, HandlerSpec
from moongate.namespace.directory import Directory
from moongate.namespace.handlers import Hooks
from moongate.namespace.namespace import Namespace
from moongate.namespace.socket import Socket
from moongate.pipeline.admission import (
    ApplicationErrors,
    compile_connect_guard,
    compile_hook_failure,
    compile_middleware,
)
from moongate.pipeline.compile import Declaration, compile_handler
from moongate.pipeline.context import ExecutionContext, Scopes, Target
from moongate.pipeline.enhancers import Enhancers, Reference, enhancers_of, metadata_of
from moongate.pipeline.filters import FilterChain
from moongate.pipeline.invoke import CompiledHandler, join_handlers
from moongate.pipeline.references import Providers
from moongate.types import Event
from moongate.wire.plain import BINARY_EVENT

__all__ = ["Assembly", "Visible"]


class Visible(Providers, Scopes, Protocol):
    """Providers as one module sees them, for the whole application and for one message."""


class Assembly:
    """Connects the gateways of an application.

    *everywhere* is what stands around all of them; *visible* gives what a gateway's module sees, that of the
    application's own module for None.
    """

    def __init__(
        self,
        directory: Directory,
        settings: Settings,
        everywhere: Enhancers,
        visible: Callable[[type | None], Visible],
    ) -> None:
        self._directory = directory
        self._error_cause = settings.error_cause
        self._everywhere = everywhere
        self._visible = visible

    def connect(self, specs: Sequence[GatewaySpec]) -> None:
        """Put all gateways into their namespaces. Raises GatewayError for what is no guard, pipe and so on."""
        compiled: dict[tuple[str, Event], list[CompiledHandler]] = {}
        for spec in specs:
            namespace = self._directory.declare(spec.namespace)
            if spec.instance is not None:
                _give_server(spec, spec.instance, namespace)
            self._admit(spec, namespace)
            self._watch(spec, namespace)
            for handler in spec.handlers:
                compiled.setdefault((spec.namespace, handler.event), []).append(self._compile(spec, handler, namespace))
        for (name, event), handlers in compiled.items():
            namespace = self._directory.declare(name)
            namespace.handle(event, join_handlers(handlers))
            if event == BINARY_EVENT:
                namespace.handlers.takes_binary = any(handler.takes_binary for handler in handlers)
        for namespace in self._directory:
            if namespace.name not in {spec.namespace for spec in specs}:
                self._guard(namespace)
        self._filter_everywhere()

    def _guard(self, namespace: Namespace) -> None:
        """Let the application's guards decide over the clients of a namespace that no gateway serves."""
        visible = self._visible(None)
        target = Target(object, None, {}, f"namespace {namespace.name}", visible)
        filters = FilterChain(self._everywhere.filters, visible, target.where)
        guard = compile_connect_guard(target, self._everywhere.guards, filters, visible)
        if guard is not None:
            namespace.handlers.guards.append(guard)

    def _admit(self, spec: GatewaySpec, namespace: Namespace) -> None:
        """Let the gateway's middleware and guards decide over clients."""
        visible, own = self._visible(spec.gateway), enhancers_of(spec.gateway)
        target = self._target(spec.gateway, None, "connect")
        for reference in own.middleware:
            namespace.use(compile_middleware(reference, target, visible))
        references = _once((*self._everywhere.guards, *own.guards))
        filters = FilterChain(self._filters(own), visible, target.where)
        guard = compile_connect_guard(target, references, filters, visible)
        if guard is not None:
            namespace.handlers.guards.append(guard)

    def _watch(self, spec: GatewaySpec, namespace: Namespace) -> None:
        """Let the gateway's hooks know of clients."""
        if spec.handle_connection is None and spec.handle_disconnect is None:
            return
        failures = [
            compile_hook_failure(
                self._target(spec.gateway, getattr(spec.gateway, name, None), name),
                FilterChain(self._filters(enhancers_of(spec.gateway)), self._visible(spec.gateway), name),
                error_cause=self._error_cause,
                is_connect=name == "handle_connection",
            )
            for name in ("handle_connection", "handle_disconnect")
        ]
        connect, disconnect = spec.handle_connection, spec.handle_disconnect
        if spec.instance is None:
            connect = None if connect is None else self._of_client(spec, namespace, connect, "handle_connection")
            disconnect = (
                None if disconnect is None else self._of_client(spec, namespace, disconnect, "handle_disconnect")
            )
        namespace.watch(Hooks(connect, disconnect, *failures))

    def _of_client(self, spec: GatewaySpec, namespace: Namespace, hook: Callable[..., Any], name: str) -> Any:
        """Return a hook that is called on the gateway which belongs to the client."""
        target = self._target(spec.gateway, getattr(spec.gateway, name, None), name)
        instance = _instance_of(spec, namespace)

        async def called(client: Socket, *reason: str) -> None:
            context = ExecutionContext(client, None, target, is_connect=not reason)
            try:
                result = hook(await instance(context), client, *reason)
                if inspect.isawaitable(result):
                    await result
            finally:
                await context.close()

        return called

    def _compile(self, spec: GatewaySpec, handler: HandlerSpec, namespace: Namespace) -> CompiledHandler:
        gateway, own = enhancers_of(spec.gateway), enhancers_of(handler.function)
        declaration = Declaration(
            method=handler.method,
            parameters=handler.parameters,
            target=self._target(spec.gateway, handler.function, handler.name),
            enhancers=Enhancers(
                guards=_once((*self._everywhere.guards, *gateway.guards, *own.guards)),
                interceptors=(*self._everywhere.interceptors, *gateway.interceptors, *own.interceptors),
                pipes=(*self._everywhere.pipes, *gateway.pipes, *own.pipes),
                filters=(*own.filters, *self._filters(gateway)),
            ),
            threaded=handler.threaded,
            concurrent=handler.concurrent,
            instance=_instance_of(spec, namespace) if spec.instance is None else None,
        )
        return compile_handler(declaration, self._visible(spec.gateway), error_cause=self._error_cause)

    def _filters(self, gateway: Enhancers) -> tuple[Any, ...]:
        return (*gateway.filters, *self._everywhere.filters)

    def _target(self, gateway: type, function: Callable[..., Any] | None, name: str) -> Target:
        metadata: Mapping[str, Any] = metadata_of(gateway)
        if function is not None:
            metadata = {**metadata, **metadata_of(function)}
        # One for all messages: what a guard wrote into it would change it for everybody.
        metadata = MappingProxyType(dict(metadata))
        return Target(gateway, function, metadata, f"{gateway.__name__}.{name}", self._visible(gateway))

    def _filter_everywhere(self) -> None:
        """Give the application's filters what happens before a message has reached a gateway."""
        if not self._everywhere.filters:
            return
        visible = self._visible(None)
        target = Target(object, None, {}, "a middleware", visible)
        filters = FilterChain(self._everywhere.filters, visible, "filters of the application")
        for namespace in self._directory:
            namespace.handlers.errors = ApplicationErrors(target, filters, error_cause=self._error_cause)


def _once(references: Sequence[Reference]) -> tuple[Reference, ...]:
    """Return *references* without a class that a gateway has named already: asking it twice answers nothing more."""
    return tuple(
        reference
        for position, reference in enumerate(references)
        if not isinstance(reference, type) or reference not in references[:position]
    )


def _give_server(spec: GatewaySpec, instance: object, namespace: Namespace) -> None:
    """Fill in the attributes that a gateway annotates as `Namespace`, as far as it has not itself."""
    for attribute in spec.server_attributes:
        if not hasattr(instance, attribute):
            setattr(instance, attribute, namespace)


def _instance_of(spec: GatewaySpec, namespace: Namespace) -> Callable[[ExecutionContext], Awaitable[object]]:
    """Return what gives the gateway that belongs to a client."""

    async def instance(context: ExecutionContext) -> object:
        found: object = await context.resolve(spec.gateway)
        _give_server(spec, found, namespace)
        return found

    return instance
