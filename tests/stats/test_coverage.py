"""How often intervals miss the truth, by simulation of noise whose truth is known.

The noise, as load gives it: log-latency is the weather of a round (sd 0.15), which all strategies
share, plus what a round does to one strategy (0.05), plus an AR(1) series from turn to turn
(coefficient 0.9, sd 0.5). The other kind is independent turns (sd 0.5) and nothing else.

The long runs are marked slow and print what they found; `make simulate` runs them. A short one of
each claim is in the default run.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from harness.record import EffectSummary, FloatArray, Tolerance
from harness.stats.difference import difference, shifts
from harness.stats.distributions import clopper_pearson, ks_uniform, z_quantile
from harness.stats.effects import Levels, factorial_effects
from harness.stats.quantiles import Sample, round_quantile_intervals
from tests.stats.intervals import quantile_interval

QUANTILES = (0.5, 0.95, 0.99)
ROUNDS = 20
MEDIAN_MS = 400.0


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviations of the logarithm, and the AR(1) coefficient of the last."""

    shared: float = 0.15
    own: float = 0.05
    series: float = 0.5
    coefficient: float = 0.9

    def true_ms(self, q: float) -> float:
        """The quantile over all rounds there could be."""
        spread = math.sqrt(self.shared**2 + self.own**2 + self.series**2)
        return MEDIAN_MS * math.exp(z_quantile(q) * spread)


LOADED = Noise()
INDEPENDENT = Noise(0, 0, 0.5, 0)


class World:
    """Rounds of noise, drawn anew for each experiment."""

    def __init__(self, noise: Noise, turns: int, seed: int) -> None:
        self.noise, self.turns = noise, turns
        self.rounds = np.repeat(np.arange(ROUNDS), turns)
        self._rng = np.random.default_rng(seed)
        apart = np.abs(np.subtract.outer(np.arange(turns), np.arange(turns)))
        self._mix = np.linalg.cholesky(noise.coefficient**apart).T * noise.series

    def samples(self, count: int) -> list[Sample]:
        """One experiment: so many strategies with no difference between them."""
        weather = self._rng.normal(0, self.noise.shared, (ROUNDS, 1))
        return [self._sample(weather) for _ in range(count)]

    def _sample(self, weather: FloatArray) -> Sample:
        own = self._rng.normal(0, self.noise.own, (ROUNDS, 1))
        series = self._rng.normal(size=(ROUNDS, self.turns)) @ self._mix
        return Sample(MEDIAN_MS * np.exp(weather + own + series).ravel(), self.rounds)


class Tally:
    """How often intervals held the truth, by name."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.known: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.below: Counter[str] = Counter()
        self.widths: defaultdict[str, float] = defaultdict(float)

    def add(self, name: str, lo: float | None, hi: float | None, truth: float) -> None:
        self.asked[name] += 1
        if lo is None or hi is None:
            return
        self.known[name] += 1
        self.held[name] += lo <= truth <= hi
        self.below[name] += hi < truth
        self.widths[name] += hi - lo

    def coverage(self, name: str) -> float:
        """Of the intervals that were given."""
        return self.held[name] / self.known[name]

    def wrong(self, name: str) -> float:
        """Intervals given and wrong, of all that were asked for."""
        return (self.known[name] - self.held[name]) / self.asked[name]

    def lines(self) -> Iterator[str]:
        yield f"{'':26} given  coverage        below  above   width"
        for name, asked in self.asked.items():
            known, held = self.known[name], self.held[name]
            if not known:
                yield f"{name:26} {0:5.1%}"
                continue
            lo, hi = clopper_pearson(held, known)
            low = self.below[name] / known
            yield (
                f"{name:26} {known / asked:5.1%} {held / known:6.1%} [{lo:.1%}, {hi:.1%}]"
                f"  {low:5.1%}  {1 - held / known - low:5.1%} {self.widths[name] / known:7.1f}"
            )


def intervals(noise: Noise, turns: int, experiments: int, seed: int) -> Tally:
    """A strategy's own quantiles."""
    tally, world = Tally(), World(noise, turns, seed)
    for _ in range(experiments):
        (sample,) = world.samples(1)
        found = round_quantile_intervals(sample, QUANTILES)
        for q, one in zip(QUANTILES, found, strict=True):
            tally.add(f"p{100 * q:g}", one.lo, one.hi, noise.true_ms(q))
    return tally


def differences(
    noise: Noise, turns: int, experiments: int, seed: int, resamples: int, ratio: float = 1.1
) -> Tally:
    """Two strategies, of which the second takes so many times as long; on both scales."""
    tally, world = Tally(), World(noise, turns, seed)
    for number in range(experiments):
        a, b = world.samples(2)
        b = Sample(ratio * b.values_ms, b.rounds)
        for one in difference(
            a, b, paired=True, quantiles=QUANTILES, seed=number, resamples=resamples
        ):
            name = f"p{100 * one.quantile:g}"
            truth = (ratio - 1) * noise.true_ms(one.quantile)
            tally.add(f"{name} ms", one.lo_ms, one.hi_ms, truth)
            tally.add(f"{name} %", one.percent_lo, one.percent_hi, 100 * (ratio - 1))
    return tally


