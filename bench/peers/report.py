"""What a comparison found: figures of all rounds, the one line that counts, a table, a chart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from peers.measure import Sample

LOADED = (64, 256)
"""Connections of which the better counts."""
OPEN = "open"
"""The load that does not wait, among the numbers of connections."""
TITLES = {
    "nginx": "nginx, plain proxy", "envoy_cached": "Envoy, tokens cached", "envoy": "Envoy, tokens verified",
    "ours": "**Tongdao**, everything on", "naive": "FastAPI + httpx2, two hops",
}  # fmt: skip
Samples = dict[str, dict[str, list[Sample]]]
"""Contender -> load ("1" to "256", OPEN) -> one sample a round."""


@dataclass(frozen=True)
class Figure:
    """The median of some rounds, and the least and the most of them."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True)
class Row:
    """One contender under one load. cpu_us, apart_us  part -> median microseconds per call"""

    calls_per_s: Figure
    p50_ms: Figure
    p99_ms: Figure
    failed: int
    busy: float
    cpu_us: dict[str, float]
    apart_us: dict[str, float]

    @property
    def core_us(self) -> float:
        """What a call takes on the measured core."""
        return sum(self.cpu_us.values())

    @property
    def sum_us(self) -> float:
        """What a call takes on all cores, the provider's and the asker's apart."""
        return self.core_us + sum(self.apart_us.values())


@dataclass
class Comparison:
    """Everything that one run found. left_out  contender -> why it is not there"""

    rounds: int
    seconds: float
    machine: dict[str, str]
    rows: dict[str, dict[str, Row]]
    provider_p50_ms: float
    rss_mb: dict[str, float]
    pss_mb: dict[str, float]
    counted: tuple[str, ...]
    checks: dict[str, str]
    left_out: dict[str, str] = field(default_factory=dict)


def rows_of(samples: Samples) -> dict[str, dict[str, Row]]:
    """Medians over the rounds."""
    return {name: {load: row_of(taken) for load, taken in loads.items()} for name, loads in samples.items()}


def row_of(samples: Sequence[Sample]) -> Row:
    """The same contender under the same load in some rounds."""
    answers = [sample.answers for sample in samples]
    return Row(
        Figure.of([one.calls_per_s for one in answers]),
        Figure.of([one.p50_ms for one in answers]),
        Figure.of([one.p99_ms for one in answers]),
        sum(one.failed for one in answers),
        median(sample.busy for sample in samples),
        middle([sample.cpu_us for sample in samples]),
        middle([sample.apart_us for sample in samples]),
    )


