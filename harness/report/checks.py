"""What was asked of a flow's latency and what came of it, each in a sentence; it takes no figure of
its own."""

import math
from collections.abc import Sequence

from harness.record import Check, Columns, SloSummary, StagePart, Tolerance, TurnTimes
from harness.report.change import TOO_FEW_ROUNDS, change_sentence, lead_figure
from harness.report.change_words import from_to, percents, signed
from harness.report.changed_stages import main_stages
from harness.report.slo import found
from harness.report.words import percentile, tolerance_text
from harness.stats.change import ChangeFinding, judge_change
from harness.stats.checks import BudgetFinding, SavingFinding, judge_budgets, judge_saving
from harness.stats.difference import LEVEL, Difference
from harness.stats.distributions import fewest_values
from harness.stats.slo import Slo
from harness.stats.stage_change import StageChange
from harness.stats.strategies import TOLD


def checked_budgets(flow: str, columns: Columns, variant: str, slos: Sequence[Slo]) -> list[Check]:
    """Each budget of that strategy, such as `p95 <= 3s`, with the stages its time went to. One of a
    stage that was never called is missed: nothing would ever tell, and its name may be wrong."""
    return [_budget(flow, finding) for finding in judge_budgets(columns, variant, slos)]


def checked_saving(
    flow: str,
    ours: TurnTimes,
    than: str,
    theirs: TurnTimes,
    least: Tolerance,
    quantile: float,
    *,
    seed: int,
) -> Check:
    """Whether the flow saves at least so much against the flow `than`, which had the same draws."""
    return _saving(flow, than, judge_saving(ours, theirs, least, quantile, seed=seed))


def checked_change(
    flow: str,
    now: TurnTimes,
    then: TurnTimes,
    tolerance: Tolerance,
    quantiles: Sequence[float] = TOLD,
    *,
    seed: int,
    notes: Sequence[str] = (),
) -> Check:
    """Whether the flow is as fast as its baseline, turn by turn. `notes` tell what else differs,
    such as the version of a library; they stand at the end where any turn is not as before.

    Raises ValueError unless both have the same turns; their settings tell.
    """
    return _change(flow, judge_change(now, then, tolerance, quantiles, seed=seed), notes)


def _budget(flow: str, finding: BudgetFinding) -> Check:
    slo = finding.slo
    told = f"{_BUDGET[finding.state].format(flow=flow, text=slo.text)}: {found(slo)}"
    told += _stages_there(finding)
    in_ms = slo.quantile is not None
    return Check(
        flow=flow,
        asked=slo.text,
        state=finding.state,
        sentence=told + _most_of_it(finding) + _failed_in(finding) + _needed(finding),
        ms=slo.figure if in_ms else None,
        lo_ms=slo.lo if in_ms else None,
        hi_ms=slo.hi if in_ms else None,
        limit_ms=slo.limit if in_ms else None,
        blame=_of_calls(slo) or finding.blame,
    )


_BUDGET = {
    "passed": "{flow} keeps {text}",
    "failed": "{flow} misses {text}",
    "cannot tell": "cannot tell whether {flow} keeps {text}",
}


def _stages_there(finding: BudgetFinding) -> str:
    """Where the one that was asked about is not among them."""
    if not finding.called:
        return ""
    return f"; stages are {', '.join(finding.called)}"


def _of_calls(slo: SloSummary) -> list[StagePart]:
    """A budget of calls has its stage to blame, and none beside it."""
    if not slo.stage or slo.quantile is None or slo.figure is None:
        return []
    return [StagePart(stage=slo.stage, ms=slo.figure, lo_ms=slo.lo, hi_ms=slo.hi)]


def _most_of_it(finding: BudgetFinding) -> str:
    parts = main_stages(finding.blame)
    told = ", ".join(f"{part.stage} {part.ms:.0f} ms" for part in parts)
    return f"; most of it: {told}" if told else ""


def _failed_in(finding: BudgetFinding) -> str:
    if finding.state == "passed" or not finding.failed_in:
        return ""
    told = ", ".join(f"{stage} {count}" for stage, count in finding.failed_in[:_MOST_FAILED])
    return f"; calls that failed: {told}"


_MOST_FAILED = 3


def _needed(finding: BudgetFinding) -> str:
    """How many turns would tell, where that can be said: of a percentile that has no interval, and
    of errors of which there was none."""
    slo = finding.slo
    if finding.state != "cannot tell" or not slo.count:
        return ""
    if slo.quantile is not None and slo.hi is None and slo.lo is None:
        return f"; {_enough(finding, slo.quantile)}"
    if slo.quantile is None and slo.figure == 0 and slo.hi is not None and slo.limit < 1:
        # With none of n the upper bound of a share is about 1 - 0.025^(1/n).
        times = math.log1p(-slo.hi) / math.log1p(-slo.limit)
        return f"; about {math.ceil(slo.count * times / 100) * 100:,} without any would tell"
    return ""


