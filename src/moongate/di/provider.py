"""Declarations of providers: what can be injected, and where it comes from."""

import inspect
from collections.abc import Callable
from enum import IntEnum, auto
from typing import Any, TypeAlias, TypeVar

import msgspec

from moongate.errors import ModuleError

__all__ = [
    "APP_FILTER",
    "APP_GUARD",
    "APP_INTERCEPTOR",
    "APP_PIPE",
    "AliasProvider",
    "ClassProvider",
    "Declared",
    "FactoryProvider",
    "Inject",
    "Injectable",
    "Numbered",
    "Scope",
    "Token",
    "ValueProvider",
    "check_provider",
    "is_repeatable",
    "scope_of",
    "token_name",
    "token_of",
]

Token: TypeAlias = Any
"""What is asked for: a class, or any hashable value such as a text."""

_Class = TypeVar("_Class", bound=type)

_SCOPE = "__moongate_scope__"


class _Everywhere(msgspec.Struct, frozen=True):
    """A token of what stands around every gateway; any module may provide it, any number of times."""

    name: str

    def __repr__(self) -> str:
        return self.name


APP_GUARD: Token = _Everywhere("APP_GUARD")
"""The token of guards for every gateway: `ClassProvider(APP_GUARD, SignedIn)`."""

APP_PIPE: Token = _Everywhere("APP_PIPE")
"""The token of pipes for every gateway."""

APP_INTERCEPTOR: Token = _Everywhere("APP_INTERCEPTOR")
"""The token of interceptors for every gateway."""

APP_FILTER: Token = _Everywhere("APP_FILTER")
"""The token of exception filters for every gateway."""


class Numbered(msgspec.Struct, frozen=True):
    """What one of several providers of the same token is known by."""

    token: Token
    number: int

    def __repr__(self) -> str:
        return repr(self.token)


class Scope(IntEnum):
    """How long a provider lives, the longest first."""

    APPLICATION = auto()
    """As long as the application: there is one for each module that lists it."""
    CONNECTION = auto()
    """As long as a client is in a namespace: there is one for each client there."""
    MESSAGE = auto()
    """As long as one message is handled, or one client is let in."""

    def __str__(self) -> str:
        return f"Scope.{self.name}"


class Inject(msgspec.Struct, frozen=True):
    """Asks for *token* instead of the annotated type: `Annotated[str, Inject("api-key")]`.

    Handlers ask for providers with it: without a token, `Annotated[Cart, Inject()]`, for the annotated type.
    """

    token: Token = msgspec.UNSET


class Injectable:
    """Declares a class to be a provider that lives as long as *scope* says: without it, as long as the application.

    Subclasses say it again. Raises ModuleError for what is no scope.
    """

    def __init__(self, *, scope: Scope = Scope.APPLICATION) -> None:
        if not isinstance(scope, Scope):
            raise ModuleError(
                f"expected a scope, got {scope!r}", where="Injectable", mend="Write `@Injectable()`, with parentheses."
            )
        self._scope = scope

    def __call__(self, target: _Class) -> _Class:
        """Attach the scope to *target*, and nothing else."""
        if not inspect.isclass(target):
            raise ModuleError(f"expected a class below Injectable, got {target!r}", mend="Write it above a class.")
        setattr(target, _SCOPE, self._scope)
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
    """Gives what a function returns, `def` or `async def`; what one yields is closed at the end of its *scope*.

    Its parameters are injected by their annotations, or by the tokens of *inject*, one for each.
    """

    provide: Token
    use_factory: Callable[..., Any]
    inject: tuple[Token, ...] = ()
    scope: Scope = Scope.APPLICATION


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
        is_lazy = inspect.isfunction(declared) or isinstance(declared, str)
        raise ModuleError(
            f"expected a provider, got {declared!r}",
            where=where,
            mend="Name the class itself: there are no lazy references, because providers cannot need each other."
            if is_lazy
            else "List classes, or ClassProvider, ValueProvider, FactoryProvider and AliasProvider.",
        )


def is_repeatable(token: Token) -> bool:
    """Whether a token may be provided several times, each for itself."""
    return isinstance(token, _Everywhere)


def scope_of(declared: Declared) -> Scope:
    """Return how long a provider lives; an alias lives as long as what it stands for."""
    if isinstance(declared, FactoryProvider):
        return declared.scope
    cls = declared.use_class if isinstance(declared, ClassProvider) else declared
    scope: Scope = vars(cls).get(_SCOPE, Scope.APPLICATION) if isinstance(cls, type) else Scope.APPLICATION
    return scope


def token_of(declared: Declared) -> Token:
    """Return what a provider is asked for by."""
    return declared if isinstance(declared, type) else declared.provide


def token_name(token: Token) -> str:
    """Return a token as errors show it."""
    return token.__qualname__.rpartition(".<locals>.")[2] if isinstance(token, type) else repr(token)
