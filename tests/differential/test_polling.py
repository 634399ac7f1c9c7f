"""Long-polling, request by request."""

import pytest

from tests.differential.differences import BASE64, CUT_POST, INVALID_UTF8, JSONP, NUMBERS, Difference
from tests.differential.pair import Pair
from tests.differential.side import POLLING, WEBSOCKET, Side, packets

BODIES: dict[str, bytes] = {
    "empty": b"",
    "one packet": packets("40"),
    "several packets": packets('421["echo",1]', '42["back",2]', '422["echo"]'),
    "meaningless packets": packets("0", "1", "2", "3", "5", "6"),
    "open": b"0",
    "close": b"1",
    "ping": b"2",
    "pong": b"3",
    "upgrade": b"5",
    "noop": b"6",
    "pongs": packets("3", "3", "3", "40/chat,"),
    "ping with text": b"2probe",
    "close, then more": packets("40/chat,", "1", "40/closed,"),
    "unknown type 7": b"7",
    "unknown type 9": packets("40/chat,", "9abc"),
    "a letter": b"x",
    "junk": b"\x00\x01\x02",
    "junk after packets": packets("40/chat,", "junk"),
    "separators alone": b"\x1e",
    "separator before": b"\x1e40/chat,",
    "separator behind": b"40/chat,\x1e",
    "two separators": b"40/chat,\x1e\x1e40/closed,",
    "not UTF-8": b'42["back","\xff"]',
    "UTF-8 cut off": b'42["back","\xc3',
    "a surrogate in UTF-8": b'42["back","\xed\xa0\x80"]',
    "a byte order mark": b"\xef\xbb\xbf40/chat,",
    "two bytes to a character": '42["back","\xe9\u20ac\U0001f600"]'.encode(),
    "binary": packets('451-["back",{"_placeholder":true,"num":0}]', "bAQIDBA=="),
    "binary without padding": packets('451-["back",{"_placeholder":true,"num":0}]', "bAQIDBA"),
    "binary, no bytes": packets('451-["back",{"_placeholder":true,"num":0}]', "b"),
    "binary, junk": packets('451-["back",{"_placeholder":true,"num":0}]', "bAQ!!ID"),
    "binary, white space": packets('451-["back",{"_placeholder":true,"num":0}]', "bAQ ID"),
    "binary, URL alphabet": packets('451-["back",{"_placeholder":true,"num":0}]', "b-_-_"),
    "binary, one character": packets('451-["back",{"_placeholder":true,"num":0}]', "bA"),
    "binary, padding inside": packets('451-["back",{"_placeholder":true,"num":0}]', "bAQ==AQ=="),
    "binary nobody waits for": b"bAQID",
    "binary first": packets("bAQID", "3"),
    "a line break": b"40/chat,\n",
    "escaped line breaks": b'42["back","a\\\\nb"]',
    "form": b"d=40",
    "engine.io 3": b"2:40",
    "an escaped separator": b'42["back","\\u001e"]',
}


DIFFERENT = {
    "not UTF-8": INVALID_UTF8,
    "UTF-8 cut off": INVALID_UTF8,
    "a surrogate in UTF-8": INVALID_UTF8,
    "binary without padding": BASE64,
    "binary, junk": BASE64,
    "binary, white space": BASE64,
    "binary, URL alphabet": BASE64,
    "binary, one character": BASE64,
    "binary, padding inside": BASE64,
    "a line break": NUMBERS,
}


@pytest.mark.parametrize("name", [name for name, body in BODIES.items() if b'"' not in body])
def test_a_body_that_comes_first(pair: Pair, name: str):
    def script(side: Side) -> list[str]:
        poller = side.open_polling()
        return [poller.opened, poller.start_post(BODIES[name]).answer(), *poller.settle()]

    pair.check(script, DIFFERENT.get(name))


@pytest.mark.parametrize("name", BODIES)
def test_a_body(pair: Pair, name: str):
    def script(side: Side) -> list[str]:
        poller = side.open_polling()
        connected = [poller.post("40"), poller.poll()]
        return [*connected, poller.start_post(BODIES[name]).answer(), *poller.settle()]

    pair.check(script, DIFFERENT.get(name))


@pytest.mark.parametrize("body", [b"40", b"", b"x", b'40{"a":"%b"}' % (b"x" * 2000)])
@pytest.mark.parametrize(
    "content_type",
    [
        "application/octet-stream",
        "Application/Octet-Stream",
        "application/octet-stream; charset=binary",
        "application/x-www-form-urlencoded",
        "application/json",
        "text/plain",
        "",
    ],
)
def test_content_types(pair: Pair, content_type: str, body: bytes):
    def script(side: Side) -> list[str]:
        poller = side.open_polling()
        return [poller.start_post(body, Content_Type=content_type).answer(), *poller.settle()]

    pair.check(script)


@pytest.mark.parametrize("size", [999_999, 1_000_000, 1_000_001, 1_100_000])
def test_large_bodies(pair: Pair, size: int):
    start = b'42["back","'
    body = start + b"x" * (size - len(start) - 2) + b'"]'

    def script(side: Side) -> list[str]:
        poller = side.open_polling()
        connected = [poller.post("40"), poller.poll()]
        return [*connected, poller.start_post(body).answer(), *poller.settle()]

    pair.check(script)


