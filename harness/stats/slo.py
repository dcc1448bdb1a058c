"""Promises about response times and failures, and whether a run kept them; it decides none by a
figure alone.

A promise is kept where the whole interval of its figure lies below the limit, or up to it where the
promise says so, broken where the whole of it does not, and of anything between it cannot be told.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from harness.record import BoolArray, Columns, FloatArray, IntArray, SloSummary, Text, Turns, wide
from harness.stats.batches import rounds_of
from harness.stats.distributions import clopper_pearson, t_quantile, z_quantile
from harness.stats.quantiles import MIN_ROUNDS, Sample, round_quantile_intervals
from harness.stats.strategies import finite

LEVEL = 0.95

LEAST_PERCENTILE, MOST_PERCENTILE = 50.0, 99.99
LONGEST_MS = 3_600_000.0

Kept = Literal["met", "missed", "cannot tell"]


class Slo(msgspec.Struct, frozen=True):
    """One promise, as in `p99<3s`, `pay p95<=800ms` or `errors<0.5%`."""

    text: str
    stage: str
    """Of which calls; empty is the whole turn."""
    quantile: float | None
    """None where it is the share of those that fail."""
    limit: float
    """In ms, or a share; the figure must lie below it."""
    inclusive: bool = False
    """Written with `<=`: the figure may lie on the limit too."""


def read_slos(text: str) -> list[Slo]:
    """The promises of a list with commas, in its order.

    Raises ValueError, with a line for each mistake and how to mend it.
    """
    found: dict[tuple[str, float | None], Slo] = {}
    mistakes = []
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        try:
            slo = _read(part)
        except ValueError as error:
            mistakes.append(str(error))
            continue
        if (slo.stage, slo.quantile) in found:
            mistakes.append(f"{part!r} promises what another one does; keep one of them")
        found[slo.stage, slo.quantile] = slo
    if mistakes:
        raise ValueError("\n".join(mistakes))
    return list(found.values())


def read_time_ms(text: str) -> float | None:
    """`8s` or `800ms` as ms, of more than nothing and up to an hour; None if it is neither."""
    written = re.fullmatch(r" *([0-9]*\.?[0-9]+) *(ms|s) *", text)
    ms = float(written[1]) * {"ms": 1, "s": 1000}[written[2]] if written else 0.0
    return ms if 0 < ms <= LONGEST_MS else None


def judge_slos(columns: Columns, variants: Sequence[str], slos: Sequence[Slo]) -> list[SloSummary]:
    """Each promise of each strategy. A run of one round is judged by its batches.

    A turn or call that failed, or was cut off, took for ever. A call that began before anything in
    its turn had ended was due as much earlier as the turn itself, so a late start is in it; every
    other one was due where what it waited for ended, which is where it starts. A stage that calls
    nobody in a strategy is judged there by its local steps.
    """
    rounds = rounds_of(columns.turns)
    calls = _calls(columns, rounds) if any(slo.stage for slo in slos) else None
    stages = dict.fromkeys(slo.stage for slo in slos)
    samples = {
        (stage, variant): calls.sample(stage, variant)
        if stage and calls
        else _of_turns(columns.turns, rounds, variant)
        for stage in stages
        for variant in variants
    }
    return [_judged(slo, name, samples[slo.stage, name]) for slo in slos for name in variants]


def verdict_of(lo: float | None, hi: float | None, limit: float, inclusive: bool = False) -> Kept:
    """By an interval from `lo` to `hi`, which may be infinite; None where it is not known. What is
    inclusive is kept on the limit too."""
    if lo is None or hi is None:
        return "cannot tell"
    if inclusive:
        limit = math.nextafter(limit, math.inf)
    if lo >= limit:
        return "missed"
    return "met" if hi < limit else "cannot tell"


def failed_calls(columns: Columns, turn_of_span: IntArray) -> BoolArray:
    """Which spans are calls that failed, as far as rows tell: those without a whole answer, those
    that were told to come again (429, or from 500 on), and the one that ended a turn in an error.

    Any other status may be a refusal by the provider's rules, which is an answer.
    """
    spans, is_call = columns.spans, _is_call(columns)
    failed: BoolArray = is_call & (
        (spans.status == 0) | (spans.status == 429) | (spans.status >= 500)
    )
    failed[_last_of_errors(columns, turn_of_span, is_call)] = True
    return failed


def _read(text: str) -> Slo:
    written = re.fullmatch(
        r"(?:([A-Za-z][\w./-]*) +)?(p[0-9.]+|errors) *(<=?) *([0-9.]+ *[a-z%]*)", text
    )
    if not written:
        raise ValueError(f"{text!r} is no promise; write it as p99<3s, pay p99<1.2s or errors<0.5%")
    stage, figure, limit = written[1] or "", written[2], written[4]
    inclusive = written[3] == "<="
    if figure == "errors":
        return Slo(text, stage, None, _share(text, limit), inclusive)
    return Slo(text, stage, _quantile(text, figure), _time_ms(text, limit), inclusive)


def _share(text: str, limit: str) -> float:
    written = re.fullmatch(r"([0-9]*\.?[0-9]+) *%", limit)
    if not written:
        raise ValueError(f"{text!r}: errors are a share of all; write the limit as in 0.5%")
    share = float(written[1]) / 100
    if not 0 < share <= 1:
        raise ValueError(f"{text!r}: take a share above 0% and up to 100%; no run can prove 0%")
    return share


def _quantile(text: str, figure: str) -> float:
    try:
        percentile = float(figure[1:])
    except ValueError:
        percentile = math.nan
    if not LEAST_PERCENTILE <= percentile <= MOST_PERCENTILE:
        raise ValueError(
            f"{text!r}: take a percentile from p{LEAST_PERCENTILE:g} to p{MOST_PERCENTILE:g}"
        )
    return round(percentile / 100, 9)


def _time_ms(text: str, limit: str) -> float:
    ms = read_time_ms(limit)
    if ms is None:
        raise ValueError(f"{text!r}: write the limit as in 3s or 800ms, up to an hour")
    return ms


def _of_turns(turns: Turns, rounds: IntArray, variant: str) -> Sample:
    of = turns.variant.holds(variant)
    return Sample(turns.answered_ms[of], rounds[of])


@dataclass(frozen=True, slots=True, eq=False)
class _Calls:
    """The calls that belong to a turn: what each took, infinite where it failed, and its round."""

    stage: Text
    variant: Text
    took_ms: FloatArray
    rounds: IntArray

    def sample(self, stage: str, variant: str) -> Sample:
        of = self.stage.holds(stage) & self.variant.holds(variant)
        return Sample(self.took_ms[of], self.rounds[of])


def _calls(columns: Columns, rounds: IntArray) -> _Calls:
    turns, spans, owner = columns.turns, columns.spans, columns.turn_of_span()
    of = np.flatnonzero((owner >= 0) & _are_judged(columns))
    turn, start_s, end_s = owner[of], spans.start_s[of], spans.end_s[of]
    first_end_s = np.full(len(turns), np.inf)
    np.minimum.at(first_end_s, turn, end_s)
    late_s = np.where(start_s < first_end_s[turn], (turns.start_s - turns.due_s)[turn], 0.0)
    took_ms = np.round((end_s - start_s + late_s) * 1e3, 6)  # below is the noise of floats
    took_ms[failed_calls(columns, owner)[of]] = np.inf
    return _Calls(
        Text(spans.stage.names, spans.stage.codes[of]),
        Text(spans.variant.names, spans.variant.codes[of]),
        took_ms,
        rounds[turn],
    )


def _are_judged(columns: Columns) -> BoolArray:
    """Which spans a promise about a stage is of: its calls, or where it makes none in a variant,
    its steps. What a stage does between its calls would hide how long these take."""
    spans, is_call = columns.spans, _is_call(columns)
    place = wide(spans.stage.codes) * len(spans.variant.names) + spans.variant.codes
    calls = np.bincount(place, weights=is_call)
    judged: BoolArray = is_call | (calls[place] == 0)
    return judged


def _is_call(columns: Columns) -> BoolArray:
    """Which spans have a provider."""
    provider = columns.spans.provider
    named = np.array([*map(bool, provider.names), False], dtype=np.bool_)
    is_call: BoolArray = named[provider.codes]
    return is_call


def _last_of_errors(columns: Columns, owner: IntArray, is_call: BoolArray) -> IntArray:
    """The call that ended last of each turn that ended in an error, up to the turn's own end."""
    turns, spans = columns.turns, columns.spans
    ended = turns.outcome.holds("error")
    of = np.flatnonzero(is_call & (owner >= 0))
    of = of[ended[owner[of]] & (spans.end_s[of] <= turns.end_s[owner[of]] + 1e-6)]
    of = of[np.lexsort((spans.end_s[of], owner[of]))]
    last = np.ones(of.size, dtype=np.bool_)
    last[:-1] = owner[of][1:] != owner[of][:-1]
    found: IntArray = of[last]
    return found


