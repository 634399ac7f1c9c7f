"""Random sequences of packets."""

import json
import os
import re
from collections.abc import Sequence

import pytest

from tests.differential.differences import PUT_OUT, Difference
from tests.differential.grammar import Messages, excuse, random_messages
from tests.differential.pair import Pair, Script, describe, run_all
from tests.differential.side import END, Side

COUNT = int(os.environ.get("MOONGATE_DIFFERENTIAL_COUNT", "600"))
FIRST = int(os.environ.get("MOONGATE_DIFFERENTIAL_SEED", "0"))
SHARES = 4

_ENDINGS = (END, "close", "6", "1")
"""How a transcript tells of the end: by WebSocket, and by polling."""

_JSON = re.compile(r'[\[{]"?')


def by_websocket(messages: Messages) -> Script:
    def script(side: Side) -> list[str]:
        return side.open_websocket("40/marker,", "40", "40/chat,").converse(messages)

    return script


def by_polling(messages: Messages) -> Script:
    def script(side: Side) -> list[str]:
        return side.open_polling().converse(["40/marker,", None, "40", "40/chat,", None, *messages])

    return script


def without_number_text(lines: Sequence[str]) -> list[str]:
    """The lines with every number as a float, so that it does not matter how it is written."""
    result = []
    for line in lines:
        start = _JSON.search(line)
        head, text = (line[: start.start()], line[start.start() :]) if start else (line, "")
        try:
            result.append(head + json.dumps(json.loads(text, parse_int=float)))
        except ValueError:
            result.append(line)
    return result


def is_stricter(lenient: Sequence[str], strict: Sequence[str]) -> bool:
    """Whether the strict side is the same until it ends the connection."""
    if strict[-1] != END and "Session ID unknown" not in strict[-1]:
        return False
    told = messages_of(strict)
    return messages_of(lenient)[: len(told)] == told


def messages_of(lines: Sequence[str]) -> list[str]:
    """The lines without the answers to requests, and without those that tell of the end."""
    return [line for line in lines if line not in _ENDINGS and not line.startswith(("200 ", "400 "))]


def check(messages: Messages, node: Sequence[str], ours: Sequence[str]) -> None:
    node, ours = without_number_text(node), without_number_text(ours)
    if node == ours:
        return
    difference: Difference | None = excuse(messages, ours)
    assert difference is not None, f"{messages}: {describe(node, ours)}"
    lenient, strict = (ours, node) if difference is PUT_OUT else (node, ours)
    assert is_stricter(lenient, strict), f"{messages}: more than {difference.what}: {describe(node, ours)}"


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("way", [by_websocket, by_polling])
def test_random_packets(pair: Pair, way: object, share: int):
    ways = by_websocket if way is by_websocket else by_polling
    count = COUNT if ways is by_websocket else COUNT // 3
    sequences = [random_messages(FIRST + seed) for seed in range(share, count, SHARES)]
    for messages, (node, ours) in zip(sequences, run_all(pair, [ways(each) for each in sequences]), strict=True):
        check(messages, node, ours)
