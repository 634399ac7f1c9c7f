"""What every test may ask for."""

from collections.abc import Iterator

import pytest

from tests.support.node import Node


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """JavaScript, with the official clients."""
    with Node() as node:
        yield node


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
