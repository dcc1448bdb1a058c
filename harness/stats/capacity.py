"""The highest rate that a system sustains: which rate to measure next, and what a measured one
showed; it runs nothing.

Capacity is the highest offered rate at which a quantile's upper bound keeps to a service level
with nothing dropped and nothing piling up. A search doubles the rate until one fails, halves the
bracket by its geometric mean down to the resolution, and measures both ends again in other
weather. Of a rate that was measured more than once the majority of the measurements counts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.record import CapacitySummary, FloatArray, QuantileSummary, Step, Turns
from harness.stats.distributions import fewest_values, t_quantile
from harness.stats.quantiles import Sample, enough, share_within
from harness.stats.strategies import TOLD, quantile_summaries

SLICES = 20
"""A step has no rounds: so many equal spans of its time take their place."""

MOST_STEPS = 60
"""A search that has no bracket by then has none."""

STRETCHES = (1, 4, 16)
"""How many times its usual length a step takes at first, and each time that n was too small; if it
still is at the last, that counts as a failure. Near its capacity a queue remembers for so long that
a turn is worth a tenth of an independent one, or less."""

COMPLETED_SHARE = 0.98
"""Of the turns due; fewer means that the generator or the scenario dropped some."""

N_TOO_SMALL = "n too small"
"""So begins the one reason that a longer step may take away."""

_LEAST_WORTH = 5
"""Slices that a trend is judged by at least, however alike neighbours are. Over an overloaded
server, whose queue is a random walk, nearly all would be discounted and no growth be seen;
with five, simulated stations at 90 % load are called growing in 5 % of steps, at 120 % in 99 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for, and where. Rates are in turns/s."""

    slo_ms: float
    quantile: float = 0.99
    lowest_rate: float = 1.0
    highest_rate: float = 1000.0
    resolution: float = 0.1
    """The bracket's ends lie apart by this share of the lower one at most; 0.02 or more."""

    @property
    def turns(self) -> int:
        """What a step needs to know its quantile: ten turns beyond it. At p99 that is 1000, of
        which 368 would do if they were independent."""
        return math.ceil(round(10 / (1 - self.quantile), 6))


