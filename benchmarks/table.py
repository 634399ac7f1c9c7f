"""The results as a Markdown table that can also be read as it is."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.measures import Measure
from benchmarks.results import Results, Row

__all__ = ["write_table"]

# What is below is shown as nothing, of which nothing is a part.
SMALLEST = 0.005


def write_table(results: Results) -> str:
    """In each cell the median, the spread of the rounds, and the ratio to the first row."""
    rows = [
        ["", *(measure.title for measure in results.measures)],
        ["", *(measure.unit for measure in results.measures)],
        *([row.title, *(cell(results, row, measure) for measure in results.measures)] for row in results.rows),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [write_row(row, widths) for row in rows]
    lines.insert(1, write_row(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])], widths))
    return "\n".join(lines) + "\n"


def cell(results: Results, row: Row, measure: Measure) -> str:
    summary = results.summary(row, measure)
    if summary is None:
        return "-"
    parts = [number(summary.median)]
    if summary.spread and summary.median >= SMALLEST:
        parts.append(f"±{summary.spread:.0%}")
    ratio = results.ratio(row, measure)
    if ratio is not None and row is not results.rows[0]:
        parts.append(f"({ratio:.1f}x)")
    return " ".join(parts)


def number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def write_row(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        text.ljust(width) if column == 0 else text.rjust(width)
        for column, (text, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join([first, *rest])} |"
