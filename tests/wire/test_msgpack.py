"""Socket.IO packets in MessagePack."""

import datetime as dt
import math
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moongate.errors import EncodeError, ProtocolError
from moongate.wire.msgpack import MsgpackParser
from moongate.wire.parser import Parser, ParserCodec, SocketIoPacket, SocketIoPacketType, received
from moongate.wire.payload import PayloadEncoder
from moongate.wire.socketio import Packet, PacketType

PARSER = MsgpackParser()
DECODER = PARSER.decoder()
MILLISECONDS = dt.timedelta(milliseconds=1)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

dates = st.integers(-60_000_000_000_000, 250_000_000_000_000).map(lambda count: EPOCH + count * MILLISECONDS)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=40)
    | st.binary(max_size=300)
    | dates
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=5), inner, max_size=20),
    max_leaves=40,
)
packets = st.builds(
    SocketIoPacket,
    type=st.sampled_from((SocketIoPacketType.EVENT, SocketIoPacketType.ACK)),
    namespace=st.text(max_size=20).map(lambda name: f"/{name}"),
    data=st.lists(values, max_size=4).map(lambda arguments: ["event", *arguments]),
    id=st.none() | st.integers(0, 2**53 - 1),
)


def decoded(message: str | bytes) -> SocketIoPacket:
    found = DECODER.feed(message)
    assert isinstance(found, SocketIoPacket)
    return found


def packet(data: Any) -> bytes:
    """An event whose argument is *data*, encoded already."""
    return b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e" + data


@given(packets)
def test_what_was_encoded_is_decoded(sent: SocketIoPacket) -> None:
    (message,) = PARSER.encode(sent)
    assert DECODER.feed(message) == sent


@given(values)
def test_both_ways_to_decode_agree(value: Any) -> None:
    """Members of an object in front of the packet make it one of more than 15, which is read another way."""
    (message,) = PARSER.encode(SocketIoPacket(SocketIoPacketType.EVENT, "/", ["e", value]))
    padding = b"".join(b"\xa2a%c\xc0" % (0x61 + number) for number in range(13))
    assert DECODER.feed(b"\xde\x00\x10" + padding + message[1:]) == DECODER.feed(message)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_packet_or_a_protocol_error(data: bytes) -> None:
    for message in (data, packet(data)):
        try:
            received(decoded(message), 8)
        except ProtocolError:
            continue


@given(packets, st.data())
def test_a_cut_packet_is_none(sent: SocketIoPacket, data: st.DataObject) -> None:
    (message,) = PARSER.encode(sent)
    end = data.draw(st.integers(0, len(message) - 1))
    with pytest.raises(ProtocolError):
        DECODER.feed(message[:end])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xd4\x00\x00", None),
        (b"\x82\xa1a\xd4\x00\x00\xa1b\x01", {"b": 1}),
        (b"\xd7\x00" + struct.pack(">q", 1234567890123), EPOCH + 1234567890123 * MILLISECONDS),
        (b"\xd7\x00" + struct.pack(">q", -1), EPOCH - MILLISECONDS),
        (b"\xc7\x03\x00abc", b"abc"),
        (b"\xc7\x08\x0012345678", b"12345678"),
        (b"\xc8\x01\x00\x00" + bytes(256), bytes(256)),
        (b"\xc9\x00\x01\x00\x00\x00" + bytes(65536), bytes(65536)),
        (b"\xca\x3f\xc0\x00\x00", 1.5),
        (b"\xdc\x00\x02\xd3\xff\xff\xff\xff\xff\xff\xff\xff\xe0", [-1, -32]),
        (b"\xdf\x00\x00\x00\x01\xa1a\xdb\x00\x00\x00\x01b", {"a": "b"}),
        (b"\x81\x05\x01", {"5": 1}),
        (b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", math.inf),
    ],
)
def test_what_the_official_parser_sends(data: bytes, expected: object) -> None:
    assert received(decoded(packet(data)), 64).arguments == [expected]


