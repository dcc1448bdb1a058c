"""Intervals of one quantile, as tests ask for them; the package takes many at once."""

import math
from dataclasses import dataclass

import numpy as np

from harness.record import FloatArray
from harness.stats.distributions import enclosing_places
from harness.stats.quantiles import RoundInterval, Sample, enough, rank, round_quantile_intervals


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate between two bounds, in the unit of the values; None is "n too small"."""

    estimate: float | None
    lo: float | None
    hi: float | None


UNKNOWN = Interval(None, None, None)


def quantile_interval(values: FloatArray, q: float, level: float = 0.95) -> Interval:
    """The q-quantile of independent `values` (any order, no NaN) with its exact order-statistic
    interval.

    It covers the true quantile with at least `level`, whatever the distribution; see
    `enclosing_places`. Where n is too small for both bounds to exist even the estimate is None: it
    would be little more than the largest value.
    """
    n = values.size
    if not enough(n, q, level):
        return UNKNOWN
    low, high = enclosing_places(n, q, level)
    ordered = np.sort(values)
    places = [rank(n, q), max(1, math.floor(low)), min(n, math.ceil(high))]
    estimate, lo, hi = (float(ordered[place - 1]) for place in places)
    return Interval(estimate, lo, hi)


def round_quantile_interval(sample: Sample, q: float, level: float = 0.95) -> RoundInterval:
    """`round_quantile_intervals` of one quantile."""
    return round_quantile_intervals(sample, [q], level)[0]
