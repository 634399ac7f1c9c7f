"""Declarations of providers: what can be injected, and where it comes from."""

import inspect
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, TypeAlias, TypeVar

import msgspec

from moongate.errors import ModuleError

__all__ = [
    "AliasProvider",
    "ClassProvider",
    "Declared",
    "FactoryProvider",
    "Inject",
    "Injectable",
    "Scope",
    "Token",
    "ValueProvider",
    "check_provider",
    "token_name",
    "token_of",
]

Token: TypeAlias = Any
"""What is asked for: a class, or any hashable value such as a text."""

_Class = TypeVar("_Class", bound=type)


class Scope(Enum):
    """How long a provider lives."""

    APPLICATION = auto()
    """As long as the application: there is one for each module that lists it."""
    CONNECTION = auto()
    """As long as one client's connection."""
    MESSAGE = auto()
    """As long as one message is handled."""


class Inject(msgspec.Struct, frozen=True):
    """Asks for *token* instead of the annotated type: `Annotated[str, Inject("api-key")]`."""

    token: Token


class Injectable:
    """Declares a class to be a provider that lives as long as *scope* says: without it, as long as the application.

    Raises ModuleError for a scope that providers cannot have yet.
    """

    def __init__(self, *, scope: Scope = Scope.APPLICATION) -> None:
        if not isinstance(scope, Scope):
            raise ModuleError(
                f"expected a scope, got {scope!r}", where="Injectable", mend="Write `@Injectable()`, with parentheses."
            )
        if scope is not Scope.APPLICATION:
            raise ModuleError(
                f"providers cannot have {scope} yet",
                where="Injectable",
                mend="Keep what belongs to a client in `client.data`.",
            )

    def __call__(self, target: _Class) -> _Class:
        """Accept *target*."""
        if not inspect.isclass(target):
            raise ModuleError(f"expected a class below Injectable, got {target!r}", mend="Write it above a class.")
        return target


class ClassProvider(msgspec.Struct, frozen=True):
    """Gives an instance of another class for a token."""

    provide: Token
    use_class: type


class ValueProvider(msgspec.Struct, frozen=True):
    """Gives a value that is there already."""

    provide: Token
    use_value: Any


class FactoryProvider(msgspec.Struct, frozen=True):
    """Gives what a function returns, `def` or `async def`; what one yields is closed at the end of the application.

    Its parameters are injected by their annotations, or by the tokens of *inject*, one for each.
    """

    provide: Token
    use_factory: Callable[..., Any]
    inject: tuple[Token, ...] = ()


class AliasProvider(msgspec.Struct, frozen=True):
    """Gives what another token gives."""

    provide: Token
    use_existing: Token


Declared: TypeAlias = type | ClassProvider | ValueProvider | FactoryProvider | AliasProvider
"""What a module's `providers` may hold."""


def check_provider(declared: object, where: str) -> None:
    """Raise ModuleError for what is no provider."""
    if isinstance(declared, ClassProvider):
        if not inspect.isclass(declared.use_class):
            raise ModuleError(f"expected a class as use_class, got {declared.use_class!r}", where=where)
    elif isinstance(declared, FactoryProvider):
        if not callable(declared.use_factory):
            raise ModuleError(f"expected a function as use_factory, got {declared.use_factory!r}", where=where)
    elif not inspect.isclass(declared) and not isinstance(declared, ValueProvider | AliasProvider):
        raise ModuleError(
            f"expected a provider, got {declared!r}",
            where=where,
            mend="List classes, or ClassProvider, ValueProvider, FactoryProvider and AliasProvider.",
        )


def token_of(declared: Declared) -> Token:
    """Return what a provider is asked for by."""
    return declared if isinstance(declared, type) else declared.provide


def token_name(token: Token) -> str:
    """Return a token as errors show it."""
    return token.__qualname__.rpartition(".<locals>.")[2] if isinstance(token, type) else repr(token)
