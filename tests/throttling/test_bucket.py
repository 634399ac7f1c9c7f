"""Token buckets, with a clock that the test moves."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moongate import ConfigurationError
from moongate.throttling import Bucket, Limit, LocalStore


class Clock:
    def __init__(self, now: float = 1_000_000.1) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_as_many_as_the_size_at_once_and_then_as_the_rate_says():
    bucket = Bucket(Limit(10, per=1, burst=3), 0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [0, 0, 0, pytest.approx(0.1)]
    assert bucket.take(0.05) == pytest.approx(0.05)
    assert bucket.take(0.11) == 0
    assert bucket.take(0.11) > 0
    assert [bucket.take(100.0) for _ in range(4)] == [0, 0, 0, pytest.approx(0.1)]


def test_a_clock_that_goes_back_gives_nothing():
    bucket = Bucket(Limit(1, per=1), 10.0)
    assert bucket.take(10.0) == 0
    assert bucket.take(0.0) == pytest.approx(1.0)
    assert bucket.take(10.5) == pytest.approx(0.5)
    assert bucket.take(11.0) == 0
    bucket = Bucket(Limit(2, per=2), 10.0)
    assert [bucket.take(now) for now in (10.0, 0.0, 10.0)] == [0, 0, pytest.approx(1.0)]


@given(st.lists(st.floats(0, 3), max_size=200), st.integers(1, 20), st.floats(0.1, 10))
def test_never_more_than_the_size_and_the_rate_allow(pauses: list[float], count: int, per: float):
    limit = Limit(count, per=per)
    bucket, now, taken = Bucket(limit, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        wait = bucket.take(now)
        taken += not wait
        assert taken <= limit.size + (now + 2e-6) * limit.rate
        assert 0 <= wait <= 1 / limit.rate + 1e-9


@given(st.integers(1, 1000), st.floats(0.01, 100_000), st.floats(0, 1e9))
def test_whoever_waits_as_long_as_told_is_let_through_and_no_earlier(count: int, per: float, start: float):
    clock, limit = Clock(start), Limit(count, per=per)
    store = LocalStore(clock=clock)
    claims = [(("a",), limit)]
    assert [store.take(claims) for _ in range(count)] == [0] * count
    for _ in range(20):
        wait = store.take(claims)
        assert wait == pytest.approx(per / count, abs=3e-6)
        clock.now += wait / 2
        assert store.take(claims) > 0
        clock.now += wait / 2
        assert store.take(claims) == 0


def test_nothing_is_lost_or_won_in_the_long_run():
    clock, limit = Clock(), Limit(3, per=0.7, burst=1)
    store = LocalStore(clock=clock)
    start, taken = clock.now, 0
    for _ in range(60_000):
        wait = store.take([(("a",), limit)])
        taken += not wait
        clock.now += wait
    assert taken == 30_000
    assert clock.now - start == pytest.approx(taken / limit.rate, abs=1e-5)


def test_a_token_of_each_bucket_or_of_none():
    clock = Clock()
    store = LocalStore(clock=clock)
    often, seldom = (("often",), Limit(1, per=1)), (("seldom",), Limit(3, per=60))
    for claims in ([often, seldom], [seldom, often]):
        clock.now += 100
        assert [store.take(claims) for _ in range(10)] == [0] + [1] * 9
        assert [store.take([seldom]) for _ in range(3)] == [0, 0, pytest.approx(20)]
    assert store.take([often, seldom]) == pytest.approx(20)


def test_full_buckets_are_forgotten():
    clock, limit = Clock(), Limit(1, per=1)
    store = LocalStore(clock=clock)
    for number in range(10_000):
        store.take([((number,), limit)])
        clock.now += 0.01
    assert len(store) < 250


def test_buckets_that_are_not_full_are_not_forgotten():
    clock = Clock()
    store = LocalStore(clock=clock)
    slow = [[(("slow", number), Limit(1, per=3600))] for number in range(50)]
    for claims in slow:
        store.take(claims)
    for number in range(1000):
        store.take([((number,), Limit(1, per=1))])
        clock.now += 0.1
    assert len(store) < 150
    assert all(store.take(claims) for claims in slow)


def test_there_is_an_end_to_how_many_there_are():
    clock, limit = Clock(), Limit(1, per=60)
    store = LocalStore(clock=clock, max_buckets=100)
    answers = [store.take([((number,), limit)]) for number in range(150)]
    assert answers == [0] * 100 + [60] * 50
    assert len(store) == 100
    assert store.take([((0,), limit)]) == pytest.approx(60)
    assert store.take([(("new",), limit), (("newer",), limit)]) == 60
    clock.now += 61
    assert store.take([(("new",), limit), (("newer",), limit)]) == 0
    assert len(store) <= 100


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "many"])
def test_a_store_is_checked(wrong: Any):
    with pytest.raises(ConfigurationError, match="expected a whole number above 0 as max_buckets"):
        LocalStore(max_buckets=wrong)


def test_there_is_room_where_a_bucket_behind_others_is_full():
    clock = Clock()
    store = LocalStore(clock=clock, max_buckets=10)
    for number in range(10):
        store.take([((number,), Limit(1, per=1 if number == 9 else 3600))])
    clock.now += 1
    assert store.take([(("new",), Limit(1, per=3600))]) == 0
    assert len(store) == 10
