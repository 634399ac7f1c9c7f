"""From a packet to the arguments of a handler: decided once for each handler, at start-up."""

from collections.abc import Callable, Sequence
from types import GenericAlias
from typing import Any, Protocol, TypeAlias

import msgspec

from moongate.errors import FieldError, ProtocolError, ValidationFailed
from moongate.namespace.acks import Ack
from moongate.namespace.arguments import decode_arguments, raw_arguments
from moongate.namespace.socket import Socket
from moongate.pipeline.params import Parameter, ParameterKind
from moongate.schema import DECODE_ERRORS, Schema, schema_of
from moongate.wire.inspection import is_buffer
from moongate.wire.socketio import Packet

__all__ = ["FROM_CLIENT", "Bind", "Values", "argument_path", "compile_binding", "decoded", "shared_ack", "takes_binary"]

Bind: TypeAlias = Callable[[Socket, Packet], tuple[Any, ...]]
"""Returns a handler's arguments; raises ValidationFailed, or ProtocolError for what is not even JSON."""

_Decode: TypeAlias = Callable[[bytes], tuple[Any, ...]]
"""Decodes the payload of an event: its name and the arguments."""


class Values(Protocol):
    """Decodes the parameters that come from the client."""

    def values(self, packet: Packet) -> Sequence[Any]:
        """Return their values, in their order; raises ValidationFailed, or ProtocolError."""


FROM_CLIENT = (ParameterKind.ARGUMENT, ParameterKind.BODY_KEY, ParameterKind.REST)
"""The kinds of parameters that take what the client sent."""


def compile_binding(parameters: Sequence[Parameter], where: str) -> Bind:
    """Return what binds a packet to *parameters*. Raises GatewayError for a type that nothing can be decoded into."""
    values = decoded(
        parameters,
        [
            schema_of(parameter.annotation, where=f"{where}, parameter {parameter.name!r}")
            for parameter in parameters
            if parameter.kind in FROM_CLIENT
        ],
    )
    kinds = [parameter.kind for parameter in parameters]
    if isinstance(values, _Joint) and kinds == [ParameterKind.SOCKET, ParameterKind.ARGUMENT]:
        return _socket_and_body(values.decode, values.exact)
    return _general(parameters, values)


def decoded(parameters: Sequence[Parameter], schemas: Sequence[Schema]) -> Values:
    """Return what decodes those of *parameters* that are the client's, each by its schema."""
    from_client = [parameter for parameter in parameters if parameter.kind in FROM_CLIENT]
    exact = _Exact(from_client, schemas)
    decode = _joint_decoder(from_client, schemas)
    return exact if decode is None else _Joint(decode, exact)


def argument_path(parameter: Parameter, parameters: Sequence[Parameter]) -> str:
    """Return what errors call the argument of *parameter*: `$` if the client's first argument is all there is."""
    from_client = [other for other in parameters if other.kind in FROM_CLIENT]
    several = any(other.kind is ParameterKind.REST or other.index > 0 for other in from_client)
    path = f"$[{parameter.index}]" if several else "$"
    return path if parameter.key is None else f"{path}.{parameter.key}"


def takes_binary(parameters: Sequence[Parameter]) -> bool:
    """Whether the client's first argument may be bytes as a whole."""
    return any(
        parameter.index == 0
        and parameter.kind in (ParameterKind.ARGUMENT, ParameterKind.REST)
        and is_buffer(parameter.annotation)
        for parameter in parameters
    )


def _joint_decoder(parameters: Sequence[Parameter], schemas: Sequence[Schema]) -> _Decode | None:
    """Return what decodes the name and all arguments in one call, if their types allow it."""
    simple = all(
        parameter.kind is ParameterKind.ARGUMENT and parameter.default is msgspec.NODEFAULT and schema.joinable
        for parameter, schema in zip(parameters, schemas, strict=True)
    )
    if not simple or not parameters:
        return None
    annotations = [schema.annotation for schema in schemas]
    arguments = GenericAlias(tuple, (msgspec.Raw, *annotations))
    return msgspec.json.Decoder(arguments).decode


def _socket_and_body(decode: _Decode, exact: "_Exact") -> Bind:
    """Bind the parameters that most handlers have."""

    def bind(socket: Socket, packet: Packet) -> tuple[Any, ...]:
        if packet.buffers is None:
            try:
                _, body = decode(packet.payload)
            except DECODE_ERRORS:
                return socket, *exact.values(packet)  # which finds out what does not fit
            return socket, body
        return socket, *exact.values(packet)

    return bind


