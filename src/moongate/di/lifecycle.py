"""The hooks of providers: at the start and at the end of the application."""

import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

__all__ = ["Lifecycle"]

_LOGGER = logging.getLogger("moongate")


class Lifecycle:
    """Calls the hooks of *instances*, which stand in the order of their modules, those that others import first."""

    def __init__(self, instances: Sequence[object]) -> None:
        self._instances = instances
        self._initialised: list[object] = []  # whose on_module_init has run

    async def start(self) -> None:
        """Run `on_module_init`, then `on_application_bootstrap`, each to its end before the next.

        If one raises, what was initialised is destroyed again, in reverse, and the error goes on.
        """
        try:
            for instance in self._instances:
                await _call(instance, "on_module_init")
                self._initialised.append(instance)
            for instance in self._instances:
                await _call(instance, "on_application_bootstrap")
        except BaseException:
            for instance in reversed(self._initialised):
                try:
                    await _call(instance, "on_module_destroy")
                except Exception:
                    _LOGGER.exception("%s.on_module_destroy failed", type(instance).__name__)
            raise

    async def stop(self, disconnect: Callable[[], Awaitable[None]], signal: str | None) -> None:
        """Run the hooks of the end in reverse, with *disconnect* between them. All run, whatever fails.

        Raises an ExceptionGroup of what was raised, at the end.
        """
        errors: list[Exception] = []
        await self._run_all("on_module_destroy", (), errors)
        await self._run_all("before_application_shutdown", (signal,), errors)
        try:
            await disconnect()
        except Exception as error:  # noqa: BLE001  # raised below, with the others
            errors.append(error)
        await self._run_all("on_application_shutdown", (signal,), errors)
        if errors:
            raise ExceptionGroup("shutdown hooks failed", errors)

    async def tell(self, hook: str, *arguments: Any) -> None:
        """Run a hook of every instance that has it; what one raises is logged."""
        for instance in self._instances:
            try:
                await _call(instance, hook, *arguments)
            except Exception:
                _LOGGER.exception("%s.%s failed", type(instance).__name__, hook)

    async def _run_all(self, hook: str, arguments: tuple[Any, ...], errors: list[Exception]) -> None:
        for instance in reversed(self._instances):  # what others need is there until they have ended
            try:
                await _call(instance, hook, *arguments)
            except Exception as error:
                _LOGGER.exception("%s.%s failed", type(instance).__name__, hook)
                errors.append(error)


async def _call(instance: object, hook: str, *arguments: Any) -> None:
    """Call one hook, if the instance has it, with as many of *arguments* as it takes."""
    method = getattr(instance, hook, None)
    if method is None or inspect.isclass(instance):
        return
    result = method(*arguments[: len(inspect.signature(method).parameters)])
    if inspect.isawaitable(result):
        await result
