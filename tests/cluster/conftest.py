from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.cluster.party import Party
from tests.cluster.play import Play
from tests.cluster.trio import Trio
from tests.support.nats import NatsServer
from tests.support.node import Node
from tests.support.redis import RedisServer


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    with NatsServer() as server:
        yield server


@pytest.fixture
async def party() -> AsyncIterator[Party]:
    async with AsyncExitStack() as stack:
        yield Party(stack)


@pytest.fixture(scope="module")
def clients() -> Iterator[Node]:
    """The process in which the official clients run."""
    with Node() as node:
        yield node


@pytest.fixture
def play(trio: Trio, clients: Node) -> Play:
    """The stage for the three servers that the test's module calls `trio`."""
    return Play(trio, clients)