def show(title: str, lines: Iterator[str]) -> None:
    print(f"\n{title}", *lines, sep="\n  ")


# The default run: the same claims over few experiments, so wide bounds


def test_intervals_of_quantiles_cover_the_truth() -> None:
    tally = intervals(LOADED, 50, 300, seed=1)
    assert 0.91 <= tally.coverage("p50") <= 0.98
    assert tally.wrong("p95") <= 0.09


def test_intervals_of_differences_cover_the_truth() -> None:
    tally = differences(LOADED, 50, 200, seed=1, resamples=500)
    for name in ("p50 ms", "p50 %", "p95 ms", "p95 %"):
        assert 0.89 <= tally.coverage(name) <= 0.99, name


def test_turns_taken_to_be_independent_would_miss_the_truth() -> None:
    world, missed = World(LOADED, 50, seed=1), 0
    for _ in range(100):
        found = quantile_interval(world.samples(1)[0].values_ms, 0.5)
        assert found.lo is not None and found.hi is not None
        missed += not found.lo <= LOADED.true_ms(0.5) <= found.hi
    assert missed > 50


INTERACTION = {"a": 0.8, "b": 0.6, "a:b": 1.25}
"""What each does to the time of a turn, times; b takes back what a saves."""


def with_effects(samples: Sequence[Sample], k: int = 2) -> dict[Levels, Sample]:
    """The cells of a 2^k experiment in which two factors interact."""

    def times(levels: Levels) -> float:
        a, b = levels[:2]
        return INTERACTION["a"] ** a * INTERACTION["b"] ** b * INTERACTION["a:b"] ** (a and b)

    order = product((False, True), repeat=k)
    return {
        levels: Sample(times(levels) * sample.values_ms, sample.rounds)
        for levels, sample in zip(order, samples, strict=True)
    }


def true_effects(noise: Noise, q: float) -> dict[str, tuple[float, float]]:
    """In ms and in percent."""
    a, b, both = INTERACTION.values()
    one = noise.true_ms(q)
    return {
        "a": (((a - 1) + (a * b * both - b)) / 2 * one, 100 * (a * both**0.5 - 1)),
        "b": (((b - 1) + (a * b * both - a)) / 2 * one, 100 * (b * both**0.5 - 1)),
        "a:b": ((a * b * both - b - a + 1) * one, 100 * (both - 1)),
    }


def effects(turns: int, experiments: int, seed: int, resamples: int) -> tuple[Tally, Counter[str]]:
    """An injected interaction: its intervals on both scales, and how often its sign was wrong."""
    tally, wrong, world = Tally(), Counter[str](), World(LOADED, turns, seed)
    for number in range(experiments):
        cells = with_effects(world.samples(4))
        found = factorial_effects(
            cells, ("a", "b"), quantiles=(0.5, 0.95), seed=number, resamples=resamples
        )
        for one in found.effects:
            ms, percent = true_effects(LOADED, one.quantile)[one.factor]
            name = f"p{100 * one.quantile:g} {one.factor}"
            tally.add(f"{name} ms", one.lo_ms, one.hi_ms, ms)
            tally.add(f"{name} %", one.percent_lo, one.percent_hi, percent)
            wrong[name] += one.verdict == ("improved" if ms > 0 else "regressed")
    return tally, wrong


def test_an_injected_interaction_is_recovered_with_its_sign_and_within_its_interval() -> None:
    tally, wrong = effects(50, 60, seed=3, resamples=500)
    assert not wrong.total()
    for name in tally.asked:
        assert tally.coverage(name) >= 0.85, name


def alarms(
    turns: int, experiments: int, seed: int, resamples: int
) -> tuple[Counter[str], FloatArray]:
    """A/A of a 2^3 experiment: how often each kind of verdict was false, and p of one effect."""
    found, ps, world = Counter[str](), [], World(LOADED, turns, seed)
    for number in range(experiments):
        order = product((False, True), repeat=3)
        cells = dict(zip(order, world.samples(8), strict=True))
        told = factorial_effects(cells, ("a", "b", "c"), seed=number, resamples=resamples)
        rows = [*told.effects, *told.simple]
        first = [row for row in rows if row.primary]
        assert len(first) == 3
        found["one primary effect"] += is_changed(first[0])
        found["any primary effect"] += any(map(is_changed, first))
        others = [row for row in rows if not row.primary]
        found["any other, by Holm"] += any(map(is_changed, others))
        found["any other, by its own interval"] += any((row.p or 0) < 0.05 for row in others)
        ps.append(first[0].p or 0.0)
    return found, np.array(ps)


def is_changed(row: EffectSummary) -> bool:
    return row.verdict in ("improved", "regressed")


def test_false_alarms_of_the_primary_effect_are_as_rare_as_said() -> None:
    found, _ = alarms(20, 80, seed=2, resamples=300)
    assert clopper_pearson(found["one primary effect"], 80, 0.999)[0] < 0.05
    assert clopper_pearson(found["any other, by Holm"], 80, 0.999)[0] < 0.05
    assert found["any other, by its own interval"] > 40


