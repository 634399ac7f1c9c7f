"""Messages of bare WebSocket clients."""

import pytest

from moongate.errors import ProtocolError
from moongate.wire.payload import PayloadEncoder
from moongate.wire.plain import PlainCodec, decode
from moongate.wire.socketio import Packet, PacketType


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
    assert decode(text.encode(), max_depth=64) == expected


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
        decode(text.encode(), max_depth=64)
    assert "expected" in str(error.value)
    assert len(str(error.value)) < 400


def test_what_goes_out() -> None:
    codec = PlainCodec(PayloadEncoder())
    assert codec.event("a", ()).text == b'{"event":"a"}'
    assert codec.event("a", (1,)).text == b'{"event":"a","data":1}'
    assert codec.event("a", (1, 2), 5).text == b'{"event":"a","data":[1,2],"id":5}'
    assert codec.acknowledgement(7, ()).text == b'{"id":7,"data":null}'
    assert codec.acknowledgement(7, ({"b": 1},)).text == b'{"id":7,"data":{"b":1}}'
    assert codec.acknowledgement(7, (1, 2)).text == b'{"id":7,"data":[1,2]}'
    assert codec.failure(7, {"status": "error"}).text == b'{"id":7,"error":{"status":"error"}}'
