"""Socket.IO packets: what is one, what is none, and what goes out."""

from contextlib import suppress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from moongate.errors import EncodeError, ProtocolError
from moongate.namespace.arguments import decode_arguments
from moongate.wire.payload import PayloadEncoder
from moongate.wire.socketio import RESERVED_EVENTS, Packet, PacketType, SocketIoCodec, decode, event_name


def decoded(text: str) -> Packet:
    """Decode a packet as it comes in an Engine.IO message."""
    return decode(b"4" + text.encode(), 10, 64)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", Packet(PacketType.CONNECT, b"/", None, b"", 0)),
        ('0{"token":1}', Packet(PacketType.CONNECT, b"/", None, b'{"token":1}', 0)),
        ("0/chat,", Packet(PacketType.CONNECT, b"/chat", None, b"", 0)),
        ("0/chat", Packet(PacketType.CONNECT, b"/chat", None, b"", 0)),
        ("0/a?token=1,{}", Packet(PacketType.CONNECT, b"/a?token=1", None, b"{}", 0)),
        ("1/chat,", Packet(PacketType.DISCONNECT, b"/chat", None, b"", 0)),
        ('2["a"]', Packet(PacketType.EVENT, b"/", None, b'["a"]', 0)),
        ('2007["a"]', Packet(PacketType.EVENT, b"/", 7, b'["a"]', 0)),
        ('2/chat,12["a",{"b":[1]}]', Packet(PacketType.EVENT, b"/chat", 12, b'["a",{"b":[1]}]', 0)),
        ("29007199254740991[1]", Packet(PacketType.EVENT, b"/", 2**53 - 1, b"[1]", 0)),
        ("3/chat,3[]", Packet(PacketType.ACK, b"/chat", 3, b"[]", 0)),
        (
            '51-["a",{"_placeholder":true,"num":0}]',
            Packet(PacketType.BINARY_EVENT, b"/", None, b'["a",{"_placeholder":true,"num":0}]', 1),
        ),
        ('510-/chat,5["a"]', Packet(PacketType.BINARY_EVENT, b"/chat", 5, b'["a"]', 10)),
        ("61-4[1]", Packet(PacketType.BINARY_ACK, b"/", 4, b"[1]", 1)),
    ],
)
def test_packets(text: str, expected: Packet) -> None:
    assert decoded(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2",
        "2{}",
        "2null",
        '2"abc"',
        '7["a"]',
        '9["a"]',
        "x",
        '50-["h"]',
        '511-["h"]',
        '51000-["h"]',
        '5-["h"]',
        '5["h"]',
        '51e1-["h"]',
        '5 1-["h"]',
        '5+1-["h"]',
        '51_0-["h"]',
        '501-["h"]',
        '2٣["a"]',
        '2²["a"]',
        '2-1["a"]',
        '2a["x"]',
        '2999999999999999999999999999999["a"]',
        '29007199254740992["a"]',
        "2" + "[" * 100_000,
        '2["a",' + "[" * 65 + "]" * 66,
        "2" * 1_000_000,
    ],
)
def test_what_is_no_packet(text: str) -> None:
    with pytest.raises(ProtocolError):
        decoded(text)


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (b'["a"]', "a"),
        (b'["error",1]', "error"),
        (b'["__init__"]', "__init__"),
        (b'[""]', ""),
        (b"[1]", "1"),
        (b'[ "spaced" , 2]', "spaced"),
        (b'["a\\"b"]', 'a"b'),
        ('["é","x"]'.encode(), "é"),
        (b'["\\u00e9"]', "é"),
    ],
)
def test_the_name_of_an_event(payload: bytes, name: str) -> None:
    assert event_name(payload) == name


@pytest.mark.parametrize(
    "payload",
    [
        b"[]",
        b"[true]",
        b"[null]",
        b'[{"toString":"foo"}]',
        b"[1.5,2]",
        b'["a',
        b'["a"',
        b'["a"x]',
        b'["connect"]',
        b'["connect_error"]',
        b'["disconnect"]',
        b'["disconnecting"]',
        b'["newListener"]',
        b'["removeListener"]',
        b'["conn\\u0065ct"]',
        b'["' + b"a" * 257 + b'"]',
        b'["\\ud800"]',
        b'["\xff"]',
    ],
)
def test_what_is_no_name_of_an_event(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        event_name(payload)


@given(st.binary(max_size=40))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with suppress(ProtocolError):
        packet = decode(b"4" + data, 10, 64)
        if packet.type == PacketType.EVENT:
            event_name(packet.payload)


@pytest.mark.parametrize(("namespace", "scope"), [("/", b""), ("/chat", b"/chat,"), ("/100%", b"/100%,")])
def test_what_goes_out(namespace: str, scope: bytes) -> None:
    codec = SocketIoCodec(namespace, PayloadEncoder(), 2)
    assert codec.event("a", (1, "b")).text == b"42" + scope + b'["a",1,"b"]'
    assert codec.event("a", (), 7).text == b"42" + scope + b'7["a"]'
    assert codec.acknowledgement(7, ({"b": None},)).text == b"43" + scope + b'7[{"b":null}]'
    assert codec.acknowledgement(0, ()).text == b"43" + scope + b"0[]"
    binary = codec.event("a", ([b"x"], b"y"), 3)
    assert binary.text == b"452-" + scope + b'3["a",[{"_placeholder":true,"num":0}],{"_placeholder":true,"num":1}]'
    assert binary.attachments == (b"x", b"y")
    assert codec.acknowledgement(4, (b"x",)).text == b"461-" + scope + b'4[{"_placeholder":true,"num":0}]'
    with pytest.raises(EncodeError, match="3 binary values"):
        codec.event("a", (b"x", [b"y", b"z"]))
    assert codec.connected("sid").text == b"40" + scope + b'{"sid":"sid"}'
    assert codec.refused({"message": "no"}).text == b"44" + scope + b'{"message":"no"}'
    assert codec.disconnect.text == b"41" + scope


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _TEXT | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_NAMESPACES = st.text("ab/-%ü", max_size=6).map(lambda text: f"/{text}")


@given(_NAMESPACES, _TEXT, st.lists(_VALUES, max_size=3), st.none() | st.integers(0, 2**53 - 1), st.booleans())
def test_what_is_sent_is_received(
    namespace: str, event: str, arguments: list[object], ack_id: int | None, is_ack: bool
) -> None:
    assume(event not in RESERVED_EVENTS)
    codec = SocketIoCodec(namespace, PayloadEncoder(), 1000)
    values = tuple(arguments)
    sent = codec.acknowledgement(ack_id or 0, values) if is_ack else codec.event(event, values, ack_id)
    packet = decode(sent.text or b"", 1000, 64)
    packet.buffers = list(sent.attachments) or None
    assert packet.namespace == namespace.encode()
    assert packet.ack_id == ((ack_id or 0) if is_ack else ack_id)
    assert packet.attachments == len(sent.attachments)
    assert decode_arguments(packet) == arguments
    if not is_ack:
        assert event_name(packet.payload) == event
