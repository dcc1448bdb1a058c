"""Resampled rounds: what building every resample would give, paired or not, and t about it."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.record import FloatArray, IntArray
from harness.stats.bootstrap import (
    Spread,
    resample,
    resampled_quantiles,
    spread_of,
    times_drawn,
)
from harness.stats.quantiles import Sample, quantile, t_stretch

errors = st.floats(0.01, 100)
estimates = st.floats(-1000, 1000)


def built(sample: Sample, rounds: IntArray, row: IntArray, q: float) -> float:
    """The quantile of a resample, value by value."""
    repeats = row[np.searchsorted(rounds, sample.rounds)]
    return quantile(np.sort(np.repeat(sample.values_ms, repeats)), q)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 9),
    st.integers(20, 60),
    st.lists(st.sampled_from([0.01, 0.25, 0.5, 0.95, 0.99]), min_size=1, max_size=3),
)
def test_the_search_finds_what_building_every_resample_would(
    seed: int, rounds: int, n: int, quantiles: list[float]
) -> None:
    rng = np.random.default_rng(seed)
    # Few distinct values and ragged rounds: ties and unequal blocks are where a search goes wrong.
    values = rng.integers(0, 30, n).astype(np.float64)
    values[rng.random(n) < 0.1] = np.inf
    of = np.concatenate([np.arange(rounds), rng.integers(0, rounds, n - rounds)])
    sample, numbers = Sample(values, of * 2 + 3), np.arange(rounds) * 2 + 3
    times = times_drawn(rounds, seed, 50)
    found = resampled_quantiles(sample, numbers, times, quantiles)
    for q, drawn in zip(quantiles, found, strict=True):
        assert drawn.tolist() == [built(sample, numbers, row, q) for row in times]


def test_every_resample_draws_as_many_rounds_as_there_are() -> None:
    times = times_drawn(20, 3, 500)
    assert times.shape == (500, 20)
    assert set(times.sum(axis=1)) == {20}
    assert times.mean() == pytest.approx(1)
    assert np.array_equal(times, times_drawn(20, 3, 500))
    assert not np.array_equal(times, times_drawn(20, 4, 500))


def weathered(shift: float, rounds: int = 12, turns: int = 30) -> Sample:
    """Rounds of very different weather, and little else."""
    weather = np.repeat(np.linspace(0, 1e6, rounds), turns)
    return Sample(weather + np.tile(np.linspace(0, 1, turns), rounds) + shift, weather.astype(int))


def test_paired_samples_share_the_weather_of_each_draw() -> None:
    found = resample([weathered(0), weathered(5)], (0.5, 0.9), seed=1, resamples=200)
    assert found.rounds == 12
    assert found.seen.shape == (2, 2) and found.drawn.shape == (2, 2, 200)
    assert (found.drawn[:, 1] - found.drawn[:, 0]) == pytest.approx(5)
    assert found.drawn[0, 0].std() > 1e4


def test_samples_with_rounds_of_their_own_are_drawn_apart() -> None:
    samples = [weathered(0), weathered(5, rounds=9)]
    found = resample(samples, (0.5,), seed=1, resamples=500, paired=False)
    assert found.rounds == 9
    assert abs(np.corrcoef(found.drawn[0])[0, 1]) < 0.15


def test_a_sample_without_a_turn_is_not_a_number() -> None:
    nothing = Sample(np.array([]), np.array([], dtype=np.int64))
    found = resample([weathered(0), nothing], (0.5,), seed=1, resamples=10)
    assert np.isnan(found.seen[0, 1]) and np.isnan(found.drawn[0, 1]).all()
    assert np.isfinite(found.drawn[0, 0]).all()


@given(st.integers(0, 2**32), st.integers(5, 60))
def test_at_95_percent_it_is_the_percentile_interval_stretched(seed: int, rounds: int) -> None:
    drawn = np.random.default_rng(seed).normal(10, 3, 400)
    spread = spread_of(10.5, drawn, rounds)
    assert spread is not None
    low, high = quantile(np.sort(drawn), 0.025), -quantile(np.sort(-drawn), 0.025)
    wide = [10.5 + t_stretch(rounds) * (end - 10.5) for end in (low, high)]
    assert spread.bounds(0.95) == pytest.approx(wide)


@pytest.mark.parametrize(
    ("drawn", "rounds"),
    [
        ([1.0] * 100, 4),
        ([1.0] * 99 + [math.nan], 20),
        ([1.0] * 90 + [math.inf] * 10, 20),
        ([1.0] * 90 + [-math.inf] * 10, 20),
    ],
    ids=["four rounds", "a resample without a turn", "mostly failures", "no latency at all"],
)
def test_what_cannot_be_known_has_no_spread(drawn: Sequence[float], rounds: int) -> None:
    assert spread_of(1.0, np.array(drawn), rounds) is None


def test_a_few_resamples_beyond_the_interval_may_be_infinite() -> None:
    drawn: FloatArray = np.array([1.0] * 99 + [math.inf])
    assert spread_of(1.0, drawn, 20) == Spread(1, 0, 0, 20)


def test_an_estimate_that_hardly_any_resample_reaches_is_still_enclosed() -> None:
    spread = spread_of(5.0, np.linspace(0, 1, 100), 20)
    assert spread is not None and spread.upper == 0 and spread.lower > 0


@given(
    estimates,
    errors,
    errors,
    st.integers(5, 100),
    st.floats(0, 100),
    st.sampled_from([0.8, 0.95, 0.99, 0.999]),
)
def test_p_is_below_alpha_exactly_where_the_interval_says_so(
    estimate: float, lower: float, upper: float, rounds: int, edge: float, level: float
) -> None:
    spread = Spread(estimate, lower, upper, rounds)
    lo, hi = spread.bounds(level)
    assert lo <= estimate <= hi
    assert (spread.p_beyond(-edge, edge) < 1 - level) == (lo > edge or hi < -edge)
    assert (spread.p_within(-edge, edge) < 1 - level) == (-edge <= lo and hi <= edge)


@given(estimates, errors, errors, st.integers(5, 50))
def test_p_is_1_within_the_tolerance_and_mirrors(
    estimate: float, lower: float, upper: float, rounds: int
) -> None:
    one, other = Spread(estimate, lower, upper, rounds), Spread(-estimate, upper, lower, rounds)
    assert one.p_beyond(-2000, 2000) == 1 == one.p_beyond(-math.inf, 2000)
    assert one.p_beyond(-3, 3) == other.p_beyond(-3, 3)
    assert one.p_within(-3, 3) == other.p_within(-3, 3)


@pytest.mark.parametrize(
    ("estimate", "edge", "beyond", "within"),
    [(0, 0, 1, 0), (5, 5, 1, 0), (5, 4, 0, 1), (-5, 4, 0, 1), (3, 4, 1, 0)],
)
def test_without_any_spread_all_is_certain(
    estimate: float, edge: float, beyond: float, within: float
) -> None:
    spread = Spread(estimate, 0, 0, 20)
    assert spread.bounds(0.95) == (estimate, estimate)
    assert (spread.p_beyond(-edge, edge), spread.p_within(-edge, edge)) == (beyond, within)
