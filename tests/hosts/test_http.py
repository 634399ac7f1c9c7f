"""Plain HTTP requests through every host."""

import json

from tests.hosts.hosts import Host, Served
from tests.support.node import Node

# Requests that are refused, with the status and the body of Node's server.
REFUSED = [
    ("GET", "EIO=4&transport=nothing", 400, {"code": 0, "message": "Transport unknown"}),
    ("GET", "EIO=4&transport=polling&sid=unknown", 400, {"code": 1, "message": "Session ID unknown"}),
    ("POST", "EIO=4&transport=polling", 400, {"code": 2, "message": "Bad handshake method"}),
    ("GET", "EIO=4&transport=websocket", 400, {"code": 3, "message": "Bad request"}),
    ("GET", "EIO=3&transport=polling", 400, {"code": 5, "message": "Unsupported protocol version"}),
]


def test_what_is_refused(served: Served, node: Node):
    script = """
        const answers = [];
        for (const [method, query] of args.requests) {
          const { status, body } = await send(`/socket.io/?${query}`, { method });
          answers.push([status, body]);
        }
        return answers;
    """
    answers = served.run(node, script, requests=[(method, query) for method, query, _, _ in REFUSED])
    assert [(status, json.loads(body)) for status, body in answers] == [(s, body) for _, _, s, body in REFUSED]


def test_the_slash_belongs_to_the_path(served: Served, node: Node):
    script = """
        const { status } = await send("/socket.io?EIO=4&transport=polling");
        const [refusal] = await plainRefused("/socket.io?EIO=4&transport=websocket");
        return [status, refusal];
    """
    assert served.run(node, script) == [404, 403]  # not ours, and not of the application beside


def test_a_body_that_is_too_large(host: Host, served: Served, node: Node):
    script = """
        const { body: opened } = await send("/socket.io/?EIO=4&transport=polling");
        const { sid } = JSON.parse(opened.slice(1));
        const path = `/socket.io/?EIO=4&transport=polling&sid=${sid}`;
        const body = "4".repeat(500_001);
        const declared = { method: "POST", headers: { "Content-Length": 500_001 }, body: args.end && body };
        const streamed = { method: "POST", headers: { "Transfer-Encoding": "chunked" }, body };
        declared.end = streamed.end = args.end;
        const large = [await send(path, declared), await send(path, streamed)];
        const fitting = await send(path, { method: "POST", body: "40/hosts," });
        return [...large.map(({ status }) => status), fitting.status];
    """
    # Who answers before a request has ended may close the connection, and the client fail to write the rest.
    assert served.run(node, script, end=host.collects) == [413, 413, 200]


def test_pages_of_other_sites(served: Served, node: Node):
    script = """
        const path = "/socket.io/?EIO=4&transport=polling";
        const results = [];
        for (const Origin of ["https://good.example", "https://evil.example"]) {
          const asked = { "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-own" };
          const preflight = await send(path, { method: "OPTIONS", headers: { Origin, ...asked } });
          const opened = await send(path, { headers: { Origin } });
          results.push([preflight, opened].map(({ status, headers }) => [
            status, headers["access-control-allow-origin"], headers["access-control-allow-credentials"],
          ]), preflight.headers["access-control-allow-headers"]);
        }
        return results;
    """
    good, good_headers, evil, _ = served.run(node, script)
    allowed = ["https://good.example", "true"]
    assert good == [[204, *allowed], [200, *allowed]]
    assert good_headers == "x-own"
    assert evil[1][0] == 403
    assert [origin for _, origin, _ in evil] == [None, None]


def test_what_a_proxy_says_of_the_client(host: Host, served: Served, node: Node):
    script = """
        const extraHeaders = { "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": args.scheme };
        const results = [];
        for (const transports of [["polling"], ["websocket"]]) {
          const s = await on("/hosts", { transports, extraHeaders });
          const { address, secure } = await ack(s, "who");
          results.push([address, secure]);
        }
        const plainOne = await plain("/ws/hosts", { headers: extraHeaders });
        const { data } = await ask(plainOne, "who");
        return [...results, [data.address, data.secure]];
    """
    encrypted = served.url.startswith("https")
    told = served.run(node, script, scheme="http" if encrypted else "https")
    expected = ["192.0.2.7", not encrypted] if host.believes else [host.address, encrypted]
    assert told == [expected] * 3


def test_the_client_for_browsers(served: Served, node: Node):
    script = """
        const path = "/socket.io/socket.io.esm.min.js";
        const zipped = await send(path, { headers: { "Accept-Encoding": "gzip" } });
        const known = await send(path, { headers: { "If-None-Match": zipped.headers.etag } });
        const head = await send(path, { method: "HEAD" });
        return [zipped.status, zipped.headers["content-encoding"], known.status, known.body, head.status, head.body,
                head.headers["content-length"] > 10_000];
    """
    assert served.run(node, script) == [200, "gzip", 304, "", 200, "", True]


def test_the_application_beside_the_gateways(served: Served, node: Node):
    script = """
        const feed = await plain("/feed");
        feed.send("text");
        return [(await send("/hello")).body, (await send("/missing")).status, await heard(feed, "fed")];
    """
    assert served.run(node, script) == ['"hello"', 404, "text"]
