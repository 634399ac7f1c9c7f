"""Arguments of handlers that pipes stand before, or that are not the client's: made one after another."""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias, Union

import msgspec

from moongate.di.container import MISSING
from moongate.errors import GatewayError
from moongate.hints import annotations_of, resolve
from moongate.pipeline.binding import FROM_CLIENT, argument_path, decoded, shared_ack
from moongate.pipeline.context import ExecutionContext
from moongate.pipeline.contracts import ArgumentMetadata
from moongate.pipeline.enhancers import Reference
from moongate.pipeline.params import Parameter, ParameterKind
from moongate.pipeline.pipes import DefaultValue, ValidationPipe
from moongate.pipeline.references import Kind, Providers, function_of
from moongate.schema import schema_of
from moongate.wire.socketio import Packet

__all__ = ["PIPE", "AsyncBind", "compile_piped_binding", "needs_piping"]

AsyncBind: TypeAlias = Callable[[ExecutionContext], Awaitable[tuple[Any, ...]]]
"""Returns a handler's arguments; raises what a pipe raises, ValidationFailed, or ProtocolError for what is no JSON."""

PIPE = Kind("a pipe", "transform", ("value", "argument", "context"), context=2, least=1)

_Read: TypeAlias = Callable[[ExecutionContext, Packet, Iterator[Any]], Any]
"""Returns a parameter's value, an awaitable of it if it has to be made, or for `*args` all values; the last argument
yields what the client sent."""

_READERS: dict[ParameterKind, _Read] = {
    ParameterKind.SOCKET: lambda context, _packet, _given: context.client,
    ParameterKind.NAMESPACE: lambda context, _packet, _given: context.client.namespace,
    ParameterKind.ACK: lambda context, packet, _given: shared_ack(context.client, packet),
    ParameterKind.CONTEXT: lambda context, _packet, _given: context,
}

_BY_CONTEXT = (ParameterKind.CONTEXT, ParameterKind.COMPUTED, ParameterKind.PROVIDED)

_MISSING: Any = object()
"""Stands for what the client did not send, and what the parameter has a default for."""


def needs_piping(parameters: Sequence[Parameter], pipes: Sequence[Reference]) -> bool:
    """Whether anything stands before the parameters of a handler, or they are made of its context."""
    if any(parameter.kind in _BY_CONTEXT or parameter.pipes for parameter in parameters):
        return True
    return bool(pipes) and any(parameter.kind in FROM_CLIENT for parameter in parameters)


def compile_piped_binding(
    parameters: Sequence[Parameter], pipes: Sequence[Reference], providers: Providers, where: str
) -> AsyncBind:
    """Return what makes the arguments; *pipes* are for every one that comes from the client, the first ones first.

    Raises GatewayError for what is no pipe, and for a type that nothing can be decoded into.
    """
    slots = [_Slot(parameter, parameters, pipes, providers, where) for parameter in parameters]
    from_client = [slot for slot in slots if slot.parameter.kind in FROM_CLIENT]
    values = decoded([slot.wire_parameter for slot in from_client], [slot.schema for slot in from_client])

    async def bind(context: ExecutionContext) -> tuple[Any, ...]:
        packet = context.packet
        given = iter(values.values(packet))
        arguments: list[Any] = []
        for slot in slots:
            value = slot.read(context, packet, given)
            if slot.is_rest:
                arguments += [await slot.through_pipes(each, context) for each in value]
                continue
            if slot.may_wait and inspect.isawaitable(value):
                value = await value
            if value is _MISSING:
                value = slot.parameter.default
            elif slot.pipes:
                value = await slot.through_pipes(value, context)
            arguments.append(value)
        return tuple(arguments)

    return bind


