"""Was the warm-up long enough? An alarm only: nothing is ever left out for it.

MSER-5 (White 1997) averages a series by fives and cuts off as many of the first averages as make
the rest known best, half of them at most: the d that minimises

    sum of (y_j - mean of y after d)^2, over j > d, / (k - d)^2

Of a series that has no transient it cuts a little too, by chance. So its cut is told only where
what it cuts differs from the rest by more than stretches of the rest differ from each other.
"""

import math
from collections.abc import Sequence

import numpy as np

from harness.record import FloatArray, Turns
from harness.stats.distributions import t_two_sided
from harness.stats.strategies import Cell

FALSE_ALARM = 0.002
"""The p, shared among the strategies, below which a cut is told.

The cut was chosen for its difference, so it is told more often than p says: at p = 0.001, of
simulated series of 1,000 turns without a transient, 0.5 % where turns are independent and 1 % where
each is correlated by 0.9 with the next, be rounds alike or not. So of runs with nothing to see,
about 2 % have an alarm at most.
"""

BATCH = 5
STRETCHES, SHORTEST = 16, 25
FEWEST_STRETCHES = 8


def transients(turns: Turns, cells: Sequence[Cell]) -> dict[str, int]:
    """Strategy -> how many of its first steady turns MSER-5 would cut, where that is an alarm.

    Steady are those that opened no session; turns that failed are left out. The series is the
    logarithm of the response time, in the order in which turns were due, round after round.
    """
    found = {}
    for cell in cells:
        cut = transient(_series(turns, cell), FALSE_ALARM / len(cells))
        if cut:
            found[cell.strategy.name] = cut
    return found


def transient(series: FloatArray, p: float) -> int:
    """How many of its first values stand out; 0 where they differ by chance or it is too short."""
    cut = mser5(series)
    first, rest = series[:cut], series[cut:]
    length = min(cut, max(rest.size // STRETCHES, SHORTEST))
    if not cut or rest.size < length * FEWEST_STRETCHES:
        return 0
    stretches = rest[: rest.size // length * length].reshape(-1, length).mean(axis=1)
    # Longer stretches vary less, in proportion; what lasts longer than one is not seen.
    error = math.sqrt(stretches.var(ddof=1) * length * (1 / cut + 1 / rest.size))
    difference = float(first.mean() - rest.mean())
    if not error:
        return cut if difference else 0
    return cut if t_two_sided(difference / error, stretches.size - 1) < p else 0


def mser5(series: FloatArray) -> int:
    """How many of the first values it cuts, a multiple of 5; none of fewer than 20."""
    k = series.size // BATCH
    if k < 4:
        return 0
    batches = series[: k * BATCH].reshape(k, BATCH).mean(axis=1)
    # Sums over what is left after each cut. Centred first, or they would cancel.
    left = (batches - batches.mean())[::-1]
    count = np.arange(1, k + 1)
    spread = np.cumsum(left**2) - np.cumsum(left) ** 2 / count
    spread[spread < 1e-12 * spread[-1]] = 0.0  # equal values leave a remainder
    error = (spread / count**2)[::-1]
    return BATCH * int(np.argmin(error[: k // 2 + 1]))


def _series(turns: Turns, cell: Cell) -> FloatArray:
    rows = cell.rows[~turns.cold[cell.rows] & np.isfinite(cell.sample.values_ms)]
    order = np.lexsort((turns.due_s[rows], turns.round[rows]))
    # No turn takes less than a microsecond; a logarithm needs more than nothing.
    return np.log(np.maximum(turns.response_ms[rows[order]], 1e-3))
