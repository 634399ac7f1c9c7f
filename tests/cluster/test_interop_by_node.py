"""One namespace on two servers of Python and one of Node, for every operation of the one of Node, or of its emitter."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from moongate import Moongate
from tests.cluster.play import BODY, ROOMS, Play, named, settled, targets, until
from tests.cluster.trio import Main, Trio, redis_cluster
from tests.support.cluster_node import ClusterNode
from tests.support.redis import RedisServer


@pytest.fixture(scope="module", params=["classic", "sharded", "streams"])
def trio(request: pytest.FixtureRequest, redis_server: RedisServer) -> Iterator[Trio]:
    kind = request.param
    prefix = f"interop-by-node-{kind}"
    with Trio(kind, redis_cluster(kind, redis_server.url, prefix), "node", redis_server.url, prefix) as made:
        yield made


@pytest.fixture
def node(trio: Trio) -> ClusterNode:
    assert trio.node is not None
    return trio.node


def check_heard(app: Moongate, expected: list[Any]) -> None:
    """Wait until *app* has heard the events of servers that are expected, and let it forget them."""
    heard = app.get(Main).heard
    until(lambda: heard == expected)
    heard.clear()


@pytest.mark.parametrize("namespace", ["/", "/chat"])
def test_node_to_all(play: Play, node: ClusterNode, namespace: str):
    def emit() -> None:
        node.run(f'io.of("{namespace}").emit("news", args)', BODY)

    script = 'await call("emit"); return await news("a", "b", "c")'
    assert play(script, namespace=namespace, emit=emit) == {"a": BODY, "b": BODY, "c": BODY}


def test_dates_of_node(play: Play, node: ClusterNode):
    script = 'await call("emit"); return await news("a", "b", "c")'
    got = play(script, emit=lambda: node.run('io.emit("news", { at: new Date(1000), b: Buffer.from("x") })'))
    expected = dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC)
    assert all(dt.datetime.fromisoformat(body["at"]) == expected for body in got.values())


@targets
def test_node_to_some(play: Play, node: ClusterNode, to: list[str], without: list[str], expected: set[str]):
    def emit(ids: dict[str, str]) -> None:
        rooms = {"to": named(to, ids), "without": named(without, ids)}
        node.run('io.to(args.to).except(args.without).emit("news", 1); io.emit("end")', rooms)

    script = """
        await call("emit", ids);
        const got = {};
        for (const [name, socket] of Object.entries(sockets)) {
          await next(socket, "end");
          got[name] = seen(socket, "news");
        }
        return got;
    """
    got = play(script, joined=ROOMS, emit=emit)
    assert {name for name, events in got.items() if events == [1]} == expected


def test_node_fetches_and_steers(play: Play, node: ClusterNode):
    fetching = """
        const sockets = await io.fetchSockets();
        return sockets.map(({ id, data, rooms, handshake }) => {
          const others = [...rooms].filter((room) => room !== id).sort();
          return [data.name, id, others, handshake.auth.name, handshake.issued > 1e12];
        });
    """

    def fetch(ids: dict[str, str]) -> None:
        expected = [[name, ids[name], sorted(ROOMS[name]), name, True] for name in "abc"]
        assert sorted(node.run(fetching)) == expected
        assert sorted(node.run('return (await io.in("red").fetchSockets()).map(({ data }) => data.name)')) == [
            "a",
            "b",
        ]

    def steer() -> None:
        node.run("""
            for (const socket of await io.fetchSockets()) socket.emit("news", socket.data.name);
            io.in("blue").socketsJoin(["green"]);
            io.in("red").socketsLeave("red");
        """)

    def rooms() -> list[Any]:
        found = play.trio.wait(play.trio.server().fetch_sockets())
        return sorted([socket.data["name"], sorted(socket.rooms - {socket.id})] for socket in found)

    def check_rooms() -> None:
        until(lambda: rooms() == [["a", []], ["b", ["blue", "green"]], ["c", ["blue", "green"]]])

    def disconnect(ids: dict[str, str]) -> None:
        node.run("io.in(args.a).disconnectSockets(); io.in(args.b).disconnectSockets(true)", ids)

    script = """
        await call("fetch", ids);
        await call("steer");
        const got = await news("a", "b", "c");
        await call("check_rooms");
        await call("disconnect", ids);
        return [got, await next(a, "disconnect"), c.connected, Boolean(await next(b, "disconnect"))];
    """
    calls: dict[str, Any] = {"fetch": fetch, "steer": steer, "check_rooms": check_rooms, "disconnect": disconnect}
    got, reason, connected, gone = play(script, joined=ROOMS, **calls)
    assert got == {"a": "a", "b": "b", "c": "c"}
    assert (reason, connected, gone) == ("io server disconnect", True, True)


def test_node_asks_servers(play: Play, node: ClusterNode):
    assert node.run('return await io.serverSideEmitWithAck("sum", 1, 2)') == [3, 3]
    node.run('io.serverSideEmit("wake up", "node", [1])')
    for app in play.trio.apps:
        check_heard(app, [["node", [1]]])


def test_node_asks_all_clients(play: Play, node: ClusterNode):
    def ask() -> list[Any]:
        answers = node.run('return await io.timeout(5000).emitWithAck("question", 1)')
        return sorted(answers, key=str)

    script = """
        for (const socket of [a, b, c]) {
          socket.on("question", (number, answer) => answer({ me: socket.auth.name, bytes: Buffer.from([number]) }));
        }
        return await call("ask");
    """
    assert play(script, ask=ask) == [{"me": name, "bytes": b"\x01"} for name in "abc"]


def test_node_asks_clients_of_whom_one_does_not_answer(play: Play, node: ClusterNode):
    asking = """
        try {
          await io.timeout(500).emitWithAck("question");
        } catch (error) {
          return error.responses.sort();
        }
    """
    script = """
        for (const socket of [b, c]) socket.on("question", (answer) => answer(socket.auth.name));
        return await call("ask");
    """
    assert play(script, ask=lambda: node.run(asking)) == ["b", "c"]


@pytest.mark.parametrize("trio", ["classic"], indirect=True)  # the official emitter is about no other
def test_nodes_emitter(play: Play, node: ClusterNode):
    def emit(ids: dict[str, str]) -> None:
        node.run(
            """
            emitter.emit("news", args.body);
            emitter.to("red").except(args.ids.b).emit("news", 2);
            emitter.in("blue").socketsJoin("green");
            emitter.in("blue").socketsLeave("blue");
            emitter.serverSideEmit("wake up", "emitter");
            """,
            {"ids": ids, "body": BODY},
        )

    def check() -> None:
        def rooms() -> Any:
            found = play.trio.wait(play.trio.server().fetch_sockets())
            return {socket.data["name"]: socket.rooms - {socket.id} for socket in found}

        until(lambda: rooms() == {"a": {"red"}, "b": {"red", "green"}, "c": {"green"}})
        for app in play.trio.apps:
            check_heard(app, [["emitter"]])
        play.trio.wait(settled(play.trio.server().disconnect_sockets()))

    script = """
        await call("emit", ids);
        const first = await news("a", "b", "c");
        const second = await news("a");
        await call("check");
        return [first, second];
    """
    first, second = play(script, joined=ROOMS, emit=emit, check=check)
    assert first == {"a": BODY, "b": BODY, "c": BODY}
    assert second == {"a": 2}
