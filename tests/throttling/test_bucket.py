"""Token buckets, with a clock that the test moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moongate import ConfigurationError
from moongate.throttling import Bucket, Limit, LocalStore


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_as_many_as_the_size_at_once_and_then_as_the_rate_says():
    limit = Limit(10, per=1, burst=3)
    bucket = Bucket(limit.size, 0.0)
    assert [bucket.take(limit, 0.0) for _ in range(4)] == [0, 0, 0, pytest.approx(0.1)]
    assert bucket.take(limit, 0.05) == pytest.approx(0.05)
    assert bucket.take(limit, 0.11) == 0
    assert bucket.take(limit, 0.11) > 0
    assert [bucket.take(limit, 100.0) for _ in range(4)][:3] == [0, 0, 0]


def test_a_clock_that_goes_back_gives_nothing():
    limit = Limit(1, per=1)
    bucket = Bucket(limit.size, 10.0)
    assert bucket.take(limit, 10.0) == 0
    assert bucket.take(limit, 0.0) == pytest.approx(1.0)
    assert bucket.take(limit, 10.5) == pytest.approx(0.5)


@given(st.lists(st.floats(0, 3), max_size=200), st.integers(1, 20), st.floats(0.1, 10))
def test_never_more_than_the_size_and_the_rate_allow(pauses: list[float], count: int, per: float):
    limit = Limit(count, per=per)
    bucket, now, taken = Bucket(limit.size, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        wait = bucket.take(limit, now)
        taken += not wait
        assert taken <= limit.size + now * limit.rate + 1e-6
        assert 0 <= wait <= 1 / limit.rate + 1e-9


def test_whoever_waits_as_long_as_told_is_let_through():
    clock, limit = Clock(), Limit(7, per=3)
    store = LocalStore(clock=clock)
    for _ in range(100):
        wait = store.take(("a",), limit)
        clock.now += wait + 1e-9
        assert not wait or store.take(("a",), limit) == 0


def test_full_buckets_are_forgotten():
    clock, limit = Clock(), Limit(1, per=1)
    store = LocalStore(clock=clock)
    for number in range(10_000):
        store.take((number,), limit)
        clock.now += 0.01
    assert len(store) < 3000


def test_there_is_an_end_to_how_many_there_are():
    clock, limit = Clock(), Limit(1, per=60)
    store = LocalStore(clock=clock, max_buckets=100)
    answers = [store.take((number,), limit) for number in range(150)]
    assert answers == [0] * 100 + [60] * 50
    assert len(store) == 100
    clock.now += 61
    assert store.take(("new",), limit) == 0


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"count": 0, "per": 1}, "expected a number above 0 as count, got 0"),
        ({"count": 1, "per": -1}, "as per, got -1"),
        ({"count": True, "per": 1}, "as count, got True"),
        ({"count": 1, "per": float("nan")}, "as per, got nan"),
        ({"count": 0.5, "per": 1}, "a burst of 0.5 would never let anything pass"),
        ({"count": 1, "per": 1, "by": "session"}, "expected 'client', 'user', 'ip' or a function as by, got 'session'"),
        ({"count": 1, "per": 1, "on": "disconnect"}, "expected 'message' or 'connect' as on, got 'disconnect'"),
    ],
)
def test_limits_are_checked(wrong: dict, text: str):
    with pytest.raises(ConfigurationError) as caught:
        Limit(**wrong)
    assert text in str(caught.value)
