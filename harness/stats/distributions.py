"""The few distributions that intervals and p-values are read off; it never sees a latency.

The one place that imports scipy, and of it only its special functions.
"""

import math
from typing import overload

import numpy as np
from scipy import special

from harness.record import FloatArray


def z_quantile(p: float) -> float:
    """The p-quantile of the standard normal distribution."""
    return float(special.ndtri(p))


def t_quantile(p: float, df: int) -> float:
    """The p-quantile of Student's t. Raises ValueError without a degree of freedom."""
    if df < 1:
        raise ValueError(f"Student's t needs a degree of freedom, not {df}")
    return float(special.stdtrit(df, p))


@overload
def t_two_sided(t: float, df: int) -> float: ...
@overload
def t_two_sided(t: FloatArray, df: int) -> FloatArray: ...
def t_two_sided(t: float | FloatArray, df: int) -> float | FloatArray:
    """The chance that Student's t lies as far from 0 as `t` does, on either side."""
    p = 2 * special.stdtr(df, -np.abs(t))
    return np.asarray(p, dtype=np.float64) if isinstance(t, np.ndarray) else float(p)


def clopper_pearson(k: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share of which k in n were seen (Clopper & Pearson 1934).

    It covers the true share with at least `level`, at any n. Both may be effective numbers, which
    need not be whole. Raises ValueError when k is not between 0 and n, or n is 0.
    """
    if not 0 <= k <= n or n == 0:
        raise ValueError(f"{k} in {n} is no share")
    tail = (1 - level) / 2
    lo = float(special.betaincinv(k, n - k + 1, tail)) if k else 0.0
    hi = float(special.betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return lo, hi


def ks_uniform(ps: FloatArray) -> float:
    """The p of Kolmogorov and Smirnov that these values were drawn uniformly from 0 to 1.

    Raises ValueError when empty.
    """
    n = ps.size
    if not n:
        raise ValueError("no values have no distribution")
    ordered = np.sort(ps)
    steps = np.arange(n + 1) / n
    return ks_p(max(float(np.max(steps[1:] - ordered)), float(np.max(ordered - steps[:-1]))), n)


def ks_p(distance: float, n: int) -> float:
    """The chance that n values lie as far from the continuous law that they were drawn from.

    By the limiting distribution at (sqrt n + 0.12 + 0.11 / sqrt n) D (Stephens 1970): within 0.01
    of the exact p from 10 values on.
    """
    root = math.sqrt(n)
    return float(special.kolmogorov((root + 0.12 + 0.11 / root) * distance))


def fewest_values(q: float, level: float) -> float:
    """So many values, as a fraction, enclose the q-quantile at all: fewer lie on one side of it
    with a chance of more than (1 - level) / 2. At 95 % that is 6 of p50, 72 of p95 and 368 of p99.
    Raises ValueError when q is not between 0 and 1.
    """
    if not 0 < q < 1:
        raise ValueError(f"a quantile lies between 0 and 1, not at {q}")
    return math.log((1 - level) / 2) / math.log(max(q, 1 - q))


def enclosing_places(n: float, q: float, level: float) -> tuple[float, float]:
    """The innermost places, counted from 1, of the values that enclose the q-quantile of n.

    The number of values below the true quantile is Binomial(n, q), whatever their distribution, so
    the l-th and u-th smallest enclose it with at least `level` when P(X < l) and P(X >= u) are both
    at most (1 - level) / 2 (David & Nagaraja, Order Statistics, 7.1). Written as an incomplete beta
    function the chances are smooth in l, u and n: n may be an effective number, and the places are
    fractions, whose floor (of l) and ceiling (of u) are the exact ranks where n is whole. Raises
    ValueError when there are fewer than `fewest_values`.
    """
    if n < fewest_values(q, level):
        raise ValueError(f"{n} values are too few to enclose their {q}-quantile")
    tail = (1 - level) / 2
    # The inverse counts from 0. The upper place is the lower one seen from the other end.
    lower, mirrored = (float(special.bdtrik(tail, n, share)) + 1 for share in (q, 1 - q))
    return lower, n + 1 - mirrored
