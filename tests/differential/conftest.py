"""Node's server and ours, both running."""

from collections.abc import Iterator

import pytest

from tests.differential.pair import Pair, node_server, our_server

ORIGINS = ("https://good.example", "https://fine.example:8443")


@pytest.fixture(scope="session")
def pair() -> Iterator[Pair]:
    """Both servers with their defaults, but without heartbeats."""
    with node_server() as node, our_server() as ours:
        yield Pair(node, ours)


@pytest.fixture(scope="session")
def cors_pair() -> Iterator[Pair]:
    """Both servers, open to the pages of some other sites."""
    cors = {"origin": ORIGINS, "credentials": True}
    with node_server(cors=cors) as node, our_server(cors=ORIGINS) as ours:
        yield Pair(node, ours)
