"""A server for each feature test, and the ways in which clients reach it."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.live import LiveServer, Serve, application


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers; the end of the test stops them."""
    with ExitStack() as stack:

        def start(
            *providers: Any,
            module: Any = None,
            http: Any = None,
            plain: bool = False,
            enhancers: dict[str, Any] | None = None,
            **settings: Any,
        ) -> LiveServer:
            app = application(*providers, module=module, http=http, enhancers=enhancers, **settings)
            return stack.enter_context(LiveServer(app, plain=plain))

        yield start
