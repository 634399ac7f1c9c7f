"""Annotations as the types that they name, one by one, so that an error can name its place."""

import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any

from moongate.errors import ConfigurationError, GatewayError

__all__ = ["annotations_of", "resolve", "signature_of"]


def annotations_of(target: Callable[..., Any] | type) -> Mapping[str, Any]:
    """Return the annotations that a function or a class itself declares, as written: texts may be among them."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(target, format=annotationlib.Format.FORWARDREF)
    return inspect.get_annotations(target)


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of *function*; its annotations may be texts, or name what is not there."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(function)


def resolve(
    annotation: Any, names: Mapping[str, Any], where: str, error: type[ConfigurationError] = GatewayError
) -> Any:
    """Return the type that *annotation* names, with `Annotated` kept; texts are looked up in *names*.

    Raises *error*, with *where* as its place, if it names what is not there, or is no type.
    """

    def carrier() -> None: ...

    carrier.__annotations__ = {"value": annotation}
    try:
        return typing.get_type_hints(carrier, dict(names), include_extras=True)["value"]
    except NameError as missing:
        raise error(
            f"the annotation {_text(annotation)} cannot be resolved: there is no {missing.name!r} in the module",
            where=where,
            mend=f"Import or define {missing.name} at module level: not under `if TYPE_CHECKING:`, not in a function.",
        ) from missing
    except (AttributeError, SyntaxError, TypeError) as wrong:
        raise error(
            f"the annotation {_text(annotation)} is no type: {wrong}", where=where, mend="Write the type of the value."
        ) from wrong


def _text(annotation: Any) -> str:
    return repr(annotation if isinstance(annotation, str) else inspect.formatannotation(annotation))
