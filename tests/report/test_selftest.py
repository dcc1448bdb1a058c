"""A self-test as a person reads it: 80 columns, and no figure where none is known."""

import io

import msgspec
import pytest
from rich.console import Console

from harness.record import Health
from harness.report.selftest import (
    SelftestSummary,
    order_sentence,
    print_selftest,
    twins_sentence,
)
from harness.stats.calibration import Calibration, Detection, FalseAlarms, Twins
from harness.stats.order import Order

P50 = FalseAlarms(
    quantile=0.5, pairs=60, alarms=3, rate=0.05, rate_lo=0.01, rate_hi=0.139, ks_p=0.61,
    noise_percent=2.14, detectable_percent=3.02,
)  # fmt: skip
P99 = FalseAlarms(
    quantile=0.99, pairs=0, alarms=0, rate=None, rate_lo=None, rate_hi=None, ks_p=None,
    noise_percent=None, detectable_percent=None,
)  # fmt: skip
BY_5 = Detection(
    stage="pay", slowed_percent=5.0, pairs=20, caught=13, inconclusive=6, wrong_sign=1, ms=29.4,
    percent=0.78, caught_lo=0.408, caught_hi=0.846, detectable_percent=0.18,
)  # fmt: skip
SLOT = Order(what="slot", rounds=1200, ms=0.4, lo_ms=-2.1, hi_ms=2.9)
CARRIED = Order(what="carry-over", rounds=1042, ms=-9.9, lo_ms=-14.0, hi_ms=-5.8)
FOUND = Calibration(
    primary=0.5,
    rounds=20,
    false_alarms=[P50, P99],
    detections=[BY_5],
    twins=Twins(turns=1000, unequal=0, crowded=False),
    order=[SLOT, CARRIED],
)
SUMMARY = SelftestSummary(
    tool_version="0.1",
    scenario="conversation",
    parameters={},
    strategy="prewarm+token_cache+parallel_confirm",
    clock="virtual",
    seed=7,
    pairs=60,
    turns=500,
    rounds=20,
    alpha=0.05,
    level=0.95,
    order_level=0.99,
    started_at="2026-11-24T12:00:00+00:00",
    wall_s=80.0,
    argv=[],
    machine={},
    versions={},
    profiles={},
    provenance={},
    state="PASS",
    because=["3 of 60 pairs of equal arms were called different at p50"],
    health=Health(
        error_p50_ms=None, error_p99_ms=None, lag_p99_ms=0.0, due=1, started=1, finished=1,
        failed=0, leaks=0,
    ),
    calibration=FOUND,
    equal_pairs=[],
    slowed_pairs=[],
)  # fmt: skip


def printed(summary: SelftestSummary) -> str:
    out = io.StringIO()
    console = Console(file=out, width=80, color_system=None)
    print_selftest(summary, "results/20261124-selftest", console)
    return out.getvalue()


def test_it_fits_80_columns_and_cuts_nothing_off() -> None:
    text = printed(SUMMARY)
    assert all(len(line.rstrip()) <= 80 for line in text.splitlines())
    assert "…" not in text


def test_a_rate_is_told_with_its_interval_and_what_it_counts() -> None:
    (row,) = (line.split() for line in printed(SUMMARY).splitlines() if line.startswith("p50"))
    assert row == ["p50", "3/60", "5.0%", "[1.0,", "13.9]", "KS", "p=0.61", "2.1%", "3.0%"]


def test_a_quantile_that_no_pair_could_tell_has_no_figure() -> None:
    (row,) = (line for line in printed(SUMMARY).splitlines() if line.startswith("p99"))
    assert row.split() == ["p99", "n", "too", "small"]


def test_what_was_slowed_is_told_with_what_came_of_it() -> None:
    (row,) = (line.split() for line in printed(SUMMARY).splitlines() if line.startswith("+5%"))
    assert row == [
        "+5%", "29.4", "ms,", "0.78%", "13/20", "65.0%", "[40.8,", "84.6]", "6", "1", "0.18%",
    ]  # fmt: skip


def test_on_the_real_clock_nothing_is_slowed_and_the_weather_is_one() -> None:
    bare = Calibration(primary=0.5, rounds=20, false_alarms=[P50], order=[SLOT])
    text = printed(msgspec.structs.replace(SUMMARY, clock="real", calibration=bare))
    assert "Equal arms, in one weather" in text
    assert "slowed" not in text
    assert "microsecond" not in text


@pytest.mark.parametrize(
    ("twins", "told"),
    [
        (Twins(turns=1000, unequal=0, crowded=False), "all 1000 turns equal"),
        (Twins(turns=0, unequal=0, crowded=False), "unknown, none was played"),
        (Twins(turns=1000, unequal=2, crowded=False), "2 of 1000 turns unequal"),
        (Twins(turns=1000, unequal=2, crowded=True), "queued or were turned away"),
    ],
)
def test_twins_are_told_as_they_were(twins: Twins, told: str) -> None:
    assert told in twins_sentence(twins)


def test_an_order_is_seen_or_not_or_unknown() -> None:
    assert order_sentence(SLOT, 0.99) == (
        "effect of order: none seen; second less first +0.4 ms [-2.1, 2.9] (99%, 1200 rounds)"
    )
    assert order_sentence(CARRIED, 0.99).startswith("carry-over: seen; after the other arm")
    few = Order(what="slot", rounds=3, ms=None, lo_ms=None, hi_ms=None)
    assert order_sentence(few, 0.99) == "effect of order: unknown, too few rounds"


def test_the_state_ends_it_with_its_reason_and_the_place() -> None:
    *_, state, why_or_place = printed(SUMMARY).strip().splitlines()
    assert state.startswith("PASS  3 of 60 pairs")
    assert why_or_place == "results  results/20261124-selftest"
