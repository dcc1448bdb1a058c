"""The search for a capacity: it ends, it brackets the truth, and one fluke does not lead it astray.
What a step shows: each reason against it, and stations of known capacity."""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.record import FloatArray, FlowRow, Outcome, QuantileSummary, Rows, Step, columns_of
from harness.stats.capacity import (
    MOST_STEPS,
    N_TOO_SMALL,
    STRETCHES,
    Played,
    Search,
    Wanted,
    capacity,
    growth_per_s,
    judge,
    next_step,
)

SEARCH = Search(slo_ms=8000.0)

Measure = Callable[[Wanted, int], Step]


def _step(number: int, rate: float, because: Sequence[str] = ()) -> Step:
    return Step(
        round=number,
        rate=rate,
        completed_rate=rate,
        due=1000,
        finished=1000,
        failed=0,
        growth_per_s=0.0,
        growth_lo_per_s=0.0,
        quantiles=[
            QuantileSummary(quantile=0.99, ms=1.0, lo_ms=1.0, hi_ms=1.0, effective_turns=1000.0)
        ],
        sustained=not because,
        because=list(because),
    )


def _searched(search: Search, measure: Measure) -> tuple[list[Step], list[Wanted]]:
    steps: list[Step] = []
    asked: list[Wanted] = []
    while wanted := next_step(search, steps):
        asked.append(wanted)
        steps.append(measure(wanted, len(steps)))
    return steps, asked


def _up_to(truth: float) -> Measure:
    """A system that sustains every rate up to the truth, and no other."""
    return lambda wanted, n: _step(n, wanted.rate, [] if wanted.rate <= truth else ["late"])


# What to measure next


@given(
    truth=st.floats(1.001, 999.0),
    resolution=st.floats(0.02, 1.0),
    lowest=st.sampled_from([0.01, 0.5, 1.0]),
)
def test_any_capacity_is_bracketed_to_the_resolution_and_both_ends_are_measured_twice(
    truth: float, resolution: float, lowest: float
) -> None:
    search = replace(SEARCH, resolution=resolution, lowest_rate=lowest)
    steps, _ = _searched(search, _up_to(truth))
    found = capacity(search, steps)
    assert found.sustained_rate is not None and found.failed_rate is not None
    assert found.sustained_rate <= truth < found.failed_rate
    assert found.failed_rate <= found.sustained_rate * (1 + resolution)
    assert found.confirmed
    rates = [step.rate for step in steps]
    assert [rates.count(end) for end in (found.sustained_rate, found.failed_rate)] == [2, 2]
    assert len(steps) < MOST_STEPS


def test_the_rate_is_doubled_and_then_the_bracket_is_halved() -> None:
    _, asked = _searched(SEARCH, _up_to(21.6))
    rates = [1, 2, 4, 8, 16, 32, 22.6, 19, 20.7, 20.7, 22.6]
    assert asked == [Wanted(rate) for rate in rates]


def test_what_is_sustained_up_to_the_top_is_not_found() -> None:
    search = replace(SEARCH, highest_rate=10.0)
    steps, _ = _searched(search, _up_to(math.inf))
    assert [step.rate for step in steps] == [1, 2, 4, 8, 10]
    found = capacity(search, steps)
    assert (found.sustained_rate, found.failed_rate, found.confirmed) == (10.0, None, False)


def test_what_fails_at_the_lowest_rate_is_measured_again_and_not_found() -> None:
    steps, _ = _searched(SEARCH, _up_to(0.5))
    assert [step.rate for step in steps] == [1, 1]
    found = capacity(SEARCH, steps)
    assert (found.sustained_rate, found.failed_rate, found.confirmed) == (None, 1.0, False)


@pytest.mark.parametrize("fluke", range(11))
def test_one_measurement_that_lies_is_outvoted(fluke: int) -> None:
    truth = _up_to(21.6)

    def lies_once(wanted: Wanted, n: int) -> Step:
        step = truth(wanted, n)
        return step if n != fluke else _step(n, wanted.rate, ["late"] if step.sustained else [])

    steps, _ = _searched(SEARCH, lies_once)
    found = capacity(SEARCH, steps)
    assert found.confirmed
    assert found.sustained_rate is not None and found.failed_rate is not None
    assert found.sustained_rate <= 21.6 < found.failed_rate <= 1.1 * found.sustained_rate


def test_a_step_that_tells_nothing_is_measured_for_longer_and_then_fails() -> None:
    def never_tells(wanted: Wanted, n: int) -> Step:
        return _step(n, wanted.rate, [f"{N_TOO_SMALL} for p99"] if wanted.rate > 2 else [])

    steps, asked = _searched(SEARCH, never_tells)
    first = [wanted.stretch for wanted in asked if wanted.rate == 4]
    assert first[:3] == list(STRETCHES)
    found = capacity(SEARCH, steps)
    assert found.sustained_rate == 2.0
    assert found.failed_rate is not None and found.failed_rate < 2.2
    assert found.confirmed


