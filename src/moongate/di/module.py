"""Modules: which providers belong together, and what each shows to the others."""

import inspect
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

import msgspec

from moongate.di.dynamic import DynamicModule
from moongate.di.provider import Declared, Token, check_provider, token_name, token_of
from moongate.errors import ModuleError

__all__ = ["AnyModule", "Module", "ModuleMetadata", "exports_whole", "metadata_of", "module_name", "modules_below"]

AnyModule: TypeAlias = type | DynamicModule
"""What may be imported: a class with `Module` above it, or a DynamicModule."""

_ATTRIBUTE = "__moongate_module__"

_Class = TypeVar("_Class", bound=type)


class ModuleMetadata(msgspec.Struct, frozen=True):
    """What `Module` says of a class."""

    imports: tuple[AnyModule, ...]
    providers: tuple[Declared, ...]
    exports: tuple[Token, ...]
    is_global: bool


class Module:
    """Declares a class to be a module.

    *imports* are other modules, whose exports its providers can ask for; *providers* are what it constructs itself;
    *exports* are tokens of its providers, or modules that it imports. With *global_*, everybody sees its exports.
    """

    def __init__(
        self,
        *,
        imports: Iterable[AnyModule] = (),
        providers: Iterable[Declared] = (),
        exports: Iterable[Token] = (),
        global_: bool = False,
    ) -> None:
        self._metadata = ModuleMetadata(tuple(imports), tuple(providers), tuple(exports), global_)

    def __call__(self, target: _Class) -> _Class:
        """Attach the declaration to *target*, and nothing else."""
        if not inspect.isclass(target):
            raise ModuleError(f"expected a class below Module, got {target!r}", mend="Write it above a class.")
        setattr(target, _ATTRIBUTE, self._metadata)
        return target


def metadata_of(module: Any, where: str) -> ModuleMetadata:
    """Return what `Module` said of *module*; raises ModuleError if it is none."""
    if isinstance(module, DynamicModule):
        own = metadata_of(module.module, where)
        return ModuleMetadata(
            (*own.imports, *module.imports),
            (*own.providers, *module.providers),
            (*own.exports, *module.exports),
            own.is_global or module.global_,
        )
    metadata = vars(module).get(_ATTRIBUTE) if inspect.isclass(module) else None
    if not isinstance(metadata, ModuleMetadata):
        is_lazy = inspect.isfunction(module) or isinstance(module, str)
        raise ModuleError(
            f"expected a module, got {token_name(module)}",
            where=where,
            mend="Name the class itself: there are no lazy references, because modules cannot import each other."
            if is_lazy
            else "Write @Module(...) above the class, and list what is no module among the providers.",
        )
    return metadata


def module_name(module: AnyModule) -> str:
    """Return a module as errors show it."""
    return f"{token_name(module.module)}(...)" if isinstance(module, DynamicModule) else token_name(module)


def exports_whole(metadata: ModuleMetadata, imported: AnyModule) -> bool:
    """Whether a module shows all that *imported* shows it, named by itself or by its class."""
    return imported in metadata.exports or (isinstance(imported, DynamicModule) and imported.module in metadata.exports)


def modules_below(root: AnyModule) -> dict[AnyModule, ModuleMetadata]:
    """Return *root* and all that it imports, each once, those that others import first.

    Raises ModuleError for what is no module or no provider, for modules that import each other, and for exports of what
    a module does not have.
    """
    found: dict[AnyModule, ModuleMetadata] = {}
    _collect(root, (), found)
    for module, metadata in found.items():
        _check(module, metadata)
    return found


def _collect(module: AnyModule, path: tuple[AnyModule, ...], found: dict[AnyModule, ModuleMetadata]) -> None:
    if module in path:
        names = _path((*path[path.index(module) :], module))
        raise ModuleError(
            "modules import each other", where=names, mend="Move what both need into a third module that both import."
        )
    if module in found:
        return
    metadata = metadata_of(module, _path(path) or "the application's module")
    for imported in metadata.imports:
        _collect(imported, (*path, module), found)
    found[module] = metadata


def _check(module: AnyModule, metadata: ModuleMetadata) -> None:
    name = module_name(module)
    for declared in metadata.providers:
        check_provider(declared, name)
    own = {token_of(declared) for declared in metadata.providers}
    for token in metadata.exports:
        modules = [each.module if isinstance(each, DynamicModule) else each for each in metadata.imports]
        if not (token in own or token in (*metadata.imports, *modules) or _imports(metadata, token)):
            raise ModuleError(
                f"it exports {token_name(token)}, which it does not have",
                where=name,
                mend="Add it to the module's providers, or to its imports if it is a module.",
            )


def _imports(metadata: ModuleMetadata, token: Token) -> bool:
    """Whether an imported module exports *token*."""
    return any(token in metadata_of(imported, "").exports for imported in metadata.imports)


def _path(modules: Sequence[AnyModule]) -> str:
    return " -> ".join(map(module_name, modules))
