"""One namespace on three servers of Python or Node, for every operation of one of Python, or of a program outside."""

from collections.abc import Iterator
from typing import Any

import pytest

from moongate import AckTimeout, LocalCluster, NatsCluster
from moongate.cluster.bus import Cluster
from tests.cluster.play import BODY, ROOMS, Play, named, settled, targets, until
from tests.cluster.trio import Main, Trio, redis_cluster
from tests.support.redis import RedisServer

KINDS = [(kind, third) for kind in ("classic", "sharded", "streams") for third in ("python", "node")]
KINDS += [("nats", "python"), ("local", "python")]


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def trio(request: pytest.FixtureRequest, redis_server: RedisServer) -> Iterator[Trio]:
    kind, third = request.param
    prefix = f"interop-{kind}-{third}"
    cluster: Cluster
    if kind == "nats":
        cluster = NatsCluster(request.getfixturevalue("nats_server").url, prefix=prefix)
    elif kind == "local":
        cluster = LocalCluster(request.getfixturevalue("tmp_path_factory").mktemp("local"), prefix=prefix)
    else:
        cluster = redis_cluster(kind, redis_server.url, prefix)
    with Trio(kind, cluster, third, redis_server.url, prefix) as made:
        yield made


@pytest.mark.parametrize("namespace", ["/", "/chat"])
def test_python_to_all(play: Play, namespace: str):
    def emit() -> None:
        play.trio.server(namespace).emit("news", BODY)

    script = 'await call("emit"); return [await news("a", "b", "c"), await last()]'
    got, more = play(script, namespace=namespace, emit=emit)
    assert got == {"a": BODY, "b": BODY, "c": BODY}
    assert more == {"a": [], "b": [], "c": []}


@targets
def test_python_to_some(play: Play, to: list[str], without: list[str], expected: set[str]):
    def emit(ids: dict[str, str]) -> None:
        play.trio.server().to(*named(to, ids)).except_(*named(without, ids)).emit("news", 1)

    got = play('await call("emit", ids); return await last()', joined=ROOMS, emit=emit)
    assert {name for name, events in got.items() if events == [1]} == expected
    assert all(events in ([], [1]) for events in got.values())


@targets
def test_python_to_some_who_can_take_it_at_once(play: Play, to: list[str], without: list[str], expected: set[str]):
    def emit(ids: dict[str, str]) -> None:
        play.trio.server().to(*named(to, ids)).except_(*named(without, ids)).volatile.emit("news", 1)

    got: set[str] = set()
    for _ in range(5):  # whoever is busy at the moment is left out
        heard = play('await call("emit", ids); return await last()', joined=ROOMS, emit=emit)
        assert all(events in ([], [1]) for events in heard.values())
        got |= {name for name, events in heard.items() if events}
        if got == expected:
            break
    assert got == expected


@targets
def test_a_program_outside_to_some(play: Play, to: list[str], without: list[str], expected: set[str]):
    def emit(ids: dict[str, str]) -> None:
        steps = [("to", tuple(named(to, ids))), ("except_", tuple(named(without, ids))), ("emit", ("news", BODY))]
        play.trio.emit_outside(*steps)

    script = f"""
        await call("emit", ids);
        const got = {{}};
        for (const name of {sorted(expected)!r}) Object.assign(got, await news(name));
        return [got, await last()];
    """
    got, more = play(script, joined=ROOMS, emit=emit)
    assert got == dict.fromkeys(expected, BODY)
    assert more == {"a": [], "b": [], "c": []}


def test_local_is_local(play: Play):
    script = 'await call("emit"); return await last()'
    got = play(script, emit=lambda: play.trio.server().local.emit("news", 1))
    assert got == {"a": [1], "b": [], "c": []}


def test_the_order_of_a_publisher_is_kept(play: Play):
    def emit() -> None:
        for number in range(300):
            play.trio.server().to("red").emit("news", number)

    got = play('await call("emit"); return await last()', joined={name: ["red"] for name in "abc"}, emit=emit)
    assert got == {name: list(range(300)) for name in "abc"}


def names(found: Any) -> set[str]:
    return {socket.data["name"] for socket in found}


def test_fetching(play: Play):
    def fetch(ids: dict[str, str]) -> Any:
        server = play.trio.server()
        everybody = play.trio.wait(server.fetch_sockets())
        assert everybody.missing == ()
        assert {socket.id: socket.data["name"] for socket in everybody} == {sid: name for name, sid in ids.items()}
        for socket in everybody:
            assert socket.rooms == {socket.id, *ROOMS[socket.data["name"]]}
            assert socket.handshake.auth["name"] == socket.data["name"]
            assert socket.handshake.headers["upgrade"] == "websocket"
            assert socket.handshake.query["EIO"] == "4"
            assert socket.handshake.url.startswith("/socket.io/?")
            assert not socket.handshake.secure
            assert socket.handshake.time > 1e9
        assert names(play.trio.wait(server.to("red").fetch_sockets())) == {"a", "b"}
        assert names(play.trio.wait(server.except_("red").fetch_sockets())) == {"c"}
        assert names(play.trio.wait(server.local.fetch_sockets())) == {"a"}

    play('await call("fetch", ids)', joined=ROOMS, fetch=fetch)


