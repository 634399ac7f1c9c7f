"""A server that sends every message back, and somebody who stays connected to it, whatever the others do."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from moongate import Message, MessageCodec, Module, Moongate, Settings, Socket, SubscribeMessage, WebSocketGateway
from tests.conformance.peer import TEXT, Frame, Peer
from tests.support.live import LiveServer

Connect = Callable[..., Peer]


class Verbatim(MessageCodec):
    """Every message, text or binary, is the data of the event `message`."""

    def decode(self, message: str | bytes) -> Message:
        return Message("message", message)

    def encode(self, message: Message) -> str | bytes:
        assert isinstance(message.data, str | bytes)
        return message.data


@WebSocketGateway(codec=Verbatim(), subprotocols=("chat.v2", "chat.v1"))
class Echo:
    @SubscribeMessage("message")
    def message(self, client: Socket, data: Any) -> None:
        client.send(data)


@Module(providers=[Echo])
class Root: ...


@pytest.fixture(scope="session")
def server() -> Iterator[LiveServer]:
    # No heartbeats: the bystander answers none, and is there for all tests.
    with LiveServer(Moongate(Root, settings=Settings(ping_interval=3600))) as server:
        yield server


@pytest.fixture(scope="session")
def bystander(server: LiveServer) -> Iterator[Peer]:
    with Peer(server.port) as peer:
        yield peer


@pytest.fixture
def connect(server: LiveServer, bystander: Peer) -> Iterator[Connect]:
    """Opens connections; at the end the bystander must still be served."""
    opened: list[Peer] = []

    def connect(path: str = "/ws", **headers: str) -> Peer:
        peer = Peer(server.port, path, **headers)
        opened.append(peer)
        return peer

    yield connect
    for peer in opened:
        peer.__exit__(None, None, None)
    bystander.text("still here")
    assert bystander.frame() == Frame(TEXT, b"still here")


@pytest.fixture
def peer(connect: Connect) -> Peer:
    peer = connect()
    assert peer.status == 101
    return peer
