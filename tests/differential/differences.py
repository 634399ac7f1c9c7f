"""Where our answers differ from those of Node's server, on purpose. Everything else has to be the same."""

import msgspec

__all__ = [
    "ANSWER_BEFORE_CLOSE",
    "BASE64",
    "CONNECT_IN_TURN",
    "CREDENTIALS",
    "CUT_POST",
    "DEPTH",
    "EMPTY",
    "FAIL_FAST",
    "FRACTION_AS_NAME",
    "INVALID_UTF8",
    "JSONP",
    "KEY_FIRST",
    "LEAVE_IN_TURN",
    "LENGTHS",
    "LONG_NAMESPACE",
    "NOT_FINITE",
    "NUMBERS",
    "NUMBER_TEXT",
    "OTHER_PATH",
    "OTHER_PROTOCOL",
    "OTHER_SITE",
    "PLACEHOLDER",
    "PONGS",
    "PUT_OUT",
    "REVISION",
    "SECOND_WEBSOCKET",
    "SURROGATES",
    "UNKNOWN",
    "UPGRADE_BODY",
    "VERSION",
    "Difference",
]


class Difference(msgspec.Struct, frozen=True):
    """What is different, and why it is."""

    what: str
    why: str


INVALID_UTF8 = Difference(
    "The body of a POST that is not UTF-8 is answered with 400; Node's server puts U+FFFD in its place.",
    "What was sent cannot be known, so it is not guessed. By WebSocket both close the connection (RFC 6455 8.1).",
)

BASE64 = Difference(
    "A POST with a binary packet that is not Base64, padding included, is answered with 400; Node's server reads what "
    "it can of it.",
    "No client writes such a packet; half of a message is worse than none.",
)

CUT_POST = Difference(
    "A POST that is not read to its end when another one ends its session is answered; Node's server cuts its "
    "connection.",
    "An ASGI application cannot cut a connection, and on every host the answer is the same.",
)

JSONP = Difference(
    "A request with a `j` is a bad request; Node's server answers it with a script.",
    "JSONP is for browsers without CORS, of which there are none left, and lets every page read the answer.",
)

SECOND_WEBSOCKET = Difference(
    "A second WebSocket with the id of a session that has one is closed; Node's server lets it take over if the first "
    "was not an upgrade.",
    "No client changes from WebSocket to WebSocket; whoever has a stolen id could.",
)

NUMBERS = Difference(
    "Numbers in front of the JSON, which are acknowledgement ids and counts of attachments, are ASCII digits, a count "
    "without a zero in front, an id up to 2**53 - 1; anything else closes the connection. Node's server takes what "
    "JavaScript converts to a number: white space, signs, exponents, hexadecimal.",
    "The protocol has digits there, and a larger id comes back as another number.",
)

NUMBER_TEXT = Difference(
    "Numbers come back as Python writes them: 1e3 as 1000.0, integers exactly, however large; Node's server makes "
    "every number a 64-bit float and writes 1000.",
    "It is the same JSON value, or the one that was sent where Node's server rounds it.",
)

NOT_FINITE = Difference(
    "A number that no float can hold, or an integer of thousands of digits, closes the connection; Node's server makes "
    "it null.",
    "What a handler gets is what was sent, or nothing.",
)

EMPTY = Difference(
    "An event or acknowledgement without an array of arguments closes the connection; Node's server lets it pass, and "
    "does nothing with it.",
    "The protocol demands the array.",
)

FRACTION_AS_NAME = Difference(
    "An event named by a fraction closes the connection; Node's server lets any number pass.",
    "Names are texts; a fraction has several spellings, and an integer, which is let through, has one.",
)

SURROGATES = Difference(
    "Text with half a surrogate pair closes the connection; Node's server passes it on.",
    "It is no Unicode text: it could neither be encoded for other clients nor stored by the application.",
)

CREDENTIALS = Difference(
    "Access-Control-Allow-Credentials is sent together with an allowed origin; Node's server sends it to everybody.",
    "Alone it means nothing (the Fetch standard, CORS check).",
)

