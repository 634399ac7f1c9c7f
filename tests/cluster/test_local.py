"""Processes of one machine that are joined by sockets in a folder, and what becomes of them when one fails."""

import asyncio
import shutil
import time
from pathlib import Path

import msgspec
import pytest
import zmq

from moongate import AsyncEmitter, ClusterError, ConfigurationError, LocalCluster
from moongate.testing import TestApp
from tests.cluster.bus_checks import (
    QUICK,
    QUIET,
    exchange,
    is_served,
    last_message,
    leaves_nothing,
    needs_extra,
    only_nodes_with_members_hear,
    script,
    wait_for,
)
from tests.cluster.neighbour import Neighbour
from tests.cluster.party import LIMIT, Party, health, nodes, until
from tests.faults.poison import poisons

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sockets"


def names(folder: Path) -> list[str]:
    """What is in the folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def mode(folder: Path) -> int:
    return folder.stat().st_mode & 0o777


def set_mode(folder: Path, mode: int) -> None:
    folder.mkdir(exist_ok=True)
    folder.chmod(mode)


def parcel(*messages: bytes) -> bytes:
    """Messages as a process sends them, together."""
    return msgspec.msgpack.encode(["", messages])


async def two(party: Party, folder: Path) -> tuple[TestApp, TestApp]:
    """Start two applications, which notice soon what happens."""
    return await party.app(LocalCluster(folder, **QUICK)), await party.app(LocalCluster(folder, **QUICK))


async def test_a_message_for_a_room_reaches_only_nodes_with_members(party: Party, folder: Path):
    await only_nodes_with_members_hear([await party.app(LocalCluster(folder, **QUIET)) for _ in range(3)])


async def test_a_program_that_is_no_server_emits(party: Party, folder: Path):
    cluster = LocalCluster(folder)
    await script(party, cluster, await party.app(cluster))


async def test_an_emitter_without_a_cluster_says_so(folder: Path):
    async with AsyncEmitter(LocalCluster(folder)) as emitter:
        with pytest.raises(ClusterError, match=r"cannot be found: .*: it was not sent"):
            await emitter.emit("news")
    assert names(folder) == []


async def test_nothing_is_left_over(folder: Path):
    await leaves_nothing(LocalCluster(folder))
    assert mode(folder) == 0o700
    assert names(folder) == []


async def test_a_process_that_is_killed_is_noticed(party: Party, folder: Path):
    one, other = await two(party, folder)
    client = await other.connect()
    async with Neighbour(folder) as neighbour:
        await until(lambda: neighbour.node in nodes(one.app))
        await neighbour.kill()
        for number in range(1500):  # more than wait for one process
            await one.app.server("/").emit("news", number)
        assert [await client.receive("news", timeout=5) for _ in range(1500)] == list(range(1500))
        await until(lambda: nodes(one.app) == (health(other.app).node,))
    await until(lambda: len(names(folder)) == 2)
    await exchange(one, other)
    async with Neighbour(folder) as successor:
        await until(lambda: sorted(nodes(one.app)) == sorted((health(other.app).node, successor.node)))
        assert sorted(await one.app.server("/").server_side_emit_with_ack("sum", 1, 2)) == [3, 3]


async def test_a_process_that_is_stopped_does_not_hold_up_the_others(party: Party, folder: Path):
    one, other = await two(party, folder)
    client = await other.connect()
    async with Neighbour(folder) as neighbour:
        await until(lambda: neighbour.node in nodes(one.app))
        neighbour.pause()
        began = time.monotonic()
        for room in ("a", "b", "c", "d"):  # which the process is told of, and does not confirm
            await client.emit_with_ack("join", room, timeout=5)
        assert time.monotonic() - began < 4
        server = one.app.server("/")
        refused = []
        for number in range(2600):
            try:
                await server.emit("news", number, "x" * 1000)
            except ClusterError as error:
                refused.append(error)
        assert time.monotonic() - began < 8
        assert refused
        assert f"{neighbour.node}-" in refused[0].reason
        assert refused[0].sent is None  # the others have it
        assert [(await client.receive("news", timeout=5))[0] for _ in range(2600)] == list(range(2600))
        await is_served(one)
        await until(lambda: nodes(one.app) == (health(other.app).node,))
        neighbour.resume()
        await until(lambda: sorted(nodes(one.app)) == sorted((health(other.app).node, neighbour.node)))
        async with asyncio.timeout(LIMIT):  # there is room for questions when it has read what it missed
            while await server.server_side_emit_with_ack("sum", 1, 2) != [3, 3]:
                await asyncio.sleep(0.01)
        await server.emit("news", "again")


async def test_what_a_process_has_not_handled_is_bounded_in_bytes(party: Party, folder: Path):
    one, _ = await two(party, folder)
    async with Neighbour(folder) as neighbour:
        await until(lambda: neighbour.node in nodes(one.app))
        server = one.app.server("/")
        large = "x" * 1_000_000
        for _ in range(100):  # as long as it handles them there may be any number
            await server.emit("news", large)
        neighbour.pause()
        fates = await asyncio.gather(*(server.emit("news", large) for _ in range(40)), return_exceptions=True)
        refused = [str(fate) for fate in fates if isinstance(fate, ClusterError)]
        assert 15 < len(refused) < 40
        assert all(neighbour.node in reason for reason in refused)
        neighbour.resume()
        async with asyncio.timeout(LIMIT):
            while await server.server_side_emit_with_ack("sum", 1, 2) != [3, 3]:
                await asyncio.sleep(0.01)
        for _ in range(40):
            await server.emit("news", large)


async def test_what_is_handled_is_forgotten(party: Party, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """However long it runs: what processes say to each other, and each to itself, adds up to nothing."""
    monkeypatch.setattr("moongate.cluster.local_link._ON_THE_WAY", 4000)
    cluster = LocalCluster(folder, heartbeat_interval=0.01, heartbeat_timeout=2.0)
    one, other = await party.app(cluster), await party.app(cluster)
    before = health(other.app).received
    await until(lambda: health(other.app).received > before + 100)
    for number in range(200):
        await one.app.server("/").emit("news", number)
    await exchange(one, other)
    await until(lambda: health(one.app).status == health(other.app).status == "up")


async def test_a_folder_that_is_removed_is_made_again(party: Party, folder: Path):
    one, other = await two(party, folder)
    shutil.rmtree(folder)
    await wait_for(party, "down", "degraded")
    await is_served(one)
    await wait_for(party, "up")
    await until(lambda: nodes(one.app) == (health(other.app).node,))
    await exchange(one, other)
    assert health(one.app).reconnects == 1


async def test_a_folder_that_is_opened_to_others_is_left(party: Party, folder: Path):
    one = await party.app(LocalCluster(folder, **QUICK))
    set_mode(folder, 0o755)
    await until(lambda: "open to other users" in health(one.app).reason)
    await is_served(one)
    set_mode(folder, 0o700)
    await wait_for(party, "up")


async def test_poison(party: Party, folder: Path):
    one, other = await two(party, folder)
    client = await other.connect()
    poison = [*poisons(), *(b"+" + each for each in poisons()), b"+" + b"\x80" * 1000, parcel(*poisons())]
    address = next(name for name in names(folder) if name.startswith(health(other.app).node))
    with zmq.Context() as context, context.socket(zmq.PUSH) as stranger:
        stranger.connect(f"ipc://{folder / address}")
        for each in poison:
            stranger.send(each)
        stranger.send_multipart([b"one", b"two"])
        stranger.send(parcel(last_message("socket.io").data))
        await client.receive("end", timeout=10)
    assert health(other.app).malformed > len(poison) / 2
    await exchange(one, other)
    assert (health(other.app).status, health(other.app).failed, health(other.app).reconnects) == ("up", 0, 0)


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701])
async def test_a_folder_that_is_open_to_others_is_a_start_up_error(party: Party, folder: Path, mode: int):
    set_mode(folder, mode)
    with pytest.raises(ConfigurationError, match=r"(?s)is open to other users.* chmod 700"):
        await party.app(LocalCluster(folder))
    with pytest.raises(ConfigurationError, match="is open to other users"):
        async with AsyncEmitter(LocalCluster(folder)) as emitter:
            await emitter.emit("news")


async def test_a_path_that_is_too_long_is_a_start_up_error(party: Party, folder: Path):
    with pytest.raises(
        ConfigurationError, match=r"(?s)too long for UNIX sockets.* A path of \d+ bytes is short enough"
    ):
        await party.app(LocalCluster(folder / ("x" * 100)))


async def test_the_longest_path_that_is_short_enough(party: Party, folder: Path):
    room = zmq.IPC_PATH_MAX_LEN - len("/0123456789abcdef-0123.sock") - len(str(folder)) - 1
    longest = folder / ("x" * room)
    await exchange(*await two(party, longest))


async def test_what_is_no_folder(party: Party, tmp_path: Path):
    with pytest.raises(ConfigurationError, match="expected the path of a folder"):
        LocalCluster("")
    (tmp_path / "file").touch(mode=0o600)
    running = await party.app(LocalCluster(tmp_path / "file", **QUICK))
    assert (health(running.app).status, "File exists" in health(running.app).reason) == ("down", True)
    await is_served(running)


async def test_without_pyzmq_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch):
    needs_extra(LocalCluster(folder), "zmq", "workers", monkeypatch)