@dataclass(frozen=True, slots=True)
class Wanted:
    """A step to measure: its rate, and how many times the usual length it takes."""

    rate: float
    stretch: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One step as it was measured. `turns` are all its turns; `due` counts those too that never
    began, which have no row, and `ended` leaves out those in flight when the step was cut off."""

    round: int
    rate: float
    begin_s: float
    """From here the load is steady: the first conversations have come to their end."""
    end_s: float
    """When the last conversation began."""
    turns: Turns
    due: int
    ended: int


# What to measure next


def next_step(search: Search, steps: Sequence[Step]) -> Wanted | None:
    """The step that tells most after these; None when the search is over.

    A rate whose measurements are tied, or told nothing for want of turns, comes first.
    """
    if len(steps) >= MOST_STEPS:
        return None
    for rate in dict.fromkeys(step.rate for step in steps):
        if _standing(search, steps, rate) == 0:
            return _again(search, steps, rate)
    following = _next_rate(search, steps)
    return None if following is None else _again(search, steps, following)


def capacity(search: Search, steps: Sequence[Step]) -> CapacitySummary:
    """What these steps say, whether or not the search is over."""
    sustained, failed = _bracket(search, steps)
    ends = [end for end in (sustained, failed) if end is not None]
    return CapacitySummary(
        slo_ms=search.slo_ms,
        quantile=search.quantile,
        sustained_rate=sustained,
        failed_rate=failed,
        confirmed=len(ends) == 2 and all(_sure(search, steps, rate) for rate in ends),
        steps=list(steps),
    )


def _next_rate(search: Search, steps: Sequence[Step]) -> float | None:
    sustained, failed = _bracket(search, steps)
    if failed is None:
        if sustained is None:
            return search.lowest_rate
        # Held up to the top: there is no end to be sure of.
        below = sustained < search.highest_rate
        return min(2 * sustained, search.highest_rate) if below else None
    if sustained is not None and failed > sustained * (1 + search.resolution):
        # Three digits are as many as anybody reads; at 2 % they still fall between the ends.
        return float(f"{math.sqrt(sustained * failed):.3g}")
    ends = [failed] if sustained is None else [sustained, failed]
    return next((rate for rate in ends if not _sure(search, steps, rate)), None)


def _bracket(search: Search, steps: Sequence[Step]) -> tuple[float | None, float | None]:
    """The lowest rate that failed, and the highest below it that was sustained."""
    standing = {rate: _standing(search, steps, rate) for rate in {step.rate for step in steps}}
    failed = min((rate for rate, votes in standing.items() if votes < 0), default=None)
    below = math.inf if failed is None else failed
    held = [rate for rate, votes in standing.items() if votes > 0 and rate < below]
    return max(held, default=None), failed


def _standing(search: Search, steps: Sequence[Step], rate: float) -> int:
    """Measurements for this rate less those against it."""
    told, untold = _told(search, steps, rate)
    votes = sum(1 if step.sustained else -1 for step in told)
    return votes - _vain(untold)


def _sure(search: Search, steps: Sequence[Step], rate: float) -> bool:
    """Whether two measurements agree and no third makes it a tie."""
    told, untold = _told(search, steps, rate)
    held = sum(step.sustained for step in told)
    against = len(told) - held + _vain(untold)
    return max(held, against) >= 2 and held != against


def _again(search: Search, steps: Sequence[Step], rate: float) -> Wanted:
    _, untold = _told(search, steps, rate)
    return Wanted(rate, STRETCHES[min(untold, len(STRETCHES) - 1)])


def _vain(untold: int) -> int:
    """The longest steps that are allowed and still said nothing: they speak against a rate."""
    return max(0, untold - len(STRETCHES) + 1)


def _told(search: Search, steps: Sequence[Step], rate: float) -> tuple[list[Step], int]:
    """The steps at this rate that decided something, and how many did not."""
    at = [step for step in steps if step.rate == rate]
    told = [step for step in at if not _says_nothing(search, step)]
    return told, len(at) - len(told)


def _says_nothing(search: Search, step: Step) -> bool:
    return len(step.because) == 1 and step.because[0].startswith(N_TOO_SMALL)


# What a step showed


def judge(search: Search, played: Played) -> Step:
    """The step's figures, and each reason why the system does not sustain its rate.

    Only turns that were due while the load was steady make its quantiles; failed ones are infinite.
    Turns close in time share their queue, so slices of the step's time are what repeats, not turns.
    """
    turns, begin_s, end_s = played.turns, played.begin_s, played.end_s
    steady = (turns.due_s >= begin_s) & (turns.due_s < end_s)
    slices = ((turns.due_s[steady] - begin_s) * (SLICES / (end_s - begin_s))).astype(np.int64)
    sample = Sample(turns.answered_ms[steady], np.minimum(slices, SLICES - 1))
    points = quantile_summaries(sample, sorted({*TOLD, search.quantile}))
    growth, least = growth_per_s(turns.due_s, turns.end_s, begin_s, end_s)
    answered = (turns.end_s >= begin_s) & (turns.end_s < end_s) & ~turns.unanswered
    failed = int(np.count_nonzero(turns.failed))
    because = [
        *_dropped(played),
        *_piling(least),
        *_late(search, points, _share_over(sample, search.slo_ms)),
    ]
    return Step(
        round=played.round,
        rate=played.rate,
        completed_rate=int(np.count_nonzero(answered)) / (end_s - begin_s),
        due=played.due,
        finished=played.ended - failed,
        failed=failed,
        growth_per_s=growth,
        growth_lo_per_s=least,
        quantiles=points,
        sustained=not because,
        because=because,
    )


def too_few(point: QuantileSummary) -> bool:
    """Whether n was too small for it; else what is null is infinite."""
    return point.effective_turns is None or not enough(point.effective_turns, point.quantile)


def growth_per_s(
    due_s: FloatArray, end_s: FloatArray, begin_s: float, until_s: float
) -> tuple[float, float]:
    """By how many turns a second the turns in flight grow, and the lower bound of that at 95 %.

    The slope of a line through the mean number in flight of each slice, by least squares.
    Neighbouring slices resemble each other, so m of them are worth m (1 - r) / (1 + r), where r is
    how the residuals correlate from one to the next (Santer et al. 2000, J. Geophys. Res. 105).
    """
    edges = np.linspace(begin_s, until_s, SLICES + 1)
    inside = np.minimum(end_s[:, None], edges[1:]) - np.maximum(due_s[:, None], edges[:-1])
    in_flight = np.clip(inside, 0, None).sum(axis=0) / np.diff(edges)
    at = (edges[1:] + edges[:-1]) / 2
    at -= at.mean()
    slope = float(at @ in_flight / (at @ at))
    off = in_flight - in_flight.mean() - slope * at
    squares = float(off @ off)
    if squares == 0:
        return slope, slope
    alike = max(0.0, float(off[1:] @ off[:-1]) / squares)
    worth = max(_LEAST_WORTH, SLICES * (1 - alike) / (1 + alike))
    error = math.sqrt(squares / (worth - 2) / float(at @ at))
    return slope, slope - t_quantile(0.975, int(worth) - 2) * error


def _dropped(played: Played) -> list[str]:
    if played.due == 0:
        return ["no turn was due"]
    if played.ended < COMPLETED_SHARE * played.due:
        return [f"of {played.due} turns due only {played.ended} ended"]
    return []


def _piling(least: float) -> list[str]:
    return [f"turns pile up by {least:.2g} a second or more"] if least > 0 else []


def _late(search: Search, points: Sequence[QuantileSummary], over: float) -> list[str]:
    """That the upper bound is late or unknown; `over` is the share of turns that took too long."""
    point, limit = _point(search, points), f"{search.slo_ms / 1e3:g} s"
    name = f"p{search.quantile * 100:g}"
    if over > 1 - search.quantile:
        # Then the quantile itself is late, and so is its upper bound, however few the turns.
        return [f"{100 * over:.3g}% of turns took over {limit}"]
    if too_few(point):
        worth, takes = point.effective_turns or 0.0, math.ceil(fewest_values(point.quantile, 0.95))
        return [f"{N_TOO_SMALL} for {name}: worth {worth:.0f} independent turns, it takes {takes}"]
    if point.hi_ms is None:
        return [f"so many turns failed that {name} may be one of them"]
    if point.hi_ms > search.slo_ms:
        return [f"{name} may be {point.hi_ms / 1e3:.3g} s, over {limit}"]
    return []


def _share_over(sample: Sample, limit_ms: float) -> float:
    return 1 - share_within(sample.values_ms, limit_ms) if sample.values_ms.size else 0.0


def _point(search: Search, points: Sequence[QuantileSummary]) -> QuantileSummary:
    return next(of for of in points if of.quantile == search.quantile)
