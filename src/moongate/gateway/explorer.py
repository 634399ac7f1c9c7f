"""Finds the gateways among all providers, and refuses at start-up what could not work."""

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from moongate.di.provider import Scope, scope_of
from moongate.errors import GatewayError
from moongate.gateway.description import describe
from moongate.gateway.hooks import bound_hook, check_hooks, with_reason
from moongate.gateway.metadata import GatewayMetadata, GatewaySpec, HandlerSpec, gateway_metadata, subscriptions
from moongate.hints import annotations_of, resolve
from moongate.namespace.namespace import Namespace
from moongate.pipeline.enhancers import enhancers_of
from moongate.pipeline.params import parameters_of
from moongate.pipeline.references import classes_among

__all__ = ["check", "describe", "enhancer_classes", "explore"]


def check(classes: Iterable[tuple[str, type]]) -> None:
    """Check all classes that modules provide, each with its module's name, before any of them is constructed.

    Raises GatewayError that names the class, the method and the mend.
    """
    modules: dict[type, str] = {}
    metadata: dict[type, GatewayMetadata] = {}
    for module, target in classes:
        declared = gateway_metadata(target)
        if declared is None:
            _check_is_no_gateway(target, module)
            continue
        if target in modules:
            raise GatewayError(
                f"{modules[target]} and {module} both provide it: there would be two, and handlers would run twice",
                where=_name(target),
                mend="Provide it in one module, and import that module where it is needed.",
            )
        modules[target] = module
        metadata[target] = declared
        _check_gateway(target)
    _check_agreement(metadata)


def explore(instances: Iterable[tuple[str, type, object]]) -> list[GatewaySpec]:
    """Return the gateways among all provided *instances*, in their order. Raises GatewayError as `check` does.

    Each instance is given after its module's name and its class.
    """
    found = list(instances)
    check((module, target) for module, target, _ in found)
    return [
        _spec(target, metadata, instance)
        for _, target, instance in found
        if (metadata := gateway_metadata(target)) is not None
    ]


def enhancer_classes(target: type) -> list[type]:
    """Return the classes that a gateway and its handlers name as guards, pipes and so on, to be constructed for it."""
    if gateway_metadata(target) is None:
        return []
    references = list(enhancers_of(target))
    for name, function in _handlers(_definitions(target)):
        references += enhancers_of(function)
        for parameter in parameters_of(function, f"{_name(target)}.{name}"):
            references += parameter.pipes
    return classes_among(references)


def _name(target: type) -> str:
    return target.__qualname__.rpartition("<locals>.")[2]


def _definitions(target: type) -> dict[str, Any]:
    """Return what a class defines and inherits, as the source has it: base classes first, an override in place."""
    definitions: dict[str, Any] = {}
    for base in reversed(target.__mro__[:-1]):  # all but `object`
        definitions.update(vars(base))
    return definitions


