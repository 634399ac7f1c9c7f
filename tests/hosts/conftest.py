"""A server for every host, started once, and the ways in which clients reach it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.hosts.hosts import HOSTS, Host, Served
from tests.support.node import Node


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


@pytest.fixture(params=["polling", "websocket", "upgrade"])
def transport(request: pytest.FixtureRequest, node: Node) -> Iterator[str]:
    """How the official client connects; the test runs once for each way."""
    transport = request.param
    assert isinstance(transport, str)
    before, node.transport = node.transport, transport
    yield transport
    node.transport = before