DEPTH = Difference(
    "JSON nested deeper than 64 closes the connection; Node's server fails only where its stack ends.",
    "What is accepted has to be safe to decode and to encode again; the limit is a setting.",
)

LONG_NAMESPACE = Difference(
    "A namespace of more than 256 bytes closes the connection; Node's server answers that there is none.",
    "Whatever a client may make the server keep has a limit.",
)

PLACEHOLDER = Difference(
    "A placeholder whose number is a fraction closes the connection; Node's server puts undefined in its place.",
    "An attachment has a whole number, or the packet has an error.",
)

PUT_OUT = Difference(
    "What comes for a namespace that the server has put the client out of is passed over; Node's server closes the "
    "connection.",
    "It was on its way before the client could know.",
)

UNKNOWN = Difference(
    "An event that nobody handles is answered with an error if an acknowledgement was asked for; Node's server says "
    "nothing, and the client waits until its time is over.",
    "The design: every request for an acknowledgement is answered exactly once.",
)

CONNECT_IN_TURN = Difference(
    "A client is in a namespace without middleware as soon as its CONNECT is read, so what it sends right behind is "
    "handled; Node's server lets it in some turns of its event loop later, and closes the connection if packets come "
    "before.",
    "Node's answer depends on how packets fall into turns of its loop; clients wait for the answer to their CONNECT.",
)

LEAVE_IN_TURN = Difference(
    "What comes for a namespace behind the client's own word that it leaves closes the connection; Node's server "
    "passes it over if it comes in the same turn of its event loop.",
    "Node's answer depends on how packets fall into turns of its loop; no client writes to where it is not.",
)

VERSION = Difference(
    "A WebSocket of another version than 13 is refused with 426; Node's server refuses with 400, and takes the drafts "
    "of version 8 and whatever JavaScript converts to one of the two numbers.",
    "RFC 6455 4.2.2; drafts are spoken by no client that is left.",
)

UPGRADE_BODY = Difference(
    "A request for a WebSocket that has a body is refused; Node's server takes the body for frames.",
    "Where the request ends has to be beyond doubt, or a proxy and the server may read two different requests.",
)

OTHER_PROTOCOL = Difference(
    "A request for an upgrade to something else than WebSocket is answered as if it had not asked for that; Node's "
    "server refuses it.",
    "RFC 9110 7.8: such a request is an offer, which may be passed over.",
)

OTHER_SITE = Difference(
    "Pages of other sites may not connect unless the settings allow it; Node's server lets their WebSockets in, and "
    "their polls too, whose answers only the browser keeps from them.",
    "They would come with the cookies of whoever looks at them (cross-site WebSocket hijacking).",
)

OTHER_PATH = Difference(
    "A WebSocket for a path of nobody is refused with 403 at once; Node's server cuts the connection after a second.",
    "It is the answer of ASGI's hosts, and says what is wrong.",
)

REVISION = Difference(
    "A WebSocket of an older revision of Engine.IO is refused with 400; Node's server opens it and writes the same "
    "answer into it, which is no frame.",
    "The connection fails in either case, and so the client can read why.",
)

KEY_FIRST = Difference(
    "What is wrong with a request for a WebSocket itself is said before what is wrong with its query; Node's server "
    "does the reverse.",
    "Nothing of the application runs for what is no handshake.",
)

PONGS = Difference(
    "Of several pings at once the newest is answered; Node's server answers each.",
    "RFC 6455 5.5.3 allows it, and pings without end cost no more than they are worth.",
)

FAIL_FAST = Difference(
    "A fragment that can never become UTF-8 closes the connection; Node's server waits for the whole message.",
    "RFC 6455 8.1, and the rest need not be kept.",
)

LENGTHS = Difference(
    "A frame's length in more bytes than it needs, or with the highest bit set, is a protocol error, 1002; Node's "
    "server takes the one and finds the other too large, 1009.",
    "RFC 6455 5.2: the shortest form must be used, and the bit must be 0.",
)

ANSWER_BEFORE_CLOSE = Difference(
    "What the messages before a close frame are answered with at once leaves before the close frame that answers it; "
    "Node's server drops it if all came together.",
    "Node's answer depends on how packets fall into turns of its loop.",
)
