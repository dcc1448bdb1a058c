"""Resampling whole rounds and reading quantiles off each resample; it never resamples requests.

Turns of one round share its weather, so the round is what repeats independently. Samples that met
the same rounds are resampled with the same draws, which keeps them paired.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.record import FloatArray, IntArray
from harness.stats.distributions import t_quantile, t_two_sided, z_quantile
from harness.stats.quantiles import MIN_ROUNDS, Sample, quantile, rank, ranks

RESAMPLES = 2000
_TAIL = 0.025


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """The quantiles of several samples, as seen and in each resample of the rounds.

    `seen` is shaped (quantiles, samples) and `drawn` (quantiles, samples, resamples); infinite
    where so many turns failed, and NaN without a turn. `rounds` tells how many were
    resampled, of each sample that has rounds of its own the fewest.
    """

    quantiles: tuple[float, ...]
    seen: FloatArray
    drawn: FloatArray
    rounds: int


@dataclass(frozen=True, slots=True)
class Spread:
    """How far chance moves an estimate: one standard error, of resampled rounds, to either side.

    The sides are taken at the 2.5 % and 97.5 % points of the resamples, over z, and never negative.
    """

    estimate: float
    lower: float
    upper: float
    rounds: int

    def bounds(self, level: float) -> tuple[float, float]:
        """The interval: as many standard errors to either side as Student's t says.

        At 95 % that is the percentile interval, stretched around the estimate by `t_stretch`; at
        other levels it is scaled by t rather than read from the rarest of the resamples.
        """
        t = t_quantile((1 + level) / 2, self.rounds - 1)
        return self.estimate - t * self.lower, self.estimate + t * self.upper

    def p_beyond(self, least: float, most: float) -> float:
        """Of the truth lying from `least` to `most`, two-sided: below 1 - level exactly where the
        interval lies wholly beyond one of them."""
        above = _errors(self.estimate - most, self.lower)
        below = _errors(least - self.estimate, self.upper)
        return t_two_sided(max(above, below, 0.0), self.rounds - 1)

    def p_within(self, least: float, most: float) -> float:
        """Of the truth lying beyond `least` or `most`: below 1 - level exactly where the interval
        lies wholly between them."""
        room = min(
            _errors(most - self.estimate, self.upper, at_edge=math.inf),
            _errors(self.estimate - least, self.lower, at_edge=math.inf),
        )
        return t_two_sided(max(room, 0.0), self.rounds - 1)


def resample(
    samples: Sequence[Sample],
    quantiles: Sequence[float],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    paired: bool = True,
) -> Resampled:
    """Draw rounds with replacement, and read each quantile of each sample off what was drawn.

    Paired samples met the same rounds, told by their numbers, and share each draw; others are drawn
    each on its own. Time grows with resamples x rounds x log(values),
    memory with rounds x (values of the largest sample + resamples).
    """
    own = [np.unique(sample.rounds) for sample in samples]
    if paired:
        rounds = np.unique(np.concatenate(own))
        times = times_drawn(rounds.size, seed, resamples)
        plans = [(rounds, times)] * len(samples)
    else:
        seeds = np.random.SeedSequence(seed).generate_state(len(samples)).tolist()
        plans = [
            (rounds, times_drawn(rounds.size, each, resamples))
            for rounds, each in zip(own, seeds, strict=True)
        ]
    drawn = [
        resampled_quantiles(sample, rounds, times, quantiles)
        for sample, (rounds, times) in zip(samples, plans, strict=True)
    ]
    seen = [[_seen(sample, q) for q in quantiles] for sample in samples]
    shape = (len(samples), len(quantiles))
    return Resampled(
        tuple(quantiles),
        np.array(seen, dtype=np.float64).reshape(shape).T,
        np.array(drawn).reshape(*shape, resamples).transpose(1, 0, 2),
        min(rounds.size for rounds, _ in plans),
    )


def spread_of(estimate: float, drawn: FloatArray, rounds: int) -> Spread | None:
    """The spread of resamples about the estimate that they belong to.

    None below 5 rounds, and where a resample that counts is not finite: it had too many failures,
    or no turn at all.
    """
    if rounds < MIN_ROUNDS or np.isnan(drawn).any():
        return None
    # Resampling R rounds with replacement underestimates their variance by (R - 1) / R.
    scale = math.sqrt(rounds / (rounds - 1)) / z_quantile(1 - _TAIL)
    # As far from either end, so that b less a is the mirror of a less b.
    place = rank(drawn.size, _TAIL)
    places = [place - 1, drawn.size - place]
    low, high = np.partition(drawn, places)[places].tolist()
    lower, upper = scale * max(0.0, estimate - low), scale * max(0.0, high - estimate)
    finite = math.isfinite(estimate) and math.isfinite(lower) and math.isfinite(upper)
    return Spread(estimate, lower, upper, rounds) if finite else None


def times_drawn(rounds: int, seed: int, resamples: int) -> IntArray:
    """How often each resample draws each round, shaped (resamples, rounds)."""
    chances = np.full(rounds, 1 / rounds)
    return np.random.default_rng(seed).multinomial(rounds, chances, size=resamples)


def resampled_quantiles(
    sample: Sample, rounds: IntArray, times: IntArray, quantiles: Sequence[float]
) -> FloatArray:
    """The pooled quantiles of each resample, shaped (quantiles, resamples).

    `rounds` are the numbers of the rounds, ascending, and `times` counts how often each was drawn.

    The rank of the i-th smallest value in a resample is counts[i] @ times, where counts[i] tells
    how many of the first i values fell in each round. It grows with i, so a binary search for all
    resamples at once finds the quantile without building a single resample.
    """
    ordered, n = sample.ordered, sample.values_ms.size
    counts = np.zeros((n + 1, rounds.size), dtype=np.int32)
    counts[np.arange(1, n + 1), np.searchsorted(rounds, ordered.rounds)] = 1
    np.cumsum(counts, axis=0, out=counts)
    # A resample of rounds in which this cell has no value runs off the end, onto the NaN.
    values = np.append(ordered.values_ms, np.nan)
    # Half as wide and far from full: a resample of two billion turns would not fit in memory.
    narrow = times.astype(np.int32)
    totals = times @ counts[-1]
    return np.array([values[_search(counts, narrow, ranks(totals, q))] for q in quantiles])


def _seen(sample: Sample, q: float) -> float:
    return quantile(sample.ordered.values_ms, q) if sample.values_ms.size else math.nan


def _search(
    counts: npt.NDArray[np.int32], times: npt.NDArray[np.int32], wanted: IntArray
) -> IntArray:
    """For each resample, how many of the smallest values together stay short of the wanted rank."""
    last = len(counts) - 1
    short = np.zeros(len(times), dtype=np.int64)
    for bit in reversed(range(last.bit_length())):
        probe = np.minimum(short + (1 << bit), last)
        reached = np.einsum("br,br->b", counts.take(probe, axis=0), times)
        short = np.where(reached < wanted, probe, short)
    return short


def _errors(distance: float, error: float, at_edge: float = 0.0) -> float:
    """The distance in standard errors; without any error it is certain, or just at the edge."""
    if error:
        return distance / error
    return at_edge if distance == 0 else math.copysign(math.inf, distance)