@pytest.mark.parametrize(
    "message",
    [
        "text",
        b"",
        b"\x90",
        b"\x80",
        b"\x81\xa4type\x02",
        b"\x82\xa4type\xc3\xa3nsp\xa1/",
        packet(b"\xc1"),
        packet(b"\x01\x01"),
        packet(b"\xd4\x01\x00"),
        packet(b"\xd5\x00ab"),
        packet(b"\xd6\xff\x00\x00\x00\x00"),
        packet(b"\xd7\xff" + bytes(8)),
        packet(b"\xc7\x0c\xff" + bytes(12)),
        packet(b"\xd7\x00" + struct.pack(">q", 2**60)),
        packet(b"\xa1\xff"),
        packet(b"\xdd\xff\xff\xff\xff"),
        packet(b"\xdf\xff\xff\xff\xff"),
        packet(b"\xc6\xff\xff\xff\xff"),
        packet(b"\x81\x90\x01"),
        packet(b"\x81\xc3\x01"),
        packet(b"\xdc\x00\x01" * 70 + b"\x90"),
        packet(b"\x91" * 64 + b"\x90"),
        packet(b"\x91" * 1_000_000 + b"\x90"),
        packet(b"\xdc\x00\x01" * 300_000 + b"\x90"),
    ],
    ids=lambda message: repr(message)[:60],
)
def test_what_is_no_packet(message: str | bytes) -> None:
    with pytest.raises(ProtocolError) as error:
        received(decoded(message), 64)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    "packet",
    [
        SocketIoPacket(SocketIoPacketType.CONNECT, data=[]),
        SocketIoPacket(SocketIoPacketType.CONNECT, data="auth"),
        SocketIoPacket(SocketIoPacketType.DISCONNECT, data={}),
        SocketIoPacket(SocketIoPacketType.CONNECT_ERROR),
        SocketIoPacket(SocketIoPacketType.EVENT),
        SocketIoPacket(SocketIoPacketType.EVENT, data=[]),
        SocketIoPacket(SocketIoPacketType.EVENT, data=[None]),
        SocketIoPacket(SocketIoPacketType.EVENT, data=[True]),
        SocketIoPacket(SocketIoPacketType.EVENT, data=["connect"]),
        SocketIoPacket(SocketIoPacketType.EVENT, data=["x" * 257]),
        SocketIoPacket(SocketIoPacketType.EVENT, "/" * 257, ["e"]),
        SocketIoPacket(SocketIoPacketType.EVENT, "\ud800", ["e"]),
        SocketIoPacket(SocketIoPacketType.EVENT, None, ["e"]),  # type: ignore[arg-type]
        SocketIoPacket(SocketIoPacketType.EVENT, data=["e"], id=-1),
        SocketIoPacket(SocketIoPacketType.EVENT, data=["e"], id=2**53),
        SocketIoPacket(SocketIoPacketType.EVENT, data=["e"], id=True),
        SocketIoPacket(SocketIoPacketType.EVENT, data=["e", {None: 1}]),
        SocketIoPacket(SocketIoPacketType.ACK, data={}, id=1),
        SocketIoPacket(5, data=["e"]),  # type: ignore[arg-type]
        SocketIoPacket([], data=["e"]),  # type: ignore[arg-type]
    ],
    ids=repr,
)
def test_packets_that_break_the_rules(packet: SocketIoPacket) -> None:
    with pytest.raises(ProtocolError):
        received(packet, 64)


def test_packets_that_keep_them() -> None:
    assert received(SocketIoPacket(SocketIoPacketType.CONNECT), 64).arguments == [{}]
    assert received(SocketIoPacket(SocketIoPacketType.CONNECT, "/a", {"b": 1}), 64).arguments == [{"b": 1}]
    assert received(SocketIoPacket(SocketIoPacketType.DISCONNECT), 64).type == PacketType.DISCONNECT
    event = received(SocketIoPacket(SocketIoPacketType.EVENT, "/", [7, 1], 0), 64)
    assert event == Packet(PacketType.EVENT, b"/", 0, b"", 0, "7", [], None, [1])
    assert received(SocketIoPacket(SocketIoPacketType.ACK, "/", [], 3), 64).arguments == []


class Body(msgspec.Struct):
    when: dt.datetime
    data: bytes


def test_what_goes_out() -> None:
    codec = ParserCodec("/a", PARSER, PayloadEncoder())
    naive = dt.datetime(2020, 1, 1)  # noqa: DTZ001  # it has no time zone on purpose
    event = codec.event("e", (Body(EPOCH, b"1"), {1: {2}}, 2**70, memoryview(b"x"), naive, (EPOCH,)), 5)
    assert event.text is None
    assert decoded(*event.attachments) == SocketIoPacket(
        SocketIoPacketType.EVENT,
        "/a",
        ["e", {"when": EPOCH, "data": b"1"}, {"1": [2]}, 2.0**70, b"x", "2020-01-01T00:00:00", [EPOCH]],
        5,
    )
    assert event.frame == b"\x82" + bytes((len(event.attachments[0]),)) + event.attachments[0]
    assert decoded(*codec.acknowledgement(0, ()).attachments) == SocketIoPacket(SocketIoPacketType.ACK, "/a", [], 0)
    assert decoded(*codec.failure(7, {"a": 1}).attachments).data == [{"a": 1}]
    assert decoded(*codec.connected("x").attachments) == SocketIoPacket(SocketIoPacketType.CONNECT, "/a", {"sid": "x"})
    assert decoded(*codec.refused({"message": "no"}).attachments).type == SocketIoPacketType.CONNECT_ERROR
    assert decoded(*codec.disconnect.attachments) == SocketIoPacket(SocketIoPacketType.DISCONNECT, "/a")


def test_values_that_cannot_be_sent() -> None:
    codec = ParserCodec("/", PARSER, PayloadEncoder())
    endless: list[Any] = []
    endless.append(endless)
    for value in (object(), "\ud800", endless, 10**400, {(1, 2): object()}):
        with pytest.raises(EncodeError):
            codec.event("e", (value,))


@pytest.mark.parametrize("messages", [[], [b"a", "b"], ["a", "b"], [5], None])
def test_messages_that_no_parser_may_return(messages: Any) -> None:
    class Odd:
        sent = 0

        def encode(self, _: SocketIoPacket) -> Any:
            self.sent += 1
            return ["disconnect"] if self.sent == 1 else messages

        def decoder(self) -> Any:
            raise NotImplementedError

    parser: Parser = Odd()
    codec = ParserCodec("/", parser, PayloadEncoder())
    with pytest.raises(EncodeError, match="Odd"):
        codec.event("e", ())


def test_text_with_binary_behind_it() -> None:
    class Both:
        def encode(self, packet: SocketIoPacket) -> list[str | bytes]:
            return [str(packet.data), b"1", b"2"]

        def decoder(self) -> Any:
            raise NotImplementedError

    message = ParserCodec("/", Both(), PayloadEncoder()).event("e", ())
    assert (message.text, message.attachments) == (b"4['e']", (b"1", b"2"))
    assert message.frame == b"\x81\x06" + b"4['e']" + b"\x82\x011" + b"\x82\x012"