# The long runs


@pytest.mark.slow
@pytest.mark.parametrize("turns", [50, 200])
def test_intervals_of_quantiles_cover_the_truth_in_93_to_97_percent(turns: int) -> None:
    tally = intervals(LOADED, turns, 6000, seed=11)
    show(f"quantiles, {ROUNDS} rounds x {turns}, correlated", tally.lines())
    assert 0.93 <= tally.coverage("p50") <= 0.97
    assert 0.93 <= tally.coverage("p95") <= 0.97
    if turns == 200:
        assert 0.93 <= tally.coverage("p99") <= 0.97
    # At 50 a round it takes luck to have a p99 at all, and bad luck makes it look known.
    assert tally.wrong("p99") <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("turns", [50, 200])
def test_intervals_of_quantiles_of_independent_turns_cover_it_at_least_as_often(turns: int) -> None:
    tally = intervals(INDEPENDENT, turns, 3000, seed=12)
    show(f"quantiles, {ROUNDS} rounds x {turns}, independent", tally.lines())
    for name in tally.asked:
        # Ranks are whole: the exact interval of 1000 turns covers p99 in 98 %.
        assert 0.94 <= tally.coverage(name) <= 0.985, name


@pytest.mark.slow
@pytest.mark.parametrize("turns", [50, 200])
@pytest.mark.parametrize("noise", [LOADED, INDEPENDENT], ids=["correlated", "independent"])
def test_intervals_of_differences_cover_the_truth_in_93_to_97_percent(
    noise: Noise, turns: int
) -> None:
    tally = differences(noise, turns, 2000, seed=13, resamples=2000)
    kind = "correlated" if noise is LOADED else "independent"
    show(f"differences, {ROUNDS} rounds x {turns}, {kind}", tally.lines())
    for name in tally.asked:
        if turns == 200 or not name.startswith("p99"):
            assert 0.93 <= tally.coverage(name) <= 0.97, name


@pytest.mark.slow
def test_an_injected_interaction_is_covered_and_its_sign_never_wrong() -> None:
    tally, wrong = effects(200, 1000, seed=14, resamples=1000)
    show(f"2^2 effects, {ROUNDS} rounds x 200, correlated", tally.lines())
    assert not wrong.total()
    for name in tally.asked:
        assert 0.93 <= tally.coverage(name) <= 0.975, name


@pytest.mark.slow
def test_false_alarms_are_as_rare_as_said() -> None:
    experiments = 1000
    found, ps = alarms(50, experiments, seed=15, resamples=1000)
    uniform = ks_uniform(ps)
    lines = [
        f"{name:32} {count / experiments:5.1%} {format_share(count, experiments)}"
        for name, count in found.items()
    ]
    show(f"A/A of 2^3, {ROUNDS} rounds x 50", iter([*lines, f"p uniform: KS p = {uniform:.2f}"]))
    assert 0.035 <= found["one primary effect"] / experiments <= 0.07
    assert clopper_pearson(found["any other, by Holm"], experiments)[0] <= 0.05
    assert uniform > 0.001


def format_share(count: int, of: int) -> str:
    lo, hi = clopper_pearson(count, of)
    return f"[{lo:.1%}, {hi:.1%}]"


@pytest.mark.slow
def test_a_band_holds_all_its_points_at_once_in_95_percent() -> None:
    points = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98)
    experiments, held, single = 1000, 0, 0
    world = World(LOADED, 100, seed=16)
    for number in range(experiments):
        a, b = world.samples(2)
        (band,) = shifts(a, [b], points, seed=number, resamples=1000)
        held += all((p.lo_ms or 0) <= 0 <= (p.hi_ms or 0) for p in band)
        alone = difference(a, b, paired=True, quantiles=points, seed=number, resamples=1000)
        single += all((d.lo_ms or 0) <= 0 <= (d.hi_ms or 0) for d in alone)
    lines = [
        f"the band {held / experiments:.1%} {format_share(held, experiments)}",
        f"the intervals of its points, taken together {single / experiments:.1%}",
    ]
    show(f"shift of {len(points)} points, {ROUNDS} rounds x 100", iter(lines))
    assert 0.93 <= held / experiments <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["ms", "%"])
def test_at_the_edge_of_the_tolerance_a_verdict_is_wrong_as_rarely(unit: str) -> None:
    world, ratio = World(LOADED, 50, seed=17), 1.1
    edge = 10.0 if unit == "%" else (ratio - 1) * MEDIAN_MS
    tolerance = Tolerance(edge, "%" if unit == "%" else "ms")
    verdicts: Counter[str] = Counter()
    for number in range(1000):
        a, b = world.samples(2)
        b = Sample(ratio * b.values_ms, b.rounds)
        (one,) = difference(
            a, b, paired=True, quantiles=[0.5], tolerance=tolerance, seed=number, resamples=1000
        )
        verdicts[one.verdict] += 1
    show(f"a change as large as the tolerance, in {unit}", iter([f"{dict(verdicts)}"]))
    assert verdicts["regressed"] <= 45 and verdicts["unchanged"] <= 45
    assert not verdicts["improved"]
