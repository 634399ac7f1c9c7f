"""Providers that live as long as a client is there, or as long as one message is handled."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import dishka
from dishka import AsyncContainer

__all__ = ["ConnectionScope", "Find", "MessageScope", "close_container"]

_LOGGER = logging.getLogger("moongate")

Values: TypeAlias = Mapping[Any, Any]
"""What is given when a scope begins, by its type."""

Find: TypeAlias = Callable[[Any], tuple[dishka.Scope, Any, str]]
"""Returns how long a provider lives, and what dishka knows it by: its key and its component."""


class ConnectionScope:
    """What one client has of its own. Nothing is constructed before it is asked for."""

    __slots__ = ("_closed", "_container", "_ended", "_lock", "_messages", "_parent", "_values")

    def __init__(self, parent: AsyncContainer, values: Values) -> None:
        self._parent = parent
        self._values = values
        self._container: AsyncContainer | None = None
        self._lock = asyncio.Lock()
        self._messages = 0  # how many of its messages are being handled
        self._ended = False  # the client is gone
        self._closed = False

    async def open(self) -> AsyncContainer:
        """Return the container of this client, made when it is first needed."""
        async with self._lock:
            if self._container is None:
                entering = self._parent(dict(self._values), lock_factory=asyncio.Lock, scope=dishka.Scope.SESSION)
                self._container = await entering.__aenter__()
        return self._container

    def open_message(self, values: Values, find: Find) -> "MessageScope":
        """Begin what belongs to one message; it has to be closed. *find* says what its tokens mean."""
        self._messages += 1
        return MessageScope(self, self._parent, find, values)

    async def message_closed(self) -> None:
        """A message is done: close what was the client's if it was the last, and the client is gone."""
        self._messages -= 1
        await self._close_if_done()

    def end(self) -> None:
        """The client is gone: its last message closes what it had."""
        self._ended = True

    async def close(self) -> None:
        """The client is gone: close what it had, once its last message is done. What fails is logged."""
        self._ended = True
        await self._close_if_done()

    async def _close_if_done(self) -> None:
        if self._ended and not self._messages and not self._closed:
            self._closed = True
            await close_container(self._container)


class MessageScope:
    """What one message has of its own, beside what its client and the application have."""

    __slots__ = ("_application", "_closed", "_connection", "_container", "_find", "_lock", "_values")

    def __init__(self, connection: ConnectionScope, application: AsyncContainer, find: Find, values: Values) -> None:
        self._connection = connection
        self._application = application
        self._find = find
        self._values = values
        self._container: AsyncContainer | None = None
        self._lock = asyncio.Lock()
        self._closed = False

    async def get(self, token: Any) -> Any:
        """Return a provider, constructed if need be; raises ModuleError, and what its constructor raises."""
        scope, key, component = self._find(token)
        if scope is dishka.Scope.APP:
            return await self._application.get(key, component)
        if scope is dishka.Scope.SESSION:
            return await (await self._connection.open()).get(key, component)
        async with self._lock:
            if self._container is None:
                client = await self._connection.open()
                self._container = await client(dict(self._values), lock_factory=asyncio.Lock).__aenter__()
        return await self._container.get(key, component)

    async def close(self) -> None:
        """Close what was constructed for this message, the last first. What fails is logged."""
        if self._closed:
            return
        self._closed = True
        await close_container(self._container)
        await self._connection.message_closed()


async def close_container(container: AsyncContainer | None) -> None:
    """Close a container, if there is one; what that raises is logged."""
    if container is None:
        return
    try:
        await container.close()
    except Exception:
        _LOGGER.exception("a provider could not be closed")
