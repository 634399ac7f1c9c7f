"""The ledger itself: what it is there to find, it finds."""

from collections.abc import Callable

import pytest

from moongate import ClusterError
from tests.faults.ledger import Ledger

pytestmark = pytest.mark.anyio


def _repeat(ledger: Ledger) -> None:
    ledger.receive("b", "a", 0)


def _swap(ledger: Ledger) -> None:
    ledger.send("a", 3)
    ledger.accept("a", 3)
    ledger.receive("a", "a", 3)
    ledger.receive("b", "a", 3)
    ledger.receive("b", "a", 2)


def _invent(ledger: Ledger) -> None:
    ledger.receive("b", "a", 9)


def _deny(ledger: Ledger) -> None:
    ledger.fail("a", 0, ClusterError("no"))


def _forget(ledger: Ledger) -> None:
    ledger.send("a", 5)
    ledger.receive("a", "a", 5)


def _miss(ledger: Ledger) -> None:
    ledger.send("a", 6)
    ledger.accept("a", 6)
    ledger.receive("b", "a", 6)


@pytest.fixture
async def ledger() -> Ledger:
    ledger = Ledger("nothing", "in thought")
    ledger.receivers = ["a", "b"]
    for number in range(3):
        ledger.send("a", number)
        ledger.accept("a", number)
        ledger.receive("a", "a", number)
    for number in range(2):
        ledger.receive("b", "a", number)
    return ledger


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (_repeat, "duplicated 1"),
        (_swap, "out of order 1"),
        (_invent, "strange 1"),
        (_deny, "ghosts 1"),
        (_forget, "undecided 1"),
        (_miss, "missed locally 1"),
    ],
)
async def test_what_must_not_be_is_found(ledger: Ledger, break_it: Callable[[Ledger], None], told: str):
    ledger.check()
    break_it(ledger)
    with pytest.raises(AssertionError, match=told):
        ledger.check()


async def test_what_is_lost_is_counted(ledger: Ledger):
    assert [entry.number for entry in ledger.lost] == [2]
    assert "sent 3, accepted 3, refused 0, unknown 0, received 2, lost 1" in str(ledger)
