"""A run of one round is a series: equal spans of its time act as rounds, and no others change.

The stations are queues with a Poisson arrival process, so turns that follow each other resemble
each other, as they do before a real service. The long run is marked slow and prints what it found.
"""

import heapq
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from harness.record import CapacitySummary, FloatArray, FlowRow, Turns
from harness.stats.analysis import Question, analyse
from harness.stats.batches import (
    ENOUGH_RESPONSES,
    FEWEST,
    LEAST_RESPONSES,
    LEAST_TURNS,
    MOST,
    batches_of,
    is_series,
    rounds_of,
)
from harness.stats.quantiles import Sample, round_quantile_intervals
from tests.report.sample import sample_run, series_run
from tests.stats.by_hand import BASE, WARM, columns, flow, flows
from tests.stats.turns import turns_of


def evenly(
    turns: int, every_s: float, response_ms: float = 1000.0, variant: str = "base"
) -> list[FlowRow]:
    return [
        flow(response_ms, variant=variant, conversation=n, due_s=every_s * n) for n in range(turns)
    ]


def count_of(turns: Turns) -> int:
    batches = batches_of([turns])
    return batches.count if batches else 0


@pytest.mark.parametrize(
    ("turns", "last_s", "response_ms", "count"),
    [
        (1000, 1000.0, 1000.0, MOST),
        (1000, 300.0, 1000.0, 15),  # as many as last 20 responses each
        (1000, 200.0, 1000.0, 10),
        (1000, 50.0, 1000.0, 10),  # ten of five responses each are the least
        (1000, 49.9, 1000.0, 0),
        (375, 1000.0, 1000.0, 15),  # 25 turns each
        (250, 1000.0, 1000.0, 10),
        (249, 1000.0, 1000.0, 0),
        (1, 0.0, 1000.0, 0),
        (1000, 1.0, 0.0, MOST),  # no turn is in flight when the next is due
        (1000, 0.0, 0.0, 0),
    ],
)
def test_batches_are_as_many_as_length_and_turns_allow(
    turns: int, last_s: float, response_ms: float, count: int
) -> None:
    every_s = last_s / max(1, turns - 1)
    assert count_of(turns_of(evenly(turns, every_s, response_ms))) == count


def test_the_rule_is_ten_to_twenty_batches_long_before_many() -> None:
    assert (FEWEST, MOST, LEAST_TURNS) == (10, 20, 25)
    assert ENOUGH_RESPONSES > LEAST_RESPONSES


def test_the_strategy_with_fewest_turns_and_the_slowest_of_all_count() -> None:
    both = [*evenly(1000, 1.0), *evenly(300, 3.3, variant="warm")]
    assert count_of(turns_of(both)) == 12


def test_turns_that_never_answered_make_no_response_long() -> None:
    failed = [structs.replace(row, outcome="error", response_ms=1e6) for row in evenly(400, 2.5)]
    assert count_of(turns_of([*evenly(1000, 1.0), *failed])) == MOST
    assert count_of(turns_of(failed)) == 0


