"""Each strategy beside the first one, percentile by percentile and round by round; no verdicts."""

from collections.abc import Sequence

import numpy as np

from harness.record import FloatArray, IntArray, RoundFigures, Shift
from harness.stats.difference import shifts
from harness.stats.quantiles import Sample, ranks
from harness.stats.strategies import Cell, spread_quantiles

POINTS = spread_quantiles((10, 8, 6, 5, 4, 3, 2, 1.5))

RESAMPLES = 1000
"""Half of what a verdict takes: the band is looked at, and there are many points."""


def shifts_of(cells: Sequence[Cell], *, seed: int) -> list[Shift]:
    """Each strategy less the first, within a band that holds for all percentiles of it together.

    Strategies without a turn have none, and where the first is one of these nobody has.
    """
    baseline, others = cells[:1], [cell for cell in cells[1:] if cell.rows.size]
    if not others or not baseline[0].rows.size:
        return []
    samples = [other.sample for other in others]
    found = shifts(baseline[0].sample, samples, POINTS, seed=seed, resamples=RESAMPLES)
    return [
        Shift(variant=other.strategy.name, baseline=baseline[0].strategy.name, points=points)
        for other, points in zip(others, found, strict=True)
    ]


def round_figures_of(cells: Sequence[Cell]) -> list[RoundFigures]:
    """The medians of every strategy in every round that any of them played."""
    if not cells:
        return []
    rounds = np.unique(np.concatenate([cell.sample.rounds for cell in cells]))
    medians = [_medians(cell.sample, rounds) for cell in cells]
    return [
        RoundFigures(
            variant=cell.strategy.name,
            baseline=cells[0].strategy.name,
            medians_ms=_known(own),
            differences_ms=_known(own - medians[0]) if cell is not cells[0] else [],
        )
        for cell, own in zip(cells, medians, strict=True)
    ]


def _medians(sample: Sample, rounds: IntArray) -> FloatArray:
    """Of each of the rounds; NaN where it has no turn or its median never answered."""
    ordered = sample.ordered
    place = np.searchsorted(rounds, ordered.rounds)
    by_round = ordered.values_ms[np.argsort(place, kind="stable")]
    turns = np.bincount(place, minlength=rounds.size)
    middle = np.cumsum(turns) - turns + ranks(turns, 0.5) - 1
    medians = np.full(rounds.size, np.nan)
    medians[turns > 0] = by_round[middle[turns > 0]]
    return np.where(np.isfinite(medians), medians, np.nan)


def _known(values: FloatArray) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]
