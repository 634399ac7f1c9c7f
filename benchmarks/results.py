"""The readings of all rounds, and what is said of them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.measures import Measure

__all__ = ["Results", "Row", "Summary"]


class Row(Protocol):
    """What is measured: a server, or several of them."""

    @property
    def key(self) -> str: ...

    @property
    def title(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Summary:
    """One cell: the median of the rounds, and how far from it the farthest round was, as a share of it."""

    median: float
    spread: float


class Results:
    """What was read of each row, round after round."""

    def __init__(self, rows: Sequence[Row], measures: Sequence[Measure]) -> None:
        self.rows = rows
        self.measures = measures
        self._readings: dict[tuple[str, str], list[float]] = {}

    def add(self, row: Row, readings: Mapping[str, float]) -> None:
        for key, value in readings.items():
            self._readings.setdefault((row.key, key), []).append(value)

    def summary(self, row: Row, measure: Measure) -> Summary | None:
        """None where it could not be measured."""
        readings = self._readings.get((row.key, measure.key))
        if not readings:
            return None
        median = statistics.median(readings)
        spread = max(abs(reading - median) for reading in readings) / median if median else 0.0
        return Summary(median, spread)

    def ratio(self, row: Row, measure: Measure) -> float | None:
        """How many times what the first row has."""
        own, first = self.summary(row, measure), self.summary(self.rows[0], measure)
        if own is None or first is None or not first.median:
            return None
        return own.median / first.median

    def as_json(self) -> dict[str, dict[str, list[float]]]:
        """Every reading, also those without a column, by row and key, in the order of the rounds."""
        readings: dict[str, dict[str, list[float]]] = {}
        for (name, key), values in self._readings.items():
            readings.setdefault(name, {})[key] = [round(value, 3) for value in values]
        return readings
