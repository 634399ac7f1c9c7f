"""A gateway's lifecycle hooks: `after_init`, `handle_connection` and `handle_disconnect`."""

import difflib
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from moongate.errors import GatewayError
from moongate.gateway.metadata import HandleDisconnect, subscriptions
from moongate.hints import signature_of

__all__ = ["bound_hook", "check_hooks", "with_reason"]

# How each hook is written, and with how many arguments it may be called.
_SIGNATURES = {
    "after_init": ("after_init(self, server: Namespace)", (1,)),
    "handle_connection": ("handle_connection(self, client: Socket)", (1,)),
    "handle_disconnect": ("handle_disconnect(self, client: Socket, reason: str)", (1, 2)),
}

# What people write for a hook, without underscores and in lower case, and which one they mean.
_NEAR_MISSES = {
    "afterinit": "after_init",
    "oninit": "after_init",
    "ongatewayinit": "after_init",
    "handleconnection": "handle_connection",
    "handleconnect": "handle_connection",
    "onconnection": "handle_connection",
    "onconnect": "handle_connection",
    "ongatewayconnection": "handle_connection",
    "handledisconnect": "handle_disconnect",
    "handledisconnection": "handle_disconnect",
    "handledisconnecting": "handle_disconnect",
    "ondisconnect": "handle_disconnect",
    "ondisconnection": "handle_disconnect",
    "ongatewaydisconnect": "handle_disconnect",
}
_SIMILARITY = 0.93  # one letter that is missing, doubled or swapped


def check_hooks(definitions: Mapping[str, Any], where: str) -> None:
    """Raise GatewayError if a hook among a class's *definitions* could not be called, or is misspelt."""
    for name, (signature, counts) in _SIGNATURES.items():
        if definitions.get(name) is not None:
            _check_hook(definitions[name], f"{where}.{name}", signature, counts)
    for name, definition in definitions.items():
        meant = _meant(name)
        if meant and meant not in definitions and inspect.isfunction(definition) and not subscriptions(definition):
            raise GatewayError(
                "this is no hook, nobody would call it",
                where=f"{where}.{name}",
                mend=f"Name it `{meant}`; or, if it is a method of your own, give it another name.",
            )


def _check_hook(definition: object, where: str, signature: str, counts: tuple[int, ...]) -> None:
    mend = f"Write `def {signature}` or `async def {signature}`."
    if not inspect.isfunction(definition):
        raise GatewayError(f"expected a method, got a {type(definition).__name__}", where=where, mend=mend)
    if subscriptions(definition):
        raise GatewayError(
            "a hook cannot be the handler of an event as well", where=where, mend="Give the handler a name of its own."
        )
    if inspect.isgeneratorfunction(definition) or inspect.isasyncgenfunction(definition):
        raise GatewayError("a hook with `yield` in it would never run", where=where, mend=mend)
    if not any(_takes(definition, count + 1) for count in counts):  # and `self`
        raise GatewayError(
            f"a hook is called with {' or '.join(map(str, counts))} argument{'s' if counts[-1] > 1 else ''}, "
            f"got {definition.__name__}{signature_of(definition)}",
            where=where,
            mend=mend,
        )


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Whether *function* can be called with *count* positional arguments."""
    try:
        signature_of(function).bind(*[None] * count)
    except TypeError:
        return False
    return True


def _meant(name: str) -> str | None:
    """Return the hook that a method of this *name* was meant to be."""
    if name.startswith("_") or name in _SIGNATURES:
        return None
    known = _NEAR_MISSES.get(name.replace("_", "").lower())
    return known or next(iter(difflib.get_close_matches(name, _SIGNATURES, n=1, cutoff=_SIMILARITY)), None)


def bound_hook(instance: object, name: str) -> Any:
    """Return the hook *name* of *instance*, or None if it has none."""
    return getattr(instance, name, None)


def with_reason(hook: Callable[..., Any] | None, count: int) -> HandleDisconnect | None:
    """Return a `handle_disconnect` that takes the reason as the last of *count* arguments, though its own may not."""
    if hook is None or _takes(hook, count):
        return hook

    def without_reason(*arguments: Any) -> Awaitable[None] | None:
        result: Awaitable[None] | None = hook(*arguments[:-1])
        return result

    return without_reason
