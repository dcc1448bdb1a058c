"""Fitting: known laws are found again, none is seen where there is none, and little is not told."""

import math

import numpy as np
import pytest

from harness.laws import Empirical, Law, Lognormal, Stalling
from harness.record import FloatArray
from harness.stats.fit import Fit, fit, fit_lognormal, hold, in_time, seen_quantiles
from harness.stats.kolmogorov import distance, p_of_fitted, p_of_known
from harness.stats.stalls import fit_stalling

USUAL = Lognormal(300.0, 800.0)
STALLING = Stalling(USUAL, 0.1, Lognormal(3000.0, 6000.0))


def evenly(law: Law, n: int) -> FloatArray:
    """A sample that is as the law has it, in no order that means anything."""
    times = np.array([law.quantile((k + 0.5) / n) for k in range(n)])
    return np.random.default_rng(1).permutation(times)


def drawn(law: Law, n: int, seed: int) -> FloatArray:
    return np.array([law.quantile(u) for u in np.random.default_rng(seed).random(n).tolist()])


def three_kinds(n: int, seed: int = 3) -> FloatArray:
    """Calls of three kinds, as no law of two parts has them."""
    rng = np.random.default_rng(seed)
    return rng.choice([100.0, 400.0, 1500.0], n, p=[0.5, 0.35, 0.15]) * rng.lognormal(0, 0.1, n)


def test_the_likeliest_lognormal_of_one_is_itself() -> None:
    found = fit_lognormal(evenly(USUAL, 4000))
    assert (found.p50, found.p99) == pytest.approx((300, 800), rel=0.003)


def test_the_likeliest_stalls_are_those_that_there_are() -> None:
    told = fit_stalling(evenly(STALLING, 4000))
    assert told is not None
    law = told[0]
    assert law.share == pytest.approx(0.1, rel=0.02)
    assert (law.usual.p50, law.usual.p99) == pytest.approx((300, 800), rel=0.02)
    assert (law.stall.p50, law.stall.p99) == pytest.approx((3000, 6000), rel=0.02)


@pytest.mark.parametrize(
    ("times", "kind"),
    [
        (evenly(USUAL, 2000), "lognormal"),
        (evenly(STALLING, 2000), "stalls"),
        (three_kinds(2000), "quantiles"),
        (200 + np.random.default_rng(2).lognormal(math.log(100), 0.6, 4000), "quantiles"),
        # Whoever has too few for quantiles gets the nearest law, and is told how far it is off.
        (three_kinds(150), "stalls"),
    ],
)
def test_the_law_is_the_one_that_foretells_best(times: FloatArray, kind: str) -> None:
    assert fit(times).kind == kind


def test_quantiles_do_not_win_by_having_seen_everything() -> None:
    kinds = [fit(drawn(USUAL, 400, seed)).kind for seed in range(10)]
    assert kinds.count("lognormal") >= 9


def test_a_few_slow_calls_are_no_law_of_stalls() -> None:
    times = np.concatenate([evenly(USUAL, 150), [5000.0, 6000.0, 7000.0]])
    assert fit(times).kind == "lognormal"


@pytest.mark.parametrize("law", [USUAL, STALLING], ids=["lognormal", "stalls"])
def test_a_law_is_the_same_in_another_unit(law: Law) -> None:
    in_ms = evenly(law, 1000)
    ms, s = fit(in_ms), fit(in_ms / 1e3)
    assert (s.kind, s.p) == (ms.kind, ms.p)
    for u in (0.01, 0.5, 0.95, 0.99):
        assert 1e3 * s.law.quantile(u) == pytest.approx(ms.law.quantile(u), rel=1e-6)


def test_the_same_times_are_fitted_alike_whenever() -> None:
    assert fit(three_kinds(400)) == fit(three_kinds(400))
    assert fit(drawn(STALLING, 400, 1)) == fit(drawn(STALLING, 400, 1))


def test_what_always_takes_the_same_time_has_a_law_too() -> None:
    found = fit(np.full(500, 25.0))
    assert [found.law.quantile(u) for u in (0.01, 0.5, 0.99)] == pytest.approx([25, 25, 25])
    assert not found.in_time.strong


def test_the_steps_of_a_clock_are_no_stalls() -> None:
    """A time that many share has a likelihood without bound for whoever is as narrow."""
    in_steps = np.maximum(1, np.round(drawn(Lognormal(5.0, 11.0), 2000, 3)))
    found = fit_stalling(in_steps)
    assert found is None or min(found[0].usual.sigma, found[0].stall.sigma) > 0.15
    assert fit(in_steps).kind != "stalls"


def test_a_clock_of_few_steps_is_fitted_by_them() -> None:
    found = fit(np.ceil(drawn(USUAL, 1000, 4) / 100) * 100)
    assert found.kind == "quantiles" and found.distance < 0.1
    assert [of.error for of in found.held] == pytest.approx([0, 0, 0], abs=1e-9)


