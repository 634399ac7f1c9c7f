"""Looking providers up at run time, as one module sees them."""

from typing import Any, Protocol, TypeVar, overload

from moongate.di.dynamic import DynamicModule
from moongate.di.provider import Token

__all__ = ["Lookup", "ModuleRef"]

T = TypeVar("T")


class Lookup(Protocol):
    """The container, as its module references know it."""

    def get_from(self, module: Any, token: Token, *, strict: bool) -> Any:
        """Return a provider of the application; raises ModuleError."""

    async def construct(self, module: Any, cls: type) -> Any:
        """Construct a class that nobody provides; raises ModuleError."""


class ModuleRef:
    """One module's view of the providers. Any provider can have it injected."""

    def __init__(self, module: type | DynamicModule) -> None:
        self._module = module
        self._lookup: Lookup | None = None

    def bind(self, lookup: Lookup) -> None:
        """Ask *lookup* from here on."""
        self._lookup = lookup

    @overload
    def get(self, token: type[T], *, strict: bool = True) -> T: ...
    @overload
    def get(self, token: object, *, strict: bool = True) -> Any: ...
    def get(self, token: Any, *, strict: bool = True) -> Any:
        """Return the provider of *token* that the module sees, or with *strict* off that of any module.

        Raises ModuleError if there is none, or if it lives shorter than the application: `context.resolve` gives those.
        """
        return self._container().get_from(self._module, token, strict=strict)

    async def create(self, cls: type[T]) -> T:
        """Construct *cls* with what it asks for, as a provider of the module would be, and keep it nowhere.

        Raises ModuleError for what the module does not see.
        """
        created: T = await self._container().construct(self._module, cls)
        return created

    def _container(self) -> Lookup:
        if self._lookup is None:
            raise RuntimeError("the application is not there yet")
        return self._lookup
