"""The container: constructs every provider once for each module that lists it, on dishka."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Annotated, Any

import dishka
from dishka import AsyncContainer, FromComponent, make_async_container

from moongate.di.lifecycle import Lifecycle
from moongate.di.module import AnyModule, module_name
from moongate.di.provider import (
    AliasProvider,
    ClassProvider,
    Declared,
    FactoryProvider,
    Numbered,
    Scope,
    Token,
    ValueProvider,
    token_name,
)
from moongate.di.resolution import MISSING, External, Graph, Node, ScopedValues, Source
from moongate.di.scopes import ConnectionScope, Find, close_container
from moongate.errors import ModuleError

__all__ = ["MISSING", "Container", "External"]

_SCOPES = {
    Scope.APPLICATION: dishka.Scope.APP,
    Scope.CONNECTION: dishka.Scope.SESSION,
    Scope.MESSAGE: dishka.Scope.REQUEST,
}


class Container:
    """All providers of an application.

    `build` validates everything and constructs nothing; `create` constructs, `start` and `stop` run the hooks.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._keys: dict[Node, type] = {}  # what dishka knows a provider by: one type for each module and token
        self._components = {module: f"{index}:{module_name(module)}" for index, module in enumerate(graph.modules)}
        self._instances: dict[Node, Any] = {}  # filled by create
        self._dishka: AsyncContainer | None = None
        self._lifecycle: Lifecycle | None = None
        for module_ref in graph.module_refs.values():
            module_ref.bind(self)

    @classmethod
    def build(
        cls,
        root: AnyModule,
        *,
        external: External,
        overrides: Mapping[Token, Any] | None = None,
        implicit: Callable[[type], Iterable[type]] = lambda _: (),
        implicit_root: Iterable[type] = (),
        scoped_values: ScopedValues | None = None,
    ) -> "Container":
        """Validate all modules below *root*; raises ModuleError for whatever could not be constructed.

        *external* gives what no module provides; *overrides* are values that replace providers by their tokens.
        *implicit* says what a provided class needs beside, *implicit_root* what the application does. *scoped_values*
        are the types of what is given when a scope begins.
        """
        graph = Graph(
            root,
            external=external,
            overrides=overrides or {},
            implicit=implicit,
            implicit_root=implicit_root,
            scoped_values=scoped_values or {},
        )
        return cls(graph)

    def classes(self) -> list[tuple[str, type]]:
        """Return the name of the module and the class of every class provider, in the order of the modules."""
        return [(module_name(node.module), cls) for node, cls in self._class_nodes()]

    def instances(self) -> list[tuple[str, type, object]]:
        """Return the same with what was constructed; None for what lives shorter than the application."""
        return [(module_name(node.module), cls, self._instances.get(node)) for node, cls in self._class_nodes()]

    @property
    def has_scopes(self) -> bool:
        """Whether anything lives shorter than the application."""
        return any(self._graph.scope_of(node) is not Scope.APPLICATION for node in self._graph.providers)

    def module_of(self, cls: type | None) -> AnyModule:
        """Return the module that provides *cls*; the application's own for None."""
        found = (node.module for node, provided in self._class_nodes() if provided is cls)
        return next(found, self._graph.root)

    def find(self, module: AnyModule, token: Token) -> Node:
        """Return the provider that *module* sees; raises ModuleError if it sees none."""
        node = token if isinstance(token, Node) else self._graph.find(module, token)
        if node is None:
            raise ModuleError(
                f"nothing that {module_name(module)} sees provides {token_name(token)}",
                where=module_name(module),
                mend=f"Add {token_name(token)} to its providers, or import a module that exports it.",
            )
        return self._graph.resolve_alias(node)

    def multi(self, token: Token) -> list[Node]:
        """Return all providers of a token that may be provided several times, in the order of the modules."""
        return [
            self._graph.resolve_alias(node)
            for node in self._graph.providers
            if isinstance(node.token, Numbered) and node.token.token == token
        ]

    def scope_of(self, node: Node) -> Scope:
        """Return how long a provider lives."""
        return self._graph.scope_of(node)

    def class_of(self, node: Node) -> type | None:
        """Return the class of a provider, if that is known before it is constructed."""
        declared = self._graph.providers[node]
        if isinstance(declared, ClassProvider):
            return declared.use_class
        return declared if isinstance(declared, type) else None

    def open_connection(self, values: Mapping[Any, Any]) -> ConnectionScope:
        """Begin what belongs to one client; *values* are what it is given, by type. It has to be closed."""
        if self._dishka is None:
            raise RuntimeError("the application has not started")
        return ConnectionScope(self._dishka, values)

    def given(self, annotation: Any, token: Token) -> Any:
        """Return what no module provides, as the application gives it; MISSING if it does not."""
        return self._graph.external(annotation, None if token == annotation else token)

    def finder(self, module: AnyModule) -> Find:
        """Return what finds providers as *module* sees them, for `ConnectionScope.open_message`."""

        def find(token: Token) -> tuple[dishka.Scope, Any, str]:
            node = self.find(module, token)
            return _SCOPES[self.scope_of(node)], self._key(node), self._components[node.module]

        return find

    def get_from(self, module: AnyModule, token: Token, *, strict: bool) -> Any:
        """Return a provider of the application that *module* sees, or any module; raises ModuleError."""
        return self._instance(self.find(module, token)) if strict else self.get(token)

    def get(self, token: Token) -> Any:
        """Return the provider of *token*, from whichever module; raises ModuleError if there is none.

        Raises RuntimeError before `create`.
        """
        if isinstance(token, Node):
            return self._instance(token)
        return self._instance(self._graph.resolve_alias(self._graph.find_anywhere(token)))

    def _instance(self, node: Node) -> Any:
        if self.scope_of(node) is not Scope.APPLICATION:
            raise ModuleError(
                f"{token_name(node.token)} lives as {self.scope_of(node)} says: there is not only one",
                where=module_name(node.module),
                mend="Ask for it where a message is handled: `await context.resolve(...)`, or a handler's parameter "
                f"Annotated[{token_name(node.token)}, Inject({token_name(node.token)})].",
            )
        if node not in self._instances:
            raise RuntimeError(f"{token_name(node.token)} is not there yet: the application has not started")
        return self._instances[node]

    async def construct(self, module: AnyModule, cls: type) -> Any:
        """Construct a class that nobody provides, with what *module* sees; raises ModuleError."""
        arguments = {
            source.dependency.parameter: source.value if source.node is None else self._instance(source.node)
            for source in self._graph.sources_of(module, cls)
        }
        return cls(**arguments)

    async def create(self) -> None:
        """Construct every provider. Raises what a constructor or a factory raises."""
        self._dishka = make_async_container(*self._dishka_providers(), lock_factory=asyncio.Lock)
        for node, declared in self._graph.providers.items():
            if not isinstance(declared, AliasProvider) and self.scope_of(node) is Scope.APPLICATION:
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

    async def tell(self, hook: str, *arguments: Any) -> None:
        """Run a hook of every instance that has it; what one raises is logged."""
        if self._lifecycle is not None:
            await self._lifecycle.tell(hook, *arguments)

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
        await close_container(self._dishka)
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
                providers[node.module].provide(factory, provides=self._key(node), scope=_SCOPES[self.scope_of(node)])
        given = dishka.Provider()
        for kind, scope in self._graph.given.items():
            given.from_context(provides=kind, scope=_SCOPES[scope])
        return [given, *providers.values()]

    def _asked(self, source: Source) -> Any:
        """Return the annotation by which dishka knows what is asked for."""
        if source.node is None:
            return Annotated[source.given, FromComponent("")]
        return Annotated[self._key(source.node), FromComponent(self._components[source.node.module])]

    def _factory(self, declared: Declared, sources: list[Source]) -> Any:
        """Return a function that constructs a provider, annotated with the keys of what it needs."""
        values = {
            source.dependency.parameter: source.value
            for source in sources
            if source.node is None and source.given is None
        }
        annotations = {
            source.dependency.parameter: self._asked(source)
            for source in sources
            if source.dependency.parameter not in values
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
