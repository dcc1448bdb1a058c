"""What each strategy did: figures from rows written out by hand; no failed turn looks fast."""

from collections.abc import Sequence
from itertools import product

import msgspec
import numpy as np
import pytest

from harness.record import Columns, FlowRow, SpanRow, VariantSummary
from harness.stats.critical_path import stage_matrix
from harness.stats.strategies import cells_of, spread_quantiles, variant_summary
from tests.stats.by_hand import ALL, BASE, WARM, Named, columns, flow, flows, span

QUANTILES = (0.5, 0.9)


def summaries(found: Columns, strategies: Sequence[Named]) -> list[VariantSummary]:
    stages = stage_matrix(found)
    return [
        variant_summary(cell, found.turns, stages, QUANTILES)
        for cell in cells_of(found.turns, strategies)
    ]


def summary(found: Sequence[FlowRow], spans: Sequence[SpanRow] = ()) -> VariantSummary:
    (only,) = summaries(columns(found, spans), [BASE])
    return only


def test_counts_are_sums_and_rates_are_means_over_turns() -> None:
    found = summary(
        [
            flow(900, fee_minor=30, calls=4, wasted_prewarms=1, stale_tokens=2, corrections=1),
            flow(2900, fee_minor=40, calls=5, wasted_prewarms=2, outcome="reversed"),
            flow(100, calls=1, outcome="error"),
            flow(100, calls=2, outcome="unknown"),
        ]
    )
    assert (found.turns, found.errors, found.reversals) == (4, 1, 1)
    assert (found.wasted_prewarms, found.stale_tokens, found.corrections) == (3, 2, 1)
    assert (found.calls_per_turn, found.fee_minor_mean) == (3.0, 17.5)


def test_a_fee_stands_beside_the_amount_that_it_is_a_share_of() -> None:
    found = summary([flow(900, amount_minor=5000, fee_minor=30), flow(900, amount_minor=0)])
    assert (found.fee_minor_mean, found.amount_minor_mean) == (15.0, 2500.0)


def test_what_models_and_users_cost_is_told_per_turn() -> None:
    found = summary(
        [
            flow(900, guarded=2, human_ms=4000.0, token_cost_micro=25_000),
            flow(100, guarded=1, token_cost_micro=1, outcome="error"),
            flow(100),
        ]
    )
    assert found.guarded == 3
    assert found.human_ms_mean == pytest.approx(4000 / 3)
    # A fen is ten thousand millionths of a yuan; a turn's tokens may cost less than one.
    assert found.token_cost_minor_mean == pytest.approx(2.5001 / 3)


def test_human_time_is_in_no_quantile_and_in_no_budget() -> None:
    found = summary([flow(900, human_ms=60_000.0)] * 6)
    assert (found.p50_ms, found.slo["1s"]) == (900, 1.0)


def test_only_an_answered_turn_is_within_a_budget() -> None:
    found = summary(
        [
            flow(1000),
            flow(1001),
            flow(4999, outcome="declined"),
            flow(10, outcome="error"),
            flow(10, outcome="unknown"),
        ]
    )
    assert found.slo == {"1s": 0.2, "3s": 0.4, "5s": 0.6}


def test_quantiles_below_their_sample_size_are_null() -> None:
    five, six = summary(flows([1.0] * 5)), summary(flows([1.0] * 6))
    assert (five.p50_ms, five.p50_ms_lo, five.p50_ms_hi) == (None, None, None)
    assert (six.p50_ms, six.p50_ms_lo, six.p50_ms_hi) == (1.0, 1.0, 1.0)
    assert (six.p95_ms, six.p99_ms) == (None, None)


def test_each_quantile_has_its_own_place_and_bounds() -> None:
    found = summary(flows([float(ms) for ms in range(1000, 0, -1)]))
    assert (found.p50_ms, found.p95_ms, found.p99_ms) == (500, 950, 990)
    assert (found.p50_ms_lo, found.p50_ms_hi) == (469, 532)
    for lo, ms, hi in (
        (found.p95_ms_lo, found.p95_ms, found.p95_ms_hi),
        (found.p99_ms_lo, found.p99_ms, found.p99_ms_hi),
    ):
        assert lo is not None and ms is not None and hi is not None
        assert lo < ms < hi


@pytest.mark.parametrize(
    ("failed", "known"),
    [(0, (True, True, True)), (3, (True, True, False)), (6, (True, False, False))],
)
def test_failed_turns_push_a_quantile_to_null(failed: int, known: tuple[bool, bool, bool]) -> None:
    failures = [
        flow(1.0, round=n % 5, outcome="unknown" if n % 2 else "error") for n in range(failed)
    ]
    found = summary(failures + flows([500.0] * (100 - failed)))
    assert (found.p95_ms_lo is not None, found.p95_ms is not None) == (known[0], known[1])
    assert (found.p95_ms_hi is not None) == known[2]
    assert found.p50_ms == 500


