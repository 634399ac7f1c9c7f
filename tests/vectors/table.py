"""What clients may send that is no Socket.IO packet, or just one, and what becomes of it."""

from enum import Enum, auto
from typing import Any, Final

import msgspec

__all__ = ["VECTORS", "End", "Vector"]


class End(Enum):
    """What becomes of the connection."""

    CLOSED = auto()
    """It is closed; the namespaces that it was in get the reason `parse error`."""
    LIVES = auto()
    """It goes on, and no handler was called."""


class Vector(msgspec.Struct, frozen=True):
    """What a client sends, text and binary messages (without the packet type of Engine.IO), and what comes of it.

    `outcome` is how it ends, the arguments that the handler of `echo` gets, or the packet that is the answer.
    """

    number: str
    messages: tuple[str | bytes, ...]
    outcome: End | list[Any] | str
    joined: bool = True
    """Whether the client is in `/` and `/b` before."""


CLOSED: Final = End.CLOSED
LIVES: Final = End.LIVES
PLACE = '{"_placeholder":true,"num":%s}'
DEEP_64 = "[" * 63 + "1" + "]" * 63  # one more level is the array of arguments
DEEP_65 = f"[{DEEP_64}]"


def one(
    number: str, messages: str | tuple[str | bytes, ...], outcome: End | list[Any] | str, **options: bool
) -> Vector:
    return Vector(number, (messages,) if isinstance(messages, str) else messages, outcome, **options)


VECTORS: Final = (
    one("1: a negative place", (f'51-["echo",{PLACE % -1}]', b"a"), CLOSED),
    one("2: a place that is text", ('51-["echo",{"_placeholder":true,"num":"splice"}]', b"a"), CLOSED),
    one("3: a place that is true", (f'51-["echo",{PLACE % "true"}]', b"a"), CLOSED),
    one("4: half a place", (f'51-["echo",{PLACE % 0.5}]', b"a"), CLOSED),
    one("5: a place that is too far", (f'52-["echo",{PLACE % 5}]', b"a", b"b"), CLOSED),
    one("6: one place twice", (f'51-["echo",[{PLACE % 0},{PLACE % 0}]]', b"a"), [[b"a", b"a"]]),
    one("7: no attachments", '50-["echo"]', CLOSED),
    one("8: too many attachments", '511-["echo"]', CLOSED),
    one("8: far too many attachments", '51000-["echo"]', CLOSED),
    one("10: a binary packet before CONNECT", ('51-["echo"]', b"a"), CLOSED, joined=False),
    one("11: no number of attachments", '5-["echo"]', CLOSED),
    one("11: no dash", '5["echo"]', CLOSED),
    one("12: an exponent", '51e1-["echo"]', CLOSED),
    one("12: a space", '5 1-["echo"]', CLOSED),
    one("12: a sign", '5+1-["echo"]', CLOSED),
    one("12: an underscore", '51_0-["echo"]', CLOSED),
    one("13: binary without a packet", (b"a",), CLOSED),
    one("14: text where binary was announced", (f'51-["echo",{PLACE % 0}]', '2["echo"]'), CLOSED),
    one("15: no arguments", "2[]", CLOSED),
    one("15: an object", "2{}", CLOSED),
    one("15: null", "2null", CLOSED),
    one("15: a text", '2"abc"', CLOSED),
    one("16: nothing behind the type", "2", CLOSED),
    one("17: nothing", "", CLOSED),
    one("18: a name that is true", "2[true]", CLOSED),
    one("18: a name that is null", "2[null]", CLOSED),
    one("18: a name that is an object", '2[{"toString":"foo"}]', CLOSED),
    one("19: a name that is a number", "2[1]", LIVES),
    one("19: a name that is a fraction", "2[1.5,2]", CLOSED),
    *(
        one(f"20: the reserved event {name}", f'2["{name}"]', CLOSED)
        for name in ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")
    ),
    *(one(f"21: the event {name!r}", f'2["{name}"]', LIVES) for name in ("error", "__proto__", "__init__", "")),
    *(
        one(f"21: the method {name}", f'2["{name}"]', LIVES)
        for name in ("handle_connection", "handle_disconnect", "after_init", "__class__", "server", "hidden")
    ),
    one("22: an Arabic id", '2\u0663["echo"]', CLOSED),
    one("23: a superscript id", '2\u00b2["echo"]', CLOSED),
    one("24: an id of 30 digits", f'2{"9" * 30}["echo"]', CLOSED),
    one("24: the first id that is too large", f'2{2**53}["echo"]', CLOSED),
    one("24: the largest id", f'2{2**53 - 1}["echo",1]', f"3{2**53 - 1}[[1]]"),
    one("25: a negative id", '2-1["echo"]', CLOSED),
    one("25: a letter as the id", '2a["echo"]', CLOSED),
    one("26: zeros before an id", '2007["echo",1]', "37[[1]]"),
    one("27: CONNECT with an array", "0/a,[]", CLOSED),
    one("27: CONNECT with a text", '0/a,"x"', CLOSED),
    one("27: CONNECT with null", "0/a,null", CLOSED),
    one(
        "28: a member that is called __proto__",
        '0/told,{"__proto__":{"x":1}}',
        '4/told,{"message":"told","data":{"__proto__":{"x":1}}}',
    ),
    one("29: a query in a namespace", "0/a?token=1,{}", '4/a?token=1,{"message":"Invalid namespace"}'),
    one("30: DISCONNECT with data", "1{}", CLOSED),
    one("31: ACK with an object", "3{}", CLOSED),
    one("31: ACK without an id", '3["x"]', LIVES),
    one("31: ACK that nobody waits for", '37["x"]', LIVES),
    one("32: CONNECT_ERROR from a client", "4{}", CLOSED),
    one("33: type 7", '7["a"]', CLOSED),
    one("33: type 9", '9["a"]', CLOSED),
    one("34: NaN", '2["echo",NaN]', CLOSED),
    one("35: a number that is too large", '2["echo",1e999]', CLOSED),
    one("35: as an argument with a type", '2["number",1e999]', CLOSED),
    one("36: an integer of 5 000 digits", f'2["echo",{"9" * 5000}]', CLOSED),
    one("36: as an argument with a type", f'2["number",{"9" * 5000}]', CLOSED),
    one("37: 100 000 brackets", "2" + "[" * 100_000, CLOSED),
    one("38: 64 levels", f'2["echo",{DEEP_64}]', [msgspec.json.decode(DEEP_64)]),
    one("38: 65 levels", f'2["echo",{DEEP_65}]', CLOSED),
    one("39: half a surrogate pair", r'2["echo","\ud800"]', CLOSED),
    one("39: the other half", r'2["echo","\udc00"]', CLOSED),
    one("39: in the name of an event", r'2["\ud800"]', CLOSED),
    one("40: what looks like a place", f'2["echo",{PLACE % 0}]', [{"_placeholder": True, "num": 0}]),
    one("43: a second CONNECT", "0", CLOSED),
    one("43: an event where the client is not", '2/a,["echo"]', CLOSED),
    one("43: an answer where the client is not", "3/a,1[]", CLOSED),
    one("44: another packet before the attachments", (f'51-["echo",{PLACE % 0}]', '51-/b,["y"]'), CLOSED),
)  # fmt: skip