def test_fewer_than_eight_times_have_no_law() -> None:
    with pytest.raises(ValueError, match="too few"):
        fit(np.arange(1.0, 8.0))


def test_quantiles_as_seen_end_where_the_sample_ends() -> None:
    times = three_kinds(1000)
    law = seen_quantiles(times)
    assert isinstance(law, Empirical)
    assert (law.quantile(0.0), law.quantile(1.0)) == pytest.approx((times.min(), times.max()))
    assert law.quantile(0.99) == pytest.approx(np.quantile(times, 0.99), rel=0.01)


# What is told beside


@pytest.mark.parametrize(("n", "told"), [(40, 1), (100, 2), (400, 3)])
def test_a_quantile_of_too_few_is_not_told(n: int, told: int) -> None:
    held = hold(USUAL, evenly(USUAL, n))
    assert [of.seen is not None for of in held] == [True] * told + [False] * (3 - told)
    for of in held[told:]:
        assert (of.error, of.error_bounds, of.encloses) == (None, None, None)


def test_an_error_is_that_of_the_law_and_has_the_bounds_of_the_sample() -> None:
    (held, *_) = hold(Lognormal(330.0, 800.0), evenly(USUAL, 4000))
    assert held.error == pytest.approx(0.1, abs=0.003)
    assert held.error_bounds is not None and held.encloses is False
    low, high = held.error_bounds
    assert 0.05 < low < 0.1 < high < 0.15


def test_times_that_rise_while_they_are_taken_are_told() -> None:
    rising = drawn(USUAL, 400, 4) * np.linspace(1, 2, 400)
    assert in_time(rising).trend > 0.2
    assert fit(rising).in_time.strong
    assert not fit(drawn(USUAL, 400, 4)).in_time.strong


def test_slow_spells_are_told() -> None:
    spells = drawn(USUAL, 400, 5) * np.where(np.arange(400) // 20 % 2, 3.0, 1.0)
    of = in_time(spells)
    assert of.strong and of.neighbours > 0.3 > abs(of.trend)


# Kolmogorov and Smirnov


def test_the_distance_is_the_largest_step_between_sample_and_law() -> None:
    line = Empirical([(0.0, 1.0), (1.0, math.e)])
    # At its quarters the law is a quarter further each; one value is a step from 0 to 1.
    assert distance(line, np.array([math.exp(0.25)])) == pytest.approx(0.75)
    assert distance(line, np.exp([0.125, 0.375, 0.625, 0.875])) == pytest.approx(0.125)
    assert distance(line, np.array([100.0, 200.0])) == 1


def test_what_all_took_is_no_distance_from_a_law_of_just_that() -> None:
    law = fit_lognormal(np.full(500, 0.3))
    assert distance(law, np.full(500, 0.3)) == 0
    half = Empirical([(0.0, 20.0), (0.5, 20.0), (0.500001, 90.0), (1.0, 90.0)])
    times = np.repeat([20.0, 90.0], [60, 40])
    assert distance(half, times) == pytest.approx(0.1, abs=1e-5)
    assert p_of_known(half, times) > 0.2
    assert distance(half, np.full(50, 50.0)) == pytest.approx(0.5, abs=1e-5)


def test_what_was_rounded_is_held_as_what_it_may_have_been() -> None:
    law = Lognormal(500.0, 502.0)
    rounded = np.round(drawn(law, 2000, 8))
    assert p_of_known(law, rounded) < 0.001 < 0.05 < p_of_known(law, rounded, 1.0)
    assert p_of_known(Lognormal(503.0, 505.0), rounded, 1.0) < 0.001


def test_a_sample_is_near_its_own_law_and_far_from_another() -> None:
    times = drawn(USUAL, 500, 6)
    assert p_of_known(USUAL, times) > 0.05
    assert p_of_known(Lognormal(400.0, 1000.0), times) < 0.001


def test_the_p_of_a_fitted_law_reckons_the_fit_in() -> None:
    ps = []
    for seed in range(25):
        times = drawn(USUAL, 100, seed)
        ps.append(p_of_fitted(fit_lognormal(times), times, fit_lognormal, seed))
    # Of true laws every share of p is as large as itself; by the usual tables hardly any is small.
    assert 1 <= sum(p <= 0.2 for p in ps) <= 11
    assert p_of_fitted(fit_lognormal(three_kinds(300)), three_kinds(300), fit_lognormal, 1) == 0.01


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(3))
def test_what_was_fitted_tells_the_truth_of_the_law_that_was_drawn_from(seed: int) -> None:
    found: Fit = fit(drawn(STALLING, 6000, seed))
    assert found.kind == "stalls"
    for q, most in ((0.5, 0.02), (0.95, 0.06), (0.99, 0.05)):
        assert found.law.quantile(q) == pytest.approx(STALLING.quantile(q), rel=most)


def test_times_that_are_there_many_times_are_not_foretold_from_themselves() -> None:
    assert fit(np.repeat(drawn(USUAL, 300, 7), 8)).kind == "lognormal"