class _Slot:
    """One parameter: where its value comes from, and the pipes before it."""

    def __init__(
        self,
        parameter: Parameter,
        parameters: Sequence[Parameter],
        pipes: Sequence[Reference],
        providers: Providers,
        where: str,
    ) -> None:
        place = f"{where}, parameter {parameter.name!r}"
        is_from_client = parameter.kind in FROM_CLIENT
        references = (*(pipes if is_from_client else ()), *parameter.pipes)
        self.parameter = parameter
        self.wire_parameter = parameter
        self.is_rest = parameter.kind is ParameterKind.REST
        self.may_wait = parameter.kind in (ParameterKind.COMPUTED, ParameterKind.PROVIDED)
        # What a ValidationPipe says is done by the decoder.
        self.pipes = [
            function_of(reference, PIPE, providers, place)
            for reference in references
            if not (reference is ValidationPipe or isinstance(reference, ValidationPipe))
        ]
        self._metadata = ArgumentMetadata(parameter.name, parameter.annotation, argument_path(parameter, parameters))
        self.read = _reader(parameter, providers)
        if is_from_client:
            has_default = parameter.default is not msgspec.NODEFAULT
            annotation = _wire_type(parameter, place)
            self.wire_parameter = msgspec.structs.replace(
                parameter, annotation=annotation, default=_MISSING if has_default else msgspec.NODEFAULT
            )
            validation = _validation(references)
            self.schema = schema_of(
                annotation,
                where=place,
                strict=validation.strict,
                forbid_unknown_fields=validation.forbid_unknown_fields,
            )

    async def through_pipes(self, value: Any, context: ExecutionContext) -> Any:
        """Return what the last pipe makes of *value*; raises what a pipe raises."""
        for pipe in self.pipes:
            value = pipe(value, self._metadata, context)
            if hasattr(value, "__await__"):
                value = await value
        return value


def _reader(parameter: Parameter, providers: Providers) -> _Read:
    """Return what reads a parameter's value before any pipe; raises ModuleError for a provider that nobody has."""
    source = parameter.source
    if parameter.kind is ParameterKind.COMPUTED:
        return lambda context, _packet, _given: source(context)
    if parameter.kind is not ParameterKind.PROVIDED:
        return _READERS.get(parameter.kind, lambda _context, _packet, given: next(given))
    provided = providers.given(parameter.annotation, source)
    if provided is MISSING:
        return lambda context, _packet, _given: context.resolve(source)
    return lambda _context, _packet, _given: provided


def _validation(references: Sequence[Reference]) -> ValidationPipe:
    """Return how the body is decoded: as the last ValidationPipe says, which stands closest."""
    usual = ValidationPipe()
    stated = [usual if each is ValidationPipe else each for each in references]
    return next((each for each in reversed(stated) if isinstance(each, ValidationPipe)), usual)


def _wire_type(parameter: Parameter, place: str) -> Any:
    """Return what the client has to send: what the first pipe beside the parameter's type takes, if it says so."""
    taken = (_taken_by(pipe, place) for pipe in parameter.pipes if not isinstance(pipe, DefaultValue | ValidationPipe))
    annotation = next((kind for kind in taken if kind is not inspect.Parameter.empty), parameter.annotation)
    if any(isinstance(pipe, DefaultValue) for pipe in parameter.pipes):
        return Union[annotation, None]  # noqa: UP007  # the other form cannot be made of every annotation
    return annotation


def _taken_by(pipe: Reference, place: str) -> Any:
    """Return the annotation of a pipe's value; empty if it has none."""
    function: Any = getattr(pipe, PIPE.method, pipe)
    function = inspect.unwrap(getattr(function, "__func__", function))
    try:
        names = [name for name in inspect.signature(function).parameters if name != "self"]
    except ValueError:  # a builtin says nothing of what it takes
        return inspect.Parameter.empty
    while isinstance(function, partial):
        function = function.func
    annotations = annotations_of(function)
    if not names or names[0] not in annotations:
        return inspect.Parameter.empty
    return resolve(annotations[names[0]], getattr(function, "__globals__", {}), place, GatewayError)
