"""Which law a sample of times follows, and how far it is from it; it never sees a profile.

Three are tried: lognormal, lognormal with stalls, and the quantiles as they were seen. Stalls must
be worth their three further figures, and bare quantiles must foretell what they have not seen
better than a law of few figures does: on what they were taken from they are always right.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from harness.laws import Empirical, Law, Lognormal, Stalling
from harness.record import FloatArray
from harness.stats.distributions import z_quantile
from harness.stats.kolmogorov import distance, p_of_fitted
from harness.stats.quantiles import Sample, round_quantile_intervals
from harness.stats.stalls import fit_stalling

Kind = Literal["lognormal", "stalls", "quantiles"]

LEAST_VALUES = 8
"""Of fewer no law is made at all."""
LEAST_STALLS = 10
"""Fewer tell nothing of how long a stall lasts."""
LEAST_FOR_QUANTILES = 200
REFUTED = 0.01
"""The p of a law below which quantiles are taken if only they foretell no worse."""
CLEARLY_BETTER = 10.0
"""By the Bayesian information criterion: "very strong" in the scale of Kass & Raftery (1995)."""
FOLDS = 5
FEW_STEPS = 40
"""Fewer different times are those of a coarse clock."""
QUANTILES = (0.5, 0.95, 0.99)

_LEVELS = (np.arange(100) + 0.5) / 100
_LEVEL_WEIGHTS = 1 / (_LEVELS * (1 - _LEVELS))
"""So that both tails count as much as the middle."""


@dataclass(frozen=True, slots=True)
class Held:
    """One quantile of the sample beside the law's, in the sample's unit; `lo` and `hi` enclose the
    true one. None where the sample is too small to tell."""

    q: float
    law: float
    seen: float | None
    lo: float | None
    hi: float | None

    @property
    def error(self) -> float | None:
        """How much longer the law takes, as a share."""
        return None if self.seen is None else self.law / self.seen - 1

    @property
    def error_bounds(self) -> tuple[float, float] | None:
        """What the error against the true quantile may be."""
        if self.lo is None or self.hi is None:
            return None
        return self.law / self.hi - 1, self.law / self.lo - 1

    @property
    def encloses(self) -> bool | None:
        """Whether the true quantile may be the law's; None where nothing tells."""
        if self.lo is None or self.hi is None:
            return None
        return self.lo <= self.law <= self.hi


@dataclass(frozen=True, slots=True)
class InTime:
    """How a sample hangs on when it was taken, by ranks: of each value with the next one, and with
    its place."""

    neighbours: float
    trend: float
    noise: float
    """What chance alone reaches in one of a thousand samples."""

    @property
    def strong(self) -> bool:
        return max(abs(self.neighbours), abs(self.trend)) > max(0.2, self.noise)


@dataclass(frozen=True, slots=True)
class Fit:
    kind: Kind
    law: Law
    n: int
    distance: float
    """By Kolmogorov and Smirnov; of quantiles that of values that they were not taken from."""
    p: float | None
    """Of the law being true, with the fit reckoned in; None of quantiles, which claim no law."""
    held: tuple[Held, ...]
    in_time: InTime


def fit(times: FloatArray, seed: int = 1) -> Fit:
    """Of positive times, in the order in which they were taken. Raises ValueError when there are
    fewer than LEAST_VALUES."""
    if times.size < LEAST_VALUES:
        raise ValueError(f"{times.size} values are too few for a law")
    usual = fit_lognormal(times)
    stalling = _worth_it(times, usual)
    law = stalling or usual
    p = p_of_fitted(law, times, partial(_fitted_again, stalling), seed)
    held = hold(law, times)
    if times.size >= LEAST_FOR_QUANTILES:
        refuted = p <= REFUTED or any(of.encloses is False for of in held)
        if _gain(times, stalling) > (-2 if refuted else 2):
            seen = seen_quantiles(times)
            told = hold(seen, times), in_time(times)
            return Fit("quantiles", seen, times.size, _held_out(times), None, *told)
    kind: Kind = "stalls" if stalling else "lognormal"
    return Fit(kind, law, times.size, distance(law, times), p, held, in_time(times))


def fit_lognormal(times: FloatArray) -> Lognormal:
    """The likeliest one."""
    logs = np.log(times)
    mean, sigma = float(logs.mean()), float(logs.std())
    return Lognormal(math.exp(mean), math.exp(mean + z_quantile(0.99) * sigma))


