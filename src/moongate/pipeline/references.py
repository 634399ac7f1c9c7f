"""Enhancers as they are declared, made into functions: decided once, when the application starts."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec

from moongate.errors import GatewayError
from moongate.hints import signature_of
from moongate.pipeline.context import ExecutionContext
from moongate.pipeline.enhancers import Limited, Reference

__all__ = ["Injected", "Kind", "Providers", "classes_among", "function_of"]

Function: TypeAlias = Callable[..., Any]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Injected(msgspec.Struct, frozen=True):
    """An enhancer that a module provides under a token, as `APP_GUARD`."""

    token: Any
    target: Any = None
    """Its class, if that is known."""


class Providers(Protocol):
    """What a gateway's module sees."""

    def is_scoped(self, token: Any) -> bool:
        """Whether there is one for each client or message."""

    def get(self, token: Any) -> Any:
        """Return the one of the whole application."""

    def given(self, annotation: Any, token: Any) -> Any:
        """Return what no module provides, as a namespace; MISSING if one does. Raises ModuleError if nobody has it."""


class Kind(msgspec.Struct, frozen=True):
    """A kind of enhancers: how it is called, what the method of its classes is, and what that takes."""

    name: str
    method: str
    arguments: tuple[str, ...]
    context: int
    """Which argument is the ExecutionContext."""
    least: int
    """How many of the arguments it has to take."""
    may_stream: bool = False
    """Whether it may be an asynchronous generator."""


def function_of(reference: Reference, kind: Kind, providers: Providers, where: str) -> Function:
    """Return what calls an enhancer; raises GatewayError for what is none."""
    if isinstance(reference, Limited):
        reference = reference.guard
    if isinstance(reference, Injected):
        return _of_token(reference.token, kind, providers, where)
    if inspect.isclass(reference):
        if not callable(getattr(reference, kind.method, None)):
            raise _no_enhancer(reference, kind, where)
        return _of_token(reference, kind, providers, where)
    method = getattr(reference, kind.method, None)
    function = method if callable(method) else reference
    if not callable(function):
        raise _no_enhancer(reference, kind, where)
    return _checked(function, kind, where)


def classes_among(references: Iterable[Reference]) -> list[type]:
    """Return the classes that have to be constructed."""
    bare = (reference.guard if isinstance(reference, Limited) else reference for reference in references)
    return [reference for reference in bare if inspect.isclass(reference)]


def _of_token(token: Any, kind: Kind, providers: Providers, where: str) -> Function:
    if not providers.is_scoped(token):
        return function_of(_instance(providers.get(token), token, kind, where), kind, providers, where)

    async def call(*arguments: Any) -> Any:
        context: ExecutionContext = arguments[kind.context]
        instance = await context.resolve(token)
        result = function_of(instance, kind, providers, where)(*arguments)
        return await result if inspect.isawaitable(result) else result

    return call


def _instance(instance: object, token: Any, kind: Kind, where: str) -> object:
    if inspect.isclass(instance):
        raise GatewayError(
            f"expected {kind.name}, got the class {_name(instance)} as a value",
            where=where,
            mend=f"Provide it as ClassProvider({_name(token)}, {_name(instance)}).",
        )
    return instance


def _checked(function: Function, kind: Kind, where: str) -> Function:
    """Return *function* as something that is called with all arguments of its kind. Raises GatewayError."""
    yields = inspect.isgeneratorfunction(function)
    if yields or (inspect.isasyncgenfunction(function) and not kind.may_stream):
        raise GatewayError(
            f"{_name(function)} has a `yield` in it and would never run",
            where=where,
            mend=f"Write it as `def {kind.method}({', '.join(kind.arguments)})` or `async def`.",
        )
    for count in range(len(kind.arguments), kind.least - 1, -1):
        if _takes(function, kind.arguments[:count], kind.least):
            return _called_with(function, count, len(kind.arguments))
    wanted = f"({', '.join(kind.arguments[: kind.least])})"
    raise GatewayError(
        f"{kind.name} is called with {wanted}, got {_name(function)}{signature_of(function)}",
        where=where,
        mend=f"Write its parameters as {wanted}.",
    )


def _takes(function: Function, names: Sequence[str], least: int) -> bool:
    """Whether a function takes arguments of these names; one that it has a default for only if it is called so."""
    try:
        signature = signature_of(function)
        signature.bind(*names)
    except ValueError:  # a builtin says nothing of what it takes
        return len(names) == least
    except TypeError:
        return False
    positional = [each for each in signature.parameters.values() if each.kind in _POSITIONAL]
    optional = list(zip(positional, names, strict=False))[least:]
    return all(parameter.default is parameter.empty or parameter.name == name for parameter, name in optional)


def _called_with(function: Function, count: int, given: int) -> Function:
    return function if count == given else lambda *arguments: function(*arguments[:count])


def _no_enhancer(reference: object, kind: Kind, where: str) -> GatewayError:
    wanted = ", ".join(kind.arguments[: kind.least])
    return GatewayError(
        f"expected {kind.name}, got {_name(reference)}",
        where=where,
        mend=f"Write a class with a method `{kind.method}(self, {wanted})`, or a function of ({wanted}).",
    )


def _name(value: object) -> str:
    is_plain = type(value).__repr__ is object.__repr__
    name: str = getattr(value, "__qualname__", type(value).__qualname__ if is_plain else repr(value))
    return name.rpartition("<locals>.")[2]
