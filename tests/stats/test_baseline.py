"""Strategies beside the baseline: percentile by percentile, and round by round."""

import pytest

from harness.record import FlowRow, RoundFigures, Shift
from harness.stats.baseline import POINTS, round_figures_of, shifts_of
from harness.stats.strategies import cells_of
from tests.stats.by_hand import ALL, BASE, WARM, Named, columns, factorial_turns, flow, flows

CACHED = Named("cached", token_cache=True)


def shifted(found: list[FlowRow], strategies: list[Named]) -> list[Shift]:
    return shifts_of(cells_of(columns(found).turns, strategies), seed=1)


def rounds_of(found: list[FlowRow], strategies: list[Named]) -> list[RoundFigures]:
    return round_figures_of(cells_of(columns(found).turns, strategies))


def test_the_first_strategy_is_the_baseline_of_all_others() -> None:
    found = shifted(factorial_turns(), ALL)
    assert [(one.baseline, one.variant) for one in found] == [("0", str(n)) for n in range(1, 8)]


def test_a_shift_is_a_difference_at_each_percentile_within_its_band() -> None:
    values = [1000.0 + 2 * n for n in range(800)]
    turns = flows(values) + flows([0.8 * ms for ms in values], variant="warm")
    (only,) = shifted(turns, [BASE, WARM])
    assert [point.quantile for point in only.points] == [q for q in POINTS if q <= 0.995]
    for point in only.points:
        assert point.ms == pytest.approx(-200 - 320 * point.quantile, abs=1)
        assert point.lo_ms is not None and point.hi_ms is not None
        assert point.lo_ms <= point.ms <= point.hi_ms


def test_without_a_baseline_or_others_there_is_no_shift() -> None:
    some = flows([1.0] * 100)
    assert shifted(some, [BASE]) == shifted(some, [BASE, WARM]) == shifted(some, [WARM, BASE]) == []
    assert shifted(some, []) == []


def test_a_strategy_without_a_turn_is_left_out() -> None:
    turns = flows([2.0] * 100) + flows([1.0] * 100, variant="cached")
    assert [one.variant for one in shifted(turns, [BASE, WARM, CACHED])] == ["cached"]


def test_medians_are_those_of_each_round_and_differ_from_the_baselines_of_the_same() -> None:
    turns = [
        *(flow(ms, round=r) for r, ms in ((1, 100), (1, 300), (1, 200), (3, 1000), (3, 1200))),
        *(flow(ms, variant="warm", round=r) for r, ms in ((1, 150), (3, 700), (3, 800), (3, 900))),
    ]
    assert rounds_of(turns, [BASE, WARM]) == [
        RoundFigures(variant="base", baseline="base", medians_ms=[200, 1000], differences_ms=[]),
        RoundFigures(
            variant="warm", baseline="base", medians_ms=[150, 800], differences_ms=[-50, -200]
        ),
    ]


def test_a_round_without_a_turn_or_an_answer_in_the_middle_has_no_median() -> None:
    turns = [
        flow(100, round=0),
        flow(100, round=1),
        *(flow(1, round=2, outcome=of) for of in ("error", "unknown", "paid")),
        flow(50, variant="warm", round=0),
        flow(60, variant="warm", round=2),
    ]
    base, warm = rounds_of(turns, [BASE, WARM])
    assert base.medians_ms == [100, 100, None]
    assert warm.medians_ms == [50, None, 60]
    assert warm.differences_ms == [-50, None, None]


def test_no_strategies_and_no_turns_have_no_rounds() -> None:
    assert rounds_of([], []) == []
    assert [one.medians_ms for one in rounds_of([], [BASE, WARM])] == [[], []]
