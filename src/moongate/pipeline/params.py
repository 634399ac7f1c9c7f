"""What a handler asks for, read from its signature at start-up."""

import inspect
from collections.abc import Callable, Sequence
from enum import Enum, auto
from functools import partial
from itertools import count
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import msgspec

from moongate.di.provider import Inject
from moongate.errors import GatewayError
from moongate.hints import annotations_of, resolve, signature_of
from moongate.namespace.acks import Ack
from moongate.namespace.namespace import Namespace
from moongate.namespace.socket import Socket
from moongate.pipeline.context import ExecutionContext
from moongate.pipeline.markers import ConnectedSocket, FromContext, MessageBody

__all__ = ["Parameter", "ParameterKind", "parameters_of"]


class ParameterKind(Enum):
    """Where the value of a parameter comes from."""

    SOCKET = auto()
    """The client who sent the message."""
    NAMESPACE = auto()
    """The namespace in which it was sent."""
    ACK = auto()
    """The answer to the message; see Ack."""
    ARGUMENT = auto()
    """One of the client's arguments, whole."""
    BODY_KEY = auto()
    """One member of the client's first argument."""
    REST = auto()
    """All of the client's arguments that no other parameter takes."""
    CONTEXT = auto()
    """The ExecutionContext."""
    COMPUTED = auto()
    """What a function makes of the ExecutionContext."""
    PROVIDED = auto()
    """A provider, as the gateway's module sees it."""


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of a handler, `self` aside."""

    name: str
    kind: ParameterKind
    annotation: Any
    """The type, with texts resolved and Moongate's own markers removed; for REST that of each value."""
    index: int = 0
    """Which of the client's arguments it is; for REST the first one of them."""
    key: str | None = None
    """The member of the body, for BODY_KEY."""
    default: Any = msgspec.NODEFAULT
    """What the handler gets if the client sent nothing; NODEFAULT if it has to."""
    keyword_only: bool = False
    """Whether the handler takes it by name alone."""
    pipes: tuple[Any, ...] = ()
    """References of the pipes that are written beside its type."""
    source: Any = None
    """The function for COMPUTED, the token for PROVIDED."""


class _Declared(msgspec.Struct, frozen=True):
    """A parameter as it is written, before the client's arguments are shared out."""

    source: inspect.Parameter
    kind: ParameterKind
    annotation: Any
    marker: Any
    pipes: tuple[Any, ...]


_MARKERS = (MessageBody, ConnectedSocket, FromContext, Inject)
_KINDS = {
    Socket: ParameterKind.SOCKET,
    Namespace: ParameterKind.NAMESPACE,
    Ack: ParameterKind.ACK,
    ExecutionContext: ParameterKind.CONTEXT,
}
_KINDS_BY_MARKER: dict[type, ParameterKind] = {
    ConnectedSocket: ParameterKind.SOCKET,
    FromContext: ParameterKind.COMPUTED,
    Inject: ParameterKind.PROVIDED,
}
_OPTIONAL_ACK = [(Ack, NoneType), (NoneType, Ack)]  # compared, not hashed: arguments of types may be lists


def parameters_of(function: Callable[..., Any], where: str) -> tuple[Parameter, ...]:
    """Read the signature of a method as it stands in its class; `self` is left out.

    `Socket`, `Namespace` and `Ack` speak for themselves; the remaining parameters take the client's arguments one by
    one. `MessageBody()` is the first argument wherever it stands, `MessageBody("key")` a member of it, which leaves it
    to others as well; `*args` is all that is not taken. *where* names the method in errors. Raises GatewayError.
    """
    function = inspect.unwrap(function)
    sources = list(signature_of(function).parameters.values())
    _check_self(sources, where)
    annotations = annotations_of(function)
    names = getattr(function, "__globals__", {})
    declared = []
    for source in sources[1:]:
        place = f"{where}, parameter {source.name!r}"
        _check_declaration(source, place)
        annotation = resolve(annotations[source.name], names, place)
        declared.append(_declared(source, annotation, place))
    _check_one_ack(declared, where)
    return tuple(_shared_out(declared, where))


def _check_self(sources: Sequence[inspect.Parameter], where: str) -> None:
    first = sources[0] if sources else None
    if first is None or first.kind not in {first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD}:
        raise GatewayError("the method takes no `self`", where=where, mend="Write `self` as its first parameter.")
    if first.name != "self" and first.annotation is not first.empty:
        raise GatewayError(
            f"the first parameter of a method is the gateway itself, got {first.name!r}",
            where=where,
            mend=f"Write `self` before `{first.name}`.",
        )


def _check_declaration(source: inspect.Parameter, place: str) -> None:
    if source.kind is source.VAR_KEYWORD:
        raise GatewayError(
            "a client sends no named arguments, so `**` takes nothing",
            where=place,
            mend="Remove it. A member of the body is `Annotated[str, MessageBody('key')]`.",
        )
    if source.annotation is source.empty:
        raise GatewayError(
            "it has no annotation, so nobody knows what it takes",
            where=place,
            mend=f"Write `{source.name}: Socket` for the client, the type of the body, or `{source.name}: Any`.",
        )


