"""A server for every host, started once, and the ways in which clients reach it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.hosts.hosts import HOSTS, Host, Served


@pytest.fixture(scope="session", params=HOSTS)
def host_name(request: pytest.FixtureRequest) -> str:
    name = request.param
    assert isinstance(name, str)
    return name


@pytest.fixture(scope="session")
def host(host_name: str) -> Host:
    """What is different with this host."""
    return HOSTS[host_name]


@pytest.fixture(scope="session")
def served(host_name: str, host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The application, served."""
    with ExitStack() as stack:
        yield host.start(stack, tmp_path_factory.mktemp(host_name))
