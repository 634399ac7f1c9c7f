"""Middleware: functions that decide, one after another, whether a client or a message of it may pass."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from moongate.errors import WsException

__all__ = ["CallNext", "Chain", "EventMiddleware", "pass_through"]

CallNext: TypeAlias = Callable[[], Awaitable[None]]
"""Lets the next middleware decide."""

EventMiddleware: TypeAlias = Callable[[str, tuple[Any, ...], CallNext], Awaitable[None]]
"""Decides whether an event may reach its handler, given its name and its arguments: it does if *call_next* is awaited;
raising WsException refuses it."""

Chain: TypeAlias = Sequence[Callable[..., Awaitable[None]]]
"""Functions that take what is to be decided on, and *call_next*."""


async def pass_through(chain: Chain, *subject: Any) -> None:
    """Return if every function of *chain* lets *subject* pass; raises what refuses it, WsException if it is silence."""
    passed = False

    async def call(position: int) -> None:
        nonlocal passed
        if position == len(chain):
            passed = True
        else:
            await chain[position](*subject, lambda: call(position + 1))

    await call(0)
    if not passed:
        raise WsException("Forbidden resource")
