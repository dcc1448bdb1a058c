"""Two runs of one round each: their batches stand for rounds, and pair where schedules are one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from harness.record import Columns, FlowRow, Tolerance
from harness.stats.run_diff import (
    Asked,
    acting_rounds,
    batch_counts,
    diff_runs,
    same_schedule,
    verdict_of,
)
from tests.stats.by_hand import columns, flow
from tests.stats.test_batches import station, truth

TURNS = 600


def asking(*, series: bool = True, paired: bool = False) -> Asked:
    return Asked(
        strategies=["base"],
        quantiles=[0.5],
        tolerance=Tolerance(5.0, "%"),
        paired=paired,
        series=series,
    )


def series(
    scale: float = 1.0, *, seed: int = 1, weather: float = 0.0, turns: int = TURNS
) -> Columns:
    """A turn a second of about 1000 ms; the weather is that of 20 stretches of the run."""
    rng = np.random.default_rng(seed)
    stretch = rng.normal(0, weather, 20)
    return columns(
        [
            flow(scale * (1000 + stretch[n * 20 // turns] + rng.normal(0, 50)), conversation=n,
                 due_s=float(n))
            for n in range(turns)
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("scale", "verdict"), [(1.0, "unchanged"), (1.2, "regressed"), (0.8, "improved")]
)
def test_batches_let_two_runs_of_one_rate_be_told_apart(scale: float, verdict: str) -> None:
    rows = diff_runs(series(), series(scale, seed=2), asking())
    assert verdict_of(rows) == verdict
    assert rows[0].lo_ms is not None and rows[0].a.effective_turns is not None


def test_a_run_of_one_round_that_is_no_series_is_still_unknown() -> None:
    rows = diff_runs(series(), series(1.2), asking(series=False))
    assert (verdict_of(rows), rows[0].lo_ms) == ("unknown", None)


def test_weather_that_both_met_hides_nothing_where_batches_pair() -> None:
    a, b = series(weather=400, seed=3), series(1.06, weather=400, seed=3)
    (apart,) = diff_runs(a, b, asking(paired=False))
    (together,) = diff_runs(a, b, asking(paired=True))
    assert (apart.verdict, together.verdict) == ("cannot tell", "regressed")


def test_batches_are_counted_run_by_run_and_none_is_told_of_rounds() -> None:
    long, short, instant = series().turns, series(turns=300).turns, series(turns=100).turns
    assert batch_counts(long, long, asking()) == [20, 20]
    assert batch_counts(long, short, asking()) == [20, 12]
    assert batch_counts(long, instant, asking()) == [20, 0]
    assert batch_counts(long, long, asking(series=False)) == []


def test_paired_batches_begin_and_end_together() -> None:
    long, short = series().turns, series(turns=300).turns
    ours, theirs = acting_rounds(long, short, asking(paired=True))
    assert ours[:300].tolist() == theirs.tolist()


FLOWS = [flow(1000.0, conversation=n, due_s=1.5 * n) for n in range(9)]


def later(rows: Sequence[FlowRow], by_s: float, conversation: int) -> list[FlowRow]:
    return [
        structs.replace(row, due_s=row.due_s + by_s * (row.conversation == conversation))
        for row in rows
    ]


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (FLOWS, True),
        (FLOWS[::-1], True),
        ([structs.replace(row, response_ms=9.0) for row in FLOWS], True),
        (later(FLOWS, 0.0001, 4), True),  # two clocks begin at floats of their own
        (later(FLOWS, 0.01, 4), False),
        (FLOWS[:-1], False),
        ([structs.replace(row, conversation=row.conversation + 1) for row in FLOWS], False),
        ([structs.replace(row, variant="warm") for row in FLOWS], False),
        ([*FLOWS, structs.replace(FLOWS[0], turn=1, due_s=7.0)], True),  # due by an answer
    ],
)
def test_schedules_are_the_same_by_when_conversations_were_due(
    other: list[FlowRow], same: bool
) -> None:
    assert same_schedule(columns(FLOWS).turns, columns(other).turns) == same


@pytest.mark.slow
@pytest.mark.parametrize(("servers", "load", "most"), [(32, 0.5, 0.08), (32, 0.85, 0.14)])
def test_two_runs_of_one_station_are_seldom_called_changed(
    servers: int, load: float, most: float
) -> None:
    median, _ = truth(servers, load, (0.5,))
    turns, warm = int(load * servers * 200 * median), int(load * servers * 20 * median)
    any_change, called = replace(asking(), tolerance=Tolerance()), 0
    for number in range(150):
        runs = []
        for which in (0, 1):
            due, took = station(
                np.random.default_rng([servers, number, which]), servers, load, warm + turns
            )
            steady = zip(due[warm:].tolist(), took[warm:].tolist(), strict=True)
            runs.append(
                columns(
                    [flow(1000 * ms, due_s=s, conversation=n) for n, (s, ms) in enumerate(steady)]
                )
            )
        rows = diff_runs(runs[0], runs[1], any_change)
        called += verdict_of(rows) in ("improved", "regressed")
    share = called / 150
    print(f"\n{servers} servers at {load:.0%}: called changed in {share:.1%} of 150 pairs")
    assert share < most
