"""The sockets of several workers: one port for all, and what happens to it."""

import select
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from moongate.server.listeners import Listeners
from moongate.server.options import ServeOptions

SPREADS = pytest.mark.skipif(sys.platform != "linux", reason="the kernel does not spread connections over sockets")


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    """Of three workers, on a free port."""
    with closing(Listeners(ServeOptions(port=0), 3)) as listeners:
        yield listeners


def ports(listeners: Listeners, count: int) -> set[int]:
    return {listener.getsockname()[1] for number in range(1, count + 1) for listener in listeners.of(number)}


def test_all_have_one_port(listeners: Listeners):
    (port,) = ports(listeners, 3)
    assert listeners.where == f"http://127.0.0.1:{port}"


def test_every_address_of_a_host_has_the_same_port():
    with closing(Listeners(ServeOptions(host="", port=0), 2)) as listeners:
        assert len(ports(listeners, 2)) == 1
        assert listeners.where.startswith("http://0.0.0.0:")


def test_an_address_with_colons_stands_in_brackets(tmp_path: Path):
    with closing(Listeners(ServeOptions(host="::1", port=0, ssl_certfile=tmp_path), 2)) as listeners:
        (port,) = ports(listeners, 2)
        assert listeners.where == f"https://[::1]:{port}"


def test_nobody_connects_before_a_worker_listens(listeners: Listeners):
    (port,) = ports(listeners, 3)
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0
    listeners.of(2)[0].listen()
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) == 0


@SPREADS
def test_what_a_worker_leaves_goes_to_the_others_until_it_is_back(listeners: Listeners):
    for number in (1, 2, 3):
        listeners.of(number)[0].listen()
    (port,) = ports(listeners, 3)
    listeners.release(1)
    listeners.release(2)
    listeners.release(3)  # the port would be gone with it
    assert listeners.of(3)[0].fileno() != -1
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            listeners.of(3)[0].accept()[0].close()
    assert ports(listeners, 3) == {port}
    listeners.release(1)  # which has not been back yet
    listeners.of(1)[0].listen()
    served = {1: 0, 3: 0}
    for _ in range(60):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.setblocking(False)
            number, accepted = accept(listeners, client)
            with accepted:
                accepted.sendall(b"hello")
            client.settimeout(5)
            assert client.recv(5) == b"hello"
            served[number] += 1
    assert min(served.values()) > 0


def accept(listeners: Listeners, client: socket.socket) -> tuple[int, socket.socket]:
    """Return which worker accepts *client*, and its end of the connection."""
    both = {listeners.of(number)[0]: number for number in (1, 3)}
    ready, _, _ = select.select(list(both), [], [], 5)
    accepted, address = ready[0].accept()
    assert address == client.getsockname()
    return both[ready[0]], accepted


@SPREADS
def test_a_port_for_which_another_server_only_starts_its_workers(listeners: Listeners):
    with closing(Listeners(ServeOptions(port=0), 2)) as free:
        (port,) = ports(free, 2)
    taken = pytest.raises(OSError, match=f"cannot listen on 127.0.0.1, port {port}: Address already in use")
    with closing(Listeners(ServeOptions(port=port), 2)), taken:
        Listeners(ServeOptions(port=port), 2)
    Listeners(ServeOptions(port=port), 2).close()


def test_a_port_that_another_server_has(listeners: Listeners):
    (port,) = ports(listeners, 3)
    listeners.of(1)[0].listen()
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1, port {port}: Address already in use"):
        Listeners(ServeOptions(port=port), 2)


def test_a_host_that_is_not_ours():
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1"):
        Listeners(ServeOptions(host="192.0.2.1", port=0), 2)


def test_a_unix_socket_takes_the_place_of_one_that_was_left(tmp_path: Path):
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    path.chmod(0o660)
    listeners = Listeners(ServeOptions(uds=str(path)), 2)
    assert listeners.of(1) == listeners.of(2)
    listeners.release(1)
    assert listeners.of(1)[0].fileno() != -1
    assert path.stat().st_mode & 0o777 == 0o660
    listeners.close()
    assert not path.exists()


def test_what_is_no_socket_stays(tmp_path: Path):
    path = tmp_path / "socket"
    path.write_text("mine")
    with pytest.raises(OSError, match="cannot listen on"):
        Listeners(ServeOptions(uds=str(path)), 2)
    assert path.read_text() == "mine"


def test_the_unix_socket_of_another_server_stays(tmp_path: Path):
    path = tmp_path / "socket"
    first = Listeners(ServeOptions(uds=str(path)), 2)
    second = Listeners(ServeOptions(uds=str(path)), 2)
    first.close()
    assert path.is_socket()
    second.close()
    assert not path.exists()
