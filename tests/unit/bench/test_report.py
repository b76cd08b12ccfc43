"""What a comparison says of figures that are known; no load is made here."""

import json
import xml.etree.ElementTree as ET

import msgspec
import pytest

from peers.load import Answers, percentile, read
from peers.measure import Sample
from peers.report import OPEN, TITLES, Comparison, chart, line, rows_of, table


def sample(calls_per_s: float, p50_ms: float = 1.0, p99_ms: float = 2.0, **cpu_us: float) -> Sample:
    """A round of one second."""
    return Sample(Answers(int(calls_per_s), 0, 1.0, p50_ms, p99_ms), cpu_us, {"postgres": 10.0}, 0.9)


def comparison(*missing: str) -> Comparison:
    """Three rounds; ours is a quarter of nginx at 64 connections and a third at 256."""
    at_64 = {"nginx": 40_000, "envoy": 5_000, "envoy_cached": 10_000, "ours": 10_000, "naive": 100}
    samples = {
        name: {
            "1": [sample(900, 2.5)],
            "64": [sample(calls * factor, gateway=40, exchange=30) for factor in (0.5, 1, 3)],
            "256": [sample(30_000 if name == "nginx" else calls)],
        }
        for name, calls in at_64.items()
        if name not in missing
    }
    samples["ours"][OPEN] = [sample(500, p99_ms=14.0), sample(500, p99_ms=11.0), sample(500, p99_ms=12.0)]
    memory = {"gateway": 100.0, "identity": 50.0, "postgres": 900.0}
    left_out = dict.fromkeys(missing, "cannot be had")
    return Comparison(
        3, 1.0, {"cores": "2"}, rows_of(samples), 0.5, memory, memory, ("gateway", "identity"), {}, left_out
    )


def test_the_line_has_the_better_of_two_ratios_of_medians() -> None:
    assert line(comparison()) == {
        "vs_nginx": 0.333,
        "vs_envoy": 2.0,
        "vs_envoy_cached": 1.0,
        "vs_naive": 100.0,
        "added_p50_ms": 2.0,
        "p99_ms_at_500": 12.0,
        "rss_mb": 150.0,
    }


def test_what_was_left_out_is_null_and_said() -> None:
    found = comparison("envoy", "envoy_cached")
    assert line(found)["vs_envoy"] is None
    assert line(found)["vs_envoy_cached"] is None
    assert line(found)["vs_naive"] == 100.0
    assert "envoy was left out: cannot be had" in table(found)


def test_the_table_names_every_contender_and_sums_its_processor_time() -> None:
    told = table(comparison())
    assert all(title in told for title in TITLES.values())
    assert "gateway 40, exchange 30 | 70 | 10 | 80 | 90% | 14,286 |" in told
    assert "10,000 (5,000–30,000)" in told
    assert "not so many" in told  # of the open loop


def test_the_chart_is_well_formed_and_has_a_bar_for_each() -> None:
    drawn = ET.fromstring(chart(comparison()))  # noqa: S314  # our own
    assert len(drawn.findall("{*}path")) == 2 * len(TITLES)


def test_results_can_be_written_as_json() -> None:
    told = json.loads(json.dumps(msgspec.to_builtins(comparison())))
    assert told["rows"]["ours"]["64"]["calls_per_s"] == {"median": 10_000, "least": 5_000, "most": 30_000}


def test_calls_that_were_refused_are_no_calls() -> None:
    told = (
        b'{"answered": 110, "refused": 10, "broken": 1, "late": 2, "micros": 2000000, "p50_us": 1500, "p99_us": 9000}'
    )
    assert read(told) == Answers(100, 13, 2.0, 1.5, 9.0)
    assert read(told).calls_per_s == 50


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 3.0), (0.99, 4.0), (1.0, 4.0)])
def test_percentiles(share: float, value: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], share) == value
    assert percentile([], share) == 0.0
