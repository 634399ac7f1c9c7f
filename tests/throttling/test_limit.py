"""Limits are checked when they are written down."""

from typing import Any

import pytest

from moongate import ConfigurationError
from moongate.throttling import Limit


async def later(_: object) -> str:
    return "too late"


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"count": 0, "per": 1}, "expected a number above 0 as count, got 0"),
        ({"count": 1, "per": -1}, "as per, got -1"),
        ({"count": True, "per": 1}, "as count, got True"),
        ({"count": "5", "per": 1}, "as count, got '5'"),
        ({"count": 1, "per": float("nan")}, "as per, got nan"),
        ({"count": float("inf"), "per": 1}, "as count, got inf"),
        ({"count": 10**400, "per": 1}, "expected a number above 0 as count"),
        ({"count": 1, "per": 1, "burst": 0}, "as burst, got 0"),
        ({"count": 1e300, "per": 1e-300}, "is no rate to reckon with"),
        ({"count": 0.5, "per": 1}, "a burst of 0.5 would never let anything pass"),
        ({"count": 1, "per": 1, "by": "session"}, "expected 'client', 'user', 'ip' or a function as by, got 'session'"),
        ({"count": 1, "per": 1, "by": ["ip"]}, "expected 'client', 'user', 'ip' or a function as by, got ['ip']"),
        ({"count": 1, "per": 1, "by": later}, "nobody would wait for an `async def` as by"),
        ({"count": 1, "per": 1, "on": "disconnect"}, "expected 'message' or 'connect' as on, got 'disconnect'"),
        ({"count": 1, "per": 1, "on": "connect"}, "each client connects once"),
        ({"count": 1, "per": 1, "by": "ip", "on": "connect", "per_event": True}, "sends no event yet"),
    ],
)
def test_limits_are_checked(wrong: dict[str, Any], text: str):
    with pytest.raises(ConfigurationError) as caught:
        Limit(**wrong)
    assert text in str(caught.value)


def test_less_than_one_in_its_time_needs_a_burst():
    assert Limit(0.5, per=1, burst=1).rate == 0.5
    assert (Limit(10, per=2).size, Limit(10, per=2).rate) == (10, 5)