def _declared(source: inspect.Parameter, annotation: Any, place: str) -> _Declared:
    annotation, marker, pipes = _split(annotation, place)
    kind = _kind_by_type(annotation)
    if isinstance(marker, MessageBody):
        kind = ParameterKind.ARGUMENT if marker.key is None else ParameterKind.BODY_KEY
    elif marker is not None:
        kind = _KINDS_BY_MARKER[type(marker)]
    if pipes and kind in _WITHOUT_PIPES:
        raise GatewayError(
            "pipes are for what comes from the client, and for what a function makes of the context",
            where=place,
            mend=f"Remove {', '.join(map(repr, pipes))}.",
        )
    if source.kind is source.VAR_POSITIONAL:
        if kind is not None:
            raise GatewayError(
                f"`*{source.name}` takes arguments of the client and nothing else",
                where=place,
                mend=f"Write `{source.name}` without the star, or the type of each argument.",
            )
        kind = ParameterKind.REST
    if kind is None:
        _check_value_type(annotation, source.name, place)
        kind = ParameterKind.ARGUMENT
    return _Declared(source, kind, annotation, marker, pipes)


_WITHOUT_PIPES = (
    ParameterKind.SOCKET,
    ParameterKind.NAMESPACE,
    ParameterKind.ACK,
    ParameterKind.CONTEXT,
    ParameterKind.PROVIDED,
)


def _split(annotation: Any, place: str) -> tuple[Any, Any, tuple[Any, ...]]:
    """Take Moongate's own marker and the pipes out of an `Annotated`; all else in it stays."""
    if get_origin(annotation) is not Annotated:
        return annotation, None, ()
    first, *extras = get_args(annotation)
    kept: list[Any] = [first]
    markers: list[Any] = []
    pipes: list[Any] = []
    for extra in extras:
        marker = extra() if extra in (ConnectedSocket, MessageBody, Inject) else extra
        if isinstance(marker, _MARKERS):
            markers.append(marker)
        elif _is_pipe(extra):
            pipes.append(extra)
        else:
            kept.append(extra)
    if len(markers) > 1:
        raise GatewayError(
            f"expected one marker, got {' and '.join(map(repr, markers))}",
            where=place,
            mend="Keep the one that is meant.",
        )
    bare = kept[0] if len(kept) == 1 else Annotated[tuple(kept)]
    return bare, markers[0] if markers else None, tuple(pipes)


def _is_pipe(extra: Any) -> bool:
    """Whether something beside a type is a pipe: has its method, or is a function, which means nothing else."""
    return callable(getattr(extra, "transform", None)) or inspect.isroutine(extra) or isinstance(extra, partial)


def _kind_by_type(annotation: Any) -> ParameterKind | None:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_args(annotation) in _OPTIONAL_ACK:
        return ParameterKind.ACK
    return _KINDS.get(annotation) if isinstance(annotation, type) else None


def _check_value_type(annotation: Any, name: str, place: str) -> None:
    """Refuse `Socket | None` and its like, which no argument of a client can be."""
    for option in get_args(annotation):
        if isinstance(option, type) and option in _KINDS:
            raise GatewayError(
                f"a {option.__name__} is always there and cannot be part of another type",
                where=place,
                mend=f"Write `{name}: {option.__name__}`.",
            )


def _check_one_ack(declared: Sequence[_Declared], where: str) -> None:
    acks = [item.source.name for item in declared if item.kind is ParameterKind.ACK]
    if len(acks) > 1:
        raise GatewayError(
            f"a message has one answer, got {len(acks)} `Ack` parameters: {', '.join(acks)}",
            where=where,
            mend="Keep one; calling it answers with any number of arguments.",
        )


def _shared_out(declared: Sequence[_Declared], where: str) -> list[Parameter]:
    """Give each parameter its argument of the client."""
    is_body_taken = any(isinstance(item.marker, MessageBody) and item.marker.key is None for item in declared)
    free = count(1 if is_body_taken else 0)
    rest: str | None = None
    parameters = []
    for item in declared:
        index = 0
        if item.kind is ParameterKind.REST:
            index, rest = next(free), item.source.name
        elif item.kind is ParameterKind.ARGUMENT and item.marker is None:
            if rest is not None:
                raise GatewayError(
                    f"`*{rest}` has taken all arguments, nothing is left for it",
                    where=f"{where}, parameter {item.source.name!r}",
                    mend=f"Write it before `*{rest}`.",
                )
            index = next(free)
        parameters.append(_parameter(item, index))
    return parameters


def _parameter(item: _Declared, index: int) -> Parameter:
    source = item.source
    return Parameter(
        name=source.name,
        kind=item.kind,
        annotation=item.annotation,
        index=index,
        key=item.marker.key if isinstance(item.marker, MessageBody) else None,
        default=msgspec.NODEFAULT if source.default is source.empty else source.default,
        keyword_only=source.kind is source.KEYWORD_ONLY,
        pipes=item.pipes,
        source=_source(item),
    )


def _source(item: _Declared) -> Any:
    """Return where the value of a parameter comes from that is not the client's."""
    if isinstance(item.marker, FromContext):
        return item.marker.function
    if isinstance(item.marker, Inject):
        return item.annotation if item.marker.token is msgspec.UNSET else item.marker.token
    return None