def test_a_step_that_tells_once_it_is_long_enough_counts_once() -> None:
    def tells(wanted: Wanted, n: int) -> Step:
        if wanted.stretch < STRETCHES[-1]:
            return _step(n, wanted.rate, [f"{N_TOO_SMALL} for p99"])
        return _up_to(3.0)(wanted, n)

    found = capacity(SEARCH, _searched(SEARCH, tells)[0])
    assert found.sustained_rate is not None and found.failed_rate is not None
    assert found.sustained_rate <= 3.0 < found.failed_rate <= 1.1 * found.sustained_rate
    assert found.confirmed


@given(luck=st.randoms(use_true_random=False), chance=st.floats(0.0, 1.0))
def test_a_system_that_is_up_to_luck_ends_the_search_too(luck: object, chance: float) -> None:
    draw = luck.random  # type: ignore[attr-defined]  # what hypothesis draws is a Random
    steps, _ = _searched(
        SEARCH, lambda wanted, n: _step(n, wanted.rate, ["late"] if draw() < chance else [])
    )
    assert len(steps) <= MOST_STEPS
    found = capacity(SEARCH, steps)
    if found.confirmed:
        assert found.sustained_rate is not None and found.failed_rate is not None
        assert found.sustained_rate < found.failed_rate


# What a step showed


def _row(n: int, due_s: float, took_s: float, outcome: Outcome) -> FlowRow:
    return FlowRow(
        variant="baseline", round=0, conversation=n, turn=0, due_s=due_s, start_s=due_s,
        end_s=due_s + took_s, response_ms=took_s * 1e3, service_ms=took_s * 1e3, outcome=outcome,
        cold=True, method="balance", amount_minor=100, currency="CNY", fee_minor=1, calls=3,
        wasted_prewarms=0, stale_tokens=0, corrections=0, guarded=0, human_ms=0.0,
        token_cost_micro=0,
    )  # fmt: skip


def _played(
    due_s: FloatArray, took_s: FloatArray, *, failed: float = 0.0, lost: int = 0, begin_s: float = 0
) -> Played:
    """Turns of which every `1 / failed`-th failed, and `lost` more that never ended."""
    every = round(1 / failed) if failed else 0
    rows = Rows(
        [
            _row(n, due, took, "error" if every and n % every == 0 else "paid")
            for n, (due, took) in enumerate(zip(due_s.tolist(), took_s.tolist(), strict=True))
        ]
    )
    end_s = float(np.ceil(due_s[-1]))
    return Played(
        round=3, rate=10.0, begin_s=begin_s, end_s=end_s, turns=columns_of(rows).turns,
        due=len(rows.flows) + lost, ended=len(rows.flows),
    )  # fmt: skip


EVEN = np.arange(0.05, 100.0, 0.1)
"""Due times of 1000 turns at 10 turns/s."""


def _took(seed: int = 1, median_s: float = 3.0) -> FloatArray:
    return np.random.default_rng(seed).lognormal(math.log(median_s), 0.2, EVEN.size)


def test_a_steady_step_within_its_service_level_is_sustained() -> None:
    step = judge(SEARCH, _played(EVEN, _took()))
    assert (step.sustained, step.because, step.round, step.rate) == (True, [], 3, 10.0)
    assert (step.due, step.finished, step.failed) == (1000, 1000, 0)
    assert step.completed_rate == pytest.approx(10.0, rel=0.05)
    assert step.growth_lo_per_s is not None and step.growth_lo_per_s <= 0
    assert [point.quantile for point in step.quantiles] == [0.5, 0.95, 0.99]


@pytest.mark.parametrize(
    ("played", "reason"),
    [
        (_played(EVEN, _took(median_s=4.9)), "p99 may be 8"),
        (_played(EVEN, _took(median_s=9.0)), "% of turns took over 8 s"),
        (_played(EVEN, _took(), failed=0.02), "2% of turns took over 8 s"),
        (_played(EVEN, _took(), failed=0.01), "so many turns failed that p99 may be one of them"),
        (_played(EVEN, _took(), lost=30), "of 1030 turns due only 1000 ended"),
        (_played(EVEN[:300], _took()[:300]), "n too small for p99: worth "),
    ],
    ids=["late bound", "late", "failed", "few failed", "dropped", "too few"],
)
def test_each_reason_alone_fails_a_step(played: Played, reason: str) -> None:
    step = judge(SEARCH, played)
    assert not step.sustained
    assert len(step.because) == 1 and reason in step.because[0]


def test_turns_that_pile_up_fail_a_step_that_is_in_time() -> None:
    step = judge(replace(SEARCH, quantile=0.5), _played(EVEN, np.linspace(1.0, 7.0, EVEN.size)))
    assert step.growth_per_s == pytest.approx(0.6, abs=0.1)
    assert len(step.because) == 1 and "turns pile up by 0.57 a second or more" in step.because