def seen_quantiles(times: FloatArray) -> Empirical:
    """At every hundredth, and further out as far as values reach; of few values, at fewer."""
    n = times.size
    step = max(0.01, 5 / n)
    middle = np.arange(step, 1 - step / 2, step)
    tail = [p for p in (0.985, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999) if n * (1 - p) >= 3]
    shares = np.array([0.0, *sorted({*np.round(middle, 6).tolist(), *tail}), 1.0])
    # Hyndman & Fan's type 8, the one that is right at the median whatever the distribution.
    logs = np.quantile(np.log(times), shares, method="median_unbiased")
    return Empirical(list(zip(shares.tolist(), np.exp(logs).tolist(), strict=True)))


def hold(law: Law, times: FloatArray, quantiles: Sequence[float] = QUANTILES) -> tuple[Held, ...]:
    """The law's quantiles beside the sample's, with the exact interval of order statistics: of one
    sample's 99th percentile a bootstrap's covers too little."""
    one_round = np.zeros(times.size, dtype=np.int64)
    intervals = round_quantile_intervals(Sample(times, one_round), quantiles)
    return tuple(
        Held(q, law.quantile(q), of.estimate, of.lo, of.hi)
        for q, of in zip(quantiles, intervals, strict=True)
    )


def in_time(times: FloatArray) -> InTime:
    ranks = _ranks(times)
    noise = -z_quantile(0.0005) / math.sqrt(times.size)
    place = np.arange(times.size, dtype=np.float64)
    return InTime(_correlation(ranks[:-1], ranks[1:]), _correlation(ranks, place), noise)


# Which law


def _worth_it(times: FloatArray, usual: Lognormal) -> Stalling | None:
    found = fit_stalling(times)
    if found is None:
        return None
    law, likelihood = found
    stalled = law.share * times.size
    if min(stalled, times.size - stalled) < LEAST_STALLS:
        return None
    gain = 2 * (likelihood - _likelihood(times, usual)) - 3 * math.log(times.size)
    return law if gain > CLEARLY_BETTER else None


def _fitted_again(stalling: Stalling | None, times: FloatArray) -> Lognormal | Stalling | None:
    """The law of the same kind, near the one that was found before."""
    if stalling is None:
        return fit_lognormal(times)
    found = fit_stalling(times, stalling)
    return found and found[0]


def _likelihood(times: FloatArray, of: Lognormal) -> float:
    logs = np.log(times)
    if not of.sigma:
        return math.inf  # All are equal: nothing can be likelier.
    z = (logs - math.log(of.p50)) / of.sigma
    return float(
        -(z * z / 2 + logs).sum() - logs.size * math.log(of.sigma * math.sqrt(2 * math.pi))
    )


def _gain(times: FloatArray, stalling: Stalling | None) -> float:
    """How much better quantiles that were seen foretell others' times, in standard errors.

    Each fifth is foretold from the other four. The loss is that of a quantile (Koenker & Bassett
    1978) on the logarithm, over all levels: the continuous ranked probability score.
    """
    gains = []
    for known, asked in _folds(times):
        few = _fitted_again(stalling, known) or fit_lognormal(known)
        gains.append(_losses(few, asked) - _losses(seen_quantiles(known), asked))
    if not gains:
        return -math.inf  # All are equal.
    gain = np.concatenate(gains)
    error = float(gain.std()) / math.sqrt(gain.size)
    return float(gain.mean()) / error if error else 0.0


def _losses(law: Law, times: FloatArray) -> FloatArray:
    logs = np.log(times)
    loss = np.zeros_like(logs)
    # Level by level: of a million times the whole table would take a gigabyte.
    for level, weight in zip(_LEVELS.tolist(), _LEVEL_WEIGHTS.tolist(), strict=True):
        astray = logs - math.log(law.quantile(level))
        loss += weight * np.maximum(level * astray, (level - 1) * astray)
    return loss / float(_LEVEL_WEIGHTS.sum())


def _held_out(times: FloatArray) -> float:
    return float(
        np.mean([distance(seen_quantiles(known), asked) for known, asked in _folds(times)])
    )


def _folds(times: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
    """What is known and what is asked, five times, by lot. Equal times fall to one part: nobody is
    asked for what is known already. Not so by a clock of few steps, whose times are all equal."""
    values, place = np.unique(times, return_inverse=True)
    if values.size < FEW_STEPS:
        place = np.arange(times.size)
    fold = np.random.default_rng(0).permutation(place.max() + 1)[place] % FOLDS
    parts = [(times[fold != n], times[fold == n]) for n in range(FOLDS)]
    return [(known, asked) for known, asked in parts if known.size and asked.size]


def _ranks(times: FloatArray) -> FloatArray:
    """Equal times share theirs: clocks may be coarse."""
    _, place, counts = np.unique(times, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    ranks: FloatArray = middle[place]
    return ranks


def _correlation(a: FloatArray, b: FloatArray) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size else 0.0
