"""What the tests of the engine share."""

import pytest

from tests.engine.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of the event loop, moved by the test."""
    return Clock(monkeypatch)
