"""One limit: how many, in which time, of whom."""

import inspect
import math
import sys
from collections.abc import Callable, Hashable
from typing import Literal, TypeAlias

import msgspec

from moongate.errors import ConfigurationError
from moongate.pipeline.context import ExecutionContext

__all__ = ["By", "Limit", "Occasion"]

By: TypeAlias = Literal["client", "user", "ip"] | Callable[[ExecutionContext], Hashable]
"""Who is counted: a client, a user with all clients of theirs, an IP address, or what a function says."""

Occasion: TypeAlias = Literal["message", "connect"]
"""What is counted."""

_EXAMPLE = "Write Limit(10, per=1) for ten in a second."


class Limit(msgspec.Struct, frozen=True):
    """At most *count* in *per* seconds, and no more than *burst* at once, which is *count* if not said.

    *by* says of whom: of each client (the default), of each user, of each IP address, or of what a function of the
    context returns. A user is `client.data["user"]`, the subject of a token, or else the client; an IPv6 address is
    counted with all others of its /64. *on* says of what: of messages, or of clients that connect. With *per_event*
    each event has a limit of its own. Raises ConfigurationError.
    """

    count: float
    per: float
    burst: float | None = None
    by: By = "client"
    on: Occasion = "message"
    per_event: bool = False

    def __post_init__(self) -> None:
        for name in ("count", "per", "burst"):
            value = getattr(self, name)
            if not _is_positive(value) and not (name == "burst" and value is None):
                raise _wrong(f"expected a number above 0 as {name}, got {value!r}", _EXAMPLE)
        if self.size < 1:
            raise _wrong(f"a burst of {self.size:g} would never let anything pass", "Write burst=1 at least.")
        if not 0 < self.rate < math.inf:
            raise _wrong(f"{self.count:g} in {self.per:g} seconds is no rate to reckon with", _EXAMPLE)
        if not callable(self.by) and self.by not in ("client", "user", "ip"):  # may be unhashable
            raise _wrong(
                f"expected 'client', 'user', 'ip' or a function as by, got {self.by!r}",
                "Write by='ip', or a function of the ExecutionContext that says who is counted.",
            )
        if inspect.iscoroutinefunction(self.by):
            raise _wrong("nobody would wait for an `async def` as by", "Write `def`: it says who is counted at once.")
        if self.on not in ("message", "connect"):  # may be unhashable
            raise _wrong(f"expected 'message' or 'connect' as on, got {self.on!r}", "Write on='connect' or nothing.")
        if self.on == "connect" and self.per_event:
            raise _wrong("a client that connects sends no event yet", "Leave out per_event, or on='connect'.")
        if self.on == "connect" and self.by == "client":
            raise _wrong(
                "each client connects once, so that a limit for each would never be reached",
                "Write by='ip', by='user' or a function.",
            )

    @property
    def size(self) -> float:
        """How many may come at once."""
        return self.count if self.burst is None else self.burst

    @property
    def rate(self) -> float:
        """How many may come in a second, in the long run."""
        return self.count / self.per


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= sys.float_info.max


def _wrong(problem: str, mend: str) -> ConfigurationError:
    return ConfigurationError(problem, where="Limit", mend=mend)
