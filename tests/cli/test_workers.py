"""`moongate run --workers`: several processes serve one port."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from moongate import LocalCluster, Module, Moongate
from moongate.cli import commands
from moongate.cli.commands import moongate
from moongate.server import workers
from moongate.server.options import ServeOptions
from tests.support.node import Node
from tests.support.process import ServerProcess
from tests.support.workers import APPLICATION, SERVES, Workers, command, is_gone, leftovers, run_fails, write


@Module()
class Root: ...


def test_connections_are_spread_over_all_workers(serve: Callable[..., Workers], node: Node):
    server = serve("--workers", "3")
    pids = server.wait_for_workers(3)
    assert server.parent not in pids
    answers = server.answers(150)
    assert sorted(answers) == sorted(pids)
    if sys.platform == "linux":
        assert min(answers.values()) > 20
    script = """
        const clients = await Promise.all(Array.from({ length: 12 }, () => connect("/who")));
        return Promise.all(clients.map((client) => ack(client, "pid")));
    """
    assert set(node.run(server, script)) <= set(pids)


def test_a_worker_that_is_killed_is_replaced_and_the_clients_of_the_others_stay(
    serve: Callable[..., Workers], node: Node
):
    server = serve("--workers", "2")
    pids = server.wait_for_workers(2)
    script = """
        const opened = Array.from({ length: 12 }, () => connect("/who", { reconnection: true }));
        const clients = await Promise.all(opened);
        const before = await Promise.all(clients.map((client) => ack(client, "pid")));
        const left = clients.map(() => false);
        clients.forEach((client, index) => client.on("disconnect", () => { left[index] = true; }));
        await call("kill");
        const again = async (client) => {
            if (!client.connected) await new Promise((resolve) => client.once("connect", resolve));
            return ack(client, "pid");
        };
        const after = await Promise.all(clients.map(again));
        return { before, left, after };
    """

    def kill() -> None:
        os.kill(pids[0], signal.SIGKILL)
        server.wait_until(lambda: server.pids[0] != pids[0])

    seen = node.run(server, script, calls={"kill": kill})
    for before, left, after in zip(seen["before"], seen["left"], seen["after"], strict=True):
        assert left == (before == pids[0])
        assert after == before if not left else after in server.pids
    assert f"worker 1 (process {pids[0]}) was ended by SIGKILL: another takes its place" in server.log
    assert server.pids[1] == pids[1]
    assert sorted(server.answers(60)) == sorted(server.pids)


@pytest.mark.skipif(sys.platform != "linux", reason="workers accept from one socket")
def test_clients_that_wait_for_a_worker_which_is_killed_are_served_by_the_next(serve: Callable[..., Workers]):
    server = serve("--workers", "2")
    pids = server.wait_for_workers(2)
    os.kill(pids[0], signal.SIGSTOP)
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(server.get, "/") for _ in range(20)]
        server.wait_until(lambda: sum(answer.done() for answer in answers) >= 1)
        time.sleep(0.3)  # so that nobody is still on the way
        waiting = sum(not answer.done() for answer in answers)
        os.kill(pids[0], signal.SIGKILL)
        counts = Counter(int(answer.result()) for answer in answers)
    assert waiting
    assert counts == {pids[1]: 20 - waiting, server.pids[0]: waiting}


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "terminal"])
def test_a_signal_stops_all_of_them_cleanly(serve: Callable[..., Workers], node: Node, name: str):
    server = serve("--workers", "2")
    pids = server.wait_for_workers(2)
    folders = leftovers(server.folder)
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700]

    def stop() -> None:
        if name == "terminal":  # Ctrl-C reaches every process
            os.killpg(server.parent, signal.SIGINT)
        else:
            os.kill(server.parent, signal.Signals[name])

    script = """
        const clients = await Promise.all(Array.from({ length: 6 }, () => connect("/who")));
        await call("stop");
        return Promise.all(clients.map((client) => next(client, "disconnect")));
    """
    assert node.run(server, script, calls={"stop": stop}) == ["transport close"] * 6
    assert server.wait_for_end() == 0
    assert sorted(map(int, re.findall(r"goodbye (\d+)", server.log))) == sorted(pids)
    assert all(map(is_gone, pids))
    assert not leftovers(server.folder)
    assert "Traceback" not in server.log
    assert "ERROR" not in server.log


def test_a_second_interruption_forces(serve: Callable[..., Workers], tmp_path: Path):
    write(tmp_path, stop="time.sleep(60)")
    server = serve("--workers", "2")
    pids = server.wait_for_workers(2)
    os.killpg(server.parent, signal.SIGINT)
    server.wait_for_log("the workers stop")
    os.killpg(server.parent, signal.SIGINT)
    assert server.wait_for_end() == 0
    assert all(map(is_gone, pids))


def test_a_worker_that_does_not_stop_in_time_is_killed(serve: Callable[..., Workers], tmp_path: Path):
    write(tmp_path, stop="time.sleep(60)")
    server = serve("--workers", "2")
    pids = server.wait_for_workers(2)
    assert server.stop() == 0
    assert server.log.count("did not stop within 6 s: it is killed") == 2
    assert all(map(is_gone, pids))


def test_workers_stop_when_their_parent_dies(serve: Callable[..., Workers]):
    server = serve("--workers", "2")
    pids = server.wait_for_workers(2)
    os.kill(server.parent, signal.SIGKILL)
    server.wait_until(lambda: all(map(is_gone, pids)))
    assert server.log.count("goodbye") == 2
    assert not leftovers(server.folder)


def test_a_hang_up_renews_them_one_after_the_other(serve: Callable[..., Workers]):
    server = serve("--workers", "2")
    pids = server.wait_for_workers(2)
    os.kill(server.parent, signal.SIGHUP)
    deadline = time.monotonic() + 20
    while server.log.count("goodbye") < 2 or len(server.answers(20)) < 2:  # nobody is refused meanwhile
        assert time.monotonic() < deadline, server.log
    assert set(server.pids).isdisjoint(pids)
    assert sorted(server.answers(60)) == sorted(server.pids)
    ends = [server.log.index(f"goodbye {pid}") for pid in pids]
    begins = [server.log.index(f"(process {pid}) serves") for pid in server.pids]
    assert begins[0] < ends[0] < begins[1] < ends[1]


def test_a_terminal_that_is_closed_stops_them(tmp_path: Path):
    write(tmp_path)
    ours, theirs = pty.openpty()
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["setsid", "--ctty", *command("--workers", "2", "--port", "0")],
            stdin=theirs,
            stdout=output,
            stderr=output,
            cwd=tmp_path,
            env=ServerProcess.environment(),
        )
    os.close(theirs)
    try:
        deadline = time.monotonic() + 20
        while "2 workers run on" not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.close(ours)
        assert process.wait(20) == 0
    finally:
        process.terminate()
        process.wait(20)
    assert log.read_text().count("goodbye") == 2


def test_workers_that_serve_stay_when_the_new_ones_do_not_start(serve: Callable[..., Workers], tmp_path: Path):
    server = serve("--workers", "2")
    pids = server.wait_for_workers(2)
    (tmp_path / "served.py").write_text("import package_that_is_missing")
    os.kill(server.parent, signal.SIGHUP)
    server.wait_for_log("the workers that serve stay")
    assert sorted(server.answers(60)) == sorted(pids)


def test_a_worker_that_cannot_be_replaced_is_tried_again_ever_later(serve: Callable[..., Workers], tmp_path: Path):
    server = serve("--workers", "2")
    pids = server.wait_for_workers(2)
    (tmp_path / "served.py").write_text("import package_that_is_missing")
    os.kill(pids[1], signal.SIGKILL)
    server.wait_for_log("worker 2 is tried again in 0.8 s")
    assert server.log.count("it imports 'package_that_is_missing'") == 3
    assert server.answers(30) == {pids[0]: 30}  # nobody waits for the one that is not there
    write(tmp_path)
    server.wait_until(lambda: len(server.pids) == 2 and server.pids[1] != pids[1])
    assert sorted(server.answers(60)) == sorted(server.pids)


def test_workers_that_end_soon_are_replaced_ever_later(serve: Callable[..., Workers], tmp_path: Path):
    write(tmp_path, start="import asyncio; asyncio.get_running_loop().call_later(0.2, os._exit, 7)")
    server = serve("--workers", "2")
    server.wait_for_log("ended with status 7: another takes its place")
    began = time.monotonic()
    server.wait_until(lambda: server.log.count("ended with status 7") >= 8)
    assert time.monotonic() - began > 0.1 + 0.2 + 0.4  # seconds that each of the two has waited


def test_a_worker_that_is_told_to_stop_is_replaced(serve: Callable[..., Workers]):
    server = serve("--workers", "2")
    pids = server.wait_for_workers(2)
    os.kill(pids[0], signal.SIGTERM)
    server.wait_until(lambda: server.pids[0] != pids[0])
    assert f"goodbye {pids[0]}" in server.log
    assert f"worker 1 (process {pids[0]}) stops: another takes its place" in server.log


def test_a_worker_that_takes_its_time_to_stop_is_replaced_before_it_has_ended(
    serve: Callable[..., Workers], tmp_path: Path
):
    write(tmp_path, stop="time.sleep(2)")
    server = serve("--workers", "2")
    pids = server.wait_for_workers(2)
    os.kill(pids[0], signal.SIGTERM)
    server.wait_until(lambda: server.pids[0] != pids[0])
    assert not is_gone(pids[0])
    assert sorted(server.answers(40)) == sorted(server.pids)
    server.wait_until(lambda: is_gone(pids[0]))
    assert f"goodbye {pids[0]}" in server.log
    assert "has died" not in server.log


def test_a_worker_that_dies_before_its_child_is_replaced(serve: Callable[..., Workers], tmp_path: Path):
    write(tmp_path, start="os.fork() or (time.sleep(10), os._exit(0))")  # which has whatever its parent had
    server = serve("--workers", "2")
    pids = server.wait_for_workers(2)
    os.kill(pids[0], signal.SIGKILL)
    server.wait_until(lambda: server.pids[0] != pids[0], 5)


@pytest.mark.skipif(sys.platform != "linux", reason="there are no such signals")
def test_a_signal_without_a_name(serve: Callable[..., Workers]):
    server = serve("--workers", "2")
    pids = server.wait_for_workers(2)
    os.kill(pids[0], 40)
    server.wait_until(lambda: server.pids[0] != pids[0])
    assert f"worker 1 (process {pids[0]}) was ended by signal 40: another takes its place" in server.log


def test_a_worker_that_does_not_start_leaves_new_clients_to_the_others_and_is_killed(
    serve: Callable[..., Workers], tmp_path: Path
):
    patch = "import moongate.server.workers as w; w._SLOW, w._SHORTEST_LIMIT, w._START_FACTOR = 1, 3, 0"
    server = serve("--workers", "2", patch=patch)
    pids = server.wait_for_workers(2)
    write(tmp_path, start="time.sleep(60)")
    os.kill(pids[1], signal.SIGKILL)
    server.wait_for_log("worker 2 has not started for 1 s: new clients go to the others")
    assert server.answers(30) == {pids[0]: 30}
    server.wait_for_log("has not started within 3 s: it is killed")
    write(tmp_path)
    server.wait_until(lambda: len(server.pids) == 2 and server.pids[1] != pids[1])
    assert sorted(server.answers(60)) == sorted(server.pids)


def test_a_module_that_cannot_be_imported_is_said_once(tmp_path: Path):
    (tmp_path / "served.py").write_text("import package_that_is_missing")
    result = run_fails(tmp_path, "--port", "0")
    assert result.returncode == 2
    assert result.stderr.count("Error: ") == 1
    assert "it imports 'package_that_is_missing'" in result.stderr


def test_an_application_that_cannot_start_is_said_once(tmp_path: Path):
    write(tmp_path, start="raise RuntimeError('no database')")
    result = run_fails(tmp_path, "--port", "0")
    assert result.returncode == 3
    assert result.stderr.count("RuntimeError: no database") == 1
    assert "workers run on" not in result.stderr


def test_a_worker_that_is_killed_while_it_starts_ends_all(tmp_path: Path):
    write(tmp_path, start="os.kill(os.getpid(), 9)")
    result = run_fails(tmp_path, "--port", "0")
    assert result.returncode == 3
    assert "was ended by SIGKILL before it served" in result.stderr


def test_a_port_that_is_taken(serve: Callable[..., Workers], tmp_path: Path):
    server = serve("--workers", "2")
    server.wait_for_workers(2)
    folder = tmp_path / "other"
    folder.mkdir()
    write(folder)
    port = server.url.rpartition(":")[2]
    result = run_fails(folder, "--port", port)
    assert result.returncode == 3
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use" in result.stderr


def test_every_line_of_the_log_says_who_writes_it_and_once_where_it_serves(serve: Callable[..., Workers]):
    server = serve("--workers", "3")
    server.wait_for_workers(3)
    server.get("/")
    server.stop()
    lines = [line for line in server.log.splitlines() if not line.startswith("goodbye")]
    for line in lines:
        assert re.match(r"\d\d:\d\d:\d\d \w+ +(parent  |worker [123]) ", line), line
    assert server.log.count(f"3 workers run on {server.url}") == 1
    assert server.log.count(server.url) == 1
    assert server.log.count("/who  Gateway") == 1


def test_a_free_port_is_one_for_all(tmp_path: Path):
    write(tmp_path)
    with subprocess.Popen(
        command("--workers", "2", "--port", "0"),
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=ServerProcess.environment(),
    ) as process:
        assert process.stderr
        try:
            ports = (re.search(r"2 workers run on http://127\.0\.0\.1:(\d+) ", line) for line in process.stderr)
            found = next(port for port in ports if port)
            server = ServerProcess([], port=int(found[1]))
            assert len({server.get("/") for _ in range(40)}) == 2
        finally:
            process.terminate()
            process.stderr.read()
    assert process.returncode == 0


def test_a_unix_socket_is_shared(tmp_path: Path):
    write(tmp_path)
    path = tmp_path / "moongate.sock"
    server = ServerProcess(command("--workers", "2", "--uds", str(path)), uds=path, folder=tmp_path)
    with server:
        server.wait_for_log(f"2 workers run on unix socket {path}")
        pids = {pid for _, pid in SERVES.findall(server.log)}
        curl = ["curl", "--silent", "--unix-socket", str(path), "http://server/"]
        assert {subprocess.run(curl, capture_output=True, text=True, check=True).stdout for _ in range(10)} <= pids
        assert path.stat().st_mode & 0o777 == 0o666
    assert not path.exists()


def test_the_options_arrive(monkeypatch: pytest.MonkeyPatch):
    served: list[tuple[str, ServeOptions]] = []

    def run(target: str, options: ServeOptions) -> int:
        served.append((target, options))
        return 3

    monkeypatch.setattr(workers, "run", run)
    result = CliRunner().invoke(moongate, ["run", "served:app", "--workers", "4", "--port", "0"])
    assert result.exit_code == 3
    assert served == [("served:app", ServeOptions(port=0, workers=4))]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--workers", "2", "--reload"], "--workers and --reload contradict each other"),
        (["--workers", "0"], "--workers"),
    ],
)
def test_what_does_not_go_together_is_refused(options: list[str], problem: str):
    result = CliRunner().invoke(moongate, ["run", "served:app", *options])
    assert result.exit_code == 2
    assert problem in result.stderr


def test_without_pyzmq_it_says_what_to_install(tmp_path: Path):
    (tmp_path / "served.py").write_text("import sys\nsys.modules['zmq'] = None\n" + APPLICATION)
    result = run_fails(tmp_path, "--port", "0")
    assert result.returncode == 2
    assert result.stderr.count("Error: --workers needs a package that is not installed") == 1
    assert "pip install 'moongate[workers]'" in result.stderr


def test_workers_without_a_cluster_get_one_of_their_own_machine(tmp_path: Path):
    app = Moongate(Root)
    commands._join_workers(app, str(tmp_path))
    assert isinstance(app.cluster, LocalCluster)
    cluster = LocalCluster(str(tmp_path))
    app = Moongate(Root, cluster=cluster)
    commands._join_workers(app, "elsewhere")
    assert app.cluster is cluster
