"""Random sequences of Socket.IO packets, right and wrong."""

import re
from collections.abc import Sequence
from random import Random
from typing import TypeAlias

from tests.differential.differences import (
    DEPTH,
    EMPTY,
    FRACTION_AS_NAME,
    NOT_FINITE,
    NUMBERS,
    PLACEHOLDER,
    PUT_OUT,
    SURROGATES,
    Difference,
)

__all__ = ["Messages", "excuse", "random_messages"]

Messages: TypeAlias = list[str | bytes | None]
"""What is sent; at None everything before has to be answered."""

_NAMESPACES = ("", "", "", "/,", "/chat,", "/chat,", "/chat", "/nowhere,", "/closed,", "/chat?a=1,")
_VALUES = (
    "1", "-7", "0.5", "1e3", "true", "null", '""', '"text"', '"\\u20ac\\n"', '"\U0001f600"', "[]", "[[1],{}]",
    '{"a":1}',
    '{"a":{"b":[null]}}', '{"_placeholder":true,"num":0}', '{"_placeholder":true,"num":1}', '{"_placeholder":false}',
    " 1 ", '"\\ud83d\\ude00"',
)  # fmt: skip
_NAMES = (
    '"echo"',
    '"echo"',
    '"back"',
    '"back"',
    '"leave"',
    '"close"',
    '"nothing"',
    '"connect"',
    "1",
    '""',
    "true",
    "0.5",
)
_AUTH = ("", "", "{}", '{"a":1}', "[]", "null", "1")
_REST = ("", "", "", "{}", "1")
_IDS = ("", "", "", "1", "22", "0", "007")
_COUNTS = ("1-", "1-", "1-", "2-", "0-", "", "11-", "1")
_CHARACTERS = '0123456789[]{}",-:/.eE+ \\\ntfnab\u0663\u20ac'
_BYTES = (b"", b"\x00", b"\x01\xff\x80", b"4", b"\x04abc")

_PLAIN = re.compile(r'42(/chat,)?\d*\["(echo|back)".*', re.DOTALL)
"""Only events that are answered at once may be sent without a pause: the order of the rest depends on Node's turns."""

_EXCUSES: tuple[tuple[Difference, re.Pattern[str]], ...] = (
    (SURROGATES, re.compile(r"\\u[dD][89a-fA-F]")),
    (EMPTY, re.compile(r"4[2356](\d+-)?(/[^,]*(,|$))?\d*$")),
    (FRACTION_AS_NAME, re.compile(r"4[25][^\[]*\[\s*-?\d+(\.\d+|[eE])")),
    (NOT_FINITE, re.compile(r"\d[eE]\+?\d{3}")),
    (PLACEHOLDER, re.compile(r'"num":\d*(\.|[eE])')),
    (DEPTH, re.compile(r"\[{60}")),
    (NUMBERS, re.compile(r"4[0-6][^\[{\"]*[^0-9\[{\"/,a-z?=-]")),
    (NUMBERS, re.compile(r"4[56](0\d|\d+[eE.x]|[^-\[]*[eE.+ x])")),
    (NUMBERS, re.compile(r"4[0-6](\d*-)?(/[^,]*,)?\d*[eE.x]")),
)


def random_messages(seed: int) -> Messages:
    """One to six packets."""
    random = Random(seed)  # noqa: S311  # nothing secret
    messages: Messages = []
    for _ in range(random.randint(1, 6)):
        is_plain = False
        if random.random() < 0.15:
            packet = _wild(random)
        else:
            packet = _sound(random)
            is_plain = all(isinstance(message, str) and _PLAIN.fullmatch(message) for message in packet)
        if random.random() < 0.15:
            packet[0] = _mutated(random, packet[0])
            is_plain = False
        if not (is_plain and random.random() < 0.5):
            packet = [None, *packet, None]
        messages += packet
    return messages


def excuse(messages: Messages, ours: Sequence[str]) -> Difference | None:
    """The difference that these messages may bring about."""
    if any(line.endswith(("41", "41/,", "41/chat,")) for line in ours):
        return PUT_OUT
    texts = [message for message in messages if isinstance(message, str)]
    found = (
        difference
        for difference, pattern in _EXCUSES
        if any(pattern.match(text) or pattern.search(text) for text in texts)
    )
    return next(found, None)


def _sound(random: Random) -> Messages:
    """A packet, with its attachments, that a client might send."""
    namespace = random.choice(("", "", "/,", "/chat,"))
    values = [random.choice(_VALUES) for _ in range(random.randint(0, 3))]
    attachments = [random.choice(_BYTES) for _ in range(random.choice((0, 0, 1, 2)))]
    values += [f'{{"_placeholder":true,"num":{number}}}' for number in range(len(attachments))]
    count = f"{len(attachments)}-" if attachments else ""
    match random.choices(("event", "ack", "leave", "connect"), [12, 3, 1, 3])[0]:
        case "event":
            name = random.choice(('"echo"', '"echo"', '"back"', '"back"', '"nothing"'))
            text = f"{namespace}{random.choice(_IDS)}[{','.join([name, *values])}]"
            return [f"4{5 if count else 2}{count}{text}", *attachments]
        case "ack":
            text = f"{namespace}{random.choice(('7', '12', '000'))}[{','.join(values)}]"
            return [f"4{6 if count else 3}{count}{text}", *attachments]
        case "leave":
            return [f"41{namespace}", None, f"40{namespace}"]
        case _:
            return [f"40{random.choice(('/nowhere,', '/closed,', '/chat/,', '/chat?a=1,'))}{random.choice(('', '{}'))}"]


def _wild(random: Random) -> Messages:
    """Something like a packet, and its attachments, as often as not as many as it says."""
    kind = random.choices("012356", [3, 2, 10, 3, 5, 2])[0]
    namespace = random.choice(_NAMESPACES)
    if kind == "0":
        return [f"40{namespace}{random.choice(_AUTH)}"]
    if kind == "1":
        return [f"41{namespace}{random.choice(_REST)}"]
    values = [random.choice(_VALUES) for _ in range(random.randint(0, 3))]
    if kind in "25":
        values.insert(0, random.choice(_NAMES))
    text = f"{namespace}{random.choice(_IDS)}[{random.choice((',', ',', ', ')).join(values)}]"
    if kind in "23":
        return [f"4{kind}{text}"]
    attachments = [random.choice(_BYTES) for _ in range(random.choices((0, 1, 2), [1, 5, 2])[0])]
    return [f"4{kind}{random.choice(_COUNTS)}{text}", *attachments]


def _mutated(random: Random, message: str | bytes | None) -> str:
    """The packet with a character or two added, taken away or changed; its Engine.IO type stays."""
    assert isinstance(message, str)
    text = message[1:]
    for _ in range(random.choice((1, 1, 2))):
        at = random.randint(0, len(text))
        put = random.choice(("", _CHARACTERS[random.randrange(len(_CHARACTERS))]))
        text = text[:at] + put + text[at + random.randint(0, 1) :]
    return message[0] + text
