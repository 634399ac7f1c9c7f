"""The container: constructs every provider once for each module that lists it, on dishka."""

import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Annotated, Any

import dishka
from dishka import AsyncContainer, FromComponent, make_async_container

from moongate.di.lifecycle import Lifecycle
from moongate.di.provider import (
    AliasProvider,
    ClassProvider,
    Declared,
    FactoryProvider,
    Token,
    ValueProvider,
    token_name,
)
from moongate.di.resolution import MISSING, External, Graph, Node, Source

__all__ = ["MISSING", "Container", "External"]

_LOGGER = logging.getLogger("moongate")


class Container:
    """All providers of an application.

    `build` validates everything and constructs nothing; `create` constructs, `start` and `stop` run the hooks.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._keys: dict[Node, type] = {}  # what dishka knows a provider by: one type for each module and token
        self._components = {module: f"{index}:{token_name(module)}" for index, module in enumerate(graph.modules)}
        self._instances: dict[Node, Any] = {}  # filled by create
        self._dishka: AsyncContainer | None = None
        self._lifecycle: Lifecycle | None = None

    @classmethod
    def build(
        cls,
        root: type,
        *,
        external: External,
        overrides: Mapping[Token, Any] | None = None,
        implicit: Callable[[type], Iterable[type]] = lambda _: (),
        implicit_root: Iterable[type] = (),
    ) -> "Container":
        """Validate all modules below *root*; raises ModuleError for whatever could not be constructed.

        *external* gives what no module provides; *overrides* are values that replace providers by their tokens.
        *implicit* says what a provided class needs beside, *implicit_root* what the application does.
        """
        return cls(Graph(root, external, overrides or {}, implicit, implicit_root))

    def classes(self) -> list[tuple[str, type]]:
        """Return the name of the module and the class of every class provider, in the order of the modules."""
        return [(token_name(node.module), cls) for node, cls in self._class_nodes()]

    def instances(self) -> list[tuple[str, type, object]]:
        """Return the same with what was constructed."""
        return [(token_name(node.module), cls, self._instances[node]) for node, cls in self._class_nodes()]

    def get(self, token: Token) -> Any:
        """Return the provider of *token*, from whichever module; raises ModuleError if there is none.

        Raises RuntimeError before `create`.
        """
        node = self._graph.resolve_alias(self._graph.find_anywhere(token))
        if node not in self._instances:
            raise RuntimeError(f"{token_name(token)} is not there yet: the application has not started")
        return self._instances[node]

    async def create(self) -> None:
        """Construct every provider. Raises what a constructor or a factory raises."""
        self._dishka = make_async_container(*self._dishka_providers())
        for node, declared in self._graph.providers.items():
            if not isinstance(declared, AliasProvider):
                self._instances[node] = await self._dishka.get(self._key(node), self._components[node.module])
        instances: list[object] = []
        for instance in self._instances.values():
            if not any(instance is other for other in instances):
                instances.append(instance)
        self._lifecycle = Lifecycle(instances)

    async def start(self) -> None:
        """Run the hooks of the start; raises what they raise."""
        if self._lifecycle is not None:
            await self._lifecycle.start()

    async def stop(self, disconnect: Callable[[], Awaitable[None]], signal: str | None = None) -> None:
        """Run the hooks of the end, with *disconnect* before the last; raises an ExceptionGroup of what they raise."""
        try:
            if self._lifecycle is not None:
                await self._lifecycle.stop(disconnect, signal)
        finally:
            if self._dishka is not None:
                await self._dishka.close()

    async def abandon(self) -> None:
        """Close what was constructed, because the start has failed; what that raises is logged."""
        self._instances.clear()
        self._lifecycle = None
        if self._dishka is not None:
            try:
                await self._dishka.close()
            except Exception:
                _LOGGER.exception("a provider could not be closed")
            self._dishka = None

    def _class_nodes(self) -> list[tuple[Node, type]]:
        found = []
        for node, declared in self._graph.providers.items():
            if isinstance(declared, type):
                found.append((node, declared))
            elif isinstance(declared, ClassProvider):
                found.append((node, declared.use_class))
        return found

    def _key(self, node: Node) -> type:
        if node not in self._keys:
            self._keys[node] = type(token_name(node.token), (), {})
        return self._keys[node]

    def _dishka_providers(self) -> list[dishka.Provider]:
        providers = {
            module: dishka.Provider(scope=dishka.Scope.APP, component=component)
            for module, component in self._components.items()
        }
        for node, declared in self._graph.providers.items():
            if not isinstance(declared, AliasProvider):
                factory = self._factory(declared, self._graph.sources[node])
                providers[node.module].provide(factory, provides=self._key(node))
        return list(providers.values())

    def _factory(self, declared: Declared, sources: list[Source]) -> Any:
        """Return a function that constructs a provider, annotated with the keys of what it needs."""
        values = {source.dependency.parameter: source.value for source in sources if source.node is None}
        annotations = {
            source.dependency.parameter: Annotated[
                self._key(source.node), FromComponent(self._components[source.node.module])
            ]
            for source in sources
            if source.node is not None
        }

        factory = _constructing(_context(declared), values)
        factory.__annotations__ = {**annotations, "return": AsyncIterator[object]}
        factory.__signature__ = inspect.Signature(  # read by inspect.signature
            [
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
                for name, annotation in annotations.items()
            ]
        )
        return factory


def _constructing(context: Callable[..., AbstractAsyncContextManager[Any]], values: dict[str, Any]) -> Any:
    """Return a function of its own, to be annotated, that gives what *context* gives as long as it is open."""

    async def factory(**dependencies: Any) -> AsyncIterator[Any]:
        async with context(**values, **dependencies) as instance:
            yield instance

    return factory


def _context(declared: Declared) -> Callable[..., AbstractAsyncContextManager[Any]]:
    """Return what opens a provider, and closes it at the end of the application if there is something to close."""
    construct = _constructor(declared)
    if inspect.isasyncgenfunction(construct):
        return asynccontextmanager(construct)

    @asynccontextmanager
    async def context(**dependencies: Any) -> AsyncIterator[Any]:
        if inspect.isgeneratorfunction(construct):
            with contextmanager(construct)(**dependencies) as instance:
                yield instance
            return
        result = construct(**dependencies)
        is_pending = isinstance(declared, FactoryProvider) and inspect.isawaitable(result)
        yield await result if is_pending else result

    return context


def _constructor(declared: Declared) -> Callable[..., Any]:
    match declared:
        case ValueProvider():
            return lambda: declared.use_value
        case FactoryProvider():
            return declared.use_factory
        case ClassProvider():
            return declared.use_class
        case AliasProvider():
            raise TypeError("an alias constructs nothing")
        case _:
            return declared
