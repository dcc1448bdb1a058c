"""The 2^k contrasts: exact where they can be, and as sure of themselves as they should be."""

import math
from collections.abc import Callable, Mapping
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.effects import Effect, Levels, Sample, factorial_effects
from harness.stats.quantiles import FloatArray, IntArray, quantile, t_stretch

THREE = ("prewarm", "token_cache", "parallel_confirm")


def cells_of(k: int, values: Callable[[Levels], FloatArray], rounds: int) -> dict[Levels, Sample]:
    """A full factorial whose values fall into rounds in turn."""
    return {
        levels: Sample(found := values(levels), np.arange(found.size) % rounds)
        for levels in product((False, True), repeat=k)
    }


def shifted(shift: Callable[[Levels], float], n: int = 200) -> Callable[[Levels], FloatArray]:
    """The same n values in every cell, moved as a whole."""
    return lambda levels: np.linspace(900, 1100, n) + shift(levels)


def named(effects: list[Effect], q: float) -> Mapping[str, Effect]:
    return {effect.factor: effect for effect in effects if effect.quantile == q}


def test_effects_come_by_quantile_main_effects_before_pairs() -> None:
    effects = factorial_effects(cells_of(3, shifted(lambda _: 0), 5), THREE, seed=1, resamples=10)
    order = [
        *THREE,
        "prewarm:token_cache",
        "prewarm:parallel_confirm",
        "token_cache:parallel_confirm",
    ]
    assert [effect.factor for effect in effects] == order * 2
    assert [effect.quantile for effect in effects] == [0.5] * 6 + [0.95] * 6


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_a_main_effect_is_the_mean_over_the_other_factors_of_on_minus_off(q: float) -> None:
    def shift(levels: Levels) -> float:
        a, b, c = levels
        return -100 * a + 20 * b + 0 * c

    effects = named(
        factorial_effects(cells_of(3, shifted(shift), 5), THREE, quantiles=(q,), seed=1), q
    )
    assert [effects[name].estimate_ms for name in THREE] == pytest.approx([-100, 20, 0], abs=1e-9)
    assert [effects[name].estimate_ms for name in effects if ":" in name] == pytest.approx(
        [0, 0, 0], abs=1e-9
    )


def test_an_interaction_is_the_difference_of_differences_not_halved() -> None:
    def shift(levels: Levels) -> float:
        a, b, _ = levels
        return -100 * a - 50 * b + 40 * (a and b)

    effects = named(factorial_effects(cells_of(3, shifted(shift), 5), THREE, seed=1), 0.5)
    assert effects["prewarm:token_cache"].estimate_ms == pytest.approx(40)
    assert effects["prewarm"].estimate_ms == pytest.approx(-80)
    assert effects["token_cache"].estimate_ms == pytest.approx(-30)
    assert effects["prewarm:parallel_confirm"].estimate_ms == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("k", "names"), [(0, []), (1, ["a"]), (2, ["a", "b", "a:b"])])
def test_fewer_factors_have_fewer_effects(k: int, names: list[str]) -> None:
    cells = cells_of(k, shifted(lambda levels: -10.0 * sum(levels)), 5)
    effects = factorial_effects(cells, ("a", "b")[:k], quantiles=(0.5,), seed=1)
    assert [effect.factor for effect in effects] == names
    assert [effect.estimate_ms for effect in effects] == pytest.approx([-10, -10, 0][: len(names)])


@pytest.mark.parametrize(
    "cells",
    [
        {(False,): Sample(np.ones(3), np.arange(3))},
        cells_of(2, shifted(lambda _: 0), 5),
        cells_of(1, lambda levels: np.ones(3 if levels[0] else 0), 5),
        dict.fromkeys([(False,), (True,)], Sample(np.ones(3), np.arange(2))),
    ],
    ids=["a cell missing", "too many cells", "an empty cell", "a value without its round"],
)
def test_an_incomplete_factorial_is_refused(cells: Mapping[Levels, Sample]) -> None:
    with pytest.raises(ValueError, match="needs"):
        factorial_effects(cells, ("a",), seed=1)


