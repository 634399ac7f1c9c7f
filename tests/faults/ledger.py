"""What was sent during a fault, what was said about it, and what came of it."""

import asyncio
from dataclasses import dataclass, field

from moongate import ClusterError

__all__ = ["Entry", "Ledger"]


@dataclass(slots=True)
class Entry:
    """One message: `verdict` is what the awaited emit said, None as long as it has said nothing."""

    sender: str
    number: int
    sent: float  # in the loop's time, as all times here
    decided: float = 0.0
    announced: bool = True
    verdict: str | None = None
    reason: str = ""
    receipts: dict[str, list[float]] = field(default_factory=dict)  # when it came, by receiver


class Ledger:
    """Counts the messages of some senders, which all receivers should get: each has the name of the node it is at."""

    def __init__(self, fault: str, kind: str) -> None:
        self.fault = fault
        self.kind = kind
        self.entries: dict[tuple[str, int], Entry] = {}
        self.receivers: list[str] = []
        self.misordered = 0
        self.noticed: float | None = None  # seconds from the fault until a node knew
        self.recovered: float | None = None  # seconds, see `recovery`
        self.echo = 0.0  # the longest that a client waited for its own node, in seconds
        self.began = self.healed = float("inf")
        self._crashed: set[str] = set()
        self._last: dict[tuple[str, str], int] = {}

    def send(self, sender: str, number: int) -> None:
        """*sender* begins to send a message."""
        # What another process sends may come before the news that it does.
        self.entries.setdefault((sender, number), Entry(sender, number, _now())).announced = True

    def accept(self, sender: str, number: int) -> None:
        """The bus took a message."""
        self._decide(sender, number, "accepted")

    def fail(self, sender: str, number: int, error: ClusterError) -> None:
        """The bus did not take a message, or nobody knows."""
        self._decide(sender, number, "unknown" if error.sent is None else "refused", error.reason)

    def crash(self, sender: str) -> None:
        """*sender* is gone: nobody knows about what it has not said."""
        self._crashed.add(sender)
        for entry in self.entries.values():
            if entry.sender == sender and entry.verdict is None:
                self._decide(sender, entry.number, "unknown", "the sender was killed")

    def _decide(self, sender: str, number: int, verdict: str, reason: str = "") -> None:
        entry = self.entries[sender, number]
        entry.verdict, entry.reason, entry.decided = verdict, reason, _now()

    def receive(self, receiver: str, sender: str, number: int) -> None:
        """A client got a message."""
        entry = self.entries.setdefault((sender, number), Entry(sender, number, _now(), announced=False))
        entry.receipts.setdefault(receiver, []).append(_now())
        last = self._last.get((receiver, sender), -1)
        self.misordered += number < last
        self._last[receiver, sender] = max(last, number)

    def begin(self) -> None:
        """The fault begins."""
        self.began = _now()

    def heal(self) -> None:
        """The fault ends."""
        self.healed = _now()

    def notice(self) -> None:
        """Health tells of the fault; the first time counts."""
        if self.noticed is None and self.began != float("inf"):
            self.noticed = _now() - self.began

    def count(self, verdict: str | None) -> int:
        """Return how many messages have *verdict*."""
        return sum(entry.verdict == verdict for entry in self.entries.values())

    def reasons(self, verdict: str) -> set[str]:
        """Return why messages were not taken, or are unknown."""
        return {entry.reason for entry in self.entries.values() if entry.verdict == verdict}

    @property
    def received(self) -> int:
        """How often a client of another node got a message for the first time."""
        return sum(receiver != entry.sender for entry in self.entries.values() for receiver in entry.receipts)

    @property
    def lost(self) -> list[Entry]:
        """What was accepted, and some client of another node did not get."""
        return [entry for entry in self.entries.values() if entry.verdict == "accepted" and self._missed(entry)]

    def reaches(self, receiver: str) -> bool:
        """Whether *receiver* got something that was sent after the fault."""
        return any(receiver in entry.receipts for entry in self.entries.values() if entry.sent > self.healed)

    def lost_after(self, moment: float) -> int:
        """Return how many of the accepted messages that were sent after *moment* are lost."""
        return sum(entry.sent > moment for entry in self.lost)

    @property
    def ghosts(self) -> list[Entry]:
        """What was refused, and some client of another node got."""
        return [
            entry
            for entry in self.entries.values()
            if entry.verdict == "refused" and any(receiver != entry.sender for receiver in entry.receipts)
        ]

    @property
    def strange(self) -> int:
        """How many messages came that nobody has sent."""
        return sum(not entry.announced for entry in self.entries.values())

    @property
    def missed_locally(self) -> list[Entry]:
        """What some client at the sender's own node did not get."""
        own = [entry for entry in self.entries.values() if entry.sender in self.receivers]
        return [entry for entry in own if entry.sender not in entry.receipts]

    @property
    def duplicated(self) -> int:
        """How many receipts there were too many."""
        return sum(len(times) - 1 for entry in self.entries.values() for times in entry.receipts.values())

    @property
    def slowest(self) -> float:
        """The longest that an awaited emit took, in seconds."""
        return max((entry.decided - entry.sent for entry in self.entries.values() if entry.verdict), default=0.0)

    def recovery(self) -> float | None:
        """Return the seconds from the end of the fault until the first message came that no loss follows."""
        after = [entry for entry in self.entries.values() if entry.sent >= self.healed]
        gaps = [entry.sent for entry in after if entry.verdict != "accepted" or self._missed(entry)]
        whole = [entry for entry in after if entry.sent > max(gaps, default=0.0)]
        if {entry.sender for entry in whole} < {sender for sender, _ in self.entries} - self._crashed:
            return None
        first = {entry.sender: entry for entry in reversed(whole)}
        return max(self._delivered(entry) for entry in first.values()) - self.healed

    def _missed(self, entry: Entry) -> bool:
        return any(receiver not in entry.receipts for receiver in self.receivers if receiver != entry.sender)

    def _delivered(self, entry: Entry) -> float:
        return max(times[0] for receiver, times in entry.receipts.items() if receiver != entry.sender)

    def check(self) -> None:
        """Fail if something happened that at most once never allows, or an emit has said nothing at all."""
        bad = (self.duplicated, self.misordered, len(self.ghosts), len(self.missed_locally), self.count(None))
        assert not any((*bad, self.strange)), self

    def __str__(self) -> str:
        """Return all counts, in one line."""
        counts = f"sent {len(self.entries)}"
        counts += "".join(f", {verdict} {self.count(verdict)}" for verdict in ("accepted", "refused", "unknown"))
        counts += f", received {self.received}, lost {len(self.lost)}, duplicated {self.duplicated}"
        counts += f", out of order {self.misordered}"
        bad = {
            "undecided": self.count(None),
            "ghosts": len(self.ghosts),
            "missed locally": len(self.missed_locally),
            "strange": self.strange,
        }
        counts += "".join(f", {name} {count}" for name, count in bad.items() if count)
        times = f"noticed {_seconds(self.noticed)}, recovered {_seconds(self.recovered)}"
        times += f", slowest emit {self.slowest:.2f} s, slowest echo {self.echo * 1000:.0f} ms"
        return f"{self.fault} | {self.kind} | {counts} | {times}"

    def __repr__(self) -> str:
        """Return all counts, and why messages were not accepted."""
        lost = [(entry.sender, entry.number, round(entry.sent - self.began, 2)) for entry in self.lost[:5]]
        reasons = f"refused because {self.reasons('refused')}, unknown because {self.reasons('unknown')}"
        return f"{self}\n{reasons}\nlost first (sender, number, seconds since the fault): {lost}"


def _now() -> float:
    return asyncio.get_running_loop().time()


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f} s"
