"""The results as bars, in an SVG made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from benchmarks.measures import Measure
from benchmarks.results import Results
from benchmarks.table import number

__all__ = ["draw"]

WIDTH = 760
LABELS = 200
NUMBERS = 110
ROW = 22
TITLE = 34
MARGIN = 16
FIRST = "#5b3fd6"
OTHER = "#a9afc3"


def draw(results: Results) -> str:
    """One group of bars for each measure, on a scale of its own; the shortest bar is the best."""
    height = MARGIN * 2 + len(results.measures) * (TITLE + ROW * len(results.rows))
    body: list[str] = []
    top = MARGIN
    for measure in results.measures:
        body += draw_measure(results, measure, top)
        top += TITLE + ROW * len(results.rows)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}">',
            '<g font-family="system-ui, sans-serif" font-size="13">',
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            *body,
            "</g>\n</svg>\n",
        ]
    )


def draw_measure(results: Results, measure: Measure, top: int) -> Iterator[str]:
    title = f"{measure.title}, {measure.unit} (less is better)"
    yield text(MARGIN, top + 22, title, 'font-weight="600" fill="#1c1f2b"')
    summaries = [results.summary(row, measure) for row in results.rows]
    longest = max((summary.median for summary in summaries if summary), default=0.0) or 1.0
    for index, (row, summary) in enumerate(zip(results.rows, summaries, strict=True)):
        y = top + TITLE + ROW * index
        yield text(MARGIN + LABELS - 8, y + 13, row.title, 'text-anchor="end" fill="#3a3f52"')
        if summary is None:
            yield text(MARGIN + LABELS, y + 13, "not measured", 'fill="#7a8094"')
            continue
        length = (WIDTH - MARGIN * 2 - LABELS - NUMBERS) * summary.median / longest
        color = FIRST if row.key.startswith(results.rows[0].key) else OTHER
        yield f'<rect x="{MARGIN + LABELS}" y="{y}" width="{length:.1f}" height="{ROW - 5}" rx="2" fill="{color}"/>'
        yield text(round(MARGIN + LABELS + length) + 6, y + 13, number(summary.median), 'fill="#1c1f2b"')


def text(x: int, y: int, content: str, attributes: str) -> str:
    return f'<text x="{x}" y="{y}" {attributes}>{escape(content)}</text>'
