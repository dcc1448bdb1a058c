"""The 2^k contrasts: exact where they can be, and as sure of themselves as they should be."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.record import EffectSummary, FloatArray, Tolerance
from harness.stats.effects import FactorialEffects, Levels, factorial_effects
from harness.stats.quantiles import Sample
from harness.stats.verdict import holm

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


def named(effects: Sequence[EffectSummary], q: float) -> Mapping[str, EffectSummary]:
    return {effect.factor: effect for effect in effects if effect.quantile == q}


def test_effects_come_by_quantile_main_effects_before_interactions() -> None:
    found = factorial_effects(
        cells_of(3, shifted(lambda _: 0), 5), THREE, quantiles=(0.5, 0.95), seed=1, resamples=10
    )
    order = [
        *THREE,
        "prewarm:token_cache",
        "prewarm:parallel_confirm",
        "token_cache:parallel_confirm",
        "prewarm:token_cache:parallel_confirm",
    ]
    assert [effect.factor for effect in found.effects] == order * 2
    assert [effect.quantile for effect in found.effects] == [0.5] * 7 + [0.95] * 7
    assert not any(effect.given for effect in found.effects)


def test_simple_effects_hold_each_factor_at_each_setting_of_the_others() -> None:
    found = factorial_effects(
        cells_of(3, shifted(lambda _: 0), 5), THREE, quantiles=(0.5,), seed=1, resamples=10
    )
    asked = [(effect.factor, tuple(effect.given.items())) for effect in found.simple]
    assert len(set(asked)) == len(asked) == 12
    assert asked[:4] == [
        ("prewarm", (("token_cache", one), ("parallel_confirm", other)))
        for one, other in product((False, True), repeat=2)
    ]


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_a_main_effect_is_the_mean_over_the_other_factors_of_on_minus_off(q: float) -> None:
    def shift(levels: Levels) -> float:
        a, b, c = levels
        return -100 * a + 20 * b + 0 * c

    found = factorial_effects(cells_of(3, shifted(shift), 5), THREE, quantiles=(q,), seed=1)
    effects = named(found.effects, q)
    assert [effects[name].estimate_ms for name in THREE] == pytest.approx([-100, 20, 0], abs=1e-9)
    interactions = [effects[name].estimate_ms for name in effects if ":" in name]
    assert interactions == pytest.approx([0] * 4, abs=1e-9)


def test_an_interaction_is_the_difference_of_differences_not_halved() -> None:
    def shift(levels: Levels) -> float:
        a, b, _ = levels
        return -100 * a - 50 * b + 40 * (a and b)

    found = factorial_effects(cells_of(3, shifted(shift), 5), THREE, seed=1)
    effects = named(found.effects, 0.5)
    assert effects["prewarm:token_cache"].estimate_ms == pytest.approx(40)
    assert effects["prewarm"].estimate_ms == pytest.approx(-80)
    assert effects["token_cache"].estimate_ms == pytest.approx(-30)
    assert effects["prewarm:parallel_confirm"].estimate_ms == pytest.approx(0, abs=1e-9)


shift_tables = st.lists(st.floats(-500, 500), min_size=8, max_size=8)


@settings(max_examples=30, deadline=None)
@given(shift_tables)
def test_each_interaction_is_the_difference_of_two_of_a_factor_less(table: list[float]) -> None:
    by_levels = dict(zip(product((False, True), repeat=3), table, strict=True))
    found = factorial_effects(
        cells_of(3, shifted(lambda levels: by_levels[levels]), 5),
        ("a", "b", "c"),
        quantiles=(0.5,),
        seed=1,
        resamples=20,
    )
    ms = {effect.factor: effect.estimate_ms for effect in found.effects}

    def simple(factor: str, **given: bool) -> float:
        (one,) = (e for e in found.simple if e.factor == factor and e.given == given)
        return one.estimate_ms

    def a_by_b(c: bool) -> float:
        return simple("a", b=True, c=c) - simple("a", b=False, c=c)

    assert simple("a", b=False, c=True) == pytest.approx(table[5] - table[1], abs=1e-6)
    assert ms["a:b"] == pytest.approx((a_by_b(False) + a_by_b(True)) / 2, abs=1e-6)
    assert ms["a:b:c"] == pytest.approx(a_by_b(True) - a_by_b(False), abs=1e-6)
    for factor in "abc":
        own = [effect.estimate_ms for effect in found.simple if effect.factor == factor]
        assert ms[factor] == pytest.approx(sum(own) / 4, abs=1e-6)


def test_in_percent_effects_are_ratios_and_interactions_ratios_of_ratios() -> None:
    def values(levels: Levels) -> FloatArray:
        a, b = levels
        return np.linspace(900, 1100, 200) * 0.8**a * 0.5**b * 1.25 ** (a and b)

    found = factorial_effects(cells_of(2, values, 5), ("a", "b"), quantiles=(0.5, 0.95), seed=1)
    for q in (0.5, 0.95):
        effects = named(found.effects, q)
        assert effects["a:b"].percent == pytest.approx(25)
        assert effects["a"].percent == pytest.approx(100 * (0.8 * 1.25**0.5 - 1))
        assert effects["b"].percent == pytest.approx(100 * (0.5 * 1.25**0.5 - 1))
        # Percent does not care that the rounds differ; each cell is an exact multiple of another.
        assert effects["a:b"].percent_lo == effects["a:b"].percent_hi == pytest.approx(25)
    given = [(e.factor, *e.given.values(), round(e.percent or 0, 6)) for e in found.simple[:4]]
    assert given == [("a", False, -20), ("a", True, 0), ("b", False, -50), ("b", True, -37.5)]


@pytest.mark.parametrize(
    ("k", "names", "simple"),
    [(0, [], 0), (1, ["a"], 0), (2, ["a", "b", "a:b"], 4)],
)
def test_fewer_factors_have_fewer_effects(k: int, names: list[str], simple: int) -> None:
    cells = cells_of(k, shifted(lambda levels: -10.0 * sum(levels)), 5)
    found = factorial_effects(cells, ("a", "b")[:k], quantiles=(0.5,), seed=1)
    assert [effect.factor for effect in found.effects] == names
    estimates = [effect.estimate_ms for effect in found.effects]
    assert estimates == pytest.approx([-10, -10, 0][: len(names)])
    assert len(found.simple) == simple


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


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["%", "ms"]), st.sampled_from([0.0, 5.0, 20.0]))
def test_the_interval_p_and_verdict_of_each_effect_tell_the_same(
    seed: int, unit: str, amount: float
) -> None:
    found = factorial_effects(
        noisy_cells(seed, 2, lambda levels: -60.0 * levels[0]),
        ("a", "b"),
        quantiles=(0.5, 0.95),
        primary=0.95,
        tolerance=Tolerance(amount, "%" if unit == "%" else "ms"),
        seed=seed,
        resamples=300,
    )
    rows = [*found.effects, *found.simple]
    others = [row for row in rows if not row.primary]
    assert [row.factor for row in rows if row.primary] == ["a", "b"]
    assert {row.quantile for row in rows if row.primary} == {0.95}
    assert [row.p_holm for row in others] == pytest.approx(holm([row.p or 0 for row in others]))
    for row in rows:
        in_percent = unit == "%" and amount
        bounds = (row.percent_lo, row.percent_hi) if in_percent else (row.lo_ms, row.hi_ms)
        lo, hi = (bound for bound in bounds if bound is not None)
        assert row.lo_ms is not None and row.hi_ms is not None
        assert row.lo_ms <= row.estimate_ms <= row.hi_ms
        assert row.p is not None and (row.p < 0.05) == (lo > amount or hi < -amount)
        decided = row.verdict in ("improved", "regressed")
        judged_by = row.p if row.primary else row.p_holm
        assert judged_by is not None and decided == (judged_by < 0.05)
        assert row.exploratory <= (row.verdict == "cannot tell" and not row.primary)
        if not row.primary and not decided and row.p < 0.05:
            assert row.exploratory
        if row.rounds_needed is not None:
            assert row.verdict == "cannot tell" and row.rounds_needed > 20


def test_another_level_widens_the_interval_by_t_alone() -> None:
    cells = noisy_cells(1, 1, lambda _: 0.0)
    at = {
        level: factorial_effects(cells, ("a",), quantiles=(0.5,), level=level, seed=1).effects[0]
        for level in (0.95, 0.99)
    }
    usual, strict = at[0.95], at[0.99]
    assert usual.lo_ms is not None and strict.lo_ms is not None
    # t(19) at 99.5 % over t(19) at 97.5 %.
    ratio = 2.8609 / 2.0930
    assert strict.estimate_ms - strict.lo_ms == pytest.approx(
        ratio * (usual.estimate_ms - usual.lo_ms), rel=1e-4
    )
    assert usual.p == strict.p


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
    effect = factorial_effects(cells, THREE, quantiles=(0.95,), seed=1).effects[0]
    assert effect.estimate_ms == effect.hi_ms == 1
    assert effect.percent is None


def test_weather_shared_by_all_cells_of_a_round_does_not_widen_the_interval() -> None:
    rounds = np.repeat(np.arange(10), 30)
    weather = np.linspace(0, 1e6, 10)[rounds]
    calm = np.tile(np.linspace(0, 10, 30), 10)
    cells: dict[Levels, Sample] = {
        (level,): Sample(weather + calm + 5 * level, rounds) for level in (False, True)
    }
    (effect,) = factorial_effects(cells, ("a",), quantiles=(0.5,), seed=3).effects
    assert (effect.lo_ms, effect.estimate_ms, effect.hi_ms) == pytest.approx((5, 5, 5))


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    cells = noisy_cells(1, 2, lambda _: 0.0)

    def run(seed: int) -> FactorialEffects:
        return factorial_effects(cells, ("a", "b"), seed=seed, resamples=200)

    assert run(1) == run(1)
    assert run(1) != run(2)


@pytest.mark.parametrize(("rounds", "known"), [(4, False), (5, True)])
def test_bounds_need_five_rounds(rounds: int, known: bool) -> None:
    cells = cells_of(1, shifted(lambda levels: -10.0 * levels[0]), rounds)
    (effect,) = factorial_effects(cells, ("a",), quantiles=(0.5,), seed=1).effects
    assert effect.estimate_ms == pytest.approx(-10)
    assert ((effect.lo_ms is not None), (effect.p is not None)) == (known, known)
    assert effect.verdict == ("improved" if known else "unknown")


@pytest.mark.parametrize(("q", "fewest"), [(0.5, 6), (0.95, 72), (0.99, 368)])
def test_a_quantile_below_its_n_has_no_effect_at_all(q: float, fewest: int) -> None:
    for n, count in ((fewest - 1, 0), (fewest, 1)):
        cells = cells_of(1, shifted(lambda levels: -10.0 * levels[0], n), 5)
        found = factorial_effects(cells, ("a",), quantiles=(q,), seed=1, resamples=100)
        assert len(found.effects) == count


def failing(share: float) -> Callable[[Levels], FloatArray]:
    """100 values a cell; where the factor is on, this share of them never came."""

    def values(levels: Levels) -> FloatArray:
        found = np.linspace(900, 1100, 100)
        found[: round(100 * share * levels[0])] = np.inf
        return found

    return values


def test_a_quantile_that_is_infinite_in_some_cell_has_no_effect() -> None:
    cells = cells_of(1, failing(0.2), 5)
    found = factorial_effects(cells, ("a",), quantiles=(0.5, 0.95), seed=1, resamples=100)
    assert [effect.quantile for effect in found.effects] == [0.5]


def test_failures_that_may_reach_the_quantile_leave_the_interval_unknown() -> None:
    cells: dict[Levels, Sample] = {
        (level,): Sample(failing(0.04)((level,)), np.arange(100) // 20) for level in (False, True)
    }
    effect = named(factorial_effects(cells, ("a",), seed=1, resamples=200).effects, 0.95)["a"]
    assert math.isfinite(effect.estimate_ms)
    assert (effect.lo_ms, effect.hi_ms, effect.p, effect.verdict) == (None, None, None, "unknown")


def test_a_cell_absent_from_most_rounds_has_an_effect_but_no_interval() -> None:
    cells = cells_of(1, shifted(lambda _: 0.0), 10)
    cells[True,] = Sample(np.linspace(900, 1100, 40), np.zeros(40, dtype=np.int64))
    (effect,) = factorial_effects(cells, ("a",), quantiles=(0.5,), seed=1, resamples=200).effects
    assert math.isfinite(effect.estimate_ms)
    assert (effect.lo_ms, effect.hi_ms) == (None, None)


def test_failures_of_one_cell_leave_the_simple_effects_of_the_others_their_bounds() -> None:
    cells = cells_of(2, shifted(lambda levels: -10.0 * levels[0]), 5)
    worst = np.where(np.arange(200) % 5 == 0, np.inf, cells[True, True].values_ms)
    worst[:70] = np.where(np.arange(70) % 2 == 0, np.inf, worst[:70])
    cells[True, True] = Sample(np.sort(worst), np.arange(200) // 40)
    found = factorial_effects(cells, ("a", "b"), quantiles=(0.5,), seed=1)
    known = {(e.factor, *e.given.values()): e.lo_ms is not None for e in found.simple}
    assert known == {
        ("a", False): True,
        ("a", True): False,
        ("b", False): True,
        ("b", True): False,
    }
    assert all(effect.verdict == "unknown" for effect in found.effects)


def test_equal_cells_have_no_effect_even_where_floats_do_not_cancel() -> None:
    rng = np.random.default_rng(8)
    values = rng.lognormal(6, 0.5, 400)
    cells = cells_of(3, lambda _: values, 20)
    found = factorial_effects(cells, THREE, seed=1, resamples=200)
    for effect in [*found.effects, *found.simple]:
        assert (effect.estimate_ms, effect.lo_ms, effect.hi_ms, effect.percent) == (0, 0, 0, 0)
        assert (effect.verdict, effect.p, effect.exploratory) == ("unchanged", 1, False)