def test_what_was_fetched_can_be_steered(play: Play):
    def fetch() -> dict[str, Any]:
        return {socket.data["name"]: socket for socket in play.trio.wait(play.trio.server().fetch_sockets())}

    def steer() -> None:
        for name, socket in fetch().items():
            play.trio.wait(settled(socket.emit("news", name)))
            play.trio.wait(settled(socket.join("green", "grey")))
            play.trio.wait(settled(socket.leave("red")))

    def rooms_now() -> dict[str, list[str]]:
        return {name: sorted(socket.rooms - {socket.id}) for name, socket in fetch().items()}

    def rooms() -> dict[str, list[str]]:
        until(lambda: set(map(tuple, rooms_now().values())) == {("green", "grey")})  # questions may overtake the log
        return rooms_now()

    def disconnect() -> None:
        for socket in fetch().values():
            play.trio.wait(settled(socket.disconnect()))

    script = """
        await call("steer");
        const got = await news("a", "b", "c");
        const rooms = await call("rooms");
        await call("disconnect");
        const reasons = [];
        for (const socket of [a, b, c]) reasons.push(await next(socket, "disconnect"));
        return [got, rooms, reasons];
    """
    calls: dict[str, Any] = {"steer": steer, "rooms": rooms, "disconnect": disconnect}
    got, found, reasons = play(script, joined={"a": ["red"], "c": ["red"]}, **calls)
    assert got == {"a": "a", "b": "b", "c": "c"}
    assert found == {name: ["green", "grey"] for name in "abc"}
    assert reasons == ["io server disconnect"] * 3


@pytest.mark.parametrize("way", ["server", "outside"])
def test_joining_leaving_and_disconnecting(play: Play, way: str):
    def act(target: list[str], method: str, *arguments: Any) -> None:
        if way == "outside":
            play.trio.emit_outside(("to", tuple(target)), (method, arguments))
        else:
            play.trio.wait(settled(getattr(play.trio.server().to(*target), method)(*arguments)))

    def rooms() -> dict[str, list[str]]:
        found = play.trio.wait(play.trio.server().fetch_sockets())
        return {socket.data["name"]: sorted(socket.rooms - {socket.id}) for socket in found}

    script = """
        const settled = async (expected) => {
          let rooms;
          for (let turn = 0; turn < 100; turn++) {
            rooms = await call("rooms");
            if (JSON.stringify(rooms) === JSON.stringify(expected)) return;
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
          throw new Error(`got ${JSON.stringify(rooms)}, expected ${JSON.stringify(expected)}`);
        };
        await settled({ a: ["red"], b: ["blue", "red"], c: ["blue"] });
        await call("act", ["blue"], "sockets_join", "green", "grey");
        await settled({ a: ["red"], b: ["blue", "green", "grey", "red"], c: ["blue", "green", "grey"] });
        await call("act", ["red", "grey"], "sockets_leave", "blue", "green");
        await settled({ a: ["red"], b: ["grey", "red"], c: ["grey"] });
        await call("act", [ids.b], "disconnect_sockets");
        const first = await next(b, "disconnect");
        await call("act", ["grey"], "disconnect_sockets", true);
        return [first, await next(c, "disconnect"), a.connected];
    """

    calls: dict[str, Any] = {"act": act, "rooms": lambda: dict(sorted(rooms().items()))}
    first, second, connected = play(script, joined=ROOMS, **calls)
    assert (first, connected) == ("io server disconnect", True)
    assert second in {"io server disconnect", "transport close"}


def test_events_of_servers(play: Play):
    server = play.trio.server()
    assert play.trio.wait(server.server_side_emit_with_ack("sum", 1, 2)) == [3, 3]
    server.server_side_emit("wake up", 1, {"b": b"bytes"})
    play.trio.emit_outside(("server_side_emit", ("wake up", "outside")))
    expected = [[1, {"b": b"bytes"}], ["outside"]]
    # Between two senders there is no order.
    until(lambda: sorted(play.trio.apps[1].get(Main).heard, key=len, reverse=True) == expected)
    until(lambda: play.trio.apps[0].get(Main).heard == [["outside"]])
    node = play.trio.node
    if node is not None:
        until(lambda: len(node.run("return heard")) == 2)
        first, second = sorted(node.run("return heard.splice(0)"), key=len, reverse=True)
        # What has no other way than JSON is no buffer there, as it is not between Node's servers.
        assert (first[0], second) == (1, ["outside"])
    for app in play.trio.apps:
        app.get(Main).heard.clear()


def test_asking_all_clients(play: Play):
    def ask() -> list[Any]:
        answers = play.trio.wait(play.trio.server().timeout(5).emit_with_ack("question", 1))
        return sorted(answers, key=str)

    script = """
        for (const socket of [a, b, c]) {
          socket.on("question", (number, answer) => answer({ me: socket.auth.name, number, bytes: Buffer.from("x") }));
        }
        return await call("ask");
    """
    assert play(script, ask=ask) == [{"me": name, "number": 1, "bytes": b"x"} for name in "abc"]


def test_asking_clients_of_whom_one_does_not_answer(play: Play):
    def ask() -> list[Any]:
        with pytest.raises(AckTimeout) as caught:
            play.trio.wait(play.trio.server().timeout(0.5).emit_with_ack("question"))
        assert caught.value.missing == ()
        return sorted(caught.value.answers.values())

    script = """
        for (const socket of [a, b]) socket.on("question", (answer) => answer(socket.auth.name));
        return await call("ask");
    """
    assert play(script, ask=ask) == ["a", "b"]