def _handlers(definitions: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the methods with subscriptions, by name."""
    return (item for item in definitions.items() if inspect.isfunction(item[1]) and subscriptions(item[1]))


def _check_is_no_gateway(target: type, module: str) -> None:
    name = next((name for name, _ in _handlers(_definitions(target))), None)
    if name is None:
        _check_enhances_nothing(target, _definitions(target))
        return
    base = next((base for base in target.__mro__[1:] if gateway_metadata(base)), None)
    inherited = f" Its base {_name(base)} is a gateway, but that is not inherited." if base else ""
    raise GatewayError(
        f"it handles an event, but the class, which {module} provides, is not declared as a gateway",
        where=f"{_name(target)}.{name}",
        mend=f"Write `@WebSocketGateway()` above `class {target.__name__}`.{inherited}",
    )


def _check_enhances_nothing(target: type, definitions: Mapping[str, Any]) -> None:
    """Refuse guards and their like where nobody would ask them: who wrote them believes to be protected."""
    stray: dict[str, Any] = {_name(target): target} if gateway_metadata(target) is None else {}
    stray |= {f"{_name(target)}.{name}": each for name, each in definitions.items() if inspect.isfunction(each)}
    for where, each in stray.items():
        declared = list(enhancers_of(each))
        if declared and not subscriptions(each):
            names = ", ".join(getattr(reference, "__name__", repr(reference)) for reference in declared)
            raise GatewayError(
                f"{names} would never be asked: it is neither a gateway nor the handler of an event",
                where=where,
                mend="Write it above a class with @WebSocketGateway, or a method with @SubscribeMessage.",
            )


def _check_scope(target: type, definitions: Mapping[str, Any]) -> None:
    scope = scope_of(target)
    if scope is Scope.MESSAGE:
        raise GatewayError(
            f"a gateway cannot live as {scope} says: it also has to see its clients come and go",
            where=_name(target),
            mend=f"Write @Injectable(scope={Scope.CONNECTION}); a handler asks for what lives for a message by itself: "
            "Annotated[Unit, Inject()].",
        )
    if scope is Scope.CONNECTION and definitions.get("after_init") is not None:
        raise GatewayError(
            "there is no instance to call when the application starts, but one for each client later",
            where=f"{_name(target)}.after_init",
            mend="Move it to a provider of the application, as on_module_init.",
        )


def _check_gateway(target: type) -> None:
    definitions = _definitions(target)
    _check_enhances_nothing(target, definitions)
    _check_scope(target, definitions)
    for name, definition in definitions.items():
        _check_is_method(definition, f"{_name(target)}.{name}")
    check_hooks(definitions, _name(target))
    for name, function in _handlers(definitions):
        where = f"{_name(target)}.{name}"
        _check_kind(function, where)
        parameters_of(function, where)
    list(_server_attributes(target))


def _check_is_method(definition: object, where: str) -> None:
    inner: object = None
    if isinstance(definition, staticmethod | classmethod):
        inner = definition.__func__
    elif isinstance(definition, property):
        inner = definition.fget
    elif isinstance(definition, functools.cached_property | functools.partialmethod):
        inner = definition.func
    if inspect.isfunction(inner) and subscriptions(inner):
        raise GatewayError(
            f"a handler is a method, got a {type(definition).__name__}",
            where=where,
            mend=f"Remove `@{type(definition).__name__}` and write `self` as the first parameter.",
        )


def _check_kind(function: Any, where: str) -> None:
    if inspect.isgeneratorfunction(function):
        raise GatewayError(
            "a `def` with `yield` in it would hold up the event loop between its values",
            where=where,
            mend=f"Write `async def {function.__name__}`: each value that it yields is sent as it comes.",
        )
    is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    if is_async and any(subscription.threaded for subscription in subscriptions(function)):
        raise GatewayError(
            "threaded=True is for a plain `def`; an `async def` runs on the event loop",
            where=where,
            mend=f"Write `def {function.__name__}`, or remove threaded=True.",
        )


def _check_agreement(metadata: Mapping[type, GatewayMetadata]) -> None:
    """Refuse gateways that serve one namespace in different ways."""
    first: dict[str, type] = {}
    for target, declared in metadata.items():
        other = first.setdefault(declared.namespace, target)
        for term, described in _SHARED_TERMS.items():
            own, others = getattr(declared, term), getattr(metadata[other], term)
            if own != others:
                raise GatewayError(
                    f"the {term} of {declared.namespace} would be {described(own)}, "
                    f"but {_name(other)} says {described(others)}",
                    where=_name(target),
                    mend=f"Give both the same {term}, or each a namespace of its own.",
                )


def _listed(names: Iterable[str]) -> str:
    return " and ".join(sorted(names)) or "none"


def _codec_name(codec: object) -> str:
    return "the application's" if codec is None else f"a {type(codec).__name__}"


_SHARED_TERMS: dict[str, Callable[[Any], str]] = {
    "protocols": _listed,
    "subprotocols": lambda names: ", then ".join(names) or "none",  # their order is a preference
    "codec": _codec_name,
}
"""What all gateways of a namespace have to agree on, and how an error tells of it."""


def _server_attributes(target: type) -> Iterator[str]:
    """Yield the attributes that a class or its bases annotate as `Namespace`."""
    for base in reversed(target.__mro__[:-1]):
        module = sys.modules.get(base.__module__)
        names = {**(vars(module) if module else {}), **vars(base)}
        for name, annotation in annotations_of(base).items():
            try:
                hint = resolve(annotation, names, f"{_name(base)}.{name}")
            except GatewayError:
                if Namespace.__name__ in str(annotation):
                    raise
                continue  # Some other attribute, which is no matter of ours.
            if hint is Namespace:
                yield name


def _spec(target: type, metadata: GatewayMetadata, instance: object) -> GatewaySpec:
    attributes = dict.fromkeys(_server_attributes(target))
    return GatewaySpec(
        gateway=target,
        instance=instance,
        namespace=metadata.namespace,
        protocols=metadata.protocols,
        handlers=tuple(_handler_specs(target, instance)),
        # What the gateway has set itself, say a namespace that was injected, stays.
        server_attributes=tuple(name for name in attributes if instance is None or not hasattr(instance, name)),
        after_init=bound_hook(instance, "after_init"),
        handle_connection=bound_hook(target if instance is None else instance, "handle_connection"),
        handle_disconnect=with_reason(bound_hook(target, "handle_disconnect"), 3)
        if instance is None
        else with_reason(bound_hook(instance, "handle_disconnect"), 2),
    )


def _handler_specs(target: type, instance: object) -> Iterator[HandlerSpec]:
    for name, function in _handlers(_definitions(target)):
        parameters = parameters_of(function, f"{_name(target)}.{name}")
        for subscription in subscriptions(function):
            yield HandlerSpec(
                event=subscription.event,
                gateway=target,
                name=name,
                method=getattr(target if instance is None else instance, name),
                parameters=parameters,
                threaded=subscription.threaded,
                concurrent=subscription.concurrent,
                function=function,
            )
