"""What a constructor or a factory asks for, read from its signature."""

import inspect
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from moongate.di.provider import FactoryProvider, Inject, Token
from moongate.errors import ModuleError
from moongate.hints import annotations_of, resolve, signature_of

__all__ = ["Dependency", "dependencies_of_class", "dependencies_of_factory"]


class Dependency(msgspec.Struct, frozen=True):
    """One parameter to be injected.

    `token` is what it asks for, `annotation` its type; `named` whether the token was given by `Inject`. It is
    `optional` if it has a default, or may be None.
    """

    parameter: str
    token: Token
    annotation: Any
    named: bool
    optional: bool
    has_default: bool

    def __str__(self) -> str:
        return f"{self.parameter}: {getattr(self.annotation, '__name__', self.annotation)}"


def dependencies_of_class(cls: type) -> list[Dependency]:
    """Return what the constructor of *cls* asks for; raises ModuleError for a parameter that says nothing."""
    constructor: Callable[..., None] = getattr(cls, "__init__")  # noqa: B009  # mypy does not like it on a class
    if constructor is object.__init__:
        return []
    parameters = list(signature_of(constructor).parameters.values())[1:]
    return _read(constructor, parameters, f"{cls.__name__}.__init__")


def dependencies_of_factory(provider: FactoryProvider) -> list[Dependency]:
    """Return what a factory asks for; raises ModuleError."""
    factory = provider.use_factory
    name = getattr(factory, "__name__", repr(factory))
    parameters = list(signature_of(factory).parameters.values())
    if not provider.inject:
        return _read(factory, parameters, name)
    if len(provider.inject) != len(parameters):
        raise ModuleError(
            f"it has {len(parameters)} parameters, and inject has {len(provider.inject)} tokens",
            where=name,
            mend="Name one token for each parameter, or none and annotate the parameters.",
        )
    return [
        Dependency(parameter.name, token, token, named=True, optional=False, has_default=False)
        for parameter, token in zip(parameters, provider.inject, strict=True)
    ]


def _read(function: Callable[..., Any], parameters: list[inspect.Parameter], where: str) -> list[Dependency]:
    annotations = annotations_of(function)
    names = getattr(function, "__globals__", {})
    found = []
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        has_default = parameter.default is not parameter.empty
        if parameter.name not in annotations:
            if has_default:
                continue
            raise ModuleError(
                "it has no annotation, so nobody knows what to inject",
                where=f"{where}, parameter {parameter.name!r}",
                mend=f"Write its type: `{parameter.name}: Service`.",
            )
        hint = resolve(annotations[parameter.name], names, f"{where}, parameter {parameter.name!r}", ModuleError)
        found.append(_dependency(parameter.name, hint, has_default=has_default))
    return found


def _dependency(name: str, hint: Any, *, has_default: bool) -> Dependency:
    annotation, marker = hint, None
    if get_origin(hint) is Annotated:
        annotation, *extras = get_args(hint)
        marker = next((extra for extra in extras if isinstance(extra, Inject)), None)
    may_be_none = False
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        may_be_none = len(members) < len(get_args(annotation))
        annotation = members[0] if len(members) == 1 else annotation
    return Dependency(
        parameter=name,
        token=annotation if marker is None or marker.token is msgspec.UNSET else marker.token,
        annotation=annotation,
        named=marker is not None and marker.token is not msgspec.UNSET,
        optional=has_default or may_be_none,
        has_default=has_default,
    )
