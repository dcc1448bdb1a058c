"""What an interval allows us to say against a tolerance; it never says more than that.

A tolerance is an edge to either side: a truth from `least` to `most` does not matter. Which scale
they are on, ms or the logarithm of a ratio, makes no difference here.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from harness.record import Verdict

NO_TELLING = 100
"""More times as many rounds than this are no forecast: the estimate then lies on an edge."""

_WORST_FIRST: tuple[Verdict, ...] = (
    "regressed",
    "unknown",
    "cannot tell",
    "improved",
    "unchanged",
)


def judge(lo: float | None, hi: float | None, least: float, most: float) -> Verdict:
    """The verdict of an interval from `lo` to `hi`, where more is slower.

    Wholly above `most` is regressed and wholly below `least` improved; wholly within, its ends
    included, is unchanged; across an edge it cannot tell, and without bounds nothing is known.
    """
    if lo is None or hi is None:
        return "unknown"
    if lo > most:
        return "regressed"
    if hi < least:
        return "improved"
    return "unchanged" if least <= lo and hi <= most else "cannot tell"


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """One verdict for all: a regression decides, then what is not known or not told, then an
    improvement. Of none at all it is unknown."""
    found = set(verdicts)
    return next((verdict for verdict in _WORST_FIRST if verdict in found), "unknown")


def rounds_needed(
    estimate: float, lo: float, hi: float, least: float, most: float, rounds: int
) -> int | None:
    """About how many rounds like these would decide what `rounds` of them could not.

    An interval narrows with the root of the rounds, so it takes R (half-width / distance)^2 of
    them: the distance from the estimate to the edge that the interval must leave behind, or, if the
    estimate lies within the tolerance, to both edges, that it must not reach. None where the
    estimate lies so near an edge that nothing can be told.
    """
    if estimate > most:
        excess = (estimate - lo) / (estimate - most)
    elif estimate < least:
        excess = (hi - estimate) / (least - estimate)
    elif least < estimate < most:
        excess = max((estimate - lo) / (estimate - least), (hi - estimate) / (most - estimate))
    else:
        return None
    if excess > math.sqrt(NO_TELLING):
        return None
    return max(rounds + 1, math.ceil(rounds * excess**2))


def holm(ps: Sequence[float]) -> list[float]:
    """Each p as if it were the only one, in their order (Holm 1979).

    Below alpha they reject as many as they can while the chance that any of them is wrong stays
    below alpha, however they hang together.
    """
    p = np.array(ps, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, raised)
    found: list[float] = adjusted.tolist()
    return found