def _judged(slo: Slo, variant: str, sample: Sample) -> SloSummary:
    figure, lo, hi = _share_failed(sample) if slo.quantile is None else _point(sample, slo.quantile)
    return SloSummary(
        text=slo.text,
        variant=variant,
        stage=slo.stage,
        quantile=slo.quantile,
        limit=slo.limit,
        inclusive=slo.inclusive,
        figure=finite(figure),
        lo=finite(lo),
        hi=finite(hi),
        count=sample.values_ms.size,
        verdict=verdict_of(lo, hi, slo.limit, slo.inclusive),
    )


Interval = tuple[float | None, float | None, float | None]
"""A figure between its bounds; all None where there is too little to tell."""


def _point(sample: Sample, quantile: float) -> Interval:
    (found,) = round_quantile_intervals(sample, [quantile], LEVEL)
    return found.estimate, found.lo, found.hi


def _share_failed(sample: Sample) -> Interval:
    """The share that failed, with the exact interval of Clopper & Pearson.

    Wilson's is shorter, but holds its level on average only: near no failures at all, where
    promises lie, it is too short for some shares, and a promise would be called kept too often.
    Failures come in bursts, so n counts as the effective number that rounds tell, shrunk for being
    known from few (Korn & Graubard 1998), as it does for a quantile. Below 5 rounds nothing tells,
    and turns are taken to be independent: bursts then make a promise look surer than it is.
    """
    failed = np.isinf(sample.values_ms)
    n, k = failed.size, int(np.count_nonzero(failed))
    if not n:
        return None, None, None
    worth = n / max(1.0, _burstiness(sample))
    lo, hi = clopper_pearson(k / n * worth, worth, LEVEL)
    return k / n, lo, hi


