"""How quantiles of samples differ, on the ms and the percent scale; it never resamples requests.

A difference in percent is that of the logarithms of the quantiles: a ratio less one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.record import FloatArray, ShiftPoint, Tolerance, Verdict
from harness.stats.bootstrap import RESAMPLES, Resampled, Spread, resample, spread_of
from harness.stats.quantiles import Sample, enough, quantile, t_stretch
from harness.stats.verdict import holm, judge, rounds_needed

ANY = Tolerance()
LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A change at a quantile; negative is faster.

    The bounds are None where they cannot be known, and the percents where a quantile is 0. What is
    judged, `spread` against `least` and `most`, is on the scale of the tolerance: in percent that
    is the logarithm of the ratio. A tolerance of 0 is any change at all, in ms.
    """

    quantile: float
    ms: float
    lo_ms: float | None
    hi_ms: float | None
    percent: float | None
    percent_lo: float | None
    percent_hi: float | None
    p: float | None
    """Of the change being no larger than the tolerance, two-sided."""
    p_holm: float | None = None
    verdict: Verdict
    exploratory: bool = False
    rounds_needed: int | None
    spread: Spread | None
    least: float
    most: float


def difference(
    a: Sample,
    b: Sample,
    *,
    paired: bool,
    quantiles: Sequence[float],
    tolerance: Tolerance = ANY,
    level: float = LEVEL,
    seed: int,
    resamples: int = RESAMPLES,
) -> list[Difference]:
    """b less a at each quantile, each judged on its own; see `settled` for several at once.

    Paired, rounds of the same number met the same weather and are drawn together. Otherwise the
    rounds of each are drawn on their own, and there are as many degrees of freedom as the sample
    with fewer rounds leaves. A quantile is left out when a sample has too few turns to tell it (p95
    below 72, p99 below 368), or is infinite there because so many turns never answered. There is no
    interval below 5 rounds.
    """
    known = told([a, b], quantiles)
    if not known:
        return []
    resampled = resample([a, b], known, seed=seed, resamples=resamples, paired=paired)
    return [
        change
        for index in range(len(known))
        for change in changes(resampled, index, [_B_LESS_A], tolerance, level)
    ]


def told(samples: Sequence[Sample], quantiles: Sequence[float]) -> list[float]:
    """Those quantiles that all samples have turns enough to tell, and finite."""
    return [
        q
        for q in quantiles
        if all(
            enough(sample.values_ms.size, q)
            and math.isfinite(quantile(sample.ordered.values_ms, q))
            for sample in samples
        )
    ]


def changes(
    resampled: Resampled,
    index: int,
    contrasts: Sequence[FloatArray],
    tolerance: Tolerance,
    level: float,
) -> list[Difference]:
    """Each contrast, a weight for each sample, of the quantile of that index; judged on its own."""
    seen, drawn = resampled.seen[index], resampled.drawn[index]
    with np.errstate(divide="ignore", invalid="ignore"):
        log_seen, log_drawn = np.log(seen), np.log(drawn)
    return [
        _judged(
            resampled.quantiles[index],
            _contrast(seen, drawn, weights, resampled.rounds, _EQUAL_MS),
            _contrast(log_seen, log_drawn, weights, resampled.rounds, _EQUAL_LOG),
            tolerance,
            level,
        )
        for weights in contrasts
    ]


def settled(
    differences: Sequence[Difference], declared: Sequence[bool], level: float
) -> list[Difference]:
    """The same, judged together: those declared beforehand by their own p, the others by Holm's.

    What an interval alone would decide but not with so many asked at once becomes "cannot tell" and
    exploratory. That nothing changed is a finding too, and takes a step of its own: neither a
    change nor the lack of one is found wrongly among the others in more than 1 - level of runs.
    """
    family = [
        (place, one, one.spread)
        for place, (one, first) in enumerate(zip(differences, declared, strict=True))
        if one.spread is not None and not first
    ]
    beyond = holm([spread.p_beyond(one.least, one.most) for _, one, spread in family])
    within = holm([spread.p_within(one.least, one.most) for _, one, spread in family])
    found = list(differences)
    for (place, one, _), p_beyond, p_within in zip(family, beyond, within, strict=True):
        p = p_within if one.verdict == "unchanged" else p_beyond
        found[place] = _with_holm(one, p_beyond, p < 1 - level, level, len(family))
    return found