def _general(parameters: Sequence[Parameter], values: Values) -> Bind:
    """Bind parameters of every kind in any order."""
    kinds = tuple(parameter.kind for parameter in parameters)

    def bind(socket: Socket, packet: Packet) -> tuple[Any, ...]:
        decoded = iter(values.values(packet))
        arguments: list[Any] = []
        for kind in kinds:
            if kind is ParameterKind.SOCKET:
                arguments.append(socket)
            elif kind is ParameterKind.NAMESPACE:
                arguments.append(socket.namespace)
            elif kind is ParameterKind.ACK:
                arguments.append(shared_ack(socket, packet))
            elif kind is ParameterKind.REST:
                arguments.extend(next(decoded))
            else:
                arguments.append(next(decoded))
        return tuple(arguments)

    return bind


def shared_ack(socket: Socket, packet: Packet) -> Ack:
    """Return the acknowledgement of *packet*: one, however many handlers there are."""
    if packet.ack is None:
        packet.ack = Ack(socket, packet.ack_id)
    ack: Ack = packet.ack
    return ack


class _Joint:
    """Decodes all arguments in one call, and exactly where that fails."""

    def __init__(self, decode: _Decode, exact: "_Exact") -> None:
        self.decode = decode
        self.exact = exact

    def values(self, packet: Packet) -> Sequence[Any]:
        """Return the value of each parameter; raises ValidationFailed."""
        if packet.buffers is None:
            try:
                _, *values = self.decode(packet.payload)
            except DECODE_ERRORS:
                return self.exact.values(packet)
            return values
        return self.exact.values(packet)


class _Exact:
    """Decodes arguments one by one: for defaults, keys, the rest, binary values, and to say what does not fit."""

    def __init__(self, parameters: Sequence[Parameter], schemas: Sequence[Schema]) -> None:
        self._parameters = list(zip(parameters, schemas, strict=True))
        self._single = not any(
            parameter.kind is ParameterKind.REST or parameter.index > 0 for parameter in parameters
        )  # whether the first argument is the whole body

    def values(self, packet: Packet) -> Sequence[Any]:
        """Return the value of each parameter; raises ValidationFailed with all that does not fit."""
        reading = _Reading(packet)
        values = [
            reading.value(parameter, schema, "$" if self._single else f"$[{parameter.index}]")
            for parameter, schema in self._parameters
        ]
        if reading.errors:
            raise ValidationFailed(reading.errors)
        return values


class _Reading:
    """The arguments of one packet while they are decoded, and what does not fit."""

    def __init__(self, packet: Packet) -> None:
        self.errors: list[FieldError] = []
        self._raw = packet.buffers is None  # whether the arguments are JSON text, else values with bytes in them
        self._arguments: Sequence[Any] = raw_arguments(packet) if self._raw else decode_arguments(packet)

    def value(self, parameter: Parameter, schema: Schema, path: str) -> Any:
        """Return the value of *parameter*, whose argument is called *path* in errors; None if it does not fit."""
        if parameter.kind is ParameterKind.REST:
            rest = range(parameter.index, len(self._arguments))
            return [self._decode(schema, self._arguments[index], f"$[{index}]") for index in rest]
        if parameter.index >= len(self._arguments):
            return self._default(parameter, schema, path)
        argument = self._arguments[parameter.index]
        if parameter.kind is not ParameterKind.BODY_KEY:
            return self._decode(schema, argument, path)
        members = _members(argument) if self._raw else argument
        path = f"{path}.{parameter.key}"
        if not isinstance(members, dict) or parameter.key not in members:
            return self._default(parameter, schema, path)
        return self._decode(schema, members[parameter.key], path)

    def _default(self, parameter: Parameter, schema: Schema, path: str) -> Any:
        """The client sent nothing: return the default, or None where the type allows it."""
        if parameter.default is not msgspec.NODEFAULT:
            return parameter.default
        try:
            return schema.decode(b"null")
        except ValidationFailed:
            expected = getattr(parameter.annotation, "__name__", str(parameter.annotation))
            self.errors.append(FieldError(path, f"Expected `{expected}`, got nothing"))
            return None

    def _decode(self, schema: Schema, value: Any, path: str) -> Any:
        try:
            return schema.decode(value) if self._raw else schema.convert(value)
        except ValidationFailed as failure:
            self.errors.extend(
                FieldError(path + error.path.removeprefix("$"), error.message) for error in failure.errors
            )
            return None


def _members(body: msgspec.Raw) -> Any:
    """Return the members of a JSON object without decoding them; None for what is no object."""
    try:
        return msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        return None
    except DECODE_ERRORS as error:
        raise ProtocolError("a JSON value", str(error)) from error
