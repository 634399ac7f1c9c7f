"""Which provider a dependency means, as its module sees it. All of it is decided before anything is constructed."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from moongate.di.dependencies import Dependency, dependencies_of_class, dependencies_of_factory
from moongate.di.module import AnyModule, ModuleMetadata, exports_whole, module_name, modules_below
from moongate.di.module_ref import ModuleRef
from moongate.di.provider import (
    AliasProvider,
    ClassProvider,
    Declared,
    FactoryProvider,
    Numbered,
    Scope,
    Token,
    ValueProvider,
    is_repeatable,
    scope_of,
    token_name,
    token_of,
)
from moongate.errors import ModuleError

__all__ = ["MISSING", "External", "Graph", "Node", "ScopedValues", "Source"]

MISSING: Any = object()
"""What an External returns for what it does not have."""

External: TypeAlias = Callable[[Any, Token | None], Any]
"""Gives what no module provides: called with the annotation, and the token if one was named."""


ScopedValues: TypeAlias = Mapping[Scope, Iterable[type]]
"""The types of what is given when a scope begins, as the client; what lives in a longer scope cannot ask for it."""


class Node(msgspec.Struct, frozen=True):
    """One provider of one module: the pair that names an instance."""

    module: AnyModule
    token: Token


class Source(msgspec.Struct, frozen=True):
    """Where a dependency comes from: another provider, or a value that is there already."""

    dependency: Dependency
    node: Node | None
    value: Any = None
    given: type | None = None
    """The type of what is given when the scope begins; it is injected then, and there is no value."""


class Graph:
    """All modules of an application, and the sources of everything that its providers ask for.

    Raises ModuleError for whatever could not be constructed. *overrides* replace providers by their tokens. *implicit*
    says what else a provided class needs constructed in its module, *implicit_root* what the application does in its.
    """

    def __init__(
        self,
        root: AnyModule,
        *,
        external: External,
        overrides: Mapping[Token, Any],
        implicit: Callable[[type], Iterable[type]],
        implicit_root: Iterable[type],
        scoped_values: ScopedValues,
    ) -> None:
        self.modules: dict[AnyModule, ModuleMetadata] = modules_below(root)
        self.root: AnyModule = root
        self.providers: dict[Node, Declared] = {}
        self.sources: dict[Node, list[Source]] = {}
        self.module_refs: dict[AnyModule, ModuleRef] = {module: ModuleRef(module) for module in self.modules}
        self.external: External = external
        self.given: dict[type, Scope] = {kind: scope for scope, kinds in scoped_values.items() for kind in kinds}
        for module, metadata in self.modules.items():
            for number, declared in enumerate(metadata.providers):
                token = token_of(declared)
                replaced = ValueProvider(token, overrides[token]) if token in overrides else declared
                known_by = Numbered(token, number) if is_repeatable(token) else token
                self.providers[Node(module, known_by)] = replaced
        for node in list(self.providers):
            declared = self.providers[node]
            cls = declared.use_class if isinstance(declared, ClassProvider) else declared
            for needed in implicit(cls) if isinstance(cls, type) else ():
                self._provide_implicitly(node.module, needed, overrides)
        for needed in implicit_root:
            self._provide_implicitly(root, needed, overrides)
        self._check_overrides(overrides)
        for node in self.providers:
            self._trace(node, ())

    def _check_overrides(self, overrides: Mapping[Token, Any]) -> None:
        """Refuse what replaces nothing: a test that believes so would test something else."""
        known = {node.token.token if isinstance(node.token, Numbered) else node.token for node in self.providers}
        for token in overrides:
            if token not in known:
                raise ModuleError(
                    f"nothing provides {token_name(token)}, so there is nothing to replace",
                    where="overrides",
                    mend="Name the token of a provider: its class, or what stands in Inject(...) and `provide`.",
                )

    def scope_of(self, node: Node) -> Scope:
        """Return how long a provider lives."""
        return scope_of(self.providers[self.resolve_alias(node)])

    def _provide_implicitly(self, module: AnyModule, cls: type, overrides: Mapping[Token, Any]) -> None:
        if self.find(module, cls) is None:
            self.providers[Node(module, cls)] = ValueProvider(cls, overrides[cls]) if cls in overrides else cls

    def find(self, module: AnyModule, token: Token) -> Node | None:
        """Return the provider of *token* that *module* sees: its own, an imported one, or one of a global module."""
        own = Node(module, token)
        if own in self.providers:
            return own
        for imported in self.modules[module].imports:
            node = self._exported(imported, token)
            if node is not None:
                return node
        for other, metadata in self.modules.items():
            node = self._exported(other, token) if metadata.is_global else None
            if node is not None:
                return node
        return None

    def find_anywhere(self, token: Token) -> Node:
        """Return the provider of *token* that the root sees, or else the first; raises ModuleError if there is none."""
        node = self.find(self.root, token)
        if node is None:
            node = next((other for other in self.providers if other.token == token), None)
        if node is None:
            raise ModuleError(
                f"nothing provides {token_name(token)}",
                where=module_name(self.root),
                mend="Add it to the providers of a module that the application imports.",
            )
        return node

    def resolve_alias(self, node: Node) -> Node:
        """Return the provider that stands behind *node*."""
        declared = self.providers[node]
        return node if not isinstance(declared, AliasProvider) else self.resolve_alias(self.find_alias(node, declared))

    def find_alias(self, node: Node, declared: AliasProvider) -> Node:
        """Return what an alias means; raises ModuleError if it means nothing."""
        target = self.find(node.module, declared.use_existing)
        if target is None or target == node:
            raise self._invisible(node, declared.use_existing, token_name(declared.use_existing), ())
        return target

    def _exported(self, module: AnyModule, token: Token) -> Node | None:
        """Return the provider of *token* that *module* shows to others."""
        metadata: ModuleMetadata = self.modules[module]
        if token in metadata.exports:
            own = Node(module, token)
            if own in self.providers:
                return own
        for imported in metadata.imports:
            if token in metadata.exports or exports_whole(metadata, imported):
                node = self._exported(imported, token)
                if node is not None:
                    return node
        return None

    def _trace(self, node: Node, path: tuple[Node, ...]) -> None:
        """Find the sources of everything that *node* needs, and of what those need."""
        if node in path:
            cycle = " -> ".join(token_name(other.token) for other in (*path[path.index(node) :], node))
            raise ModuleError(
                "providers need each other",
                where=cycle,
                mend="Move what both need into a third provider, or emit an event instead of calling back.",
            )
        if node in self.sources:
            return
        declared = self.providers[node]
        if isinstance(declared, AliasProvider):
            self._trace(self.find_alias(node, declared), (*path, node))
            self.sources[node] = []
            return
        scope, path = scope_of(declared), (*path, node)
        sources = [self._source(node, scope, dependency, path) for dependency in self._dependencies(declared)]
        self.sources[node] = [source for source in sources if source is not None]

    @staticmethod
    def _dependencies(declared: Declared) -> list[Dependency]:
        if isinstance(declared, FactoryProvider):
            return dependencies_of_factory(declared)
        if isinstance(declared, ClassProvider):
            return dependencies_of_class(declared.use_class)
        return dependencies_of_class(declared) if isinstance(declared, type) else []

    def sources_of(self, module: AnyModule, cls: type) -> list[Source]:
        """Return the sources of what *cls* asks for, if *module* provided it; raises ModuleError."""
        node = Node(module, cls)
        sources = [self._source(node, scope_of(cls), dependency, (node,)) for dependency in dependencies_of_class(cls)]
        return [source for source in sources if source is not None]

    def _source(self, node: Node, scope: Scope, dependency: Dependency, path: tuple[Node, ...]) -> Source | None:
        """Return where *dependency* of something in *scope* comes from; None if its own default is to be used."""
        found = self.find(node.module, dependency.token)
        if found is not None:
            self._trace(found, path)
            if scope < self.scope_of(found):
                raise self._lives_shorter(node, scope, self.scope_of(found), dependency, path)
            return Source(dependency, self.resolve_alias(found))
        if dependency.token in self.given and not dependency.named:
            if scope < self.given[dependency.token]:
                raise self._lives_shorter(node, scope, self.given[dependency.token], dependency, path)
            return Source(dependency, None, given=dependency.token)
        if dependency.token is ModuleRef:
            return Source(dependency, None, self.module_refs[node.module])
        value = self.external(dependency.annotation, dependency.token if dependency.named else None)
        if value is not MISSING:
            return Source(dependency, None, value)
        if dependency.has_default:
            return None
        if dependency.optional:
            return Source(dependency, None, None)
        raise self._invisible(node, dependency.token, str(dependency), path)

    @staticmethod
    def _lives_shorter(
        node: Node, scope: Scope, needed: Scope, dependency: Dependency, path: tuple[Node, ...]
    ) -> ModuleError:
        """Return the error for what lives longer than something that it needs."""
        names, token = " -> ".join(token_name(other.token) for other in path), token_name(dependency.token)
        return ModuleError(
            f"it lives as {scope} says, and {token} only as {needed}",
            where=f"{module_name(node.module)} -> {names}({dependency})",
            mend=f"Declare {token_name(node.token)} with @Injectable(scope={needed}) as well, or let a handler ask "
            f"for it: Annotated[{token}, Inject({token})].",
        )

    def _invisible(self, node: Node, token: Token, asked: str, path: tuple[Node, ...]) -> ModuleError:
        """Return the error for something that *node* asks for and cannot see."""
        module, name = module_name(node.module), token_name(token)
        consumers = " -> ".join(token_name(other.token) for other in path) or token_name(node.token)
        owners = [module_name(other.module) for other in self.providers if other.token == token]
        if not owners:
            problem = f"nothing provides {name}"
            mend = f"Add {name} to the providers of {module}, or of a module that it imports and that exports it."
        elif owners[0] in map(module_name, self.modules[node.module].imports):
            problem = f"{name} is not visible: {owners[0]} provides it, but does not export it"
            mend = f"Write exports=[{name}] in {owners[0]}."
        else:
            problem = f"{name} is not visible: {owners[0]} provides it, which {module} does not import"
            mend = f"Write imports=[{owners[0]}] in {module}, and exports=[{name}] in {owners[0]}."
        return ModuleError(problem, where=f"{module} -> {consumers}({asked})", mend=mend)
