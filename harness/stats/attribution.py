"""How much of each effect lies in which stage of the critical path; it judges none of them.

At the mean, the parts are contrasts of stage means, and add up to the contrast of mean responses. A
quantile is one turn, and the stages of a single turn are chance. So the turns that rank about it
are averaged, and their stages scaled to add up to the quantile of their cell: then the contrasts of
these add up to the effect.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.record import Attribution, EffectSummary, FloatArray, StagePart, blocks
from harness.stats.bootstrap import RESAMPLES, spread_of, times_drawn
from harness.stats.critical_path import NEGLIGIBLE_MS, Stages
from harness.stats.difference import LEVEL
from harness.stats.effects import Levels, averaged_weights
from harness.stats.quantiles import rank
from harness.stats.strategies import Cell

LEAST_NEAR, NEAR_SHARE = 20, 0.01
"""So many turns to either side of a quantile are averaged, or this share of a cell if it is more;
fewer where there are not so many."""


def attributions(
    cells: Mapping[Levels, Cell],
    factors: Sequence[str],
    effects: Sequence[EffectSummary],
    stages: Stages,
    *,
    seed: int,
    level: float = LEVEL,
) -> list[Attribution]:
    """Each effect at the mean of the turns that were answered, with intervals at `level`, and each
    main effect at the quantiles that it is told of, without. No cell may be empty.

    There is none at the mean while a cell has no answered turn, and no interval below 5 rounds.
    """
    every = list(cells.values())
    told = dict.fromkeys(effect.factor for effect in effects)
    weights = {of: averaged_weights(of.split(":"), factors, list(cells)) for of in told}
    mains = [effect for effect in effects if effect.factor in factors]
    near = {q: _near(every, stages, q) for q in {effect.quantile for effect in mains}}
    at_mean = _stage_means(every, stages, seed)
    found = [_at_the_mean(of, weights[of], at_mean, level) for of in weights if at_mean]
    return found + [_at_a_quantile(of, weights[of.factor], near[of.quantile]) for of in mains]


def exact(parts: list[float], total: float) -> list[float]:
    """The parts, the smallest of which takes what rounding left between them and their total."""
    if not parts:
        return []
    place = min(range(len(parts)), key=lambda at: abs(parts[at]))
    rest = parts[:place] + parts[place + 1 :]
    return [*parts[:place], math.fsum([total, *(-part for part in rest)]), *parts[place + 1 :]]


@dataclass(frozen=True, slots=True, eq=False)
class _Laid:
    """The response time of each cell laid out by stage."""

    names: tuple[str, ...]
    ms: FloatArray
    """Shaped (cells, stages)."""
    drawn: FloatArray | None = None
    """`ms` in each resample of the rounds, shaped (cells, stages, resamples)."""
    rounds: int = 0


def _stage_means(cells: Sequence[Cell], stages: Stages, seed: int) -> _Laid | None:
    """Of the turns that were answered; None while a cell has none."""
    rounds = np.unique(np.concatenate([cell.sample.rounds for cell in cells]))
    times = times_drawn(rounds.size, seed, RESAMPLES)
    ms, drawn = [], []
    for cell in cells:
        answered = np.isfinite(cell.sample.values_ms)
        if not answered.any():
            return None
        place = np.searchsorted(rounds, cell.sample.rounds[answered])
        sums = np.zeros((rounds.size, len(stages.names)))
        rows = cell.rows[answered]
        for block in blocks(rows.size):
            np.add.at(sums, place[block], stages.ms[rows[block]])
        turns = np.bincount(place, minlength=rounds.size)
        ms.append(sums.sum(axis=0) / turns.sum())
        # A resample of rounds in which this cell had no answer is NaN.
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn.append((times @ sums / (times @ turns)[:, np.newaxis]).T)
    return _Laid(stages.names, np.array(ms), np.array(drawn), rounds.size)


def _near(cells: Sequence[Cell], stages: Stages, q: float) -> _Laid:
    """Of the turns that rank about the quantile in their cell, scaled to it; it must be finite."""
    ms = []
    for cell in cells:
        values_ms = cell.sample.values_ms
        order = np.argsort(values_ms, kind="stable")
        place = rank(values_ms.size, q) - 1
        reach = max(LEAST_NEAR, math.ceil(values_ms.size * NEAR_SHARE))
        near = order[max(0, place - reach) : place + reach + 1]
        mean_ms = stages.ms[cell.rows[near[np.isfinite(values_ms[near])]]].mean(axis=0)
        total_ms = float(mean_ms.sum())
        ms.append(mean_ms * (values_ms[order[place]] / total_ms if total_ms else 0.0))
    return _Laid(stages.names, np.array(ms))


def _at_the_mean(factor: str, weights: FloatArray, laid: _Laid, level: float) -> Attribution:
    assert laid.drawn is not None
    parts = []
    for place in _told(laid):
        ms = float(weights @ laid.ms[:, place])
        spread = spread_of(ms, weights @ laid.drawn[:, place], laid.rounds)
        lo, hi = spread.bounds(level) if spread else (None, None)
        parts.append(StagePart(stage=laid.names[place], ms=ms, lo_ms=lo, hi_ms=hi))
    total_ms = math.fsum(part.ms for part in parts)
    return Attribution(factor=factor, quantile=None, total_ms=total_ms, parts=parts)


def _at_a_quantile(effect: EffectSummary, weights: FloatArray, laid: _Laid) -> Attribution:
    told = _told(laid)
    every = exact((weights @ laid.ms[:, told]).tolist(), effect.estimate_ms)
    return Attribution(
        factor=effect.factor,
        quantile=effect.quantile,
        total_ms=math.fsum(every),
        parts=[
            StagePart(stage=laid.names[place], ms=ms) for place, ms in zip(told, every, strict=True)
        ],
    )


def _told(laid: _Laid) -> list[int]:
    """The stages that took time in any cell; an own time that is rounding did not."""
    least = np.zeros(len(laid.names))
    least[-1] = NEGLIGIBLE_MS
    told: list[int] = np.flatnonzero((np.abs(laid.ms) > least).any(axis=0)).tolist()
    return told
