"""Counts messages and connects by the limits that are declared in one place."""

import math
from collections.abc import Awaitable, Callable, Hashable, Sequence

import msgspec

from moongate.errors import ConfigurationError, WsException
from moongate.namespace.socket import Socket
from moongate.pipeline.context import ExecutionContext
from moongate.throttling.bucket import ThrottleStore
from moongate.throttling.counted import counted_by
from moongate.throttling.limit import Limit

__all__ = ["Counter", "Rule", "rule_of"]

_TOO_MANY = "Too many requests"

_FEW = 16
"""How many clients may be on their way in before it is worth looking for those that are not any more."""


class Counted(msgspec.Struct, frozen=True):
    """One limit of a rule."""

    number: int
    limit: Limit
    whose: Callable[[ExecutionContext], Hashable]


class Rule(msgspec.Struct, frozen=True):
    """What is declared in one place. Its name, which is the same in every process, keeps its buckets apart."""

    name: str
    messages: tuple[Counted, ...]
    connects: tuple[Counted, ...]
    abuse: Limit | None
    """How often whoever is refused may go on."""


def rule_of(
    name: str, limits: Sequence[object], disconnect_after: int | None, window: float, *, declared_by: str
) -> Rule:
    """Return the rule of *limits*; raises ConfigurationError for what is none, and for none at all."""
    mend = f"Write {declared_by}(Limit(5, per=1))."
    if not limits:
        raise ConfigurationError("it limits nothing", where=declared_by, mend=mend)
    counted: dict[str, list[Counted]] = {"message": [], "connect": []}
    for number, limit in enumerate(limits):
        if not isinstance(limit, Limit):
            raise ConfigurationError(f"expected a Limit, got {limit!r}", where=declared_by, mend=mend)
        counted[limit.on].append(Counted(number, limit, counted_by(limit)))
    abuse = _abuse(disconnect_after, window, declared_by)
    return Rule(name, tuple(counted["message"]), tuple(counted["connect"]), abuse)


def _abuse(disconnect_after: int | None, window: float, declared_by: str) -> Limit | None:
    if disconnect_after is None:
        return None
    if not _is_count(disconnect_after):
        raise ConfigurationError(
            f"expected a whole number above 0 as disconnect_after, got {disconnect_after!r}",
            where=declared_by,
            mend="Write disconnect_after=10, or leave it out.",
        )
    if not _is_time(window):
        raise ConfigurationError(
            f"expected seconds above 0 as window, got {window!r}", where=declared_by, mend="Write window=60."
        )
    return Limit(disconnect_after, per=window)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


class Counter:
    """Takes the tokens of rules out of a store."""

    __slots__ = ("_entering", "_look_at", "_store")

    def __init__(self, store: ThrottleStore) -> None:
        self._store = store
        self._entering: dict[tuple[str, str], Socket] = {}
        self._look_at = _FEW

    def count(self, context: ExecutionContext, rule: Rule) -> bool | Awaitable[bool]:
        """Return True if every limit has a token; what is awaited otherwise may raise WsException."""
        if context.is_connect:
            counted = rule.connects
            if not counted or not self._comes_in(context.client, rule.name):
                return True
        else:
            counted = rule.messages
        if len(counted) == 1:  # most have one limit
            (one,) = counted
            wait = self._store.take((((rule.name, one.number, one.whose(context)), one.limit),))
        elif counted:
            wait = self._store.take([((rule.name, one.number, one.whose(context)), one.limit) for one in counted])
        else:
            return True
        return wait == 0 or self._decide(context, rule, wait)

    async def _decide(self, context: ExecutionContext, rule: Rule, waiting: float | Awaitable[float]) -> bool:
        """Return True, or raise WsException, which says in how many seconds it will be True."""
        wait = await _value_of(waiting)
        if wait <= 0:
            return True
        client = context.client
        if rule.abuse is not None and client.connected:
            abuse = self._store.take((((rule.name, "abuse", client.id), rule.abuse),))
            if await _value_of(abuse) > 0:
                client.disconnect(close=True)
        # Rounded up: whoever waits as long as that is let through.
        raise WsException(_TOO_MANY, data={"retry_after": math.ceil(wait * 1000) / 1000})

    def _comes_in(self, client: Socket, name: str) -> bool:
        """Return whether *client* was not counted yet: each gateway of its namespace asks the application's guards."""
        entering, key = self._entering, (client.id, name)
        if entering.get(key) is client:
            return False
        if len(entering) >= self._look_at:
            self._entering = entering = {
                key: other for key, other in entering.items() if not other.connected and not other.gone
            }
            self._look_at = max(_FEW, 2 * len(entering))
        entering[key] = client
        return True


async def _value_of(waiting: float | Awaitable[float]) -> float:
    return waiting if isinstance(waiting, int | float) else await waiting
