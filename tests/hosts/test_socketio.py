"""The official client: everything that goes through a host, over every transport and every host."""

from tests.hosts.hosts import Host, Served
from tests.support.node import Node

TALK = """
    const pinged = (socket) => new Promise((resolve) => {
      let count = 0;
      socket.io.engine.on("ping", () => ++count === 2 && resolve(true));
    });
    const a = await on("/hosts", {
      auth: { token: "secret" }, query: { color: "grün" }, extraHeaders: { "X-Color": "blue" },
    });
    const alive = pinged(a);
    const b = await on("/hosts");
    const result = { who: await ack(a, "who"), id: a.id };

    const value = { text: "€ 😀 \\u2028", list: [1, null, true, 0.5], deep: { bytes: [Buffer.from([0, 255, 52])] } };
    result.echo = await ack(a, "echo", value);
    result.sent = value;
    a.on("question", (question, answer) => answer({ question, bytes: Buffer.from("answer") }));
    result.answer = await ack(a, "ask", Buffer.from("question"));

    await ack(a, "join", "room");
    b.emit("say", "room", { bytes: Buffer.from("said") });
    result.said = await next(a, "said");
    result.told = await next(a, "told");
    result.own = [seen(b, "said").length, seen(b, "told").length];

    const bytes = Buffer.alloc(300_000, 1);
    const text = "é".repeat(150_000);
    result.big = [bytes.equals(await ack(a, "echo", bytes)), text === await ack(a, "echo", text)];

    const c = await on("/hosts");
    const ids = [b.id, c.id];
    b.disconnect();
    c.io.engine.close();
    result.left = [await ack(a, "departure", ids[0]), await ack(a, "departure", ids[1])];
    result.alive = await within(alive, () => "no second ping");
    const d = await on("/hosts");
    d.emit("send me away", false);
    a.emit("send me away", true);
    result.sentAway = [await next(d, "disconnect"), await next(a, "disconnect")];
    return result;
"""


def test_everything_that_clients_do(host: Host, served: Served, node: Node, transport: str):
    result = served.run(node, TALK)
    who = result["who"]
    assert who == {
        "id": result["id"],
        "auth": {"token": "secret"},
        "transport": "polling" if transport == "polling" else "websocket",
        "address": host.address,
        "secure": served.url.startswith("https"),
        "url": "/socket.io/",
        "query": "grün",
        "header": "blue",
    }
    assert result["echo"] == result["sent"]
    assert result["answer"] == {"question": b"question", "bytes": b"answer"}
    assert result["said"] == result["told"] == {"bytes": b"said"}
    assert result["own"] == [0, 0]
    assert result["big"] == [True, True]
    assert result["left"] == ["client namespace disconnect", "transport close"]
    assert result["alive"]
    assert result["sentAway"] == ["io server disconnect", "io server disconnect"]


def test_a_namespace_that_is_not_there(served: Served, node: Node, transport: str):
    assert served.run(node, 'return await refused("/nowhere", reach())') == {"message": "Invalid namespace"}
