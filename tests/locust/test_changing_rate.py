"""Arrivals at a changing rate: exact at every change, and Poisson when the unit arrivals are."""

import math
from collections.abc import Iterator
from itertools import count, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.arrivals import poisson
from harness.load.pipe import Step
from harness.load.steered import Steered

SEEDS = st.integers(0, 2**63)
RATES = st.floats(min_value=0.01, max_value=1000.0)

Change = tuple[float, float]
"""From when on, and the rate."""


def _dues(unit_dues: Iterator[float], changes: list[Change], end: float) -> list[float]:
    schedule = Steered(unit_dues, arms=1, turns_each=1)
    for when, rate in changes:
        schedule.tell(Step(when, rate, 0, 1))
    return [arrival.due_s for arrival in schedule.due_by(end)]


def _even() -> Iterator[float]:
    """Unit arrivals at 1, 2, 3, .."""
    return map(float, count(1))


# The n-th is due when the area under the rate is n.
EXACT: list[tuple[list[Change], list[float]]] = [
    ([(0, 1)], [1, 2, 3, 4, 5]),
    ([(0, 2)], [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5]),
    ([(2.5, 1)], [3.5, 4.5, 5.5]),
    # Halfway through a gap of 2 s the rate goes up fourfold: half a unit is left, a quarter second.
    ([(0, 0.5), (1, 2)], [1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4.25, 4.75, 5.25, 5.75]),
    # Three quarters of a unit, a pause, the last quarter.
    ([(0, 1), (0.75, 0), (4, 1)], [4.25, 5.25]),
    # Many steps that all fall into one gap, as when users come one by one.
    ([(0, 0.125), (1, 0.25), (2, 0.375), (3, 0.5)], [3.5, 5.5]),
    ([], []),
]


@pytest.mark.parametrize(("changes", "dues"), EXACT)
def test_an_arrival_is_due_when_the_integral_of_the_rate_reaches_it(
    changes: list[Change], dues: list[float]
) -> None:
    assert _dues(_even(), changes, 5.9) == dues


@given(SEEDS, RATES, st.integers(1, 40))
def test_a_rate_that_is_told_again_and_again_changes_nothing(
    seed: int, rate: float, parts: int
) -> None:
    end = 20 / rate
    changes = [(end * part / parts, rate) for part in range(parts)]
    once = _dues(poisson(seed, rate=1.0), [(0.0, rate)], end)
    assert _dues(poisson(seed, rate=1.0), changes, end) == once


@given(SEEDS, st.lists(st.floats(0, 50), max_size=8))
def test_arrivals_come_in_order(seed: int, rates: list[float]) -> None:
    changes = [(float(when), rate) for when, rate in enumerate(rates)]
    dues = _dues(poisson(seed, rate=1.0), changes, len(rates) + 1.0)
    assert all(earlier <= later for earlier, later in pairwise(dues))


@pytest.mark.parametrize("seed", range(3))
def test_each_stretch_has_arrivals_in_proportion_to_its_rate(seed: int) -> None:
    stretches: list[Change] = [(0, 10), (100, 40), (200, 0), (300, 20)]
    dues = _dues(poisson(seed, rate=1.0), stretches, 400.0)
    for (start, rate), end in zip(stretches, (100, 200, 300, 400), strict=True):
        many = sum(start <= due < end for due in dues)
        # Poisson: a deviation of the root of the mean; four of them are not met by chance.
        assert abs(many - 100 * rate) <= 4 * math.sqrt(100 * rate)
