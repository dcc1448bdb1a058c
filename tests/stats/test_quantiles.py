"""Quantiles of one sample: exact where a table exists, and covering the truth as often as said.

How often they cover it when turns resemble each other is in test_coverage.py.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.quantiles import (
    RoundInterval,
    Sample,
    enough,
    quantile,
    rank,
    ranks,
    round_quantile_intervals,
    share_within,
    t_stretch,
)
from tests.stats.intervals import UNKNOWN, Interval, quantile_interval, round_quantile_interval

QUANTILES = (0.5, 0.95, 0.99)

samples = st.lists(st.floats(0, 1e6), min_size=1, max_size=400)


def upto(n: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """1, 2, ..., n: each value is its own rank."""
    return np.arange(1, n + 1, dtype=np.float64)


@pytest.mark.parametrize(
    ("n", "q", "place"),
    [
        (1, 0.5, 1),
        (2, 0.5, 1),
        (3, 0.5, 2),
        (4, 0.5, 2),
        (20, 0.95, 19),
        (21, 0.95, 20),
        (100, 0.07, 7),
        (100, 0.99, 99),
        (101, 0.99, 100),
        (1000, 0.999, 999),
        (1_000_000, 0.95, 950_000),
        (5, 0.0, 1),
        (5, 1.0, 5),
    ],
)
def test_a_quantile_is_the_ceil_nq_th_smallest_value(n: int, q: float, place: int) -> None:
    assert rank(n, q) == place
    assert quantile(upto(n), q) == place


@given(st.integers(1, 10_000), st.integers(1, 999))
def test_a_rank_is_exact_for_any_quantile_of_three_decimals(n: int, thousandths: int) -> None:
    exact = math.ceil(Fraction(n * thousandths, 1000))
    assert rank(n, thousandths / 1000) == exact
    assert ranks(np.array([n]), thousandths / 1000).tolist() == [exact]


@given(samples, st.floats(0, 1))
def test_a_quantile_has_been_seen_and_has_at_least_its_share_below(
    values: list[float], q: float
) -> None:
    found = quantile(np.sort(values), q)
    assert found in values
    assert sum(value <= found for value in values) >= q * len(values) - 1e-6
    assert sum(value < found for value in values) <= q * len(values) + 1e-6


def test_a_quantile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        quantile(np.array([]), 0.5)


@pytest.mark.parametrize(("q", "fewest"), [(0.5, 6), (0.95, 72), (0.99, 368), (0.999, 3688)])
def test_an_interval_exists_from_just_enough_values_on(q: float, fewest: int) -> None:
    assert quantile_interval(upto(fewest - 1), q) == UNKNOWN
    interval = quantile_interval(upto(fewest), q)
    assert (interval.estimate, interval.hi) == (rank(fewest, q), fewest)


@pytest.mark.parametrize(("q", "fewest"), [(0.05, 72), (0.01, 368)])
def test_a_low_quantile_needs_as_many_values_as_its_mirror(q: float, fewest: int) -> None:
    assert quantile_interval(upto(fewest - 1), q) == UNKNOWN
    assert quantile_interval(upto(fewest), q).lo == 1


def test_an_interval_of_nothing_is_unknown() -> None:
    assert quantile_interval(np.array([]), 0.5) == UNKNOWN


@pytest.mark.parametrize("q", [0.0, 1.0, -0.1, 1.5])
def test_an_interval_outside_0_to_1_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile_interval(upto(10), q)


def enclosing_by_fractions(n: int, q: Fraction, level: Fraction) -> tuple[int, int]:
    """The innermost ranks whose both tails are at most (1 - level) / 2, in exact arithmetic."""
    chances = [math.comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(n + 1)]
    tail = (1 - level) / 2
    lower = max((k for k in range(1, n + 1) if sum(chances[:k]) <= tail), default=0)
    upper = min((k for k in range(n + 1) if sum(chances[k:]) <= tail), default=n + 1)
    return lower, upper


@pytest.mark.parametrize("n", [6, 10, 25, 72, 73, 100, 150])
@pytest.mark.parametrize("q", [Fraction(1, 2), Fraction(9, 10), Fraction(19, 20)])
def test_the_bounds_are_those_of_exact_arithmetic(n: int, q: Fraction) -> None:
    lower, upper = enclosing_by_fractions(n, q, Fraction(19, 20))
    interval = quantile_interval(upto(n), float(q))
    if lower >= 1 and upper <= n:
        assert (interval.lo, interval.hi) == (lower, upper)
    else:
        assert interval == UNKNOWN


@pytest.mark.parametrize(
    ("n", "lower", "upper"),
    # One more than the sign test's largest significant count, two-sided at 5 %, and its mirror.
    [(6, 1, 6), (8, 1, 8), (9, 2, 8), (10, 2, 9), (15, 4, 12), (20, 6, 15), (25, 8, 18)],
)
def test_the_median_interval_is_the_table_of_the_sign_test(n: int, lower: int, upper: int) -> None:
    interval = quantile_interval(upto(n), 0.5)
    assert (interval.lo, interval.hi) == (lower, upper)


@pytest.mark.parametrize("q", QUANTILES)
def test_at_a_million_values_the_bounds_are_the_normal_ones(q: float) -> None:
    n = 1_000_000
    interval = quantile_interval(upto(n), q)
    reach = 1.959964 * math.sqrt(n * q * (1 - q))
    assert interval.estimate == n * q
    assert interval.lo == pytest.approx(n * q - reach, abs=2)
    assert interval.hi == pytest.approx(n * q + reach, abs=2)


@given(samples, st.sampled_from(QUANTILES), st.sampled_from([0.8, 0.95, 0.999]))
def test_an_interval_encloses_its_estimate_and_widens_with_the_level(
    values: list[float], q: float, level: float
) -> None:
    array = np.array(values)
    interval, narrower = quantile_interval(array, q, level), quantile_interval(array, q, 0.5)
    if interval.estimate is None or interval.lo is None or interval.hi is None:
        assert interval == UNKNOWN
        return
    assert interval.estimate == quantile(np.sort(array), q)
    assert interval.lo <= interval.estimate <= interval.hi
    assert narrower.lo is not None and narrower.hi is not None
    assert interval.lo <= narrower.lo <= narrower.hi <= interval.hi


@given(st.lists(st.floats(0, 1e6), min_size=6, max_size=100))
def test_the_order_of_the_values_does_not_matter(values: list[float]) -> None:
    descending = np.array(sorted(values, reverse=True))
    assert quantile_interval(np.array(values), 0.5) == quantile_interval(descending, 0.5)


@pytest.mark.parametrize(("q", "n"), [(0.5, 40), (0.95, 200), (0.99, 1000)])
def test_an_interval_covers_the_true_quantile_at_least_as_often_as_it_says(
    q: float, n: int
) -> None:
    rng = np.random.default_rng(11)
    trials = 1500
    covered = 0
    for _ in range(trials):
        interval = quantile_interval(rng.random(n), q)
        assert interval.lo is not None and interval.hi is not None
        covered += interval.lo <= q <= interval.hi
    # The discrete interval is a little conservative; the slack below is three standard errors.
    assert 0.95 - 0.017 <= covered / trials <= 0.99


@pytest.mark.parametrize(
    ("values", "budget", "share"),
    [
        ([], 1.0, 0.0),
        ([1.0], 1.0, 1.0),
        ([1.0, 2.0, 3.0, math.inf], 2.5, 0.5),
        ([math.inf], 1e9, 0.0),
    ],
)
def test_a_share_counts_what_meets_the_budget(
    values: Sequence[float], budget: float, share: float
) -> None:
    assert share_within(np.array(values), budget) == share


def in_rounds(values: Sequence[float], rounds: int) -> Sample:
    """The values dealt out to the rounds in turn."""
    found = np.array(values, dtype=np.float64)
    return Sample(found, np.arange(found.size) % rounds)


def whole_rounds(values: Sequence[float], turns: int) -> Sample:
    """A round for each value, in which every turn took it."""
    return Sample(np.repeat(values, turns).astype(np.float64), np.repeat(range(len(values)), turns))


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=200),
    st.integers(1, 4),
    st.sampled_from(QUANTILES),
    st.sampled_from([0.8, 0.95]),
)
def test_below_five_rounds_turns_are_taken_to_be_independent(
    values: list[float], rounds: int, q: float, level: float
) -> None:
    found = round_quantile_interval(in_rounds(values, rounds), q, level)
    assert found.effective_turns is None
    assert Interval(found.estimate, found.lo, found.hi) == quantile_interval(
        np.array(values), q, level
    )


@pytest.mark.parametrize("q", QUANTILES)
def test_rounds_that_agree_are_worth_their_turns_and_no_more(q: float) -> None:
    found = round_quantile_interval(in_rounds(range(4000), 20), q)
    alone = quantile_interval(np.arange(4000.0), q)
    assert found.effective_turns == 4000
    assert (found.estimate, found.lo, found.hi) == (alone.estimate, alone.lo, alone.hi)


@pytest.mark.parametrize(("rounds", "turns"), [(21, 10), (101, 10), (101, 100)])
def test_rounds_of_equal_turns_are_worth_a_turn_each(rounds: int, turns: int) -> None:
    found = round_quantile_interval(whole_rounds(range(rounds), turns), 0.5)
    assert found.effective_turns == pytest.approx(rounds, rel=0.06)
    alone = quantile_interval(upto(rounds) - 1, 0.5)
    assert found.estimate == alone.estimate
    # A step wider at most: what rounds differ by is known from the rounds alone, hence Student's t.
    assert alone.lo is not None and found.lo is not None and alone.lo - 2 <= found.lo <= alone.lo
    assert alone.hi is not None and found.hi is not None and alone.hi <= found.hi <= alone.hi + 2


def test_the_effective_number_decides_whether_n_is_too_small() -> None:
    found = round_quantile_interval(whole_rounds(range(60), 100), 0.95)
    assert found.effective_turns == pytest.approx(60, rel=0.05)
    assert (found.estimate, found.lo, found.hi) == (None, None, None)
    assert enough(72, 0.95) and not enough(71, 0.95)
    assert round_quantile_interval(whole_rounds(range(80), 100), 0.95).estimate == 75


@pytest.mark.parametrize(("q", "fewest"), [(0.5, 6), (0.95, 72), (0.99, 368)])
def test_rounds_that_agree_need_as_many_turns_as_independent_ones(q: float, fewest: int) -> None:
    # Equal values: no round can differ from another.
    few, just = (in_rounds([7.0] * n, 5) for n in (fewest - 1, fewest))
    assert round_quantile_interval(few, q) == RoundInterval(None, None, None, fewest - 1)
    assert round_quantile_interval(just, q) == RoundInterval(7, 7, 7, fewest)


def test_a_tail_that_only_some_rounds_have_is_known_less_surely() -> None:
    rng = np.random.default_rng(2)
    calm = rng.normal(100, 1, 4000)
    scattered, heaped = calm.copy(), calm.copy()
    scattered[::10] += 50
    heaped[: 4000 // 10] += 50
    rounds = np.repeat(np.arange(20), 200)
    one, other = (round_quantile_interval(Sample(v, rounds), 0.95) for v in (scattered, heaped))
    assert one.effective_turns is not None and one.effective_turns > 2500
    assert other.effective_turns is not None and other.effective_turns < 100


def test_failed_turns_count_as_infinite() -> None:
    values = np.concatenate([np.linspace(900, 1100, 480), np.full(20, np.inf)])
    half, p95, p99 = round_quantile_intervals(in_rounds(values.tolist(), 20), QUANTILES)
    assert half.hi is not None and half.hi < 1100
    assert p95.estimate is not None and p95.estimate < 1100 and p95.hi == math.inf
    assert p99.estimate == math.inf and p99.lo is not None and p99.lo > 1000


def test_an_empty_sample_tells_nothing() -> None:
    nothing = Sample(np.array([]), np.array([], dtype=np.int64))
    assert (
        round_quantile_intervals(nothing, QUANTILES) == [RoundInterval(None, None, None, None)] * 3
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(80, 600), st.integers(5, 30), st.booleans())
def test_each_quantile_is_what_it_would_be_alone_and_in_any_order(
    seed: int, n: int, rounds: int, coarse: bool
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 20, n).astype(np.float64) if coarse else rng.random(n)
    of = rng.integers(0, rounds, n)
    wanted = (0.05, 0.3, 0.5, 0.8, 0.95)
    found = round_quantile_intervals(Sample(values, of), wanted)
    order = rng.permutation(n)
    moved = Sample(values[order], of[order] * 3 + 7)
    for q, one in zip(wanted, found, strict=True):
        alone = round_quantile_interval(moved, q)
        assert (one.estimate, one.lo, one.hi) == (alone.estimate, alone.lo, alone.hi)
        if one.effective_turns is not None:
            assert alone.effective_turns == pytest.approx(one.effective_turns)
        if one.estimate is not None and one.lo is not None and one.hi is not None:
            assert one.lo <= one.estimate <= one.hi
            assert one.estimate == quantile(np.sort(values), q)


@pytest.mark.parametrize(
    ("rounds", "stretch"),
    [
        (5, 2.7764 / 1.95996 * math.sqrt(5 / 4)),
        (10, 2.2622 / 1.95996 * math.sqrt(10 / 9)),
        (20, 2.0930 / 1.95996 * math.sqrt(20 / 19)),
    ],
)
def test_an_interval_is_stretched_by_t_over_z_and_the_lost_degree(
    rounds: int, stretch: float
) -> None:
    assert t_stretch(rounds) == pytest.approx(stretch, rel=1e-3)


def test_the_stretch_falls_towards_one_as_rounds_grow() -> None:
    stretches = [t_stretch(rounds) for rounds in (4, 5, 10, 20, 40, 100, 10_000)]
    assert stretches == sorted(stretches, reverse=True)
    assert stretches[-1] == pytest.approx(1, abs=1e-3)
