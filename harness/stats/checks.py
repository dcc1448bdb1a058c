"""Budgets of one flow and what it saves against another, judged by intervals; no sentence is told
here."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.record import Columns, SloSummary, StagePart, State, Tolerance, TurnTimes, Verdict
from harness.stats.attribution import LEAST_NEAR, NEAR_SHARE, exact
from harness.stats.batches import rounds_of
from harness.stats.critical_path import NEGLIGIBLE_MS, stage_matrix
from harness.stats.difference import Difference, difference
from harness.stats.quantiles import Sample, enough, quantile, rank, round_quantile_intervals
from harness.stats.slo import Kept, Slo, failed_calls, judge_slos
from harness.stats.turn_times import rows_of_variant, sample_of, stage_changes
from harness.stats.verdict import judge, rounds_needed

STATE_OF_BUDGET: dict[Kept, State] = {
    "met": "passed",
    "missed": "failed",
    "cannot tell": "cannot tell",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetFinding:
    """A budget, what was found of it, and where that time went."""

    state: State
    slo: SloSummary
    blame: list[StagePart]
    """The stages of the turns about the percentile, the largest first; they add up to it. None of
    calls or of errors, or where the percentile is infinite or cannot be told."""
    failed_in: list[tuple[str, int]]
    """Of a missed share of errors: calls that failed, by stage, the most first."""
    called: list[str]
    """The stages that there are, where the one that was asked about is none of them."""
    effective: float | None
    """Of a percentile of turns: how many turns that do not resemble each other tell as much; None
    below 5 rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingFinding:
    """What one flow saves against another at a percentile."""

    state: State
    quantile: float
    least: Tolerance
    change: Difference | None
    """Ours less theirs, negative where we save; None where one cannot tell the percentile."""
    ours_ms: float | None
    theirs_ms: float | None
    """The percentiles; None where they are infinite, or too few turns tell them."""
    never: tuple[bool, bool]
    """Whether ours, and theirs, failed so often that the percentile is infinite."""
    rounds_needed: int | None
    """About how many rounds would tell; None where it is decided, or nothing tells."""
    parts: list[StagePart]
    """How much of the change of the mean lies in which stage, the largest first."""


def judge_budgets(columns: Columns, variant: str, slos: Sequence[Slo]) -> list[BudgetFinding]:
    """Each budget of one strategy, by its whole interval; see `judge_slos`. One of a stage that
    was never called is failed, where any turn was made."""
    own = rows_of_variant(columns, variant)
    return [_judged(own, slo) for slo in judge_slos(own, [variant], slos)]


def judge_saving(
    ours: TurnTimes, theirs: TurnTimes, least: Tolerance, q: float, *, seed: int
) -> SavingFinding:
    """Whether ours are faster than theirs at a percentile, by so much at least.

    Passed where the whole interval of the saving lies at or above that, failed where all of it lies
    below. Both met the same draws, round by round, so the rounds are paired. Where so many of ours
    failed that the percentile lies among them, and theirs did not, nothing is saved.
    """
    a, b = sample_of(theirs), sample_of(ours)
    paired = np.array_equal(np.unique(theirs.round), np.unique(ours.round))
    found = difference(a, b, paired=paired, quantiles=[q], tolerance=_scale(least), seed=seed)
    change = found[0] if found else None
    ours_ms, theirs_ms = _at(b, q), _at(a, q)
    never = ours_ms == math.inf, theirs_ms == math.inf
    state: State = "failed" if never == (True, False) and theirs_ms else "cannot tell"
    if change:
        state = _saved(change, least)
    return SavingFinding(
        state=state,
        quantile=q,
        least=least,
        change=change,
        ours_ms=_finite(ours_ms),
        theirs_ms=_finite(theirs_ms),
        never=never,
        rounds_needed=_needed(change, least) if change and state == "cannot tell" else None,
        parts=stage_changes(theirs, ours, seed=seed),
    )


def _judged(own: Columns, slo: SloSummary) -> BudgetFinding:
    uncalled = bool(slo.stage) and not slo.count and len(own.turns) > 0
    of_turns = slo.quantile if not slo.stage else None
    is_known = slo.lo is not None or slo.hi is not None
    return BudgetFinding(
        state="failed" if uncalled else STATE_OF_BUDGET[slo.verdict],
        slo=slo,
        blame=_about(own, of_turns) if of_turns and is_known else [],
        failed_in=_failed_in(own, slo.stage) if slo.quantile is None else [],
        called=list(own.spans.stage.names) if uncalled else [],
        effective=_effective(own, of_turns) if of_turns else None,
    )


def _effective(own: Columns, q: float) -> float | None:
    sample = Sample(own.turns.answered_ms, rounds_of(own.turns))
    (found,) = round_quantile_intervals(sample, [q])
    return found.effective_turns


def _about(own: Columns, q: float) -> list[StagePart]:
    """Of the turns that rank about a percentile, scaled to add up to it."""
    answered_ms = own.turns.answered_ms
    if not enough(answered_ms.size, q):
        return []
    order = np.argsort(answered_ms, kind="stable")
    place = rank(order.size, q) - 1
    total_ms = float(answered_ms[order[place]])
    if not math.isfinite(total_ms):
        return []
    reach = max(LEAST_NEAR, math.ceil(order.size * NEAR_SHARE))
    near = order[max(0, place - reach) : place + reach + 1]
    laid = stage_matrix(own)
    mean_ms = laid.ms[near[np.isfinite(answered_ms[near])]].mean(axis=0)
    near_ms = float(mean_ms.sum())
    told = np.flatnonzero(mean_ms > NEGLIGIBLE_MS)
    scaled = (mean_ms[told] * (total_ms / near_ms if near_ms else 0.0)).tolist()
    parts = [
        StagePart(stage=laid.names[at], ms=ms)
        for at, ms in zip(told.tolist(), exact(scaled, total_ms), strict=True)
    ]
    return sorted(parts, key=lambda part: -part.ms)


def _failed_in(own: Columns, stage: str) -> list[tuple[str, int]]:
    failed = failed_calls(own, own.turn_of_span())
    names, codes = own.spans.stage.names, own.spans.stage.codes[failed].tolist()
    counts = Counter(names[code] for code in codes)
    return [(name, count) for name, count in counts.most_common() if not stage or name == stage]


def _scale(least: Tolerance) -> Tolerance:
    """Percents are judged as ratios; where the edge lies, `_saved` tells."""
    return Tolerance(least.amount if least.unit == "%" else 0.0, least.unit)


def _saved(change: Difference, least: Tolerance) -> State:
    _, lo, hi = _on_scale(change, least)
    states: dict[Verdict, State] = {"regressed": "failed", "unchanged": "passed"}
    return states.get(judge(lo, hi, -math.inf, -least.amount), "cannot tell")


def _needed(change: Difference, least: Tolerance) -> int | None:
    estimate, lo, hi = _on_scale(change, least)
    if estimate is None or lo is None or hi is None or change.spread is None:
        return None
    return rounds_needed(estimate, lo, hi, -math.inf, -least.amount, change.spread.rounds)


def _on_scale(
    change: Difference, least: Tolerance
) -> tuple[float | None, float | None, float | None]:
    if least.unit == "%":
        return change.percent, change.percent_lo, change.percent_hi
    return change.ms, change.lo_ms, change.hi_ms


def _at(sample: Sample, q: float) -> float | None:
    told = enough(sample.values_ms.size, q)
    return quantile(sample.ordered.values_ms, q) if told else None


def _finite(ms: float | None) -> float | None:
    return ms if ms is not None and math.isfinite(ms) else None
