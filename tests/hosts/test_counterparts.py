"""Clients that others have written, over every host."""

import asyncio
import base64
import hashlib
import os
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import socketio

from tests.hosts.hosts import HOSTS, Served
from tests.support.node import Node

LIMIT = 5.0


# aiohttp has no end of a TLS connection that can be awaited, and the event loop ends with the test.
@pytest.mark.anyio
@pytest.mark.parametrize("host_name", [name for name in HOSTS if "tls" not in name], indirect=True)
@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]], ids="-".join)
async def test_python_socketio(served: Served, transports: list[str]):
    connector = aiohttp.UnixConnector(str(served.uds)) if served.uds else None
    session = aiohttp.ClientSession(connector=connector)
    client = socketio.AsyncClient(reconnection=False, http_session=session)
    said: asyncio.Queue[Any] = asyncio.Queue()
    client.on("said", said.put, namespace="/hosts")
    client.on("question", lambda question: [question, b"answer"], namespace="/hosts")

    async def ask(event: str, data: Any) -> Any:
        return await client.call(event, data, namespace="/hosts", timeout=LIMIT)

    async with asyncio.timeout(4 * LIMIT):
        path = f"{served.prefix}/socket.io"
        await client.connect(
            served.url, auth={"token": "secret"}, transports=transports, namespaces=["/hosts"], socketio_path=path
        )
        try:
            who = await ask("who", ())
            assert who["auth"] == {"token": "secret"}
            assert who["id"] == client.get_sid("/hosts")
            assert client.transport() == transports[-1]
            value = {"text": "€ 😀", "deep": [b"\x00\xff", {"bytes": b"4"}]}
            assert await ask("echo", value) == value
            assert await ask("echo", "x" * 300_000) == "x" * 300_000
            assert await ask("ask", {"is": b"it"}) == [{"is": b"it"}, b"answer"]
            await ask("join", "room")
            await client.emit("say", ("room", {"bytes": b"said"}), namespace="/hosts")
            assert await said.get() == {"bytes": b"said"}
        finally:
            await client.disconnect()
            await session.close()


def test_engineio_client(served: Served, node: Node):
    script = """
        const { Socket } = await import("engine.io-client");
        const socket = new Socket(url, { path: `${prefix}/socket.io`, ca, agent: agent() });
        const messages = [];
        const came = (count) => within(
          new Promise((resolve) => {
            const look = () => messages.length >= count && resolve(messages.slice(0, count));
            socket.on("message", look);
            look();
          }), () => `${count} messages; came: ${JSON.stringify(messages)}`);
        socket.on("message", (message) => messages.push(String(message)));
        const changed = new Promise((resolve) => socket.once("upgrade", resolve));
        await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
        socket.send("0/hosts,");
        await came(1);
        socket.send('2/hosts,1["echo","before"]');
        await within(changed, () => "no upgrade");
        socket.send('2/hosts,2["echo","after"]');
        const [, ...answers] = await came(3);
        const closed = new Promise((resolve) => socket.once("close", resolve));
        socket.close();
        return [...answers, await closed];
    """
    answers = served.run(node, script)
    assert answers == ['3/hosts,1["before"]', '3/hosts,2["after"]', "forced close"]


def reach(served: Served) -> socket.socket:
    """A connection to the server."""
    if served.uds:
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(LIMIT)
        stream.connect(str(served.uds))
        return stream
    target = urlsplit(served.url)
    stream = socket.create_connection((target.hostname, target.port), LIMIT)
    if served.authority:
        trusting = ssl.create_default_context(cafile=served.authority)
        stream = trusting.wrap_socket(stream, server_hostname=target.hostname)
    return stream


@pytest.mark.parametrize(
    ("path", "first"), [("/socket.io/?EIO=4&transport=websocket", b'0{"sid":'), ("/ws/hosts", b'{"id":1,"data":"x"}')]
)
def test_the_handshake_of_firefox(served: Served, path: str, first: bytes):
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {served.prefix}{path} HTTP/1.1",
        f"Host: {urlsplit(served.url).netloc}",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "Accept: */*",
        "Accept-Language: en-US,en;q=0.5",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Sec-WebSocket-Version: 13",
        f"Origin: {served.url}",
        f"Sec-WebSocket-Key: {key}",
        "DNT: 1",
        "Connection: keep-alive, Upgrade",
        "Sec-Fetch-Dest: empty",
        "Sec-Fetch-Mode: websocket",
        "Sec-Fetch-Site: same-origin",
        "Pragma: no-cache",
        "Cache-Control: no-cache",
        "Upgrade: websocket",
    ]
    with reach(served) as stream:
        stream.sendall("\r\n".join([*lines, "", ""]).encode())
        with stream.makefile("rb") as reader:
            assert reader.readline().startswith(b"HTTP/1.1 101 ")
            headers = {}
            while line := reader.readline().strip():
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            accepted = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()  # noqa: S324  # RFC 6455
            assert headers["sec-websocket-accept"] == base64.b64encode(accepted).decode()
            assert headers["connection"].lower() == "upgrade"
            if path.startswith("/ws"):
                body = b'{"event":"echo","data":"x","id":1}'
                stream.sendall(bytes([0x81, 0x80 | len(body), 0, 0, 0, 0]) + body)
            opcode, length = reader.read(2)
            while opcode == 0x89:  # a ping of the host
                reader.read(length)
                opcode, length = reader.read(2)
            length = int.from_bytes(reader.read(2)) if length == 126 else length
            assert opcode == 0x81
            assert reader.read(length).startswith(first)
