"""Arguments of handlers that pipes stand before, or that are not the client's: made one after another."""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
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
            await slot.fill(arguments, context, packet, given)
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
        self._pipes = [function_of(reference, PIPE, providers, place) for reference in references]
        self._metadata = ArgumentMetadata(parameter.name, parameter.annotation, argument_path(parameter, parameters))
        if parameter.kind is ParameterKind.PROVIDED:
            self._given = providers.given(parameter.annotation, parameter.source)
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

    async def fill(self, arguments: list[Any], context: ExecutionContext, packet: Packet, given: Iterator[Any]) -> None:
        """Append the argument, or for `*args` all of them; raises what a pipe or a provider raises."""
        kind = self.parameter.kind
        if kind is ParameterKind.REST:
            arguments += [await self._through_pipes(value, context) for value in next(given)]
        elif kind in FROM_CLIENT:
            value = next(given)
            is_missing = value is _MISSING
            arguments.append(self.parameter.default if is_missing else await self._through_pipes(value, context))
        elif kind is ParameterKind.COMPUTED:
            value = self.parameter.source(context)
            value = await value if inspect.isawaitable(value) else value
            arguments.append(await self._through_pipes(value, context))
        else:
            arguments.append(await self._own(kind, context, packet))

    async def _own(self, kind: ParameterKind, context: ExecutionContext, packet: Packet) -> Any:
        """Return what is not the client's."""
        if kind is ParameterKind.SOCKET:
            return context.client
        if kind is ParameterKind.NAMESPACE:
            return context.client.namespace
        if kind is ParameterKind.ACK:
            return shared_ack(context.client, packet)
        if kind is ParameterKind.CONTEXT:
            return context
        return await context.resolve(self.parameter.source) if self._given is MISSING else self._given

    async def _through_pipes(self, value: Any, context: ExecutionContext) -> Any:
        for pipe in self._pipes:
            value = pipe(value, self._metadata, context)
            if hasattr(value, "__await__"):
                value = await value
        return value


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
    annotations = annotations_of(function)
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    if not names or names[0] not in annotations:
        return inspect.Parameter.empty
    return resolve(annotations[names[0]], getattr(function, "__globals__", {}), place, GatewayError)