@given(
    st.integers(250, 1200),
    st.floats(0.2, 3.0),
    st.floats(10, 2000),
    st.integers(0, 2**32 - 1),
)
def test_batches_are_equal_spans_in_the_order_of_time(
    turns: int, every_s: float, response_ms: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    dues = np.sort(rng.uniform(0, turns * every_s, turns))
    made = turns_of([flow(response_ms, conversation=n, due_s=s) for n, s in enumerate(dues)])
    batches = batches_of([made])
    acting = rounds_of(made)
    if batches is None:
        assert acting is made.round
        return
    assert FEWEST <= batches.count <= MOST
    assert batches.length_s >= LEAST_RESPONSES * response_ms / 1000 * (1 - 1e-9)
    assert np.all(np.diff(acting) >= 0)
    assert (acting[0], acting[-1]) == (0, batches.count - 1)
    begins = batches.first_s + batches.length_s * acting
    assert np.all(made.due_s >= begins - 1e-6)
    assert np.all(made.due_s <= begins + batches.length_s + 1e-6)


def test_a_run_of_several_rounds_keeps_them() -> None:
    made = turns_of(flows([1.0] * 2000, rounds=5))
    assert rounds_of(made) is made.round
    assert batches_of([made, turns_of(evenly(1000, 1.0))]) is None
    assert batches_of([turns_of([])]) is None


def test_two_runs_are_cut_at_the_same_times() -> None:
    long, short = turns_of(evenly(1000, 1.0)), turns_of(evenly(400, 2.0, 2000.0))
    batches = batches_of([long, short])
    assert batches is not None
    assert (batches.first_s, batches.count) == (0.0, 16)
    assert batches.length_s == pytest.approx(999 / 16)
    assert int(batches.of(short).max()) == 12  # it ended earlier


# What an analysis makes of them


def test_a_series_knows_how_alike_its_turns_are() -> None:
    slow_hour = [1000.0 if n < 500 else 3000.0 for n in range(1000)]
    wavering = [flow(ms, conversation=n, due_s=float(n)) for n, ms in enumerate(slow_hour)]
    mixed = [structs.replace(row, response_ms=slow_hour[::-1][n * 501 % 1000])
             for n, row in enumerate(wavering)]  # fmt: skip
    found = [analyse(columns(rows), [BASE], Question()).variants[0] for rows in (wavering, mixed)]
    worth = [variant.quantiles[0].effective_turns for variant in found]
    assert worth[0] is not None and worth[1] is not None
    assert worth[0] < 30
    assert worth[1] > 900


def test_strategies_of_one_series_are_told_apart_within_bounds() -> None:
    rng = np.random.default_rng(5)
    weather = np.repeat(rng.normal(0, 300, 20), 50)
    rows = [
        flow(2000 + weather[n] + rng.normal(0, 50) - saved, variant=name, conversation=n,
             due_s=float(n))
        for name, saved in (("base", 0.0), ("warm", 100.0))
        for n in range(1000)
    ]  # fmt: skip
    (shift,) = analyse(columns(rows), [BASE, WARM], Question()).shifts
    (middle,) = (point for point in shift.points if point.quantile == 0.5)
    assert middle.lo_ms is not None and middle.hi_ms is not None
    # Weather of 300 ms that both met would hide it, if batches did not pair.
    assert -200 < middle.lo_ms < -100 < middle.hi_ms < 0


def test_a_round_that_varied_factors_is_no_series() -> None:
    rows = [*evenly(1000, 1.0), *evenly(1000, 1.0, variant="warm")]
    found = analyse(columns(rows), [BASE, WARM], Question(factors=["prewarm"]))
    assert all(v.quantiles[0].effective_turns is None for v in found.variants)
    assert [len(figures.medians_ms) for figures in found.round_figures] == [1, 1]


def test_a_series_is_one_round_without_effects_and_no_sweep() -> None:
    series, _ = series_run((), turns=20)
    compared, _ = sample_run(("prewarm",), rounds=1, turns=20)
    swept = CapacitySummary(
        slo_ms=1, quantile=0.5, sustained_rate=1, failed_rate=2, confirmed=True, steps=[]
    )
    assert is_series(series)
    assert not is_series(structs.replace(series, rounds=5))
    assert not is_series(structs.replace(series, capacity=swept))
    assert not is_series(compared)


def test_a_comparison_of_one_round_without_effects_is_no_series_but_payers_are() -> None:
    small, _ = sample_run(("prewarm",), rounds=1, turns=4)
    assert not is_series(structs.replace(small, effects=[]))
    opened = {**small.parameters, "arrivals": "poisson"}
    assert is_series(structs.replace(small, effects=[], parameters=opened))
    paying, _ = series_run((), turns=20)
    (baseline,) = paying.variants
    payers = [structs.replace(baseline, name=name, pay=name) for name in ("alipay", "stripe")]
    closed = {name: told for name, told in paying.parameters.items() if name != "arrivals"}
    assert is_series(structs.replace(paying, variants=payers, parameters=closed))


# How often intervals miss


def station(
    rng: np.random.Generator, servers: int, load: float, turns: int
) -> tuple[FloatArray, FloatArray]:
    """When turns were due and what each took, in mean services; the first come to no queue."""
    due = np.cumsum(rng.exponential(1 / (load * servers), turns))
    service = rng.lognormal(-0.125, 0.5, turns)
    free, end = [0.0] * servers, np.empty(turns)
    for n, (when, takes) in enumerate(zip(due.tolist(), service.tolist(), strict=True)):
        end[n] = max(heapq.heappop(free), when) + takes
        heapq.heappush(free, end[n])
    return due, end - due


@cache
def truth(servers: int, load: float, quantiles: tuple[float, ...]) -> tuple[float, list[float]]:
    """The median, and the quantiles, of so many turns that they are known."""
    _, took = station(np.random.default_rng(servers), servers, load, 400_000)
    return float(np.median(took)), np.quantile(took, quantiles).tolist()


def coverage(
    servers: int, load: float, responses: float, experiments: int, quantiles: Sequence[float]
) -> tuple[list[float], list[float], float]:
    """How often intervals held each quantile, taken as independent and with batches; and of how
    many of these there was one. Runs last so many median responses, after as many as 20."""
    median, known = truth(servers, load, tuple(quantiles))
    turns, warm = int(load * servers * responses * median), int(load * servers * 20 * median)
    held, given = np.zeros((2, len(known))), np.zeros((2, len(known)))
    for number in range(experiments):
        due, took = station(np.random.default_rng([servers, number]), servers, load, warm + turns)
        steady = zip(due[warm:].tolist(), took[warm:].tolist(), strict=True)
        made = turns_of(
            [flow(1000 * ms, due_s=s, conversation=n) for n, (s, ms) in enumerate(steady)]
        )
        for way, rounds in enumerate((made.round, rounds_of(made))):
            sample = Sample(made.response_ms, rounds)
            for at, one in enumerate(round_quantile_intervals(sample, quantiles)):
                if one.lo is not None and one.hi is not None:
                    given[way, at] += 1
                    held[way, at] += one.lo <= 1000 * known[at] <= one.hi
    share = held / np.maximum(1, given)
    return share[0].tolist(), share[1].tolist(), float(given[1].sum() / given[0].sum())


def test_intervals_of_a_queue_hold_the_truth_far_more_often_with_batches() -> None:
    independent, batched, given = coverage(8, 0.8, 120, 60, (0.5,))
    assert independent[0] < 0.7
    assert batched[0] > 0.8
    assert given == 1.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("servers", "load", "responses"),
    [(8, 0.8, 60), (8, 0.8, 120), (8, 0.8, 300), (8, 0.8, 1000), (32, 0.85, 60), (32, 0.85, 120),
     (32, 0.85, 300), (32, 0.5, 120), (4, 0.5, 1000)],
)  # fmt: skip
def test_intervals_of_stations_hold_the_truth(servers: int, load: float, responses: float) -> None:
    quantiles = (0.5, 0.95, 0.99)
    independent, batched, given = coverage(servers, load, responses, 300, quantiles)
    print(
        f"\n{servers} servers at {load:.0%}, {responses:g} median responses: independent "
        f"{' '.join(f'{x:.1%}' for x in independent)}, batches "
        f"{' '.join(f'{x:.1%}' for x in batched)}, given {given:.0%}"
    )
    # Runs of 60 are too short to see all that a busy queue does.
    assert batched[0] > (0.7 if responses < 120 else 0.86)
    assert batched[1] > (0.7 if responses < 120 else 0.78)
    assert batched[0] >= independent[0] - 0.02