def shifts(
    baseline: Sample,
    variants: Sequence[Sample],
    quantiles: Sequence[float],
    *,
    seed: int,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> list[list[ShiftPoint]]:
    """Each variant less the baseline at each quantile, within a band that holds for all at once.

    The rounds are paired. Every point has its own standard errors; the band is as many of them wide
    as the largest deviation of all points is in all but 1 - level of the resamples, stretched like
    every interval. A quantile that the variant or the baseline cannot tell has no point, and a
    point without an interval no bounds.
    """
    samples = [baseline, *variants]
    known = told([baseline], quantiles)
    if not known:
        return [[] for _ in variants]
    resampled = resample(samples, known, seed=seed, resamples=resamples)
    return [
        _band(resampled, place, set(told([variant], known)), level)
        for place, variant in enumerate(variants, 1)
    ]


_B_LESS_A = np.array([-1.0, 1.0])

# Below a nanosecond, and as much of a second, a difference is the noise of floats: it may have the
# same sign in every resample and would pass for a certain change.
_EQUAL_MS = 1e-6
_EQUAL_LOG = 1e-9


def _contrast(
    seen: FloatArray, drawn: FloatArray, weights: FloatArray, rounds: int, equal: float
) -> tuple[float, Spread | None]:
    """The contrast of what was seen and how far chance moves it; 0 is whatever is below `equal`."""
    # Samples of no weight stay out: 0 times infinity is not a number.
    part = weights != 0
    with np.errstate(invalid="ignore"):
        both = weights[part] @ np.column_stack([seen[part], drawn[part]])
    both[np.abs(both) < equal] = 0.0
    estimate = float(both[0])
    return estimate, spread_of(estimate, both[1:], rounds)


def _judged(
    q: float,
    ms: tuple[float, Spread | None],
    log: tuple[float, Spread | None],
    tolerance: Tolerance,
    level: float,
) -> Difference:
    lo_ms, hi_ms = _bounds(ms[1], level)
    log_lo, log_hi = _bounds(log[1], level)
    least, most = _edges(tolerance)
    spread = log[1] if tolerance.unit == "%" and tolerance.amount else ms[1]
    lo, hi = _bounds(spread, level)
    verdict = judge(lo, hi, least, most)
    return Difference(
        quantile=q,
        ms=ms[0],
        lo_ms=lo_ms,
        hi_ms=hi_ms,
        percent=_percent(log[0]),
        percent_lo=_percent(log_lo),
        percent_hi=_percent(log_hi),
        p=spread.p_beyond(least, most) if spread else None,
        verdict=verdict,
        rounds_needed=_needed(spread, least, most, level) if verdict == "cannot tell" else None,
        spread=spread,
        least=least,
        most=most,
    )


def _with_holm(
    one: Difference, p_holm: float, holds: bool, level: float, questions: int
) -> Difference:
    if one.verdict != "cannot tell" and holds:
        return replace(one, p_holm=p_holm)
    return replace(
        one,
        p_holm=p_holm,
        verdict="cannot tell",
        exploratory=one.verdict != "cannot tell",
        # The share of the error that the most doubtful of so many questions is sure to have.
        rounds_needed=_needed(one.spread, one.least, one.most, 1 - (1 - level) / questions),
    )


def _needed(spread: Spread | None, least: float, most: float, level: float) -> int | None:
    if spread is None:
        return None
    lo, hi = spread.bounds(level)
    return rounds_needed(spread.estimate, lo, hi, least, most, spread.rounds)


def _edges(tolerance: Tolerance) -> tuple[float, float]:
    """The least and the most change that does not matter, on the scale that is judged."""
    if tolerance.unit == "ms":
        return -tolerance.amount, tolerance.amount
    part = tolerance.amount / 100
    return math.log1p(-part) if part < 1 else -math.inf, math.log1p(part)


def _bounds(spread: Spread | None, level: float) -> tuple[float | None, float | None]:
    return spread.bounds(level) if spread else (None, None)


def _percent(log_ratio: float | None) -> float | None:
    """A logarithm of a ratio as percent more; None where the ratio is not known."""
    if log_ratio is None or not math.isfinite(log_ratio):
        return None
    return 100 * math.expm1(log_ratio)


def _band(resampled: Resampled, place: int, known: set[float], level: float) -> list[ShiftPoint]:
    """The points of the sample at that place, less the first."""
    rows = [row for row, q in enumerate(resampled.quantiles) if q in known]
    with np.errstate(invalid="ignore"):
        ms = (resampled.seen[rows, place] - resampled.seen[rows, 0]).tolist()
        drawn = resampled.drawn[rows, place] - resampled.drawn[rows, 0]
    spreads = [spread_of(*pair, resampled.rounds) for pair in zip(ms, drawn, strict=True)]
    reach = _reach(spreads, drawn, level)
    return [
        ShiftPoint(
            quantile=resampled.quantiles[row],
            ms=point,
            lo_ms=point - reach * spread.lower if spread else None,
            hi_ms=point + reach * spread.upper if spread else None,
        )
        for row, point, spread in zip(rows, ms, spreads, strict=True)
    ]


def _reach(spreads: Sequence[Spread | None], drawn: FloatArray, level: float) -> float:
    """So many standard errors hold all points at once; a side without any error needs none."""
    worst = np.zeros(drawn.shape[-1])
    for spread, row in zip(spreads, drawn, strict=True):
        if spread:
            for off, error in (
                (spread.estimate - row, spread.lower),
                (row - spread.estimate, spread.upper),
            ):
                worst = np.maximum(worst, off / error) if error else worst
    rounds = [spread.rounds for spread in spreads if spread]
    return quantile(np.sort(worst), level) * t_stretch(rounds[0], level) if rounds else 0.0
