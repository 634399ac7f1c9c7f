"""Bare WebSocket clients over every host."""

import json

from tests.hosts.hosts import Host, Served
from tests.support.node import Node


def test_everything_that_bare_clients_do(host: Host, served: Served, node: Node):
    result = served.run(
        node,
        """
        const a = await plain("/ws/hosts?color=blue");
        const pinged = new Promise((resolve) => a.once("ping", () => resolve(true)));
        const b = await plain("/ws/hosts");
        const { data: who } = await ask(a, "who");
        const text = "é".repeat(150_000);
        const big = (await ask(a, "echo", text)).data === text;
        await ask(a, "join", "room");
        const c = await on("/hosts", { transports: ["websocket"] });
        c.emit("say", "room", { text: "€" });
        const heards = [await heard(a, "said"), await heard(a, "told"), await heard(b, "told")];
        const { data: { id } } = await ask(b, "who");
        b.close(4001, "goodbye");
        const left = (await ask(a, "departure", id)).data;
        tell(a, "send me away", true);
        const [code] = await heard(a, "$close");
        return { who, big, heards, left, code, closed: await heard(b, "$close"), deflate: Boolean(a.extensions) };
        """,
    )
    who = result["who"]
    assert who["transport"] == "websocket"
    assert who["query"] == "blue"
    assert who["url"] == "/ws/hosts"
    assert who["address"] == host.address
    assert who["secure"] == served.url.startswith("https")
    assert result["big"]
    assert result["heards"] == [{"text": "€"}] * 3
    assert result["left"] == "transport close"
    assert result["code"] == 1000
    assert result["closed"][0] == 4001
    assert result["deflate"] == host.compresses


def test_the_heartbeat(host: Host, served: Served, node: Node):
    script = """
        const s = await plain("/ws/hosts");
        const pinged = new Promise((resolve) => s.once("ping", () => resolve("pinged")));
        const silent = new Promise((resolve) => setTimeout(() => resolve("silent"), args.wait));
        return await Promise.race([pinged, silent]);
    """
    # Where a ping is to come it has time; where none comes, three of ours would have come.
    expected = "pinged" if host.pings else "silent"
    assert served.run(node, script, wait=3000 if host.pings else 600) == expected


def test_a_message_that_is_too_large(served: Served, node: Node):
    script = """
        const a = await plain("/ws/hosts");
        const b = await plain("/ws/hosts");
        a.send(JSON.stringify({ event: "echo", data: "x".repeat(500_000) }));
        return [(await heard(a, "$close"))[0], await ask(b, "echo", 1)];
    """
    assert served.run(node, script) == [1009, {"data": 1}]


def test_a_client_that_is_refused_is_told_why(served: Served, node: Node):
    status, body = served.run(node, 'return await plainRefused("/ws/nowhere")')
    assert status == 404
    assert json.loads(body)["status"] == "error"


def test_a_socketio_client_that_is_refused_is_told_why(served: Served, node: Node):
    script = 'return await plainRefused("/socket.io/?EIO=4&transport=websocket&sid=unknown")'
    assert served.run(node, script) == [400, "Session ID unknown"]


def test_a_page_of_another_site(served: Served, node: Node):
    script = """
        const good = await plain("/ws/hosts", { headers: { Origin: "https://good.example" } });
        const [status] = await plainRefused("/ws/hosts", { headers: { Origin: "https://evil.example" } });
        return [await ask(good, "echo", 1), status];
    """
    assert served.run(node, script) == [{"data": 1}, 403]