def test_large_bodies_in_chunks(pair: Pair):
    chunk = b"20000\r\n" + b"x" * 0x20000 + b"\r\n"

    def script(side: Side) -> list[str]:
        poller = side.open_polling()
        pending = side.connect("POST")
        pending.send(
            f"POST /socket.io/?{poller.query} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        for _ in range(8):
            pending.send(chunk)
        return [pending.answer(), *poller.settle()]

    pair.check(script)


def test_two_polls_at_once(pair: Pair):
    def script(side: Side) -> list[str]:
        poller = side.open_polling()
        first = poller.start_poll()
        second = poller.start_poll()
        return [*sorted([first.answer(), second.answer()]), poller.poll(), poller.post("40")]

    pair.check(script)


@pytest.mark.parametrize("with_first", [False, True])
def test_two_posts_at_once(pair: Pair, with_first: bool):
    head = "Host: h\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n"

    def script(side: Side) -> list[str]:
        poller = side.open_polling()
        first = side.connect("POST")
        first.send(f"POST /socket.io/?{poller.query} HTTP/1.1\r\n{head}40".encode())
        # The server has seen the first when it answers what comes later by another connection.
        side.http("GET", "")
        second = poller.start_post(b"40")
        answer = second.answer()
        first.send(b",,")
        return [answer, *([first.answer()] if with_first else []), poller.poll(), poller.post("40")]

    pair.check(script, CUT_POST if with_first else None)


def test_a_poll_given_up(pair: Pair):
    def script(side: Side) -> list[str]:
        poller = side.open_polling()
        lines = [poller.post("40"), poller.poll()]
        first = poller.start_poll()
        side.http("GET", "")
        first.abort()
        side.http("GET", "")
        return [*lines, poller.poll(), poller.post('421["echo"]')]

    pair.check(script)


def test_a_post_given_up(pair: Pair):
    def script(side: Side) -> list[str]:
        poller = side.open_polling()
        lines = [poller.post("40"), poller.poll()]
        first = side.connect("POST")
        first.send(f"POST /socket.io/?{poller.query} HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n42[".encode())
        side.http("GET", "")
        first.abort()
        side.http("GET", "")
        return [*lines, poller.post('421["echo"]'), poller.poll()]

    pair.check(script)


def test_what_is_sent_while_nobody_polls_waits(pair: Pair):
    def script(side: Side) -> list[str]:
        poller = side.open_polling()
        posts = [poller.post("40"), poller.post('42["back",1]', '42["back",2]'), poller.post('421["echo",3]')]
        return [*posts, *poller.settle()]

    pair.check(script)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_other_methods(pair: Pair, method: str):
    def script(side: Side) -> list[str]:
        poller = side.open_polling()
        connected = [poller.post("40"), poller.poll()]
        return [*connected, side.http(method, poller.query), *poller.settle()]

    pair.check(script)


@pytest.mark.parametrize(
    "query",
    ["EIO=4&transport=websocket", "EIO=3&transport=polling", "transport=polling", "EIO=4", "EIO=5&transport=polling"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_queries_with_a_session(pair: Pair, method: str, query: str):
    def script(side: Side) -> list[str]:
        poller = side.open_polling()
        lines = [poller.post("40"), poller.poll()]
        return [*lines, side.http(method, f"{query}&sid={poller.sid}", b"2" * (method == "POST")), *poller.settle()]

    pair.check(script)


@pytest.mark.parametrize(
    ("name", "difference"), [("j=0", JSONP), ("j=a", JSONP), ("j=", JSONP), ("b64=1", None), ("t=x", None)]
)
def test_parameters_of_old_clients(pair: Pair, name: str, difference: Difference | None):
    def script(side: Side) -> list[str]:
        return [side.http("GET", f"{POLLING}&{name}")]

    pair.check(script, difference)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_polling_for_a_session_of_a_websocket(pair: Pair, method: str):
    def script(side: Side) -> list[str]:
        channel = side.websocket(WEBSOCKET)
        sid = channel.read()[0].split('"')[3]
        channel.send("40")
        channel.read()
        answer = side.http(method, f"{POLLING}&sid={sid}", b"40/chat," * (method == "POST"))
        return [answer, *channel.settle()]

    pair.check(script)


def test_the_server_ends_the_session(pair: Pair):
    def script(side: Side) -> list[str]:
        poller = side.open_polling()
        lines = [poller.post("40"), poller.poll(), poller.post('42["close"]')]
        return [*lines, *(poller.poll() for _ in range(3)), poller.post("40")]

    pair.check(script)


def test_the_server_ends_the_session_while_a_poll_waits(pair: Pair):
    def script(side: Side) -> list[str]:
        poller = side.open_polling()
        lines = [poller.post("40"), poller.poll()]
        pending = poller.start_poll()
        side.http("GET", "")
        return [*lines, poller.post('42["close"]'), pending.answer(), *(poller.poll() for _ in range(3))]

    pair.check(script)


def test_the_client_ends_the_session_while_a_poll_waits(pair: Pair):
    def script(side: Side) -> list[str]:
        poller = side.open_polling()
        lines = [poller.post("40"), poller.poll()]
        pending = poller.start_poll()
        side.http("GET", "")
        return [*lines, poller.post("41", "1"), pending.answer(), poller.poll(), poller.post("40")]

    pair.check(script)
