"""What an instrument's own pairs tell of its verdicts: false alarms, power, order; it runs none.

Pairs of equal arms went through the whole comparison, so each verdict of a difference is a false
alarm. A rate of them is known as well as k of n tells (Clopper & Pearson 1934), and the p of equal
pairs is uniform from 0 to 1, or it is no p.
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from harness.record import Turns, Verdict
from harness.stats.difference import Difference, difference
from harness.stats.distributions import clopper_pearson, ks_uniform, t_quantile
from harness.stats.order import Order, Pairing, of_rounds
from harness.stats.quantiles import Sample, quantile

ALPHA = 0.05
"""What a verdict promises: so many false alarms at most."""

LEVEL = 0.95
POWER = 0.8
EQUAL_MS = 0.001
"""Delays are drawn in whole microseconds; what lies below is the noise of adding large floats."""


class PairFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The second arm of a pair less its first, at one quantile. A bound, the p and the percent are
    null where too few turns or rounds were answered to know them."""

    pair: int
    arm: str
    quantile: float
    ms: float
    lo_ms: float | None
    hi_ms: float | None
    percent: float | None
    percent_lo: float | None
    percent_hi: float | None
    p: float | None
    verdict: Verdict
    """By this quantile's own interval, as if it were the primary one, against no tolerance."""


class FalseAlarms(msgspec.Struct, frozen=True, kw_only=True):
    """What equal arms were said to differ in, at one quantile."""

    quantile: float
    pairs: int
    """Those with a verdict; the others had too few turns or rounds for one."""
    alarms: int
    rate: float | None
    rate_lo: float | None
    rate_hi: float | None
    ks_p: float | None
    """Of the pairs' p being uniform, by Kolmogorov and Smirnov."""
    noise_percent: float | None
    """95 in 100 pairs differ by no more."""
    detectable_percent: float | None
    """A change of this size is found in 4 of 5 runs whose arms share no weather."""


class Detection(msgspec.Struct, frozen=True, kw_only=True):
    """How often a stage that was slowed by so much was found out, at the primary quantile."""

    stage: str
    slowed_percent: float
    pairs: int
    caught: int
    inconclusive: int
    wrong_sign: int
    ms: float | None
    """What it made of a whole turn, on average over the pairs."""
    percent: float | None
    caught_lo: float | None
    caught_hi: float | None
    detectable_percent: float | None
    """Of a whole turn: a change of this size is found in 4 of 5 runs, by the width of these
    intervals."""


class Twins(msgspec.Struct, frozen=True, kw_only=True):
    """Equal arms under one weather, turn by turn."""

    turns: int
    unequal: int
    """In time by more than a microsecond, or in how they ended."""
    crowded: bool
    """Some call queued or was turned away. That hangs on when an arm is due, and may differ."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of a self-test."""

    primary: float
    rounds: int
    """Of a pair."""
    false_alarms: list[FalseAlarms]
    detections: list[Detection] = []
    twins: Twins | None = None
    order: list[Order] = []


def pairs_of(turns: Turns, of: Pairing, quantiles: Sequence[float], seed: int) -> list[PairFigures]:
    """The second arm less the first at each quantile, pair by pair.

    Each pair is resampled by luck of its own. A pair in which an arm has no turn is left out: the
    run ended before it.
    """
    samples = [_sample(turns, name) for name in (of.first, of.second)]
    figures = []
    for pair, start in enumerate(of.rounds[:: of.rounds_each]):
        a, b = (_between(sample, start, start + of.rounds_each) for sample in samples)
        if a.values_ms.size and b.values_ms.size:
            for found in difference(a, b, paired=True, quantiles=quantiles, seed=seed + start):
                figures.append(_figures(pair, of.second, found))
    return figures


def false_alarms(figures: Sequence[PairFigures], q: float, rounds: int) -> FalseAlarms:
    """Of equal arms at the quantile q, in pairs of so many rounds."""
    known = [of for of in figures if of.quantile == q and of.p is not None]
    alarms = sum(of.verdict in _DIFFERENT for of in known)
    lo, hi = clopper_pearson(alarms, len(known), LEVEL) if known else (None, None)
    percents = [of.percent for of in known if of.percent is not None]
    sizes = np.sort(np.abs(percents))
    return FalseAlarms(
        quantile=q,
        pairs=len(known),
        alarms=alarms,
        rate=alarms / len(known) if known else None,
        rate_lo=lo,
        rate_hi=hi,
        ks_p=ks_uniform(np.array([of.p for of in known], dtype=np.float64)) if known else None,
        noise_percent=quantile(sizes, 0.95) if sizes.size else None,
        detectable_percent=_detectable(_spread(percents), rounds),
    )


