"""Every parser of what peers send: any bytes are taken or refused, by one kind of error, in little time."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec
import pytest

from moongate.cluster.adapter_wire import AdapterWire
from moongate.cluster.classic_wire import ClassicWire
from moongate.config import Compression
from moongate.errors import ProtocolError
from moongate.namespace.arguments import decode_arguments, raw_arguments
from moongate.namespace.pattern import Pattern
from moongate.transport.base import Refused, Request
from moongate.transport.compression import choose_coding
from moongate.transport.origin import check_origin
from moongate.wire import engineio, engineio3, socketio
from moongate.wire.deflate import Agreement, Deflater, Inflater, negotiate
from moongate.wire.msgpack import MsgpackParser
from moongate.wire.parser import received
from moongate.wire.payload import PayloadEncoder
from moongate.wire.plain import PlainCodec
from moongate.wire.websocket import Assembler
from tests.fuzz.mutation import mutations

SECONDS = 0.25
"""What no input of a few hundred bytes may take, on a machine that does other things as well."""

Target = Callable[[bytes], object]
ENCODER = PayloadEncoder()
PLAIN = PlainCodec(ENCODER, 64)
ADAPTER = AdapterWire(ENCODER, 100_000)
CLASSIC = ClassicWire("socket.io", ENCODER, 100_000)
AGREEMENT = Agreement(
    server_takes_over=True, client_takes_over=True, server_bits=15, client_bits=15, client_bits_offered=False
)
PATTERN = Pattern("/a/{x}/{y:int}-{z:uuid}/{rest:path}")


def engineio_body(data: bytes) -> None:
    packets = list(engineio.decode_payload(data))
    assert list(engineio.decode_payload(engineio.encode_payload(packets))) == packets


def engineio3_text_body(data: bytes) -> None:
    list(engineio3.decode_text_body(data))


def engineio3_binary_body(data: bytes) -> None:
    list(engineio3.decode_binary_body(data))


def socketio_packet(data: bytes) -> None:
    packet = socketio.decode(data, 10, 64)
    if packet.attachments:
        packet.buffers = [b"attachment"] * packet.attachments
    if packet.type in {socketio.PacketType.EVENT, socketio.PacketType.BINARY_EVENT}:
        name = socketio.event_name(packet.payload)
        raw_arguments(packet)
        arguments = decode_arguments(packet)
        sent = socketio.SocketIoCodec("/", ENCODER, 10).event(name, tuple(arguments), packet.ack_id)
        again = socketio.decode(sent.text or b"", 10, 66)
        assert again.ack_id == packet.ack_id
        assert socketio.event_name(again.payload) == name
    elif packet.type in {socketio.PacketType.ACK, socketio.PacketType.BINARY_ACK}:
        decode_arguments(packet)


def bare_text(data: bytes) -> None:
    decode_arguments(PLAIN.decode_text(data))


def bare_binary(data: bytes) -> None:
    decode_arguments(PLAIN.decode_binary(data))


def adapter_message(data: bytes) -> None:
    message = ADAPTER.decode(data)
    assert message is None or ADAPTER.decode(ADAPTER.encode(message)) == message


def classic_broadcast(data: bytes) -> None:
    CLASSIC.decode("socket.io#/#", data)


def classic_request(data: bytes) -> None:
    CLASSIC.decode("socket.io-request#/#", data)


def classic_response(data: bytes) -> None:
    CLASSIC.decode("socket.io-response#/#", data)


def msgpack_packet(data: bytes) -> None:
    packet = MsgpackParser().decoder().feed(data)
    assert packet is not None
    received(packet, 64)


def fragments(data: bytes) -> None:
    assembler = Assembler(1000)
    for index in range(0, len(data) - 1, 2):
        assembler.feed(data[index] & 0x0F, data[index + 1 : index + 9], fin=bool(data[index] & 0x80))


def compressed_message(data: bytes) -> None:
    Inflater(AGREEMENT, 1000).inflate(data)


def extensions(data: bytes) -> None:
    agreement = negotiate(data.decode("latin-1"), Compression())
    assert agreement is None or agreement.header.startswith("permessage-deflate")


def request_head(data: bytes) -> None:
    request = Request("/", data.decode("latin-1"), data, None, secure=False)
    headers = request.headers
    assert isinstance(request.query, dict)
    choose_coding(headers.get("accept-encoding", ""))
    check_origin(headers, ("https://example.org",))


def namespace_name(data: bytes) -> None:
    PATTERN.match(data.decode("utf-8", "replace"))


VALID: dict[Target, Sequence[bytes]] = {
    engineio_body: [b"4hello", b"2\x1e3\x1e4abc", b"bAQID\x1e4x", b"0\x1e1\x1e5\x1e6", "4ü€\x1ebYQ==".encode()],
    engineio3_text_body: [b"6:4hello1:2", "3:4€!4:4😀!".encode(), b"10:b4AQIDBA==1:2", b"0:1:3"],
    engineio3_binary_body: [b"\x00\x01\xff2\x01\x04\xff\x04abc", b"\x00\x01\x02\xff4" + b"a" * 11],
    socketio_packet: [
        b"40", b'40/chat,{"token":"a"}', b"41/chat,", b'42["event",1,"two",{"three":[4.5,null,true]}]',
        b'42/chat,17["event"]', b'43/chat,7[{"a":"b"}]', b'44{"message":"no"}',
        b'452-/chat,3["file",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]]',
        b'461-7[{"_placeholder":true,"num":0}]', '42["ü",{"😀":"\\u00e9"}]'.encode(), b'42[5,"number"]',
    ],
    bare_text: [
        b'{"event":"message","data":{"a":[1,2]},"id":7}', b'{"id":0,"data":1}',
        b'{"event":"x"}', b'{"event":"","data":null}',
    ],
    bare_binary: [b'{"event":"message","data":{"a":[1,2]},"id":7}', b"\x00\x01"],
    msgpack_packet: [
        msgspec.msgpack.encode(packet)
        for packet in (
            {"type": 0, "nsp": "/", "data": {"token": "a"}},
            {"type": 2, "nsp": "/chat", "data": ["event", {"a": [1, 2.5, None, b"bytes"]}], "id": 7},
            {"type": 3, "nsp": "/", "data": ["ü" * 40], "id": 2**40},
            {"type": 1, "nsp": "/"},
        )
    ],
    adapter_message: [
        b'{"uid":"x","nsp":"/","type":3,"data":{"opts":{"rooms":["a"],"except":[]},"packet":{"type":2,"data":["e",1]}}}',
        b'{"uid":"x","nsp":"/","type":8,"data":{"requestId":"r","sockets":[{"id":"i","rooms":["a"],"handshake":{}}]}}',
        b'{"uid":"x","nsp":"/","type":11,"data":{"requestId":"r","clientCount":1}}',
        msgspec.msgpack.encode({"uid": "x", "nsp": "/", "type": 9, "data": {"packet": ["e", b"x"], "requestId": "r"}}),
    ],
    classic_broadcast: [
        msgspec.msgpack.encode(["x", {"type": 2, "data": ["e", b"b"], "nsp": "/"}, {"rooms": ["a"], "except": []}])
    ],
    classic_request: [
        b'{"uid":"x","type":2,"opts":{"rooms":["a"],"except":[]},"rooms":["b"]}',
        b'{"uid":"x","type":6,"data":["e",1],"requestId":"r"}',
        msgspec.msgpack.encode({"uid": "x", "type": 7, "requestId": "r", "packet": {"type": 2, "data": ["e"]}}),
    ],
    classic_response: [
        b'{"requestId":"r","sockets":[{"id":"i","rooms":["a"],"handshake":{},"data":{}}]}',
        b'{"type":8,"requestId":"r","clientCount":3}',
        msgspec.msgpack.encode({"type": 9, "requestId": "r", "packet": [1]}),
    ],
    fragments: [b"\x01a\x00b\x80c", b"\x81abcdef", b"\x02a\x80b", b"\x01" * 400],
    compressed_message: [
        Deflater(AGREEMENT, Compression()).deflate(message)
        for message in (b"", b"Hello", b"ab" * 400, bytes(range(256)))
    ],
    extensions: [
        b"permessage-deflate; client_max_window_bits", b"foo, permessage-deflate; server_max_window_bits=10",
        b'permessage-deflate; client_max_window_bits="9"; server_no_context_takeover; client_no_context_takeover',
    ],
    request_head: [
        b"host: example.org\r\norigin: https://example.org\r\naccept-encoding: gzip;q=0.5, *;q=0\r\n",
        b"host: [::1]:80\r\norigin: null\r\norigin: http://a\r\n", b"EIO=4&transport=polling&sid=%41&sid=b",
    ],
    namespace_name: [b"/a/b/7-12345678-1234-5678-1234-567812345678/c/d", b"/a/b/7-"],
}  # fmt: skip


@pytest.mark.parametrize("target", VALID, ids=lambda target: target.__name__)
def test_any_bytes_are_taken_or_refused(target: Target):
    for number, data in enumerate(mutations(VALID[target], seed=20)):
        started = time.process_time()
        try:
            target(data)
        except (ProtocolError, Refused):
            continue
        except Exception as error:
            raise AssertionError(f"input {number}, {data!r}, raised {error!r}") from error
        finally:
            assert time.process_time() - started < SECONDS, f"input {number}, {data[:200]!r}, took too long"


@pytest.mark.parametrize(
    ("target", "data"),
    [
        (engineio_body, b"\x1e".join([b"2"] * 500_000)),
        (engineio_body, b"b" + b"A" * 1_000_000),
        (engineio3_text_body, b"1:2" * 333_000),
        (engineio3_binary_body, b"\x00\x01\xff2" * 250_000),
        (compressed_message, b"\x00\x00\x00\xff\xff" * 200_000),
        (compressed_message, b"\x03\x00" * 500_000),
        (extensions, b"permessage-deflate; x, " * 3000),
        (extensions, b"permessage-deflate" + b"; client_max_window_bits" * 3000),
        (socketio_packet, b"4" + b"2" * 1_000_000),
        (socketio_packet, b"42" + b"9" * 1_000_000 + b'["a"]'),
        (socketio_packet, b"45" + b"1" * 1_000_000 + b'-["a"]'),
        (socketio_packet, b"42/" + b"a" * 1_000_000 + b',["a"]'),
        (socketio_packet, b"42" + b"[" * 1_000_000),
        (socketio_packet, b'42["a"' + b"," * 1_000_000),
        (socketio_packet, b'42["a","' + b"\\" * 999_980 + b'"]'),
        (socketio_packet, b'42["a",' + b"[]," * 300_000 + b"0]"),
        (bare_text, b'{"event":"a","data":' + b"[" * 1_000_000),
        (bare_text, b'{"event":"' + b"a" * 1_000_000 + b'"}'),
        (msgpack_packet, b"\x91" * 1_000_000),
        (msgpack_packet, b"\xdf\xff\xff\xff\xff" + b"\x01" * 1_000_000),
        (classic_broadcast, b"\x91" * 90_000),
        (classic_broadcast, b"\xdf\xff\xff\xff\xff" + b"\x01" * 90_000),
        (classic_request, b'{"type":6,"data":' + b"[" * 90_000),
        (adapter_message, b'{"uid":"x","nsp":"/","type":3,"data":' + b'{"a":' * 10_000),
        (request_head, b"accept-encoding: " + b"gzip;q=0," * 5000),
        (request_head, b"a: b\r\n" * 10_000),
        (namespace_name, b"/a/" + b"/-1" * 80),
    ],
    ids=lambda value: value.__name__ if callable(value) else f"{value[:12]!r} x {len(value)}",
)
def test_large_inputs_take_linear_time(target: Target, data: bytes):
    started = time.process_time()
    with suppress(ProtocolError, Refused):
        target(data)
    assert time.process_time() - started < 8 * SECONDS
