"""Fixtures for pytest, which finds them by itself once Moongate is installed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from moongate.app import Moongate
from moongate.testing.app import TestApp
from moongate.testing.live import LiveServer

__all__ = ["live_server", "moongate_app"]


@pytest.fixture
def moongate_app() -> Callable[..., TestApp]:
    """Make applications under test of a module, to be run by `async with`."""
    return TestApp


@pytest.fixture
def live_server() -> Iterator[Callable[..., LiveServer]]:
    """Give what serves an application, or one made of a module, on a free port of 127.0.0.1 until the test ends."""
    with ExitStack() as stack:

        def serve(module: Any, **options: Any) -> LiveServer:
            app = module if isinstance(module, Moongate) else Moongate(module, **options)
            return stack.enter_context(LiveServer(app))

        yield serve
