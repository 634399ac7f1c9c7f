"""Declarations of what stands around the handlers: they attach themselves to a class or a method, and nothing else."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import msgspec

from moongate.errors import GatewayError

__all__ = [
    "Catch",
    "Enhancers",
    "Limited",
    "OnConnect",
    "OnMessage",
    "Reference",
    "SetMetadata",
    "UseFilters",
    "UseGuards",
    "UseInterceptors",
    "UseMiddleware",
    "UsePipes",
    "apply_decorators",
    "caught_types",
    "enhancers_of",
    "metadata_of",
]

Reference: TypeAlias = Any
"""An enhancer as it is declared: a class, which is injected, an instance, or a plain function."""

_Target = TypeVar("_Target", bound=Callable[..., Any])

_ENHANCERS = "__moongate_enhancers__"
_METADATA = "__moongate_metadata__"
_CAUGHT = "__moongate_caught__"


class Enhancers(msgspec.Struct, frozen=True):
    """What was declared for one gateway, one handler, or the application, in the order of the source."""

    middleware: tuple[Reference, ...] = ()
    guards: tuple[Reference, ...] = ()
    interceptors: tuple[Reference, ...] = ()
    pipes: tuple[Reference, ...] = ()
    filters: tuple[Reference, ...] = ()

    def __iter__(self) -> Any:
        """Yield every reference."""
        yield from (*self.middleware, *self.guards, *self.interceptors, *self.pipes, *self.filters)


class Limited(msgspec.Struct, frozen=True):
    """A guard for one of the two occasions; its subclasses say which."""

    guard: Reference


class OnConnect(Limited, frozen=True):
    """Limits a guard to clients that come in: `UseGuards(OnConnect(SignedIn))`."""


class OnMessage(Limited, frozen=True):
    """Limits a guard to messages: `UseGuards(OnMessage(MayWrite))`."""


class _Use:
    """Attaches references of one kind; a declaration above another one comes first."""

    kind: str

    def __init__(self, *references: Reference) -> None:
        if not references:
            raise GatewayError("it names nothing", where=type(self).__name__, mend="Name at least one class.")
        self._references = references

    def __call__(self, target: _Target) -> _Target:
        """Attach them to *target*, a gateway class or a handler, and nothing else. Raises GatewayError."""
        _check_target(target, type(self).__name__)
        own = vars(target).get(_ENHANCERS, Enhancers())
        added = (*self._references, *getattr(own, self.kind))
        setattr(target, _ENHANCERS, msgspec.structs.replace(own, **{self.kind: added}))
        return target


class UseGuards(_Use):
    """Asks guards before each message, and on a gateway also before each client comes in.

    Each is a class, which is injected, an instance, or a function of the `ExecutionContext`; `OnConnect` and
    `OnMessage` limit it to one of the two.
    """

    kind = "guards"


class UsePipes(_Use):
    """Sends each argument of a message through pipes."""

    kind = "pipes"


class UseInterceptors(_Use):
    """Puts interceptors around the handlers; the first is the outermost."""

    kind = "interceptors"


class UseFilters(_Use):
    """Gives errors to filters: those of a handler come before those of its gateway, and these before global ones."""

    kind = "filters"


class UseMiddleware(_Use):
    """Asks middleware about each client that wants to come into the namespace, before the guards."""

    kind = "middleware"


class SetMetadata:
    """Leaves *value* under *key* on a gateway or a handler, for guards and interceptors to read."""

    def __init__(self, key: str, value: Any) -> None:
        self._entry = {key: value}

    def __call__(self, target: _Target) -> _Target:
        """Attach it to *target*; what is written above counts where a key is there twice."""
        setattr(target, _METADATA, {**vars(target).get(_METADATA, {}), **self._entry})
        return target


class Catch:
    """Limits an exception filter, a class or a function, to some types of exceptions and their subclasses.

    Without types it catches everything. Raises GatewayError for what is no exception type.
    """

    def __init__(self, *types: type[BaseException]) -> None:
        for kind in types:
            if not (isinstance(kind, type) and issubclass(kind, BaseException)):  # type: ignore[redundant-expr]
                raise GatewayError(
                    f"expected types of exceptions, got {kind!r}", where="Catch", mend="Write @Catch(ValueError)."
                )
        self._types = types or (BaseException,)

    def __call__(self, target: _Target) -> _Target:
        """Attach the types to *target*."""
        setattr(target, _CAUGHT, self._types)
        return target


def apply_decorators(*decorators: Callable[[_Target], _Target]) -> Callable[[_Target], _Target]:
    """Return one decorator that does what *decorators* do, the first as if it stood at the top."""

    def decorate(target: _Target) -> _Target:
        for decorator in reversed(decorators):
            target = decorator(target)
        return target

    return decorate


def enhancers_of(target: object) -> Enhancers:
    """Return what was declared for a function, or for a class and its bases; those of bases come first."""
    if not inspect.isclass(target):
        found: Enhancers = getattr(target, _ENHANCERS, Enhancers())
        return found
    joined = Enhancers()
    for base in reversed(target.__mro__):
        own: Enhancers = vars(base).get(_ENHANCERS, Enhancers())
        names = Enhancers.__struct_fields__
        joined = Enhancers(**{name: (*getattr(joined, name), *getattr(own, name)) for name in names})
    return joined


def metadata_of(target: object) -> Mapping[str, Any]:
    """Return what SetMetadata said of a function, or of a class and its bases."""
    if not inspect.isclass(target):
        found: dict[str, Any] = getattr(target, _METADATA, {})
        return found
    return {key: value for base in reversed(target.__mro__) for key, value in vars(base).get(_METADATA, {}).items()}


def caught_types(filter_: object) -> tuple[type[BaseException], ...]:
    """Return the types that an exception filter catches; everything if it does not say."""
    found: tuple[type[BaseException], ...] = getattr(filter_, _CAUGHT, (BaseException,))
    return found


def _check_target(target: object, name: str) -> None:
    if not inspect.isclass(target) and not inspect.isfunction(target):
        raise GatewayError(
            f"expected a gateway class or a handler below {name}, got {target!r}",
            mend="Write it above a class with @WebSocketGateway or a method with @SubscribeMessage.",
        )
    if name == "UseMiddleware" and not inspect.isclass(target):
        raise GatewayError(
            "middleware decides over clients, not over messages",
            where=getattr(target, "__qualname__", ""),
            mend="Write it above the gateway's class; a guard or an interceptor stands before a handler.",
        )
