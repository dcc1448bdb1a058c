"""How far a sample lies from a law, by Kolmogorov and Smirnov; it fits nothing itself."""

import math
from collections.abc import Callable

import numpy as np

from harness.laws import Law, Lognormal, Stalling
from harness.record import FloatArray
from harness.stats.distributions import ks_p

Fitted = Lognormal | Stalling

RESAMPLES = 99
MOST_DRAWN = 1000
"""Values of a resample. A distance shrinks with the root of their number, so that of more is told
by that of fewer."""
_HAIR = 1e-9
"""How exactly it is known where a step is, as a share of its time."""


def shares_below(law: Law, times: FloatArray) -> FloatArray:
    """What the law says of each time; even from 0 to 1 where it is the law of all."""
    return np.fromiter(map(law.cdf, times.tolist()), np.float64, times.size)


def distance(law: Law, times: FloatArray, step: float = 0.0) -> float:
    """The largest difference between a share of the sample and the law's: up to each time, and
    below it, as many may take exactly as long. What was rounded to a `step` may be anything that is
    rounded so."""
    at, counts = np.unique(times, return_counts=True)
    upto = np.cumsum(counts) / times.size
    below = upto - counts / times.size
    if at.size == times.size and not step:
        law_upto = law_below = shares_below(law, at)
    else:
        law_upto = shares_below(law, at * (1 + _HAIR) + step / 2)
        law_below = shares_below(law, at * (1 - _HAIR) - step / 2)
    return float(max(np.max(upto - law_upto), np.max(law_below - below)))


def p_of_known(law: Law, times: FloatArray, step: float = 0.0) -> float:
    """The chance of lying as far from a law that was known before, or a larger one where the law
    has steps too."""
    return ks_p(distance(law, times, step), times.size)


def p_of_fitted(
    law: Fitted, times: FloatArray, fit: Callable[[FloatArray], Law | None], seed: int
) -> float:
    """The chance that a sample of this law lies as far from the law that `fit` makes of it.

    A law that was fitted to the sample itself lies nearer than the true one, so the usual tables
    would pass nearly all (Lilliefors 1967): samples are drawn from the law and fitted anew. With
    99 of them no p is below 0.01.
    """
    rng = np.random.default_rng(seed)
    size = min(times.size, MOST_DRAWN)
    seen = distance(law, times) * math.sqrt(times.size)
    farther = 0
    for _ in range(RESAMPLES):
        drawn = _drawn(law, rng, size)
        fitted = fit(drawn)
        farther += fitted is None or distance(fitted, drawn) * math.sqrt(size) >= seen
    return (1 + farther) / (1 + RESAMPLES)


def _drawn(law: Fitted, rng: np.random.Generator, size: int) -> FloatArray:
    if isinstance(law, Stalling):
        stalls = rng.random(size) < law.share
        return np.where(stalls, _drawn(law.stall, rng, size), _drawn(law.usual, rng, size))
    return np.exp(math.log(law.p50) + law.sigma * rng.standard_normal(size))
