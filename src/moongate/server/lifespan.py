"""The start and the end of an ASGI application that is hosted beside the gateways."""

import asyncio
import logging
from typing import Any

from moongate.errors import ConfigurationError
from moongate.types import AsgiApp

__all__ = ["HostedLifespan"]

_LOGGER = logging.getLogger("moongate")


class HostedLifespan:
    """Plays the server's part of the ASGI lifespan protocol (version 2.0) towards one application.

    An application that knows no lifespan is left alone, as servers do.
    """

    def __init__(self, application: AsgiApp) -> None:
        self._application = application
        self._to_application: asyncio.Queue[dict[str, Any]]  # both are new with each start
        self._from_application: asyncio.Queue[dict[str, Any] | None]
        self._task: asyncio.Task[None] | None = None  # None before the start, and if lifespan is not supported
        self._started = False  # whether the application has answered to the start

    async def start(self, state: dict[str, Any]) -> None:
        """Start the application; raises ConfigurationError with its own words if it fails."""
        self._to_application = asyncio.Queue()
        self._from_application = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
        self._task = asyncio.get_running_loop().create_task(self._run(scope))
        answer = await self._ask("startup")
        if answer is None:
            self._task = None
        elif answer["type"] == "lifespan.startup.failed":
            self._task = None
            raise ConfigurationError(
                answer.get("message") or "its start failed", where="the application given as http="
            )
        self._started = answer is not None

    async def stop(self) -> None:
        """Stop the application, if it was started."""
        if self._task is not None:
            await self._ask("shutdown")
            await self._task
            self._task = None

    async def _ask(self, event: str) -> dict[str, Any] | None:
        """Send one event and return the answer, or None if the application has ended without one."""
        await self._to_application.put({"type": f"lifespan.{event}"})
        return await self._from_application.get()

    async def _run(self, scope: dict[str, Any]) -> None:
        try:
            await self._application(scope, self._to_application.get, self._from_application.put)
        except Exception as error:
            if self._started:
                _LOGGER.exception("the application given as http= failed in its lifespan")
            else:
                _LOGGER.debug("the application given as http= has no lifespan: %s", error)
        finally:
            await self._from_application.put(None)
