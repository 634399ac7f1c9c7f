"""Who looks at what one client sends before its handler does."""

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from moongate.namespace.middleware import EventMiddleware

__all__ = ["NOBODY", "Listener", "Observers"]

Listener: TypeAlias = Callable[..., Any]
"""What `on_any` and `on_any_outgoing` take: called with the event's name and its arguments."""


class Observers(msgspec.Struct, frozen=True):
    """The listeners see each event, then the middleware decides on it."""

    listeners: tuple[Listener, ...] = ()
    middleware: tuple[EventMiddleware, ...] = ()


NOBODY = Observers()
"""Nobody looks at a client's events at the moment, though somebody may by the time that they are handled."""
