"""Differences of two samples: the same on both scales, judged alone or together, and in a band."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.record import FloatArray, Tolerance
from harness.stats.difference import Difference, difference, settled, shifts, told
from harness.stats.quantiles import Sample, quantile
from harness.stats.verdict import holm

QUANTILES = (0.5, 0.95, 0.99)


def noisy(
    seed: int, own_seed: int, *, rounds: int = 20, turns: int = 30, ratio: float = 1.0
) -> Sample:
    """Weather shared by all samples of the seed, and noise of the sample's own."""
    rng, own = np.random.default_rng(seed), np.random.default_rng([seed, own_seed])
    weather = np.repeat(rng.normal(6, 0.15, rounds), turns)
    values = ratio * np.exp(weather + own.normal(0, 0.3, weather.size))
    return Sample(values, np.repeat(np.arange(rounds), turns))


def moved(sample: Sample, how: Callable[[FloatArray], FloatArray]) -> Sample:
    return Sample(how(sample.values_ms), sample.rounds)


def only(found: list[Difference]) -> Difference:
    (one,) = found
    return one


def test_the_same_turns_do_not_differ() -> None:
    sample = noisy(1, 1)
    for one in difference(sample, sample, paired=True, quantiles=QUANTILES, seed=1):
        assert (
            (one.ms, one.lo_ms, one.hi_ms)
            == (0, 0, 0)
            == (one.percent, one.percent_lo, one.p_holm or 0)
        )
        assert (one.verdict, one.p, one.rounds_needed) == ("unchanged", 1, None)


def test_the_noise_of_floats_is_no_difference() -> None:
    sample = noisy(1, 1)
    later = moved(sample, lambda values: (values + 1e7) - 1e7 + 1e-9)
    one = only(difference(sample, later, paired=True, quantiles=[0.5], seed=1))
    assert (one.ms, one.verdict) == (0, "unchanged")


def test_a_constant_delay_in_paired_rounds_is_certain() -> None:
    sample = noisy(1, 1)
    later = moved(sample, lambda values: values + 5)
    for one in difference(sample, later, paired=True, quantiles=QUANTILES, seed=1):
        assert (one.ms, one.lo_ms, one.hi_ms) == pytest.approx((5, 5, 5))
        assert one.verdict == "regressed" and one.p is not None and one.p < 1e-9


@pytest.mark.parametrize("ratio", [0.5, 0.9, 1.25, 3])
def test_a_constant_ratio_in_paired_rounds_is_certain_in_percent(ratio: float) -> None:
    sample = noisy(1, 1)
    scaled = moved(sample, lambda values: values * ratio)
    for one in difference(sample, scaled, paired=True, quantiles=QUANTILES, seed=1):
        percent = (one.percent, one.percent_lo, one.percent_hi)
        assert percent == pytest.approx([100 * (ratio - 1)] * 3)
        assert one.verdict == ("regressed" if ratio > 1 else "improved")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.8, 1.25), st.sampled_from([0.0, 2.0, 10.0, 100.0]))
def test_ms_and_percent_agree(seed: int, ratio: float, amount: float) -> None:
    a, b = noisy(seed, 1), noisy(seed, 2, ratio=ratio)
    for one in difference(
        a, b, paired=True, quantiles=(0.5, 0.95), tolerance=Tolerance(amount), seed=1, resamples=300
    ):
        before, after = (quantile(each.ordered.values_ms, one.quantile) for each in (a, b))
        assert one.ms == pytest.approx(after - before)
        assert one.percent == pytest.approx(100 * (after / before - 1))
        assert one.percent_lo is not None and one.percent_hi is not None and one.p is not None
        assert one.lo_ms is not None and one.hi_ms is not None
        # The bounds on the scale that is judged, p and the verdict tell the same.
        percent = (one.percent_lo, one.percent_hi)
        lo, hi = percent if amount else (one.lo_ms, one.hi_ms)
        beyond = lo > amount or hi < -amount
        assert beyond == (one.p < 0.05) == (one.verdict in ("improved", "regressed"))
        inside = -amount <= lo and hi <= amount
        assert inside == (one.verdict == "unchanged")
        # On the other scale they lie about there too.
        width = one.hi_ms - one.lo_ms
        assert one.lo_ms == pytest.approx(before * one.percent_lo / 100, abs=0.5 * width)
        assert one.hi_ms == pytest.approx(before * one.percent_hi / 100, abs=0.5 * width)