def _burstiness(sample: Sample) -> float:
    """How many times as uncertain the share that failed is as of independent turns; 1 below 5
    rounds.

    Failures in fewer than 5 rounds, or none at all, say too little of that, so there they count as
    bursty as the median at least: what makes turns slow together may make them fail together. Of
    runs of 1,000 turns that fail in bursts of ten, up to 67 % would have had a promise called kept
    that was not; so it is up to 3 %. Where turns fail in bad weather that lasts 20 turns it was up
    to 42 %, and is up to 8 %. See tests/stats/test_slo_bursts.py.
    """
    numbers, codes = np.unique(sample.rounds, return_inverse=True)
    if numbers.size < MIN_ROUNDS:
        return 1.0
    p = (1 + LEVEL) / 2
    doubt = (t_quantile(p, numbers.size - 1) / z_quantile(p)) ** 2
    failures: FloatArray = np.bincount(codes, weights=np.isinf(sample.values_ms)).astype(np.float64)
    design = _design_effect(failures, np.bincount(codes))
    if np.count_nonzero(failures) < MIN_ROUNDS:
        design = max(design, _design_of_median(sample))
    return design * doubt


def _design_effect(failures: FloatArray, turns: IntArray) -> float:
    """By how the share that failed differs between rounds; 0 where all did, or none."""
    n, share = float(turns.sum()), float(failures.sum() / turns.sum())
    if not 0 < share < 1:
        return 0.0
    astray = failures - share * turns
    spread = turns.size / (turns.size - 1) * float(astray @ astray)
    return spread / (n * share * (1 - share))


def _design_of_median(sample: Sample) -> float:
    (median,) = round_quantile_intervals(sample, [0.5], LEVEL)
    return sample.values_ms.size / median.effective_turns if median.effective_turns else 1.0
