"""What the enhancers and handlers of one gateway may ask its module for."""

from typing import Any

from moongate.di.container import Container
from moongate.pipeline.context import ExecutionContext, MessageScope

__all__ = ["VisibleProviders"]


class VisibleProviders:
    """Providers as the module that provides *gateway* sees them; as the application's own module does for None."""

    def __init__(self, container: Container, gateway: type | None) -> None:
        self._container = container
        self._gateway = gateway

    def is_scoped(self, token: Any) -> bool:
        """Whether there is one for each client or message."""
        del token
        return False

    def get(self, token: Any) -> Any:
        """Return the one of the whole application; raises ModuleError if there is none."""
        return self._container.get(token)

    def open(self, context: ExecutionContext) -> MessageScope:
        """Begin the life of what belongs to one message."""
        del context
        return _Application(self._container)


class _Application:
    def __init__(self, container: Container) -> None:
        self._container = container

    async def get(self, token: Any) -> Any:
        return self._container.get(token)

    async def close(self) -> None:
        """Nothing is let go of."""