@pytest.mark.parametrize("unit", ["ms", "%"])
def test_b_less_a_is_the_mirror_of_a_less_b(unit: str) -> None:
    tolerance = Tolerance(1.0, "ms" if unit == "ms" else "%")
    a, b = noisy(3, 1), noisy(3, 2, ratio=1.2)
    there = only(difference(a, b, paired=True, quantiles=[0.5], tolerance=tolerance, seed=1))
    back = only(difference(b, a, paired=True, quantiles=[0.5], tolerance=tolerance, seed=1))
    assert (there.verdict, back.verdict) == ("regressed", "improved")
    assert there.lo_ms is not None and back.hi_ms is not None
    assert there.ms == pytest.approx(-back.ms) and there.lo_ms == pytest.approx(-back.hi_ms)
    assert there.percent is not None and back.percent is not None
    assert (1 + there.percent / 100) * (1 + back.percent / 100) == pytest.approx(1)


@pytest.mark.parametrize(
    ("tolerance", "verdict"),
    [
        (Tolerance(0, "ms"), "regressed"),
        (Tolerance(4, "ms"), "regressed"),
        (Tolerance(5.5, "ms"), "unchanged"),
        (Tolerance(2, "%"), "unchanged"),
        (Tolerance(0.5, "%"), "regressed"),
        (Tolerance(150, "%"), "unchanged"),
    ],
)
def test_a_tolerance_is_judged_on_its_own_scale(tolerance: Tolerance, verdict: str) -> None:
    a = moved(noisy(1, 1), lambda values: values + 100)
    b = moved(a, lambda values: values + 5)
    found = difference(a, b, paired=True, quantiles=[0.5], tolerance=tolerance, seed=1)
    assert only(found).verdict == verdict


def test_unpaired_runs_pay_for_the_weather_of_both() -> None:
    a, b = noisy(1, 1, turns=200), noisy(1, 2, turns=200)
    paired, apart = (
        only(difference(a, b, paired=how, quantiles=[0.5], seed=1)) for how in (True, False)
    )
    assert paired.ms == apart.ms
    assert paired.spread is not None and apart.spread is not None
    assert apart.spread.upper > 3 * paired.spread.upper


def test_unpaired_runs_have_the_degrees_of_freedom_of_the_shorter_one() -> None:
    found = difference(noisy(1, 1), noisy(2, 1, rounds=6), paired=False, quantiles=[0.5], seed=1)
    spread = only(found).spread
    assert spread is not None and spread.rounds == 6
    few = difference(noisy(1, 1), noisy(2, 1, rounds=4), paired=False, quantiles=[0.5], seed=1)
    assert (only(few).lo_ms, only(few).p, only(few).verdict) == (None, None, "unknown")


def test_too_few_turns_and_too_many_failures_leave_a_quantile_out() -> None:
    a, few = noisy(1, 1), noisy(1, 2, turns=18)
    failing = moved(a, lambda values: np.where(np.arange(values.size) % 30 == 0, np.inf, values))
    assert told([a, few], QUANTILES) == [0.5, 0.95]
    assert told([a, failing], QUANTILES) == [0.5, 0.95]
    nothing = Sample(np.array([]), np.array([], dtype=np.int64))
    for paired in (True, False):
        assert difference(a, nothing, paired=paired, quantiles=QUANTILES, seed=1) == []
        assert difference(nothing, nothing, paired=paired, quantiles=QUANTILES, seed=1) == []


def test_failures_that_may_reach_the_quantile_leave_the_interval_unknown() -> None:
    a = noisy(1, 1)
    failing = moved(a, lambda values: np.where(np.arange(values.size) < 28, np.inf, values))
    one = only(difference(a, failing, paired=True, quantiles=[0.95], seed=1))
    assert math.isfinite(one.ms)
    assert (one.lo_ms, one.percent_hi, one.p, one.verdict) == (None, None, None, "unknown")


def test_no_latency_at_all_has_no_percent() -> None:
    a = noisy(1, 1)
    none = moved(a, lambda values: values * 0)
    for amount, verdict in ((0.0, "regressed"), (5.0, "unknown")):
        one = only(
            difference(none, a, paired=True, quantiles=[0.5], tolerance=Tolerance(amount), seed=1)
        )
        assert one.ms > 0 and one.lo_ms is not None
        assert (one.percent, one.percent_lo, one.verdict) == (None, None, verdict)


def family(ratios: list[float], amount: float = 0.0) -> list[Difference]:
    return [
        only(
            difference(
                noisy(9, 1),
                noisy(9, 1 + place, ratio=ratio),
                paired=True,
                quantiles=[0.5],
                tolerance=Tolerance(amount),
                seed=place,
            )
        )
        for place, ratio in enumerate(ratios, 1)
    ]


