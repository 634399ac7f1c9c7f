"""What is served, in words: the lines of the start-up log."""

import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from moongate.gateway.metadata import PROTOCOLS, GatewaySpec, HandlerSpec
from moongate.pipeline.params import Parameter, ParameterKind

__all__ = ["describe"]

_FROM_CLIENT = frozenset((ParameterKind.ARGUMENT, ParameterKind.BODY_KEY, ParameterKind.REST))
_PROTOCOL_NAMES = {"socketio": "Socket.IO", "websocket": "bare WebSocket"}


def describe(specs: Iterable[GatewaySpec]) -> list[str]:
    """Return a line for each handler: namespace, gateway, event, and what the method takes from the client."""
    rows: list[tuple[str, str, str, str]] = []
    for spec in specs:
        only = "" if spec.protocols == PROTOCOLS else f"  [{_PROTOCOL_NAMES[min(spec.protocols)]} only]"
        name = spec.gateway.__name__
        if not spec.handlers:
            rows.append((spec.namespace, name, "(no events)", only.strip()))
        rows += [(spec.namespace, name, handler.event, _call(handler) + only) for handler in spec.handlers]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return [
        f"{namespace:<{widths[0]}}  {gateway:<{widths[1]}}  {event:<{widths[2]}}  {call}".rstrip()
        for namespace, gateway, event, call in rows
    ]


def _call(handler: HandlerSpec) -> str:
    parameters = ", ".join(_parameter(item) for item in handler.parameters if item.kind in _FROM_CLIENT)
    flags = [flag for flag in ("threaded", "concurrent") if getattr(handler, flag)]
    suffix = f"  [{', '.join(flags)}]" if flags else ""
    return f"-> {handler.name}({parameters}){suffix}"


def _parameter(parameter: Parameter) -> str:
    star = "*" if parameter.kind is ParameterKind.REST else ""
    return f"{star}{parameter.name}: {_type_name(parameter.annotation)}"


def _type_name(annotation: Any) -> str:
    if annotation is types.NoneType:
        return "None"
    if isinstance(annotation, list):  # the parameters of a Callable
        return f"[{', '.join(map(_type_name, annotation))}]"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is None or not arguments:
        return getattr(annotation, "__name__", None) or str(annotation)
    if origin is Annotated:
        return _type_name(arguments[0])
    if origin in {Union, types.UnionType}:
        return " | ".join(map(_type_name, arguments))
    names = map(repr if origin is Literal else _type_name, arguments)
    return f"{_type_name(origin)}[{', '.join(names)}]"