def naive_bounds(cells: Mapping[Levels, Sample], q: float, seed: int) -> tuple[float, float]:
    """The same interval for one factor, by building each resample value by value."""
    off, on = cells[False,], cells[True,]
    rounds = np.unique(np.concatenate([off.rounds, on.rounds]))
    rng = np.random.default_rng(seed)
    times = rng.multinomial(rounds.size, np.full(rounds.size, 1 / rounds.size), size=200)

    def drawn(sample: Sample, row: IntArray) -> float:
        repeats = row[np.searchsorted(rounds, sample.rounds)]
        return quantile(np.sort(np.repeat(sample.values_ms, repeats)), q)

    spread = np.sort([drawn(on, row) - drawn(off, row) for row in times])
    seen = quantile(np.sort(on.values_ms), q) - quantile(np.sort(off.values_ms), q)
    stretch = t_stretch(rounds.size)
    lo, hi = (seen + stretch * (quantile(spread, tail) - seen) for tail in (0.025, 0.975))
    return min(lo, seen), max(hi, seen)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(5, 9),
    st.integers(20, 60),
    st.sampled_from([0.25, 0.5, 0.95]),
)
def test_the_binary_search_agrees_with_building_every_resample(
    seed: int, rounds: int, n: int, q: float
) -> None:
    rng = np.random.default_rng(seed)
    # Few distinct values and ragged rounds: ties and unequal blocks are where a search goes wrong.
    cells: dict[Levels, Sample] = {
        (level,): Sample(
            rng.integers(0, 30, n).astype(np.float64),
            np.concatenate([np.arange(rounds), rng.integers(0, rounds, n - rounds)]),
        )
        for level in (False, True)
    }
    (effect,) = factorial_effects(cells, ("a",), quantiles=(q,), seed=seed, resamples=200)
    assert (effect.lo_ms, effect.hi_ms) == pytest.approx(naive_bounds(cells, q, seed))


@given(st.integers(0, 2**32), st.sampled_from([0.5, 0.95]))
@settings(max_examples=20, deadline=None)
def test_an_interval_encloses_its_estimate(seed: int, q: float) -> None:
    rng = np.random.default_rng(seed)
    cells = cells_of(2, lambda _: rng.lognormal(6, 1, 25), 5)
    for effect in factorial_effects(cells, ("a", "b"), quantiles=(q,), seed=seed, resamples=50):
        assert effect.lo_ms is not None and effect.hi_ms is not None
        assert effect.lo_ms <= effect.estimate_ms <= effect.hi_ms


def test_an_estimate_that_hardly_any_resample_reaches_is_still_enclosed() -> None:
    # Each of the eight cells is as extreme as it can be, thanks to rounds of its own.
    def high_in(first: int, count: int) -> Sample:
        rounds = np.arange(100)
        high = (first <= rounds) & (rounds < first + count)
        return Sample(high.astype(np.float64), rounds)

    cells: dict[Levels, Sample] = {}
    for index, rest in enumerate(product((False, True), repeat=2)):
        cells[True, *rest] = high_in(6 * index, 6)
        cells[False, *rest] = high_in(24 + 5 * index, 5)
    effect = factorial_effects(cells, THREE, quantiles=(0.95,), seed=1)[0]
    assert effect.estimate_ms == effect.hi_ms == 1


def noisy_cells(seed: int, k: int, shift: Callable[[Levels], float]) -> dict[Levels, Sample]:
    """20 rounds x 20 values a cell: weather shared by a round, and noise of the cell's own."""
    rng = np.random.default_rng(seed)
    rounds = np.repeat(np.arange(20), 20)
    weather = rng.normal(0, 0.15, 20)

    def values(levels: Levels) -> FloatArray:
        own = rng.normal(0, 0.05, 20)
        calm = rng.normal(6, 0.3, rounds.size)
        return np.exp(calm + weather[rounds] + own[rounds]) + shift(levels)

    return {levels: Sample(values(levels), rounds) for levels in product((False, True), repeat=k)}


