"""What changed from run to run: exact where the weather is one, and never more than is known."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.record import Columns, FlowRow, Outcome, Rows, Tolerance, Verdict, columns_of
from harness.stats.run_diff import Asked, DiffRow, Primary, diff_runs, verdict_of

FIVE = Tolerance(5.0, "%")


def run_of(
    scale: float = 1.0,
    *,
    turns: int = 100,
    rounds: int = 10,
    failed: int = 0,
    seed: int = 1,
    names: Sequence[str] = ("base",),
) -> Columns:
    """Turns about 1000 ms, those of a round alike; the last `failed` of each strategy never end."""
    rng = np.random.default_rng(seed)
    found: list[FlowRow] = []
    for name in names:
        weather = rng.normal(0, 20, rounds)
        for n in range(turns):
            ms = scale * (1000 + weather[n % rounds] + rng.normal(0, 50))
            outcome: Outcome = "error" if n >= turns - failed else "paid"
            found.append(flow(name, n, n % rounds, ms, outcome))
    return columns_of(Rows(found, []))


def flow(variant: str, n: int, round_: int, ms: float, outcome: Outcome) -> FlowRow:
    return FlowRow(
        variant, round_, n, 0, 0.0, 0.0, ms / 1000, ms, ms, outcome, False, "card", 1000, "CNY",
        6, 3, 0, 0, 0, 0, 0.0, 0,
    )  # fmt: skip


def asked(
    *quantiles: float,
    strategies: Sequence[str] = ("base",),
    paired: bool = True,
    tolerance: Tolerance = FIVE,
    primary: Primary | None = None,
) -> Asked:
    return Asked(
        strategies=strategies,
        quantiles=quantiles or (0.5,),
        tolerance=tolerance,
        paired=paired,
        primary=primary,
    )


def test_a_run_less_itself_is_nothing_and_certainly_so() -> None:
    run = run_of()
    (row,) = diff_runs(run, run, asked(tolerance=Tolerance()))
    assert (row.ms, row.lo_ms, row.hi_ms, row.verdict) == (0.0, 0.0, 0.0, "unchanged")
    assert row.a == row.b and (row.a_turns, row.b_turns) == (100, 100)


@settings(max_examples=20)
@given(st.floats(0.5, 2.0))
def test_under_one_weather_a_scale_comes_back_to_the_last_digit(scale: float) -> None:
    (row,) = diff_runs(run_of(), run_of(scale), asked())
    assert row.percent is not None
    assert row.percent == pytest.approx(100 * (scale - 1), abs=1e-6)
    assert row.percent_lo == pytest.approx(row.percent_hi, abs=1e-6)
    if abs(row.percent - 5) > 0.01 and abs(row.percent + 5) > 0.01:
        changed: Verdict = "regressed" if scale > 1 else "improved"
        assert row.verdict == (changed if abs(row.percent) > 5 else "unchanged")


def test_without_pairing_the_weather_of_both_runs_is_in_the_interval() -> None:
    one, other = run_of(seed=1), run_of(1.01, seed=1)
    (paired,) = diff_runs(one, other, asked())
    (apart,) = diff_runs(one, other, asked(paired=False))
    assert paired.ms == apart.ms
    assert width(paired) < width(apart) / 3


def width(row: DiffRow) -> float:
    assert row.lo_ms is not None and row.hi_ms is not None
    return row.hi_ms - row.lo_ms


def test_rounds_that_one_run_lacks_are_not_paired() -> None:
    """Asked for or not: a round without its twin is no pair."""
    rows = diff_runs(run_of(rounds=10), run_of(rounds=9), asked())
    apart = diff_runs(run_of(rounds=10), run_of(rounds=9), asked(paired=False))
    assert rows == apart


def test_there_is_a_row_for_each_strategy_and_quantile_in_their_order() -> None:
    run = run_of(names=("base", "warm"))
    rows = diff_runs(run, run, asked(0.5, 0.9, strategies=("warm", "base")))
    assert [(row.strategy, row.quantile) for row in rows] == [
        ("warm", 0.5), ("warm", 0.9), ("base", 0.5), ("base", 0.9),
    ]  # fmt: skip


def test_a_quantile_of_too_few_turns_is_not_judged() -> None:
    row, far = diff_runs(run_of(), run_of(2.0), asked(0.5, 0.99))
    assert row.known and row.verdict == "regressed"
    assert not far.known and far.verdict == "unknown"
    assert (far.ms, far.lo_ms, far.p, far.a.ms, far.b.ms) == (None,) * 5


def test_below_five_rounds_nothing_is_known_of_a_change() -> None:
    (row,) = diff_runs(run_of(rounds=4), run_of(2.0, rounds=4), asked())
    assert row.known and row.verdict == "unknown"
    assert row.ms is not None and row.lo_ms is None


@pytest.mark.parametrize(
    ("failed", "verdict"),
    [((0, 90), "regressed"), ((90, 0), "improved"), ((90, 90), "unknown"), ((0, 51), "unknown")],
)
def test_a_quantile_that_is_never_answered_is_worse_than_one_that_is(
    failed: tuple[int, int], verdict: Verdict
) -> None:
    ours, theirs = (run_of(failed=many) for many in failed)
    (row,) = diff_runs(ours, theirs, asked())
    assert (row.ms, row.known, row.verdict) == (None, True, verdict)


def test_all_rows_but_the_primary_are_one_family() -> None:
    names = [f"s{n}" for n in range(6)]
    ours, theirs = run_of(names=names), run_of(names=names, seed=2)
    declared = Primary("s2", 0.5)
    free = diff_runs(ours, theirs, asked(strategies=names, tolerance=Tolerance()))
    rows = diff_runs(ours, theirs, asked(strategies=names, tolerance=Tolerance(), primary=declared))
    assert all(row.p_holm is not None for row in free)
    assert [row.strategy for row in rows if row.primary] == ["s2"]
    assert [row.strategy for row in rows if row.p_holm is None] == ["s2"]
    for row, before in zip(rows, free, strict=True):
        assert row.p == before.p
        if row.p_holm is not None and before.p_holm is not None and row.p is not None:
            assert row.p <= row.p_holm <= before.p_holm
        if row.exploratory:
            assert row.verdict == "cannot tell"


BARE = diff_runs(run_of(), run_of(), asked())[0]


@pytest.mark.parametrize(
    ("verdicts", "primary", "verdict"),
    [
        (["unchanged", "improved"], None, "improved"),
        (["unchanged", "cannot tell"], None, "cannot tell"),
        (["cannot tell", "regressed"], None, "regressed"),
        (["unknown", "cannot tell"], None, "unknown"),
        (["unchanged", "cannot tell"], 0, "unchanged"),
        (["unchanged", "regressed"], 0, "regressed"),
        (["cannot tell", "improved"], 0, "cannot tell"),
        ([], None, "unknown"),
    ],
)
def test_any_regression_decides_and_then_the_primary_or_the_worst(
    verdicts: list[Verdict], primary: int | None, verdict: Verdict
) -> None:
    rows = [
        replace(BARE, verdict=one, primary=place == primary) for place, one in enumerate(verdicts)
    ]
    assert verdict_of(rows) == verdict


def test_a_row_with_too_few_turns_leaves_the_verdict_to_the_others() -> None:
    few = replace(BARE, verdict="unknown", known=False)
    assert verdict_of([BARE, few]) == "unchanged"
    assert verdict_of([few]) == "unknown"
    assert verdict_of([BARE, replace(few, primary=True)]) == "unknown"