def test_strategies_keep_their_order_and_their_switches() -> None:
    turns = flows([2.0] * 6, variant="warm") + flows([1.0] * 6)
    found = summaries(columns(turns), [WARM, BASE])
    assert [(one.name, one.prewarm, one.p50_ms) for one in found] == [
        ("warm", True, 2.0),
        ("base", False, 1.0),
    ]
    assert [one.pay for one in found] == ["wechat-ai", "wechat-ai"]
    switches = [
        (one.prewarm, one.token_cache, one.parallel_confirm) for one in summaries(columns([]), ALL)
    ]
    assert switches == list(product((False, True), repeat=3))


def test_a_strategy_without_a_turn_shows_zeros_and_nulls() -> None:
    found = summary([])
    assert (found.turns, found.calls_per_turn, found.fee_minor_mean) == (0, 0, 0)
    assert found.slo == {"1s": 0, "3s": 0, "5s": 0}
    assert (found.p50_ms, found.critical_ms) == (None, {})


def test_the_critical_path_is_that_of_the_variant() -> None:
    turn = flow(1000)
    found = summary([turn], [span(turn, "pay", 0.2, 1.0)])
    assert found.critical_ms == pytest.approx({"pay": 800, "own time": 200})


def test_a_summary_survives_json() -> None:
    found = summary(flows([1.0] * 50) + [flow(1.0, outcome="error")] * 50)
    assert msgspec.json.decode(msgspec.json.encode(found), type=VariantSummary) == found


def test_the_quantiles_asked_for_stand_beside_those_always_told() -> None:
    found = summary(flows([float(ms) for ms in range(1000, 0, -1)]))
    told = {point.quantile: point.ms for point in found.quantiles}
    assert told == {0.5: 500, 0.9: 900, 0.95: 950, 0.99: 990}


def test_rounds_that_differ_are_worth_fewer_turns_and_widen_the_interval() -> None:
    alike = summary(flows(np.linspace(900, 1100, 200).tolist()))
    apart = [
        flow(ms + 40 * (n % 5), round=n % 5) for n, ms in enumerate(np.linspace(900, 1100, 200))
    ]
    different = summary(apart)
    assert alike.quantiles[0].effective_turns == 200
    assert different.quantiles[0].effective_turns is not None
    assert 6 < different.quantiles[0].effective_turns < 50
    assert different.p50_ms_hi is not None and different.p50_ms_lo is not None
    assert alike.p50_ms_hi is not None and alike.p50_ms_lo is not None
    assert different.p50_ms_hi - different.p50_ms_lo > 2 * (alike.p50_ms_hi - alike.p50_ms_lo)


def test_the_curve_rises_from_p1_to_where_n_is_too_small() -> None:
    found = summary(flows([float(ms) for ms in range(1000, 0, -1)]))
    at = [point.quantile for point in found.percentiles]
    assert at == sorted(at)
    assert at[0] == 0.01
    assert 0.996 <= at[-1] < 0.999  # 1,000 turns tell p99.63 at most
    values = [point.ms for point in found.percentiles]
    assert values == [pytest.approx(1000 * q) for q in at]
    assert all(point.lo_ms is not None for point in found.percentiles)


def test_the_curve_is_empty_of_too_few_turns() -> None:
    assert summary(flows([1.0] * 5)).percentiles == []


def test_where_turns_failed_the_curve_has_a_lower_bound_while_there_is_one() -> None:
    turns = flows([500.0] * 180) + [flow(1.0, outcome="error", round=n % 5) for n in range(20)]
    points = {point.quantile: point for point in summary(turns).percentiles}
    assert (points[0.8].ms, points[0.8].hi_ms) == (500, 500)
    assert (points[0.92].lo_ms, points[0.92].ms, points[0.92].hi_ms) == (500, None, None)
    assert 0.99 not in points  # nothing of it is finite


def test_spread_quantiles_are_those_that_people_name() -> None:
    found = spread_quantiles((10, 5, 2.5))
    assert found == [0.01, 0.05, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999]


def test_cold_turns_are_told_apart_from_steady_ones() -> None:
    found = summary(flows([1500.0] * 8, cold=True) + flows([700.0] * 40))
    cold, steady = found.strata
    assert [(one.name, one.turns) for one in (cold, steady)] == [("cold", 8), ("steady", 40)]
    assert [point.ms for point in cold.quantiles] == [1500, None]
    assert [point.ms for point in steady.quantiles] == [700, None]
