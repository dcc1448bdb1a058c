"""How the percentiles and the mean of a flow changed against its baseline, each judged by its
interval and by its exact change; no stage is looked at here."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from harness.record import Tolerance, TurnTimes
from harness.stats.bootstrap import Resampled
from harness.stats.difference import LEVEL, Difference, changes, difference, settled
from harness.stats.fates import ROUNDING_US, Fates
from harness.stats.quantiles import quantile
from harness.stats.turn_times import StageMeans, only, sample_of, stage_means

ROUNDING_MS = ROUNDING_US / 1000
"""What figures differ by no more than is no change, where some turns are slower and some faster."""

HAIR = 1e-6
"""In ms a nanosecond: times are whole microseconds, so what is beyond a limit by less lies on it,
and differs by how floats round."""

MEAN, TO_FAIL = "mean", "mean time to fail"

_NOW_LESS_THEN = np.array([-1.0, 1.0])


class FigureChange(NamedTuple):
    """A percentile, or a mean, then and now."""

    name: str
    then_ms: float
    now_ms: float
    change: Difference
    as_fact: bool = False
    """Regressed by its exact change, as no turn is faster, where no interval tells so."""

    @property
    def regressed(self) -> bool:
        return self.as_fact or self.change.verdict == "regressed"


def compared_figures(
    now: TurnTimes,
    then: TurnTimes,
    tolerance: Tolerance,
    turns: Fates,
    quantiles: Sequence[float],
    *,
    seed: int,
) -> list[FigureChange]:
    """The percentiles that can be told of the turns that were answered both times, and their mean;
    then, if that changed, the mean time that turns took to fail which failed both times. All are
    judged together."""
    both = now.answered & then.answered
    pair = only(now, both), only(then, both)
    edges = edges_of(tolerance, mixed=turns.answered.both)
    found = _of_percentiles(*pair, edges, quantiles, seed) + _of_mean(MEAN, *pair, edges, seed)
    if turns.gave_up.longer or turns.gave_up.shorter:
        edges = edges_of(tolerance, mixed=turns.gave_up.both)
        found += _of_mean(TO_FAIL, *failed_both(now, then), edges, seed)
    judged = settled([figure.change for figure in found], [False] * len(found), LEVEL)
    return [
        _with_fact(figure._replace(change=change), tolerance, turns)
        for figure, change in zip(found, judged, strict=True)
    ]


def failed_both(now: TurnTimes, then: TurnTimes) -> tuple[TurnTimes, TurnTimes]:
    """The turns that failed both times, as if what they took to fail were a time to an answer."""
    neither = ~(now.answered | then.answered)
    found = [only(times, neither) for times in (now, then)]
    here, there = (replace(times, answered=~times.answered) for times in found)
    return here, there


def improved(figures: Sequence[FigureChange], tolerance: Tolerance) -> bool:
    """One at least is faster for certain, and no other is slower, as these turns had it."""
    edges = edges_of(tolerance, mixed=True)
    return any(figure.change.verdict == "improved" for figure in figures) and all(
        _excess(figure.change, edges) <= 0 for figure in figures
    )


def edges_of(tolerance: Tolerance, *, mixed: bool) -> Tolerance:
    """How large a change must be to be one. Percents are no finer than rounding: a thousandth of a
    percent of a second is more."""
    if tolerance.unit == "%" and tolerance.amount:
        return Tolerance(tolerance.amount + HAIR, "%")
    amount_ms = max(tolerance.amount, ROUNDING_MS if mixed else 0.0)
    return Tolerance(amount_ms + HAIR if amount_ms else 0.0, "ms")


def _of_percentiles(
    now: TurnTimes, then: TurnTimes, edges: Tolerance, quantiles: Sequence[float], seed: int
) -> list[FigureChange]:
    a, b = sample_of(then), sample_of(now)
    found = difference(a, b, paired=True, quantiles=quantiles, tolerance=edges, seed=seed)
    return [
        FigureChange(
            f"p{change.quantile * 100:g}",
            quantile(a.ordered.values_ms, change.quantile),
            quantile(b.ordered.values_ms, change.quantile),
            change,
        )
        for change in found
    ]


def _of_mean(
    name: str, now: TurnTimes, then: TurnTimes, edges: Tolerance, seed: int
) -> list[FigureChange]:
    """None of no turns."""
    means = stage_means([then, now], "critical", seed=seed)
    whole = means.seen.sum(axis=1)
    if not np.isfinite(whole).all():
        return []
    return [FigureChange(name, float(whole[0]), float(whole[1]), _change_of_mean(means, edges))]


def _change_of_mean(means: StageMeans, edges: Tolerance) -> Difference:
    """As that of a quantile; it has no quantile of its own."""
    alone = Resampled(
        (math.nan,),
        means.seen.sum(axis=1)[np.newaxis],
        means.drawn.sum(axis=1)[np.newaxis],
        means.rounds,
    )
    (change,) = changes(alone, 0, [_NOW_LESS_THEN], edges, LEVEL)
    return change


def _with_fact(figure: FigureChange, tolerance: Tolerance, turns: Fates) -> FigureChange:
    ways = turns.gave_up if figure.name == TO_FAIL else turns.answered
    excess = _excess(figure.change, edges_of(tolerance, mixed=ways.both))
    certain = ways.longer > 0 and not ways.shorter and excess > 0
    return figure._replace(as_fact=certain and figure.change.verdict != "regressed")


def _excess(change: Difference, edges: Tolerance) -> float:
    """By how much the exact change is slower than that, in its unit."""
    in_percent = edges.unit == "%" and edges.amount
    size = change.percent if in_percent else change.ms
    return (change.ms if size is None else size) - edges.amount