def test_a_few_failed_turns_beyond_the_bound_are_borne() -> None:
    step = judge(SEARCH, _played(EVEN, _took(), failed=0.002))
    assert (step.sustained, step.failed) == (True, 2)


def test_a_step_without_a_turn_is_not_sustained() -> None:
    empty = replace(
        _played(EVEN[:1], EVEN[:1]), turns=columns_of(Rows()).turns, due=0, ended=0, end_s=100.0
    )
    step = judge(SEARCH, empty)
    assert step.because[0] == "no turn was due"
    assert step.quantiles[0].ms is None


def test_turns_from_before_the_load_was_steady_are_not_judged() -> None:
    slow_start = np.where(EVEN < 20.0, 60.0, _took())
    late = judge(SEARCH, _played(EVEN, slow_start, begin_s=0.0))
    assert not late.sustained
    steady = judge(replace(SEARCH, quantile=0.95), _played(EVEN, slow_start, begin_s=80.0))
    assert steady.sustained


def test_the_quantile_asked_for_is_told_beside_the_usual() -> None:
    step = judge(replace(SEARCH, quantile=0.9), _played(EVEN, _took()))
    assert [point.quantile for point in step.quantiles] == [0.5, 0.9, 0.95, 0.99]


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.95, 0.99, 0.999])
def test_a_step_has_ten_turns_beyond_its_quantile(quantile: float) -> None:
    assert replace(SEARCH, quantile=quantile).turns == round(10 / (1 - quantile))


# Turns in flight


@given(took_s=st.floats(0.01, 50.0), grows=st.floats(-0.2, 0.5))
def test_a_straight_rise_is_told_exactly(took_s: float, grows: float) -> None:
    """At 100 turns/s a response time that grows by x a second adds 100 x in flight a second."""
    due = np.arange(-100.0, 100.0, 0.01)
    took = np.maximum(took_s + 10.0 + grows * due, 0.0)
    slope, least = growth_per_s(due, due + took, 0.0, 20.0)
    # By the time a turn is due, those that are late have come due before it: x / (1 + x).
    assert slope == pytest.approx(100 * grows / (1 + grows), abs=0.6)
    assert least <= slope + 1e-9


def _station(
    rng: np.random.Generator, rate: float, until_s: float, servers: int = 8, service_s: float = 2.5
) -> tuple[FloatArray, FloatArray]:
    """Due and end times at a first-come station with Poisson arrivals and lognormal service."""
    n = int(rng.poisson(rate * until_s))
    due = np.sort(rng.uniform(0, until_s, n))
    service = rng.lognormal(math.log(service_s) - 0.125, 0.5, n)
    free = [0.0] * servers
    end = np.empty(n)
    for i in range(n):
        start = max(due[i], free[0])
        end[i] = start + service[i]
        heapq.heapreplace(free, end[i])
    return due, end


@pytest.mark.parametrize(
    ("load", "least", "most"), [(0.5, 0.0, 0.1), (0.8, 0.0, 0.1), (1.2, 0.9, 1.0)]
)
def test_growth_is_seen_at_an_overloaded_station_and_hardly_ever_at_another(
    load: float, least: float, most: float
) -> None:
    rng, rate = np.random.default_rng(5), load * 8 / 2.5
    length_s = 1000 / rate
    seen = [
        growth_per_s(*_station(rng, rate, 30.0 + length_s), 30.0, 30.0 + length_s)[1] > 0
        for _ in range(100)
    ]
    print(f"load {load}: called growing in {np.mean(seen):.0%} of steps")
    assert least <= np.mean(seen) <= most


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_capacity_of_a_station_is_found_below_its_theory_and_close_to_it(seed: int) -> None:
    """Eight servers at 2.5 s a turn end 3.2 turns/s; no more can be sustained, whatever the SLO."""
    search = Search(slo_ms=20_000.0, quantile=0.95)
    seeds = count(seed * 1000)

    def measure(wanted: Wanted, n: int) -> Step:
        end_s = 30.0 + wanted.stretch * max(300.0, search.turns / wanted.rate)
        due, end = _station(np.random.default_rng(next(seeds)), wanted.rate, end_s)
        rows = [
            _row(i, at, took, "paid")
            for i, (at, took) in enumerate(zip(due.tolist(), (end - due).tolist(), strict=True))
        ]
        return judge(
            search,
            Played(
                round=n, rate=wanted.rate, begin_s=30.0, end_s=end_s,
                turns=columns_of(Rows(rows)).turns, due=len(rows), ended=len(rows),
            ),
        )  # fmt: skip

    steps, _ = _searched(search, measure)
    found = capacity(search, steps)
    print(f"found {found.sustained_rate} to {found.failed_rate} of 3.2 in {len(steps)} steps")
    assert found.confirmed and found.sustained_rate is not None
    assert 0.75 * 3.2 < found.sustained_rate < 3.2
