"""What `SetMetadata` said, read back."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from moongate.pipeline.context import ExecutionContext
from moongate.pipeline.enhancers import SetMetadata, metadata_of

__all__ = ["Metadata", "Reflector"]

T = TypeVar("T")
_Target = TypeVar("_Target", bound=Callable[..., Any])


class Metadata(Generic[T]):
    """A key with a type: `Roles = Metadata[list[str]]("roles")`, written as `@Roles(["admin"])`."""

    def __init__(self, key: str) -> None:
        self.key: str = key

    def __call__(self, value: T) -> Callable[[_Target], _Target]:
        """Return a decorator that leaves *value* on a gateway or a handler."""
        return SetMetadata(self.key, value)

    def of(self, context: ExecutionContext) -> T | None:
        """Return what the handler says, else the gateway, else None."""
        value: T | None = context.metadata.get(self.key)
        return value


class Reflector:
    """Reads metadata of classes and methods. Any provider can have it injected.

    `context.metadata` already is the handler's over the gateway's; this is for what has to be joined in another way.
    """

    def all_of(self, target: object) -> Mapping[str, Any]:
        """Return everything that was said of a class or a function; empty for None."""
        return {} if target is None else metadata_of(target)

    def get(self, key: str, target: object) -> Any:
        """Return what was said of one class or function; None if nothing was."""
        return self.all_of(target).get(key)

    def get_all(self, key: str, targets: Sequence[object]) -> list[Any]:
        """Return what was said of each of *targets* that something was said of."""
        found = [self.all_of(target) for target in targets]
        return [metadata[key] for metadata in found if key in metadata]

    def get_all_and_override(self, key: str, targets: Sequence[object]) -> Any:
        """Return what was said of the first of *targets* that something was said of; None if nothing was."""
        return next(iter(self.get_all(key, targets)), None)

    def get_all_and_merge(self, key: str, targets: Sequence[object]) -> Any:
        """Return what was said of all of *targets*, in one list, or in one dict where the first wins."""
        values = self.get_all(key, targets)
        if values and all(isinstance(value, dict) for value in values):
            return {name: member for value in reversed(values) for name, member in value.items()}
        return [member for value in values for member in (value if isinstance(value, list | tuple | set) else [value])]
