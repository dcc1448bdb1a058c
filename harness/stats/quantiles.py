"""Quantiles of one sample and how surely they are known; it never assumes a distribution."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from harness.record import FloatArray, IntArray
from harness.stats.distributions import enclosing_places, fewest_values, t_quantile, z_quantile

MIN_ROUNDS = 5
"""Fewer say too little of how much rounds differ."""

# n * q may come out a hair above the whole number it stands for (100 * 0.07 is 7.000000000000001).
_HAIR = 1 - 1e-12


@dataclass(frozen=True, eq=False)
class Sample:
    """One cell's response times (ms, no NaN, +inf for "never") and the round each fell in."""

    values_ms: FloatArray
    rounds: IntArray

    @cached_property
    def ordered(self) -> "Sample":
        """The same from the fastest turn to the slowest; sorted once."""
        order = np.argsort(self.values_ms)
        return Sample(self.values_ms[order], self.rounds[order])


@dataclass(frozen=True, slots=True)
class RoundInterval:
    """A quantile of turns that come in rounds, between two bounds, in the unit of the values; None
    is "n too small".

    `effective_turns` is how many independent turns it is worth: None below 5 rounds, where nothing
    tells and turns are taken to be independent, and where there are no turns.
    """

    estimate: float | None
    lo: float | None
    hi: float | None
    effective_turns: float | None


def quantile(ordered: FloatArray, q: float) -> float:
    """The ceil(n q)-th smallest of n ascending values: the inverse of the ECDF, a value seen.

    Everything in this package uses this one definition (type 1 in Hyndman & Fan 1996), so that
    summaries, contrasts and resamples agree to the last digit. Raises ValueError when empty.
    """
    if not ordered.size:
        raise ValueError("a quantile of no values is not defined")
    return float(ordered[rank(ordered.size, q) - 1])


def rank(n: int, q: float) -> int:
    """The place, counted from 1, of the q-quantile among n ascending values."""
    return max(1, math.ceil(n * q * _HAIR))


def ranks(totals: IntArray, q: float) -> IntArray:
    """`rank` of each total."""
    places: FloatArray = np.ceil(totals * q * _HAIR)
    return np.maximum(1, places.astype(np.int64))


def enough(n: float, q: float, level: float = 0.95) -> bool:
    """Whether n values can tell the q-quantile: at 95 %, 6 of p50, 72 of p95 and 368 of p99."""
    return n >= fewest_values(q, level)


def round_quantile_intervals(
    sample: Sample, quantiles: Sequence[float], level: float = 0.95
) -> list[RoundInterval]:
    """Each quantile with the order-statistic interval of turns that come in rounds.

    Turns of one round resemble each other, so n of them know a quantile no better than n / d
    independent ones; see `_design_effects`. Woodruff (1952) reads the interval off the order
    statistics at that effective number. As d is itself known from R rounds only, the number shrinks
    once more for the bounds, by (z / t(R-1))^2 (Korn & Graubard 1998). It is never above n: rounds
    that happen to agree do not make turns more than independent.

    Below 5 rounds turns are taken to be independent. Where the effective number is too small for
    both bounds to exist, all but that number is None; see `enclosing_places`. Time grows with
    turns x log(turns), once for all quantiles.
    """
    ordered, n = sample.ordered, sample.values_ms.size
    if not n:
        return [RoundInterval(None, None, None, None)] * len(quantiles)
    numbers = np.unique(ordered.rounds)
    if numbers.size < MIN_ROUNDS:
        return [_interval(ordered.values_ms, q, level, n, None) for q in quantiles]
    p = (1 + level) / 2
    doubt = (t_quantile(p, numbers.size - 1) / z_quantile(p)) ** 2
    codes = np.searchsorted(numbers, ordered.rounds)
    designs = _design_effects(ordered.values_ms, codes, quantiles)
    return [
        _interval(ordered.values_ms, q, level, n / max(1.0, design * doubt), n / max(1.0, design))
        for q, design in zip(quantiles, designs, strict=True)
    ]


def share_within(values: FloatArray, budget: float) -> float:
    """The share of values at or below the budget; 0 when there are none."""
    return float(np.count_nonzero(values <= budget) / values.size) if values.size else 0.0


