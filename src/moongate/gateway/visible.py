"""What the enhancers and handlers of one gateway may ask its module for."""

from collections.abc import Iterable
from typing import Any

from moongate.di.container import MISSING, Container
from moongate.di.provider import APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE, Scope, Token
from moongate.di.resolution import Node
from moongate.di.scopes import ConnectionScope, Find, MessageScope
from moongate.namespace.socket import Socket
from moongate.pipeline.context import ExecutionContext
from moongate.pipeline.enhancers import Enhancers, Limited, Reference
from moongate.pipeline.references import Injected

__all__ = ["Connections", "VisibleProviders", "with_provided"]


class Connections:
    """What clients have of their own, as long as they are there."""

    __slots__ = ("_container", "_open")

    def __init__(self, container: Container) -> None:
        self._container = container
        self._open: dict[Socket, ConnectionScope] = {}

    def open_message(self, context: ExecutionContext, find: Find) -> MessageScope:
        """Begin what belongs to one message; it has to be closed."""
        client = context.client
        scope = self._open.get(client)
        if scope is None:
            scope = self._container.open_connection({Socket: client})
            if not client.gone:
                self._open[client] = scope
        message = scope.open_message({ExecutionContext: context, Socket: client}, find)
        if client.gone:
            scope.end()  # a handler that runs on after its client has left: what it gets ends with it
        return message

    async def left(self, client: Socket) -> None:
        """The client is gone: close what it had."""
        scope = self._open.pop(client, None)
        if scope is not None:
            await scope.close()


class VisibleProviders:
    """Providers as the module that provides *gateway* sees them; as the application's own module does for None."""

    def __init__(self, container: Container, connections: Connections, gateway: type | None) -> None:
        self._container = container
        self._connections = connections
        self._module = container.module_of(gateway)
        self._find = container.finder(self._module)

    def node(self, token: Any) -> Node:
        """Return what a token means; raises ModuleError if it means nothing."""
        return self._container.find(self._module, token)

    def is_scoped(self, token: Any) -> bool:
        """Whether there is one for each client or message; raises ModuleError if there is none."""
        return self._container.scope_of(self.node(token)) is not Scope.APPLICATION

    def get(self, token: Any) -> Any:
        """Return the one of the whole application; raises ModuleError if there is none."""
        return self._container.get(self.node(token))

    def given(self, annotation: Any, token: Any) -> Any:
        """Return what no module provides; MISSING if one does. Raises ModuleError if nobody has it."""
        value = self._container.given(annotation, token)
        if value is MISSING:
            self.node(token)
        return value

    def open(self, context: ExecutionContext) -> MessageScope:
        """Begin the life of what belongs to one message."""
        return self._connections.open_message(context, self._find)


def with_provided(enhancers: Enhancers, container: Container) -> Enhancers:
    """Return what stands around every gateway: what modules provide as APP_GUARD and its like, and the application's.

    Those of modules come first; of filters, which are asked from the closest, they come last. Classes are looked up as
    the application's own module sees them.
    """

    def own(references: Iterable[Reference]) -> list[Reference]:
        return [_looked_up(reference, container) for reference in references]

    def provided(token: Token) -> list[Reference]:
        return [_found(node, container) for node in container.multi(token)]

    return Enhancers(
        guards=(*provided(APP_GUARD), *own(enhancers.guards)),
        interceptors=(*provided(APP_INTERCEPTOR), *own(enhancers.interceptors)),
        pipes=(*provided(APP_PIPE), *own(enhancers.pipes)),
        filters=(*own(enhancers.filters), *provided(APP_FILTER)),
    )


def _looked_up(reference: Reference, container: Container) -> Reference:
    """Return what a class among the application's enhancers means, and everything else as it is."""
    if isinstance(reference, Limited):
        return type(reference)(_looked_up(reference.guard, container))
    if not isinstance(reference, type):
        return reference
    return _found(container.find(container.module_of(None), reference), container)


def _found(node: Node, container: Container) -> Reference:
    """Return an instance, or for what lives shorter than the application, how to find it."""
    if container.scope_of(node) is Scope.APPLICATION:
        return container.get(node)
    return Injected(node, container.class_of(node))
