"""Due times: seeded, open-model, and each a function of the seed and its number alone."""

from collections.abc import Iterator
from itertools import count, islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.arrivals import constant, poisson, until

SEEDS = st.integers(min_value=0, max_value=2**63)
RATES = st.floats(min_value=0.01, max_value=1000.0)


def _take(n: int, seed: int, *key: int | str, rate: float = 10.0) -> list[float]:
    return list(islice(poisson(seed, *key, rate=rate), n))


@given(SEEDS, RATES)
def test_due_times_are_sorted_and_none_lies_before_the_start(seed: int, rate: float) -> None:
    dues = _take(50, seed, rate=rate)
    assert dues[0] >= 0
    assert all(earlier <= later for earlier, later in pairwise(dues))


@given(SEEDS)
def test_due_times_are_positive_and_whole_microseconds(seed: int) -> None:
    dues = _take(50, seed, rate=0.1)
    assert dues[0] > 0
    assert all(due == round(due, 6) for due in dues)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rate", [0.05, 1.0, 7.5, 400.0])
def test_the_mean_gap_is_one_over_the_rate(seed: int, rate: float) -> None:
    many = 4000
    # The mean of n exponential gaps has a relative deviation of 1/sqrt(n), here 1.6 %.
    assert _take(many, seed, rate=rate)[-1] / many == pytest.approx(1 / rate, rel=0.08)


def test_gaps_are_exponential_not_even() -> None:
    dues = _take(4000, 3, rate=1.0)
    gaps = [later - earlier for earlier, later in pairwise(dues)]
    # P(gap > t) = exp(-t): the median is ln 2, and one gap in e**3 is longer than three means.
    assert sorted(gaps)[len(gaps) // 2] == pytest.approx(0.693, abs=0.06)
    assert sum(gap > 3 for gap in gaps) / len(gaps) == pytest.approx(0.0498, abs=0.015)


@given(SEEDS, RATES)
def test_the_same_seed_is_the_same_schedule(seed: int, rate: float) -> None:
    assert _take(20, seed, "open", rate=rate) == _take(20, seed, "open", rate=rate)


@given(SEEDS, st.integers(0, 1000), st.integers(0, 1000))
def test_another_key_is_another_schedule(seed: int, one: int, other: int) -> None:
    assert (_take(3, seed, one) == _take(3, seed, other)) == (one == other)
    assert _take(3, seed, one) != _take(3, seed + 1, one)


@given(SEEDS, st.integers(1, 30), st.integers(1, 30))
def test_the_nth_due_time_does_not_hang_on_how_many_are_taken(seed: int, n: int, more: int) -> None:
    assert _take(n + more, seed)[:n] == _take(n, seed)


@given(SEEDS, st.floats(min_value=0.1, max_value=20.0))
def test_until_keeps_exactly_what_is_due_before_the_end(seed: int, end_s: float) -> None:
    kept = list(until(poisson(seed, rate=10.0), end_s))
    following = _take(len(kept) + 1, seed)
    assert following[:-1] == kept
    assert all(due < end_s for due in kept)
    assert following[-1] >= end_s


@pytest.mark.parametrize(
    ("end_s", "kept"), [(0.0, []), (0.5, [0.0]), (1.0, [0.0, 0.5]), (1.1, [0.0, 0.5, 1.0])]
)
def test_until_leaves_out_its_own_end(end_s: float, kept: list[float]) -> None:
    assert list(until((n / 2 for n in count()), end_s)) == kept


def test_until_ends_an_endless_schedule_at_once() -> None:
    taken: list[int] = []

    def watched() -> Iterator[float]:
        for n in count():
            taken.append(n)
            yield float(n)

    assert len(list(until(watched(), 3.0))) == 3
    assert taken == [0, 1, 2, 3]


def test_constant_arrivals_are_evenly_spaced_from_one_gap_on() -> None:
    assert list(islice(constant(8.0), 4)) == [0.125, 0.25, 0.375, 0.5]
    # No sum of rounded gaps: the millionth is where it should be.
    assert next(islice(constant(3.0), 999_999, None)) == 333333.333333


@given(RATES)
def test_constant_arrivals_come_at_their_rate(rate: float) -> None:
    assert len(list(until(constant(rate), 100.5 / rate))) == 100
