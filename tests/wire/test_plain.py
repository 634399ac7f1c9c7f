"""Messages of bare WebSocket clients."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moongate.errors import EncodeError, ProtocolError
from moongate.wire.message import Message, OwnCodec
from moongate.wire.payload import PayloadEncoder
from moongate.wire.plain import PlainCodec
from moongate.wire.socketio import Packet, PacketType

CODEC = PlainCodec(PayloadEncoder(), 64)
BINARY_CODEC = PlainCodec(PayloadEncoder(), 64, binary=True)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
ids = st.none() | st.integers(0, 2**53 - 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"event":"a"}', Packet(PacketType.EVENT, b"", None, b'[""]', 0, "a")),
        ('{"event":"a","data":{"b":1},"id":7}', Packet(PacketType.EVENT, b"", 7, b'["",{"b":1}]', 0, "a")),
        ('{"id":0,"data":[1,2],"event":"é","more":true}', Packet(PacketType.EVENT, b"", 0, b'["",[1,2]]', 0, "é")),
        ('{"event":"a","data":null}', Packet(PacketType.EVENT, b"", None, b'["",null]', 0, "a")),
        ('{"id":3,"data":"yes"}', Packet(PacketType.ACK, b"", 3, b'["yes"]', 0)),
        ('{"id":3}', Packet(PacketType.ACK, b"", 3, b"[]", 0)),
    ],
)
def test_messages(text: str, expected: Packet) -> None:
    assert CODEC.decode_text(text.encode()) == expected
    assert CODEC.decode_binary(text.encode()) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "7",
        '"a"',
        "{",
        '{"event":1}',
        '{"event":null}',
        '{"data":1}',
        '{"event":"a","id":-1}',
        '{"event":"a","id":"x"}',
        '{"event":"a","id":9007199254740992}',
        '{"event":"a","id":1.5}',
        '{"event":"a","data":' + "[" * 70 + "]" * 70 + "}",
        '{"event":"a","data":' + "[" * 100_000,
    ],
)
def test_what_is_no_message_is_told_what_one_is(text: str) -> None:
    with pytest.raises(ProtocolError) as error:
        CODEC.decode_text(text.encode())
    assert "expected" in str(error.value)
    assert len(str(error.value)) < 400


def test_what_goes_out() -> None:
    codec = CODEC
    assert codec.event("a", ()).text == b'{"event":"a"}'
    assert codec.event("a", (1,)).text == b'{"event":"a","data":1}'
    assert codec.event("a", (1, 2), 5).text == b'{"event":"a","data":[1,2],"id":5}'
    assert codec.acknowledgement(7, ()).text == b'{"id":7,"data":null}'
    assert codec.acknowledgement(7, ({"b": 1},)).text == b'{"id":7,"data":{"b":1}}'
    assert codec.acknowledgement(7, (1, 2)).text == b'{"id":7,"data":[1,2]}'
    assert codec.failure(7, {"status": "error"}).text == b'{"id":7,"error":{"status":"error"}}'


def test_a_binary_frame_is_the_event_message_where_that_takes_binary() -> None:
    packet = BINARY_CODEC.decode_binary(b"\x00{}")
    assert (packet.type, packet.event, packet.arguments, packet.ack_id) == (
        PacketType.EVENT,
        "message",
        [b"\x00{}"],
        None,
    )
    assert BINARY_CODEC.decode_text(b'{"event":"message"}').arguments is None


@pytest.mark.parametrize("value", [b"\x00\xff", bytearray(b"\x00\xff"), memoryview(b"\x00\xff")])
def test_bytes_alone_leave_in_a_binary_frame(value: object) -> None:
    message = CODEC.event("message", (value,))
    assert (message.text, message.attachments, message.frame) == (None, (b"\x00\xff",), b"\x82\x02\x00\xff")
    assert CODEC.event("other", (value,)).text == b'{"event":"other","data":"AP8="}'
    assert CODEC.event("message", (value, 1)).text == b'{"event":"message","data":["AP8=",1]}'
    assert CODEC.event("message", (value,), 3).text == b'{"event":"message","data":"AP8=","id":3}'
    assert CODEC.event("message", ([value],)).text == b'{"event":"message","data":["AP8="]}'


@given(st.text(), values, ids)
def test_what_was_encoded_is_decoded(event: str, value: Any, number: int | None) -> None:
    text = CODEC.event(event, (value,), number).text
    assert text is not None
    packet = CODEC.decode_text(text)
    assert (packet.event, packet.ack_id) == (event, number)
    assert msgspec.json.decode(packet.payload) == ["", value]


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_a_protocol_error(data: bytes) -> None:
    for text in (data, b'{"event":"a","data":' + data + b"}"):
        try:
            CODEC.decode_text(text)
        except ProtocolError:
            continue


class Msgpack:
    """A codec whose messages are binary."""

    def decode(self, message: str | bytes) -> Message:
        assert isinstance(message, bytes)
        return msgspec.msgpack.decode(message, type=Message)

    def encode(self, message: Message) -> bytes:
        return msgspec.msgpack.encode(message)


OWN = OwnCodec(Msgpack(), PayloadEncoder(), 64)


@given(st.text(), values.filter(lambda value: value is not None), ids)
def test_an_own_codec_both_ways(event: str, value: Any, number: int | None) -> None:
    try:
        message = OWN.event(event, (value,), number)
    except EncodeError:  # integers of more than 64 bits, which MessagePack does not have
        return
    assert message.text is None
    (data,) = message.attachments
    packet = OWN.decode_binary(data)
    assert (packet.type, packet.event, packet.ack_id, packet.arguments) == (PacketType.EVENT, event, number, [value])


def test_what_an_own_codec_is_given() -> None:
    class Body(msgspec.Struct):
        data: bytes

    class Recorder:
        def decode(self, message: str | bytes) -> Message:
            return Message(None, message, 5)

        def encode(self, message: Message) -> str:
            seen.append(message)
            return "text"

    seen: list[Message] = []
    codec = OwnCodec(Recorder(), PayloadEncoder(), 64)
    assert codec.event("e", (Body(b"1"),), 3).text == b"text"
    codec.event("e", (1, (2,)))
    codec.acknowledgement(7, ())
    codec.acknowledgement(7, ({1: 2},))
    codec.failure(7, {"message": "no"})
    assert seen == [
        Message("e", {"data": b"1"}, 3),
        Message("e", (1, (2,))),
        Message(None, None, 7),
        Message(None, {"1": 2}, 7),
        Message(None, None, 7, {"message": "no"}),
    ]
    assert codec.decode_text("é".encode()) == Packet(PacketType.ACK, b"", 5, b"", 0, "", [], None, ["é"])


@pytest.mark.parametrize(
    "message",
    [
        None,
        Message(),
        Message(data=1),
        Message("e", id=-1),
        Message("e", id=2**53),
        Message("e", id="x"),  # type: ignore[arg-type]
        Message(5),  # type: ignore[arg-type]
        Message("e", {None: 1}),
        Message("e", [[[]]]),
    ],
    ids=repr,
)
def test_what_an_own_codec_may_not_return(message: Any) -> None:
    class Odd:
        def decode(self, _: str | bytes) -> Message:
            assert isinstance(message, Message)
            return message

        def encode(self, _: Message) -> Any:
            return message

    codec = OwnCodec(Odd(), PayloadEncoder(), 3)
    with pytest.raises(ProtocolError):
        codec.decode_text(b"")
    with pytest.raises(EncodeError, match="Odd"):
        codec.event("e", ())
