"""Sessions of bare WebSocket clients."""

import asyncio

import pytest

from moongate.config import Settings
from moongate.engine.raw import RawEngine, RawSession
from moongate.transport.base import Refused, Request
from moongate.types import DisconnectReason
from tests.engine.echo import Wire

pytestmark = pytest.mark.anyio


class Member:
    """The layer above a session: keeps what comes."""

    def __init__(self, session: RawSession, name: str) -> None:
        self.session = session
        self.name = name
        self.subprotocol: str | None = None
        self.events: list[object] = []
        self.ended = asyncio.Event()

    def on_open(self) -> None:
        self.events.append("open")
        self.session.transport.send_text(b"welcome")

    def on_text(self, data: bytes) -> None:
        self.events.append(data)

    def on_bytes(self, data: bytes) -> None:
        self.events.append(data)

    def on_closed(self, reason: DisconnectReason) -> None:
        self.events.append(reason)
        self.ended.set()


class Door:
    """Lets everybody in but those who ask for /closed."""

    def __init__(self) -> None:
        self.members: list[Member] = []

    async def admit(self, session: RawSession, name: str) -> Member:
        await asyncio.sleep(0)
        if name == "/closed":
            raise Refused(403, b"{}")
        self.members.append(Member(session, name))
        return self.members[-1]


def request(path: str = "/ws", head: bytes = b"") -> Request:
    return Request(path, "", head, None, secure=False)


async def enter(engine: RawEngine, path: str = "/ws") -> Wire:
    return Wire((await engine.open_websocket(request(path))).receiver).open()


@pytest.mark.parametrize(
    ("path", "name"), [("/ws", "/"), ("/ws/", "/"), ("/ws/chat", "/chat"), ("/ws/chat/room", "/chat/room")]
)
async def test_the_path_names_the_namespace(path: str, name: str):
    door = Door()
    await enter(RawEngine(Settings(), door), path)
    assert door.members[0].name == name


async def test_messages_go_as_they_are():
    door = Door()
    wire = await enter(RawEngine(Settings(), door))
    wire.receiver.on_text(b'{"event":"x"}')
    wire.receiver.on_bytes(b"\x00")
    wire.receiver.on_closed(1001, "going away")
    assert wire.sent == [b"welcome"]
    assert door.members[0].events == ["open", b'{"event":"x"}', b"\x00", DisconnectReason.TRANSPORT_CLOSE]


async def test_who_is_refused_never_opens():
    with pytest.raises(Refused) as refusal:
        await enter(RawEngine(Settings(), Door()), "/ws/closed")
    assert refusal.value.status == 403


async def test_pages_of_other_sites_are_refused_before_anybody_is_asked():
    door = Door()
    head = b"host: chat.example\r\norigin: https://evil.example\r\n"
    with pytest.raises(Refused) as refusal:
        await RawEngine(Settings(), door).open_websocket(request(head=head))
    assert refusal.value.status == 403
    assert not door.members


async def test_pings_that_are_answered_keep_the_session():
    door = Door()
    wire = await enter(RawEngine(Settings(ping_interval=0.01, ping_timeout=0.5), door))
    async with asyncio.timeout(5):
        while wire.pings < 4:
            wire.receiver.on_pong()
            await asyncio.sleep(0.001)
    assert door.members[0].events == ["open"]


async def test_a_ping_without_an_answer_ends_the_session():
    door = Door()
    wire = await enter(RawEngine(Settings(ping_interval=0.01, ping_timeout=0.01), door))
    async with asyncio.timeout(5):
        await door.members[0].ended.wait()
    wire.receiver.on_closed(1006, "")
    assert door.members[0].events == ["open", DisconnectReason.PING_TIMEOUT]
    assert wire.closed == 1000


async def test_a_host_with_its_own_heartbeat_is_left_alone():
    door = Door()
    engine = RawEngine(Settings(ping_interval=0.005, ping_timeout=0.005), door)
    wire = Wire((await engine.open_websocket(request())).receiver)
    wire.ping = lambda: False  # type: ignore[method-assign]
    wire.open()
    await asyncio.sleep(0.05)
    assert door.members[0].events == ["open"]


async def test_a_session_ends_once():
    door = Door()
    wire = await enter(RawEngine(Settings(), door))
    session = door.members[0].session
    session.close(DisconnectReason.SERVER_NAMESPACE_DISCONNECT)
    session.close(DisconnectReason.FORCED_CLOSE)
    wire.receiver.on_text(b"late")
    wire.receiver.on_closed(1000, "")
    session.transport.send_text(b"late")
    assert door.members[0].events == ["open", DisconnectReason.SERVER_NAMESPACE_DISCONNECT]
    assert wire.sent == [b"welcome"]


async def test_all_are_told_that_the_server_stops():
    door = Door()
    engine = RawEngine(Settings(), door)
    wires = [await enter(engine) for _ in range(3)]
    late = asyncio.ensure_future(engine.open_websocket(request()))
    await asyncio.sleep(0)
    await engine.close()
    with pytest.raises(Refused):
        await late
    assert [wire.closed for wire in wires] == [1001] * 3
    assert all(member.events[-1] == DisconnectReason.SERVER_SHUTTING_DOWN for member in door.members[:3])