def test_what_is_declared_keeps_its_own_verdict_and_the_others_take_holms() -> None:
    alone = family([1.5, 1.03, 1.0, 1.0, 1.0, 1.0, 1.0])
    assert [one.verdict for one in alone[:2]] == ["regressed", "regressed"]
    first = settled(alone, [False, True] + [False] * 5, 0.95)
    assert first[1] == alone[1] and first[1].p_holm is None
    assert first[0].verdict == "regressed" and not first[0].exploratory
    together = settled(alone, [False] * 7, 0.95)
    assert [one.p_holm for one in together] == holm([one.p or 0 for one in alone])
    assert (together[1].verdict, together[1].exploratory) == ("cannot tell", True)
    assert together[1].rounds_needed is not None and 20 < together[1].rounds_needed < 100
    assert not any(one.exploratory for one in together[2:] if one.verdict == "unchanged")


def test_that_nothing_changed_is_found_among_many_only_if_it_is_plain() -> None:
    plain = settled(family([1.0] * 5, amount=30), [False] * 5, 0.95)
    assert {one.verdict for one in plain} == {"unchanged"}
    assert {one.p_holm for one in plain} == {1}
    # Just within on its own, but not with so many asked.
    own = family([1.0], amount=8)
    spread = own[0].spread
    assert spread is not None
    edge = 1.05 * max(abs(bound) for bound in spread.bounds(0.95))
    near = [
        only(
            difference(
                noisy(9, 1),
                noisy(9, 2),
                paired=True,
                quantiles=[0.5],
                tolerance=Tolerance(100 * math.expm1(edge)),
                seed=1,
            )
        )
    ]
    assert near[0].verdict == "unchanged"
    together = settled(near + family([1.3] * 8), [False] * 9, 0.95)
    assert (together[0].verdict, together[0].exploratory) == ("cannot tell", True)


def test_without_an_interval_nothing_is_settled() -> None:
    unknown = difference(
        noisy(1, 1, rounds=4), noisy(1, 2, rounds=4), paired=True, quantiles=[0.5], seed=1
    )
    assert settled(unknown, [False], 0.95) == unknown
    assert unknown[0].verdict == "unknown"


POINTS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98)


def test_a_band_is_wider_than_each_interval_and_encloses_its_points() -> None:
    a, b = noisy(4, 1), noisy(4, 2, ratio=1.1)
    (points,) = shifts(a, [b], POINTS, seed=7)
    alone = difference(a, b, paired=True, quantiles=POINTS, seed=7)
    assert [point.quantile for point in points] == list(POINTS)
    for point, one in zip(points, alone, strict=True):
        assert point.lo_ms is not None and one.lo_ms is not None
        assert point.hi_ms is not None and one.hi_ms is not None
        assert point.ms == one.ms
        assert point.lo_ms < one.lo_ms <= one.ms <= one.hi_ms < point.hi_ms


def test_a_band_of_one_point_is_about_its_interval() -> None:
    a, b = noisy(4, 1), noisy(4, 2, ratio=1.1)
    ((point,),) = shifts(a, [b], [0.5], seed=7)
    one = only(difference(a, b, paired=True, quantiles=[0.5], seed=7))
    assert one.lo_ms is not None and one.hi_ms is not None
    width = one.hi_ms - one.lo_ms
    assert (point.lo_ms, point.hi_ms) == pytest.approx((one.lo_ms, one.hi_ms), abs=0.1 * width)


def test_each_variant_has_the_points_that_it_and_the_baseline_can_tell() -> None:
    a, few = noisy(4, 1), noisy(4, 2, turns=3)
    nothing = Sample(np.array([]), np.array([], dtype=np.int64))
    one, other, none = shifts(a, [few, a, nothing], (0.5, 0.95, 0.99), seed=1)
    assert [point.quantile for point in one] == [0.5]
    assert [(p.quantile, p.ms, p.lo_ms, p.hi_ms) for p in other] == [
        (0.5, 0, 0, 0),
        (0.95, 0, 0, 0),
        (0.99, 0, 0, 0),
    ]
    assert none == []
    assert shifts(nothing, [a], (0.5,), seed=1) == [[]]
    (short,) = shifts(noisy(4, 1, rounds=4), [noisy(4, 2, rounds=4)], (0.5,), seed=1)
    assert (short[0].lo_ms, short[0].hi_ms) == (None, None)
