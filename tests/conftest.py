"""What every test may ask for."""

from collections.abc import Iterator

import pytest

from tests.support.node import Node


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """JavaScript, with the official clients."""
    with Node() as node:
        yield node


@pytest.fixture(params=["polling", "websocket", "upgrade"])
def transport(request: pytest.FixtureRequest, node: Node) -> Iterator[str]:
    """How the official client connects; the test runs once for each way."""
    transport = request.param
    assert isinstance(transport, str)
    before, node.transport = node.transport, transport
    yield transport
    node.transport = before


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
