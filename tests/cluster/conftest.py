from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.cluster.party import Party
from tests.support.redis import RedisServer


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
async def party() -> AsyncIterator[Party]:
    async with AsyncExitStack() as stack:
        yield Party(stack)
