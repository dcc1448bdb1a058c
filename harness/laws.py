"""How long something takes, as a law: a time for every draw, and a share for every time.

Each is read off ONE uniform draw and rises with it, so that the same luck stays the same luck under
another law. Times are in whatever unit the law was made in. Nothing here draws.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter

from harness import draws


@dataclass(frozen=True)
class Lognormal:
    """By its median and 99th percentile."""

    p50: float
    p99: float

    def quantile(self, u: float) -> float:
        return self.p50 * math.exp(self.sigma * draws.normal(u))

    def cdf(self, x: float) -> float:
        if x <= 0:
            return 0.0
        sigma = self.sigma
        if not sigma:
            return float(x >= self.p50)
        return _normal_cdf(math.log(x / self.p50) / sigma)

    @cached_property
    def sigma(self) -> float:
        """How far the logarithm spreads."""
        return draws.lognormal_sigma(self.p50, self.p99)

    def times(self, factor: float) -> "Lognormal":
        return Lognormal(self.p50 * factor, self.p99 * factor)


@dataclass(frozen=True, slots=True)
class Stalling:
    """Lognormal, but a share of all takes the time of a stall, which is lognormal too."""

    usual: Lognormal
    share: float
    stall: Lognormal

    def quantile(self, u: float) -> float:
        """The time below which a share of `u` lies, found by Newton's method on the logarithm,
        kept within what is known to enclose it."""
        ends = sorted((self.usual.quantile(u), self.stall.quantile(u)))
        low, high = math.log(ends[0]), math.log(ends[1])
        at = math.log(self.usual.quantile(u))
        for _ in range(_MOST_STEPS):
            x = math.exp(at)
            astray = self.cdf(x) - u
            low, high = (at, high) if astray < 0 else (low, at)
            slope = self._slope(at)
            step = at - astray / slope if slope else math.inf
            new = step if low < step < high else (low + high) / 2
            if abs(new - at) <= _CLOSE:
                return math.exp(new)
            at = new
        return math.exp(at)

    def cdf(self, x: float) -> float:
        return (1 - self.share) * self.usual.cdf(x) + self.share * self.stall.cdf(x)

    def times(self, factor: float) -> "Stalling":
        return Stalling(self.usual.times(factor), self.share, self.stall.times(factor))

    def _slope(self, log_x: float) -> float:
        """Of the cdf over the logarithm of the time."""
        parts = ((1 - self.share, self.usual), (self.share, self.stall))
        return sum(weight * _density(log_x, of) for weight, of in parts)


@dataclass(frozen=True, slots=True)
class Empirical:
    """Quantiles as they were seen, from that of 0 to that of 1: pairs of a share and a time, both
    rising. Between two of them the logarithm of the time rises evenly with the share."""

    points: Sequence[tuple[float, float]]

    def quantile(self, u: float) -> float:
        points = self.points
        after = bisect_right(points, u, key=_SHARE)
        if after == len(points):
            return points[-1][1]
        (before_p, before_x), (after_p, after_x) = points[max(0, after - 1)], points[after]
        part = (u - before_p) / (after_p - before_p)
        return before_x * math.pow(after_x / before_x, part)

    def cdf(self, x: float) -> float:
        points = self.points
        after = bisect_right(points, x, key=_TIME)
        if after == 0:
            return 0.0
        if after == len(points):
            return 1.0
        (before_p, before_x), (after_p, after_x) = points[after - 1], points[after]
        part = math.log(x / before_x) / math.log(after_x / before_x)
        return before_p + (after_p - before_p) * part

    def times(self, factor: float) -> "Empirical":
        return Empirical([(p, x * factor) for p, x in self.points])


Law = Lognormal | Stalling | Empirical

_SHARE, _TIME = itemgetter(0), itemgetter(1)
_CLOSE = 1e-13
"""Of a logarithm: far below the microsecond that delays are rounded to."""
_MOST_STEPS = 200


def _normal_cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))


def _density(log_x: float, of: Lognormal) -> float:
    sigma = of.sigma
    if not sigma:
        return 0.0
    z = (log_x - math.log(of.p50)) / sigma
    return math.exp(-z * z / 2) / (sigma * math.sqrt(2 * math.pi))
