"""The curves as a table and as a drawing. Pure."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple


class Row(NamedTuple):
    """One point of a curve. at  what grew; cost_us  processor time of a call, all services; figures  name -> value"""

    curve: str
    at: int
    cost_us: float
    figures: Mapping[str, float]


def table(rows: Sequence[Row], left_out: Mapping[str, str]) -> str:
    """Markdown, one table a curve."""
    parts = ["# How the cost of a call grows\n\nMicroseconds of the processor per call. Made by `make bench-curves`.\n"]
    for curve, points in groupby(rows, key=lambda row: row.curve):
        several = list(points)
        names = list(dict.fromkeys(name for row in several for name in row.figures))
        parts.append(f"\n| {curve} | all us | {' | '.join(names)} |\n|{'--:|' * (len(names) + 2)}\n")
        for row in several:
            figures = (f"{row.figures[name]:,}" if name in row.figures else "" for name in names)
            parts.append(f"| {row.at:,} | {row.cost_us:,.0f} | {' | '.join(figures)} |\n")
    parts += [f"\n{point}: not measured: {reason}\n" for point, reason in left_out.items()]
    return "".join(parts)


def drawn(rows: Sequence[Row]) -> str:
    """An SVG: a bar for each point, each curve with a scale of its own."""
    most: dict[str, float] = {}
    for row in rows:
        most[row.curve] = max(most.get(row.curve, 1.0), row.cost_us)
    bars = "".join(bar(n, row, 420 / most[row.curve]) for n, row in enumerate(rows))
    height = 44 + 24 * len(rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="820" height="{height}" font-family="sans-serif" '
        f'font-size="13">\n<rect width="820" height="{height}" fill="#fff"/>\n'
        '<text x="10" y="22" font-weight="bold">Processor time per call, microseconds; each curve to its scale</text>\n'
        f"{bars}</svg>\n"
    )


def bar(n: int, row: Row, scale: float) -> str:
    """n  which line of the drawing; scale  pixels per microsecond"""
    top = 36 + 24 * n
    return (
        f'<text x="220" y="{top + 13}" text-anchor="end">{row.curve}, {row.at:,}</text>'
        f'<rect x="230" y="{top}" width="{max(1.0, row.cost_us * scale):.1f}" height="16" fill="#b3261e"/>'
        f'<text x="{240 + row.cost_us * scale:.1f}" y="{top + 13}">{row.cost_us:,.0f}</text>\n'
    )