def middle(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Part -> median over the rounds."""
    return {name: median(one[name] for one in found) for name in found[0]}


def line(found: Comparison) -> dict[str, float | None]:
    """The figures that count; None for what was left out."""
    ours = found.rows["ours"]
    return {
        "vs_nginx": ratio(found, "nginx"),
        "vs_envoy": ratio(found, "envoy"),
        "vs_envoy_cached": ratio(found, "envoy_cached"),
        "vs_naive": ratio(found, "naive"),
        "added_p50_ms": round(ours["1"].p50_ms.median - found.provider_p50_ms, 2),
        "p99_ms_at_500": round(ours[OPEN].p99_ms.median, 2) if OPEN in ours else None,
        "rss_mb": round(sum(found.rss_mb[name] for name in found.counted), 1),
    }


def ratio(found: Comparison, peer: str) -> float | None:
    """Our calls per second over those of a peer with as many connections, the better of LOADED."""
    if peer not in found.rows:
        return None
    ours, theirs = found.rows["ours"], found.rows[peer]
    ratios = [
        ours[load].calls_per_s.median / theirs[load].calls_per_s.median
        for load in map(str, LOADED)
        if theirs[load].calls_per_s.median
    ]
    return round(max(ratios), 3) if ratios else None


def table(found: Comparison) -> str:
    """All of it in Markdown."""
    parts = [
        "# Compared with others\n\nMade by `make bench`. "
        f"{found.rounds} rounds of {found.seconds:g} s, interleaved; medians, least and most in brackets. All "
        "processes of a contender share one core (ours: gateway, exchange, audit service); PostgreSQL, provider and "
        f"load have the others. {', '.join(f'{name} {value}' for name, value in found.machine.items())}.\n",
        rates(found), latencies(found), times(found), memory(found),
        "\n## What was checked in this run\n\n" + "".join(f"- {name}: {told}\n" for name, told in found.checks.items()),
    ]  # fmt: skip
    parts += [f"\n{name} was left out: {why}\n" for name, why in found.left_out.items()]
    return "".join(parts)


def rates(found: Comparison) -> str:
    """Calls per second by number of connections."""
    loads = [load for load in found.rows["ours"] if load != OPEN]
    head = f"\n## Calls per second\n\n| connections | {' | '.join(loads)} | failed |\n|---|{'---|' * len(loads)}---|\n"
    return head + "".join(
        f"| {TITLES[name]} | {' | '.join(spread(rows[load].calls_per_s, 0) for load in loads)} | "
        f"{sum(row.failed for row in rows.values())} |\n"
        for name, rows in ordered(found)
    )


def latencies(found: Comparison) -> str:
    """p50 / p99 by number of connections, and with calls that do not wait."""
    loads = list(found.rows["ours"])
    titles = [load if load != OPEN else "500 calls/s, from the intended start" for load in loads]
    head = f"\n## p50 / p99 in ms\n\n| connections | {' | '.join(titles)} |\n|---|{'---|' * len(loads)}\n"
    body = "".join(
        f"| {TITLES[name]} | {' | '.join(two(rows.get(load)) for load in loads)} |\n" for name, rows in ordered(found)
    )
    return head + body + f"\nThe provider asked directly, one connection: p50 {found.provider_p50_ms:.3f} ms.\n"


def times(found: Comparison) -> str:
    """Processor time per call under load, by part. A core that is not full waits for provider, load or PostgreSQL."""
    head = (
        "\n## Processor time per call, µs, user and system\n\n"
        "| with 64 connections | parts | on the core | PostgreSQL | sum | core in use | calls/s of a whole core |\n"
        "|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(
        f"| {TITLES[name]} | {', '.join(f'{part} {us:.0f}' for part, us in row.cpu_us.items())} | "
        f"{row.core_us:.0f} | {row.sum_us - row.core_us:.0f} | {row.sum_us:.0f} | {row.busy:.0%} | "
        f"{1e6 / row.core_us:,.0f} |\n"
        for name, rows in ordered(found)
        if (row := rows.get(str(LOADED[0])))
    )


def memory(found: Comparison) -> str:
    """Resident memory of what belongs to us, after the load."""
    head = "\n## Resident memory with the demo city, MB, after the load\n\n| | RSS | PSS |\n|---|---|---|\n"
    body = "".join(f"| {name} | {mb:.0f} | {found.pss_mb[name]:.0f} |\n" for name, mb in found.rss_mb.items())
    rss, pss = (sum(kind[name] for name in found.counted) for kind in (found.rss_mb, found.pss_mb))
    return head + body + f"| **sum of our services** ({', '.join(found.counted)}) | {rss:.0f} | {pss:.0f} |\n"


def ordered(found: Comparison) -> list[tuple[str, dict[str, Row]]]:
    """The contenders that were there, in the order of TITLES."""
    return [(name, found.rows[name]) for name in TITLES if name in found.rows]


def spread(figure: Figure, digits: int) -> str:
    return f"{figure.median:,.{digits}f} ({figure.least:,.{digits}f}–{figure.most:,.{digits}f})"


def two(row: Row | None) -> str:
    return f"{row.p50_ms.median:.2f} / {row.p99_ms.median:.2f}" if row else "not so many"


def chart(found: Comparison) -> str:
    """Calls per second under load, one bar a contender and number of connections."""
    bars = [
        (TITLES[name].replace("*", ""), load, rows[load].calls_per_s, name == "ours")
        for name, rows in ordered(found)
        for load in map(str, LOADED)
    ]
    most = max(figure.most for _, _, figure, _ in bars) or 1
    drawn = "".join(bar(n, *one, scale=420 / most) for n, one in enumerate(bars))
    height = 40 + 26 * len(bars)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="820" height="{height}" font-family="sans-serif" '
        f'font-size="13">\n<rect width="820" height="{height}" fill="#fff"/>\n'
        '<text x="10" y="22" font-weight="bold">Calls per second on one core (64 and 256 connections)</text>\n'
        f"{drawn}</svg>\n"
    )


def bar(n: int, title: str, load: str, figure: Figure, ours: bool, scale: float) -> str:
    """One bar with its whisker. n  its row; scale  pixels per call"""
    top, colour = 34 + 26 * n, "#b3261e" if ours else "#7a8794"
    left, right, middle_y = 290 + figure.least * scale, 290 + figure.most * scale, top + 9
    return (
        f'<text x="280" y="{top + 14}" text-anchor="end">{title}, {load}</text>'
        f'<rect x="290" y="{top}" width="{max(1.0, figure.median * scale):.1f}" height="18" fill="{colour}"/>'
        f'<path d="M{left:.1f} {middle_y}H{right:.1f}" stroke="#222"/>'
        f'<text x="{right + 8:.1f}" y="{top + 14}">{figure.median:,.0f}</text>\n'
    )