def t_stretch(rounds: int, level: float = 0.95) -> float:
    """How much wider than its percentile interval a bootstrap over few rounds must be.

    t(R-1, p) / z(p) * sqrt(R / (R-1)), p = (1 + level) / 2: the first factor because a spread known
    from R rounds is itself uncertain, the second because resampling R rounds with replacement
    underestimates their variance by (R-1) / R (Hesterberg 2015, "What Teachers Should Know About
    the Bootstrap").
    """
    p = (1 + level) / 2
    return t_quantile(p, rounds - 1) / z_quantile(p) * math.sqrt(rounds / (rounds - 1))


def _within(n: int, places: tuple[float, float]) -> tuple[int, int]:
    """The whole ranks just outside the places."""
    return max(1, math.floor(places[0])), min(n, math.ceil(places[1]))


def _interval(
    ordered: FloatArray, q: float, level: float, worth: float, effective: float | None
) -> RoundInterval:
    """The interval of as many independent turns as it is worth, if there are effectively enough."""
    n = ordered.size
    if not enough(n if effective is None else effective, q, level):
        return RoundInterval(None, None, None, effective)
    worth = max(worth, fewest_values(q, level))
    places = enclosing_places(worth, q, level)
    # The i-th of m values lies about where the i (n + 1) / (m + 1)-th of n does.
    scale = (n + 1) / (worth + 1)
    lower, upper = _within(n, (places[0] * scale, places[1] * scale))
    estimate, lo, hi = ordered[[rank(n, q) - 1, lower - 1, upper - 1]].tolist()
    return RoundInterval(estimate, lo, hi, effective)


def _design_effects(
    ordered: FloatArray, codes: IntArray, quantiles: Sequence[float]
) -> list[float]:
    """How many times as uncertain the share of turns below each quantile is as if independent.

    That is the variance of the share, taken from how it differs between rounds, over q (1 - q) / n.
    In a tail that few turns reach it is a poor estimate, low as often as high, and where it is low
    the interval misses: 9 % at p99 of 20 rounds x 200 correlated turns. The effect changes little
    towards the median, where more turns lie beyond, so a quantile takes the geometric mean with the
    effects at twice and four times its tail, as far as the median.
    """
    n, turns = ordered.size, np.bincount(codes)
    groups = [_up_to_the_median(q) for q in quantiles]
    shares = np.array(sorted({share for group in groups for share in group}))
    astray = _below_by_round(ordered, codes, shares) - shares[:, np.newaxis] * turns
    spread = turns.size / (turns.size - 1) * (astray**2).sum(axis=1)
    effect = dict(zip(shares.tolist(), spread / (n * shares * (1 - shares)), strict=True))
    # Where all rounds agree exactly, as on an atom of equal values, there is nothing to average.
    return [_geometric_mean([effect[one] for one in group if effect[one]]) for group in groups]


def _up_to_the_median(q: float) -> list[float]:
    """The quantile, and those with two and four times as much beyond them."""
    tail = min(q, 1 - q)
    tails = [tail, *(wider for wider in (2 * tail, 4 * tail) if wider <= 0.5)]
    return [round(one if q < 0.5 else 1 - one, 12) for one in tails]


def _geometric_mean(found: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, found)) / len(found)) if found else 0.0


def _below_by_round(ordered: FloatArray, codes: IntArray, quantiles: FloatArray) -> FloatArray:
    """How many turns of each round lie up to each quantile, shaped (quantiles, rounds).

    Of turns that tie with the quantile each round has the same part counted as below, so that all
    rounds together have as many below as the quantile says.
    """
    values = np.array([quantile(ordered, q) for q in quantiles.tolist()])
    edges = np.array([np.searchsorted(ordered, values, side) for side in ("left", "right")])
    cuts = np.unique(np.concatenate([[0], edges.ravel()]))
    rounds = int(codes.max()) + 1
    parts = [np.bincount(codes[a:b], minlength=rounds) for a, b in pairwise(cuts)]
    counted = np.concatenate([np.zeros((1, rounds)), np.cumsum(parts, axis=0)])
    under, upto = counted[np.searchsorted(cuts, edges)]
    tied = (ordered.size * quantiles - edges[0]) / (edges[1] - edges[0])
    below: FloatArray = under + np.clip(tied, 0, 1)[:, np.newaxis] * (upto - under)
    return below
