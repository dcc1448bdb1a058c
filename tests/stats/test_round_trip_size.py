"""How many calls a fit needs: its error is that of the best estimator there can be, and no bias.

Of laws whose figures are known Cramer's and Rao's bound says how well any unbiased estimator can
know a quantile, and order statistics how well the sample's own quantile does.
"""

import math

import numpy as np
import pytest

from harness.calibrate.check import BARS
from harness.laws import Law, Lognormal, Stalling
from harness.record import FloatArray
from harness.stats.fit import QUANTILES, fit

PAYMENT = Stalling(Lognormal(0.64, 1.2), 0.03, Lognormal(4.4, 5.2))
FIRST_TOKEN = Lognormal(0.5, 1.5)
LAWS: dict[str, Law] = {"payment": PAYMENT, "first token": FIRST_TOKEN}
LOG_BARS = np.log1p(BARS)

NEEDED = {"payment": (780, 4880, 530), "first token": (2190, 2310, 1330)}
"""Calls from which on p50, p95 and p99 of the fitted law are within their bars, 19 times in 20."""
NEEDED_BARE = {"payment": (1200, 6570, 690), "first token": (3430, 4380, 5010)}
"""The same of the sample's own quantiles."""
NEEDED_TWICE = {"payment": (1970, 11_440, 1220), "first token": (5620, 6690, 6340)}
"""And of those of a second recording, of a mock that is served by the fit of the first."""


@pytest.mark.parametrize("name", LAWS)
def test_so_many_calls_tell_a_law_by_its_bars(name: str) -> None:
    best, bare = bound(LAWS[name]), bare_error(LAWS[name])
    for deviation, needed in (
        (best, NEEDED),
        (bare, NEEDED_BARE),
        (best + 1j * bare, NEEDED_TWICE),
    ):
        calls = (1.96 * np.abs(deviation) / LOG_BARS) ** 2
        assert calls == pytest.approx(needed[name], rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "calls"), [("payment", 5500), ("first token", 2500)])
def test_a_fit_is_as_sure_as_can_be(name: str, calls: int) -> None:
    law, fits = LAWS[name], 200
    truth = np.log([law.quantile(q) for q in QUANTILES])
    rng = np.random.default_rng(1)
    found = [fit(sample(law, calls, rng)) for _ in range(fits)]
    off = np.log([[of.law.quantile(q) for q in QUANTILES] for of in found]) - truth
    best = bound(law) / math.sqrt(calls)
    within = (np.abs(off) < LOG_BARS).mean(axis=0)
    percent = {"bias": off.mean(axis=0), "deviation": off.std(axis=0), "at least": best}
    print(f"\n{name}, {calls:,} calls, in %:", {of: 100 * each for of, each in percent.items()})
    print("within the bars:", within)
    assert np.abs(off.mean(axis=0)) == pytest.approx(0, abs=3.5 * best.max() / math.sqrt(fits))
    assert off.std(axis=0) == pytest.approx(best, rel=0.2)
    assert within.min() > 0.92  # 95 % at least, less what 200 fits can be astray.


def bound(law: Law) -> FloatArray:
    """The least deviation of the quantiles' logarithms, of one call; n calls divide it by their
    root."""
    if isinstance(law, Lognormal):
        z = np.log([law.quantile(q) / law.p50 for q in QUANTILES]) / law.sigma
        alone: FloatArray = law.sigma * np.sqrt(1 + z * z / 2)
        return alone
    assert isinstance(law, Stalling)
    figures = np.array(
        [law.share, math.log(law.usual.p50), law.usual.sigma, math.log(law.stall.p50),
         law.stall.sigma]
    )  # fmt: skip
    grid = np.linspace(figures[1] - 8 * figures[2], figures[3] + 8 * figures[4], 20_001)
    steps = 1e-5 * np.eye(figures.size)
    slopes = np.array([(density(figures + h, grid) - density(figures - h, grid)) / 2e-5
                       for h in steps])  # fmt: skip
    density_there = density(figures, grid)
    information = (slopes / density_there) @ slopes.T * (grid[1] - grid[0])
    at = np.log([law.quantile(q) for q in QUANTILES])
    shares = np.cumsum(slopes, axis=1) * (grid[1] - grid[0])
    hang = [-np.array([np.interp(x, grid, of) for of in shares]) / density(figures, x) for x in at]
    known = np.linalg.inv(information)
    return np.sqrt([of @ known @ of for of in hang])


def bare_error(law: Law) -> FloatArray:
    """The deviation of the logarithm of the sample's own quantile, of one call."""
    hair = 1e-6
    width = [math.log(law.quantile(q + hair) / law.quantile(q - hair)) for q in QUANTILES]
    q = np.array(QUANTILES)
    bare: FloatArray = np.sqrt(q * (1 - q)) * np.array(width) / (2 * hair)
    return bare


def density(figures: FloatArray, x: FloatArray) -> FloatArray:
    """Of a mixture, over the logarithm of the time."""
    share, *parts = figures.tolist()
    usual, stall = (
        np.exp(-(((x - mean) / sigma) ** 2) / 2) / (sigma * math.sqrt(2 * math.pi))
        for mean, sigma in (parts[:2], parts[2:])
    )
    both: FloatArray = (1 - share) * usual + share * stall
    return np.maximum(both, 1e-300)


def sample(law: Law, n: int, rng: np.random.Generator) -> FloatArray:
    return np.array([law.quantile(u) for u in rng.random(n).tolist()])