def test_with_no_effect_the_interval_misses_zero_about_one_time_in_twenty() -> None:
    trials = 300
    misses = {0.5: 0, 0.95: 0}
    for seed in range(trials):
        cells = noisy_cells(seed, 1, lambda _: 0.0)
        for effect in factorial_effects(cells, ("a",), seed=seed, resamples=500):
            assert effect.lo_ms is not None and effect.hi_ms is not None
            misses[effect.quantile] += not effect.lo_ms <= 0 <= effect.hi_ms
    # Binomial(300, 0.05) stays within 3 and 29 but for one run in a thousand.
    assert all(3 <= missed <= 29 for missed in misses.values()), misses


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_an_injected_effect_and_interaction_are_recovered_with_their_uncertainty(q: float) -> None:
    truth = {"a": -80.0, "b": -30.0, "a:b": 40.0}
    trials = 100
    covered = dict.fromkeys(truth, 0)
    estimates: dict[str, list[float]] = {name: [] for name in truth}
    for seed in range(trials):
        cells = noisy_cells(
            seed, 2, lambda levels: -100 * levels[0] - 50 * levels[1] + 40 * all(levels)
        )
        for effect in factorial_effects(
            cells, ("a", "b"), quantiles=(q,), seed=seed, resamples=500
        ):
            assert effect.lo_ms is not None and effect.hi_ms is not None
            covered[effect.factor] += effect.lo_ms <= truth[effect.factor] <= effect.hi_ms
            estimates[effect.factor].append(effect.estimate_ms)
    assert all(count >= 87 for count in covered.values()), covered
    for name, found in estimates.items():
        error = float(np.std(found)) / math.sqrt(trials)
        assert np.mean(found) == pytest.approx(truth[name], abs=4 * error)


def test_weather_shared_by_all_cells_of_a_round_does_not_widen_the_interval() -> None:
    rounds = np.repeat(np.arange(10), 30)
    weather = np.linspace(0, 1e6, 10)[rounds]
    calm = np.tile(np.linspace(0, 10, 30), 10)
    cells: dict[Levels, Sample] = {
        (level,): Sample(weather + calm + 5 * level, rounds) for level in (False, True)
    }
    (effect,) = factorial_effects(cells, ("a",), quantiles=(0.5,), seed=3)
    assert (effect.lo_ms, effect.estimate_ms, effect.hi_ms) == pytest.approx((5, 5, 5))


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    cells = noisy_cells(1, 2, lambda _: 0.0)

    def run(seed: int) -> list[Effect]:
        return factorial_effects(cells, ("a", "b"), seed=seed, resamples=200)

    assert run(1) == run(1)
    assert run(1) != run(2)


@pytest.mark.parametrize(
    ("rounds", "n", "q", "known"),
    [
        (4, 100, 0.5, False),
        (5, 100, 0.5, True),
        (5, 19, 0.95, False),
        (5, 20, 0.95, True),
        (5, 99, 0.99, False),
        (5, 100, 0.99, True),
    ],
)
def test_bounds_need_five_rounds_and_a_value_above_the_quantile(
    rounds: int, n: int, q: float, known: bool
) -> None:
    cells = cells_of(1, shifted(lambda levels: -10.0 * levels[0], n), rounds)
    (effect,) = factorial_effects(cells, ("a",), quantiles=(q,), seed=1, resamples=100)
    assert effect.estimate_ms == pytest.approx(-10)
    assert ((effect.lo_ms is None), (effect.hi_ms is None)) == (not known, not known)


def failing(share: float) -> Callable[[Levels], FloatArray]:
    """100 values a cell; where the factor is on, this share of them never came."""

    def values(levels: Levels) -> FloatArray:
        found = np.linspace(900, 1100, 100)
        found[: round(100 * share * levels[0])] = np.inf
        return found

    return values


def test_a_quantile_that_is_infinite_in_some_cell_has_no_effect() -> None:
    effects = factorial_effects(cells_of(1, failing(0.2), 5), ("a",), seed=1, resamples=100)
    assert [effect.quantile for effect in effects] == [0.5]


def test_failures_that_may_reach_the_quantile_leave_the_interval_unknown() -> None:
    cells: dict[Levels, Sample] = {
        (level,): Sample(failing(0.04)((level,)), np.arange(100) // 20) for level in (False, True)
    }
    effects = named(factorial_effects(cells, ("a",), seed=1, resamples=200), 0.95)
    assert math.isfinite(effects["a"].estimate_ms)
    assert (effects["a"].lo_ms, effects["a"].hi_ms) == (None, None)


def test_a_cell_absent_from_most_rounds_has_an_effect_but_no_interval() -> None:
    cells = cells_of(1, shifted(lambda _: 0.0), 10)
    cells[True,] = Sample(np.linspace(900, 1100, 40), np.zeros(40, dtype=np.int64))
    (effect,) = factorial_effects(cells, ("a",), quantiles=(0.5,), seed=1, resamples=200)
    assert math.isfinite(effect.estimate_ms)
    assert (effect.lo_ms, effect.hi_ms) == (None, None)
