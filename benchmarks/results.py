"""The readings of all rounds, and what is said of them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.measures import Measure
from benchmarks.peers import Peer

__all__ = ["Results", "Summary"]


@dataclass(frozen=True, slots=True)
class Summary:
    """One cell: the median of the rounds, and how far from it the farthest round was, as a share of it."""

    median: float
    spread: float


class Results:
    """What was read of each server, round after round."""

    def __init__(self, peers: Sequence[Peer], measures: Sequence[Measure]) -> None:
        self.peers = peers
        self.measures = measures
        self._readings: dict[tuple[str, str], list[float]] = {}

    def add(self, peer: Peer, readings: Mapping[str, float]) -> None:
        for key, value in readings.items():
            self._readings.setdefault((peer.key, key), []).append(value)

    def summary(self, peer: Peer, measure: Measure) -> Summary | None:
        """None where the server could not be measured."""
        readings = self._readings.get((peer.key, measure.key))
        if not readings:
            return None
        median = statistics.median(readings)
        spread = max(abs(reading - median) for reading in readings) / median if median else 0.0
        return Summary(median, spread)

    def ratio(self, peer: Peer, measure: Measure) -> float | None:
        """How many times what the first server needs."""
        own, first = self.summary(peer, measure), self.summary(self.peers[0], measure)
        if own is None or first is None or not first.median:
            return None
        return own.median / first.median

    def as_json(self) -> dict[str, dict[str, list[float]]]:
        """Every reading, also those without a column, by server and key, in the order of the rounds."""
        readings: dict[str, dict[str, list[float]]] = {}
        for (peer, key), values in self._readings.items():
            readings.setdefault(peer, {})[key] = [round(value, 3) for value in values]
        return readings
