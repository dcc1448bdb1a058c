"""Two lognormals in one sample, the usual times and the stalls, told apart by likelihood.

It only fits; whether two are needed at all is fit.py's to decide.
"""

import math
from dataclasses import dataclass

import numpy as np

from harness.laws import Lognormal, Stalling
from harness.record import FloatArray
from harness.stats.distributions import z_quantile

SPLITS = (0.5, 0.7, 0.85, 0.93, 0.97, 0.985, 0.993)
"""Where the stalls may begin, as shares of all: each is a start, as the climb ends at the nearest
top."""

THINNED = 2000
"""Evenly ranked values that starts are compared on; only the best is followed on all."""

MOST_STEPS = 400


@dataclass(frozen=True, slots=True)
class _Two:
    """Of logarithms: the share, mean and deviation of each part."""

    shares: FloatArray
    means: FloatArray
    deviations: FloatArray


def fit_stalling(times: FloatArray, near: Stalling | None = None) -> tuple[Stalling, float] | None:
    """The likeliest such law by EM (Dempster, Laird & Rubin 1977), with the logarithm of its
    likelihood; None where no part is the slower one in all respects that a profile can tell.

    With a law that it must be `near`, the climb begins there, and only there. Neither part may
    become narrower than a fiftieth of the whole, or than the steps of the clock: a single value,
    or one that many share, would have a likelihood without bound.
    """
    logs = np.sort(np.log(times))
    if logs[0] == logs[-1]:
        return None
    least = max(float(np.std(logs)) / 50, _steps(logs))
    two = _climbed(logs, _parts(near) if near else _best_start(logs, least), least, MOST_STEPS)
    law = _law(two)
    return None if law is None else (law, likelihood(logs, two))


def likelihood(logs: FloatArray, two: _Two) -> float:
    """The logarithm of that of the times whose logarithms these are."""
    return float(np.logaddexp.reduce(_densities(logs, two), axis=0).sum() - logs.sum())


def _steps(logs: FloatArray) -> float:
    """How far a value that others share is from the next one, on the average of all."""
    values, counts = np.unique(logs, return_counts=True)
    gaps = np.concatenate([[np.inf], np.diff(values), [np.inf]])
    shared = counts > 1
    nearest = np.minimum(gaps[:-1], gaps[1:])[shared]
    return float(nearest @ counts[shared]) / logs.size


def _best_start(logs: FloatArray, least: float) -> _Two:
    few = logs[:: max(1, logs.size // THINNED)]
    starts = [_climbed(few, _start(few, split, least), least, 60) for split in SPLITS]
    return max(starts, key=lambda two: likelihood(few, two))


def _parts(law: Stalling) -> _Two:
    return _Two(
        np.array([1 - law.share, law.share]),
        np.log([law.usual.p50, law.stall.p50]),
        np.array([law.usual.sigma, law.stall.sigma]),
    )


def _start(logs: FloatArray, split: float, least: float) -> _Two:
    at = min(logs.size - 2, max(2, round(split * logs.size)))
    parts = logs[:at], logs[at:]
    return _Two(
        np.array([part.size / logs.size for part in parts]),
        np.array([part.mean() for part in parts]),
        np.array([max(least, float(part.std())) for part in parts]),
    )


def _climbed(logs: FloatArray, two: _Two, least: float, most_steps: int) -> _Two:
    before = -math.inf
    for _ in range(most_steps):
        densities = _densities(logs, two)
        total = np.logaddexp.reduce(densities, axis=0)
        now = float(total.sum())
        if now - before < 1e-7 * logs.size:
            break
        before = now
        two = _weighed(logs, np.exp(densities - total), least)
    return two


def _weighed(logs: FloatArray, belongs: FloatArray, least: float) -> _Two:
    """The likeliest parts where each value belongs to both by these shares."""
    weights = np.maximum(belongs.sum(axis=1), 1e-9)
    means = belongs @ logs / weights
    spread = (belongs * (logs - means[:, np.newaxis]) ** 2).sum(axis=1) / weights
    return _Two(weights / logs.size, means, np.maximum(np.sqrt(spread), least))


def _densities(logs: FloatArray, two: _Two) -> FloatArray:
    """Of each part at each value, as logarithms; shaped (parts, values)."""
    z = (logs - two.means[:, np.newaxis]) / two.deviations[:, np.newaxis]
    weight = np.log(two.shares / (two.deviations * math.sqrt(2 * math.pi)))
    densities: FloatArray = weight[:, np.newaxis] - z * z / 2
    return densities


def _law(two: _Two) -> Stalling | None:
    slow = int(np.argmax(two.means))
    usual, stall = (
        Lognormal(
            math.exp(two.means[part]),
            math.exp(two.means[part] + z_quantile(0.99) * two.deviations[part]),
        )
        for part in (1 - slow, slow)
    )
    share = float(two.shares[slow])
    if not 0 < share < 1 or stall.p50 <= usual.p50:
        return None
    return Stalling(usual, share, stall)