def detection(
    figures: Sequence[PairFigures], stage: str, slowed_percent: float, rounds: int
) -> Detection:
    """Of one arm that was slowed, at the primary quantile, in pairs of so many rounds."""
    caught = sum(of.verdict == "regressed" for of in figures)
    wrong = sum(of.verdict == "improved" for of in figures)
    lo, hi = clopper_pearson(caught, len(figures), LEVEL) if figures else (None, None)
    percents = [of.percent for of in figures if of.percent is not None]
    return Detection(
        stage=stage,
        slowed_percent=slowed_percent,
        pairs=len(figures),
        caught=caught,
        inconclusive=len(figures) - caught - wrong,
        wrong_sign=wrong,
        ms=_mean([of.ms for of in figures]),
        percent=_mean(percents),
        caught_lo=lo,
        caught_hi=hi,
        detectable_percent=_detectable(_deviation(figures, rounds), rounds),
    )


def failures(of: Calibration) -> list[str]:
    """One sentence for each reason to trust no verdict of this instrument; empty is a pass."""
    return [*_false_alarm_failures(of), *_twin_failures(of.twins), *_sign_failures(of)]


def twins_of(turns: Turns, of: Pairing, crowded: bool) -> Twins:
    """The turns of two equal arms, one beside the other."""
    first, second = (_by_turn(turns, name, of.rounds) for name in (of.first, of.second))
    both = first.keys() & second.keys()
    unequal = sum(
        abs(first[key][0] - second[key][0]) > EQUAL_MS or first[key][1] != second[key][1]
        for key in both
    )
    alone = len(first.keys() ^ second.keys())
    return Twins(turns=len(both) + alone, unequal=unequal + alone, crowded=crowded)


def _by_turn(
    turns: Turns, arm: str, rounds: range
) -> dict[tuple[int, int, int], tuple[float, str]]:
    """Round, conversation and turn -> how long it took, and how it ended."""
    rows = np.flatnonzero(of_rounds(turns, rounds) & turns.variant.holds(arm))
    places = (turns.round, turns.conversation, turns.turn)
    keys = zip(*(column[rows].tolist() for column in places), strict=True)
    ends = [turns.outcome.names[code] for code in turns.outcome.codes[rows].tolist()]
    return dict(zip(keys, zip(turns.response_ms[rows].tolist(), ends, strict=True), strict=True))


def _sample(turns: Turns, arm: str) -> Sample:
    """Of one arm, in the order of its rounds."""
    rows = np.flatnonzero(turns.variant.holds(arm))
    rows = rows[np.argsort(turns.round[rows], kind="stable")]
    return Sample(turns.answered_ms[rows], turns.round[rows])


def _between(sample: Sample, start: int, stop: int) -> Sample:
    """The rounds from `start` to before `stop`."""
    part = slice(*np.searchsorted(sample.rounds, [start, stop]).tolist())
    return Sample(sample.values_ms[part], sample.rounds[part])


def _figures(pair: int, arm: str, of: Difference) -> PairFigures:
    return PairFigures(
        pair=pair,
        arm=arm,
        quantile=of.quantile,
        ms=of.ms,
        lo_ms=of.lo_ms,
        hi_ms=of.hi_ms,
        percent=of.percent,
        percent_lo=of.percent_lo,
        percent_hi=of.percent_hi,
        p=of.p,
        verdict=of.verdict,
    )


def _spread(percents: Sequence[float]) -> float | None:
    """The standard deviation of what pairs differ in, in logarithms of a ratio."""
    return float(np.log1p(np.array(percents) / 100).std(ddof=1)) if len(percents) > 1 else None


def _deviation(figures: Sequence[PairFigures], rounds: int) -> float | None:
    """The same of one pair, as the middle one of these intervals tells."""
    widths = [
        math.log1p(of.percent_hi / 100) - math.log1p(of.percent_lo / 100)
        for of in figures
        if of.percent_lo is not None and of.percent_hi is not None
    ]
    if not widths:
        return None
    return float(np.median(widths)) / 2 / t_quantile((1 + LEVEL) / 2, rounds - 1)


def _detectable(deviation: float | None, rounds: int) -> float | None:
    """The smallest change that is found with `POWER`, in percent: what lies beyond the interval's
    reach by as much as 4 of 5 estimates fall short at most."""
    if deviation is None:
        return None
    reach = t_quantile((1 + LEVEL) / 2, rounds - 1) + t_quantile(POWER, rounds - 1)
    return 100 * math.expm1(reach * deviation)


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _false_alarm_failures(of: Calibration) -> list[str]:
    return [
        f"{row.alarms} of {row.pairs} pairs of equal arms were called different at the primary "
        f"quantile: its rate of false alarms is at least {row.rate_lo:.1%}, and {ALPHA:.0%} was "
        "promised"
        for row in of.false_alarms
        if row.quantile == of.primary and row.rate_lo is not None and row.rate_lo > ALPHA
    ]


def _twin_failures(twins: Twins | None) -> list[str]:
    if twins is None or twins.crowded or not twins.unequal:
        return []
    return [
        f"{twins.unequal} of {twins.turns} turns of equal arms under one weather were unequal: "
        "its pairs are none"
    ]


def _sign_failures(of: Calibration) -> list[str]:
    return [
        f"{row.wrong_sign} of {row.pairs} arms whose {row.stage} was slowed by "
        f"{row.slowed_percent:g} % were called faster"
        for row in of.detections
        if row.wrong_sign
    ]


_DIFFERENT: tuple[Verdict, ...] = ("improved", "regressed")
