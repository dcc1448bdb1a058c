"""What each factor of a 2^k experiment does to a quantile; it never resamples single requests.

The saturated quantile regression of a 2^k design passes through each cell's own quantile, so its
coefficients are contrasts of cell quantiles and no solver is needed. The conventions:

    main effect "a"       mean over the other factors of (a on - a off)
    interaction "a:b"     (effect of a with b on) - (effect of a with b off), NOT halved, averaged
                          over the remaining factors: "with b on, a adds this many ms more"
    interaction "a:b:c"   ("a:b" with c on) - ("a:b" with c off), and so on
    simple effect         (a on - a off) at one setting of all other factors

Negative saves time. Some textbooks halve each step of an interaction; then theirs is less than
ours. In percent the same contrast is taken of the logarithms of the quantiles: a ratio less one,
or of an interaction a ratio of ratios.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from harness.record import EffectSummary, FloatArray, Tolerance
from harness.stats.bootstrap import RESAMPLES, resample
from harness.stats.difference import ANY, LEVEL, Difference, changes, settled, told
from harness.stats.quantiles import Sample

QUANTILES = (0.5, 0.95, 0.99)

Levels = tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class FactorialEffects:
    """By quantile: main effects, then interactions; and apart from them the simple effects."""

    effects: list[EffectSummary]
    simple: list[EffectSummary]


def factorial_effects(
    cells: Mapping[Levels, Sample],
    factors: Sequence[str],
    *,
    quantiles: Sequence[float] = QUANTILES,
    primary: float = 0.5,
    tolerance: Tolerance = ANY,
    level: float = LEVEL,
    seed: int,
    resamples: int = RESAMPLES,
) -> FactorialEffects:
    """Main effects, all interactions and simple effects at each quantile, and what they tell.

    `cells` holds one non-empty sample per combination of levels, a bool per factor in the order of
    `factors`. The intervals, at `level`, are a paired block bootstrap: each resample draws whole
    rounds, the same ones for every cell; see `Spread`. The main effects at the `primary` quantile
    are judged by their own p; all others, with the simple effects, are one family for Holm's step.

    A quantile is left out when some cell has too few turns to tell it (p95 below 72, p99 below
    368), or is infinite there because so many turns never answered. A change has no interval below
    5 rounds, nor where a bound would be infinite. Raises ValueError when a cell is missing, empty
    or ragged.
    """
    order = list(product((False, True), repeat=len(factors)))
    _check(cells, order)
    samples = [cells[levels] for levels in order]
    known = told(samples, quantiles)
    resampled = resample(samples, known, seed=seed, resamples=resamples)
    contrasts = [*_averaged(factors, order), *_simple(factors, order)]
    weights = [contrast.weights for contrast in contrasts]
    asked = [
        (contrast, change)
        for index in range(len(known))
        for contrast, change in zip(
            contrasts, changes(resampled, index, weights, tolerance, level), strict=True
        )
    ]
    declared = [contrast.is_main and change.quantile == primary for contrast, change in asked]
    judged = settled([change for _, change in asked], declared, level)
    found = FactorialEffects([], [])
    for (contrast, _), change, first in zip(asked, judged, declared, strict=True):
        rows = found.simple if contrast.given else found.effects
        rows.append(_row(contrast, change, first))
    return found


def averaged_weights(
    together: Sequence[str], factors: Sequence[str], order: Sequence[Levels]
) -> FloatArray:
    """That of each cell in a main effect or an interaction, the others' settings averaged: each is
    the difference of two of one factor less."""
    places = [factors.index(name) for name in together]
    weights: FloatArray = _signs(factors, order)[:, places].prod(axis=1) * 2 ** len(places)
    return weights / len(order)


@dataclass(frozen=True, slots=True, eq=False)
class _Contrast:
    factor: str
    given: dict[str, bool]
    weights: FloatArray
    """One a cell."""

    @property
    def is_main(self) -> bool:
        return ":" not in self.factor and not self.given


def _check(cells: Mapping[Levels, Sample], order: Sequence[Levels]) -> None:
    if set(cells) != set(order):
        raise ValueError(f"a factorial needs exactly the cells {order}, not {list(cells)}")
    for levels, sample in cells.items():
        if not 0 < sample.values_ms.size == sample.rounds.size:
            raise ValueError(f"cell {levels} needs values, and a round for each")


def _averaged(factors: Sequence[str], order: Sequence[Levels]) -> Iterator[_Contrast]:
    """Main effects and interactions."""
    for size in range(1, len(factors) + 1):
        for together in combinations(factors, size):
            yield _Contrast(":".join(together), {}, averaged_weights(together, factors, order))


def _simple(factors: Sequence[str], order: Sequence[Levels]) -> Iterator[_Contrast]:
    """Each factor at each setting of the others; none where there are no others."""
    signs = _signs(factors, order)
    for place, factor in enumerate(factors):
        others = [other for other in range(len(factors)) if other != place]
        for settings in product((False, True), repeat=len(others)) if others else ():
            given = np.array([[levels[other] for other in others] for levels in order])
            there = (given == settings).all(axis=1)
            names = [factors[other] for other in others]
            setting = dict(zip(names, settings, strict=True))
            yield _Contrast(factor, setting, np.where(there, signs[:, place], 0.0))


def _signs(factors: Sequence[str], order: Sequence[Levels]) -> FloatArray:
    """1 for on and -1 for off, shaped (cells, factors)."""
    return np.where(np.array(order, dtype=bool).reshape(len(order), len(factors)), 1.0, -1.0)


def _row(contrast: _Contrast, change: Difference, primary: bool) -> EffectSummary:
    return EffectSummary(
        factor=contrast.factor,
        given=contrast.given,
        quantile=change.quantile,
        estimate_ms=change.ms,
        lo_ms=change.lo_ms,
        hi_ms=change.hi_ms,
        percent=change.percent,
        percent_lo=change.percent_lo,
        percent_hi=change.percent_hi,
        p=change.p,
        p_holm=change.p_holm,
        primary=primary,
        verdict=change.verdict,
        exploratory=change.exploratory,
        rounds_needed=change.rounds_needed,
    )