def _enough(finding: BudgetFinding, quantile: float) -> str:
    """Turns or calls of a round resemble each other, and tell less than as many that do not."""
    count, worth = finding.slo.count, finding.effective
    least, at = math.ceil(fewest_values(quantile, LEVEL)), percentile(quantile)
    if count < least:
        return f"{at} takes {least} or more"
    what = "calls" if finding.slo.stage else "turns"
    if not worth:
        return f"{what} of a round are alike, and {at} takes {least} that are not"
    return (
        f"{what} of a round are alike, so these tell as much as {worth:.0f} would, and {at} takes "
        f"{least}: about {math.ceil(least * count / worth)} in rounds of this size would tell"
    )


def _saving(flow: str, than: str, finding: SavingFinding) -> Check:
    what = f"{tolerance_text(finding.least)} at {percentile(finding.quantile)}"
    told = f"{_SAVING[finding.state].format(flow=flow, what=what)} against {than}"
    change = finding.change
    return Check(
        flow=flow,
        asked=f"saves {what} against {than}",
        state=finding.state,
        sentence=f"{told}: {_saved(flow, than, finding)}",
        ms=change.ms if change else None,
        lo_ms=change.lo_ms if change else None,
        hi_ms=change.hi_ms if change else None,
        limit_ms=_limit_ms(finding.least, finding.theirs_ms, -1),
        blame=finding.parts,
    )


_SAVING = {
    "passed": "{flow} saves {what} or more",
    "failed": "{flow} does not save {what}",
    "cannot tell": "cannot tell whether {flow} saves {what}",
}


def _saved(flow: str, than: str, finding: SavingFinding) -> str:
    change, at = finding.change, percentile(finding.quantile)
    if change is None or finding.ours_ms is None or finding.theirs_ms is None:
        return _nothing_tells(flow, than, finding)
    told = f"{at} {from_to(finding.theirs_ms, finding.ours_ms)} ms, {_change_told(change)}"
    parts = [part for part in main_stages(_in_direction(finding.parts, change.ms))]
    stages = ", ".join(
        f"{part.stage} {signed(part.ms, part.lo_ms, part.hi_ms, each=' a turn')}" for part in parts
    )
    rounds = finding.rounds_needed
    more = f"; about {rounds} rounds would tell" if rounds else ""
    if finding.state == "cannot tell" and change.spread is None:
        more = f"; {TOO_FEW_ROUNDS}"
    return told + (f"; by stage: {stages}" if stages else "") + more


def _in_direction(parts: Sequence[StagePart], ms: float) -> list[StagePart]:
    """Those that make the change what it is; all where it is none."""
    return [part for part in parts if part.ms * ms >= 0]


def _change_told(change: Difference) -> str:
    told = signed(change.ms, change.lo_ms, change.hi_ms)
    return told if change.percent is None else f"{told}, {percents(change)}"


def _nothing_tells(flow: str, than: str, finding: SavingFinding) -> str:
    at = percentile(finding.quantile)
    failed = [name for name, never in zip((flow, than), finding.never, strict=True) if never]
    if failed:
        return f"so many turns of {' and of '.join(failed)} failed that {at} lies among them"
    return f"too few turns tell {at}; take more, or a lower percentile"


def _change(flow: str, finding: ChangeFinding, notes: Sequence[str]) -> Check:
    tolerance, lead = finding.tolerance, lead_figure(finding)
    within = f" within {tolerance_text(tolerance)}" if tolerance.amount else ""
    sentence = change_sentence(flow, finding)
    if notes and finding.why != "same":
        sentence += f"; note: {', '.join(notes)}"
    if finding.longer:
        return _of_stages(flow, f"as fast as its baseline{within}", sentence, finding)
    return Check(
        flow=flow,
        asked=f"as fast as its baseline{within}",
        state=finding.state,
        sentence=sentence,
        ms=lead.change.ms if lead else None,
        lo_ms=lead.change.lo_ms if lead else None,
        hi_ms=lead.change.hi_ms if lead else None,
        limit_ms=_limit_ms(tolerance, lead.then_ms if lead else None, 1),
        blame=_blame(finding.stages or finding.failed_stages),
    )


def _of_stages(flow: str, asked: str, sentence: str, finding: ChangeFinding) -> Check:
    """What was judged is what stages take, and no figure of the whole."""
    first = finding.longer[0]
    return Check(
        flow=flow,
        asked=asked,
        state=finding.state,
        sentence=sentence,
        ms=first.busy.ms,
        lo_ms=first.busy.lo_ms,
        hi_ms=first.busy.hi_ms,
        limit_ms=_limit_ms(finding.tolerance, first.busy_then_ms, 1),
        blame=[stage.busy for stage in finding.grown or finding.open],
    )


def _blame(stages: Sequence[StageChange]) -> list[StagePart]:
    """Without what another stage stands for alone."""
    return [stage.part for stage in stages if stage.own_ms]


def _limit_ms(tolerance: Tolerance, of_ms: float | None, sign: int) -> float | None:
    """How large a change may, or must, be: of the percentile before, where it is a share."""
    if tolerance.unit == "ms" or not tolerance.amount:
        return sign * tolerance.amount
    return None if of_ms is None else sign * tolerance.amount / 100 * of_ms
