"""What changed of one flow since its baseline, turn by turn; no sentence is told here.

On the virtual clock, with equal seeds, each turn met the same luck then and now. So a turn that
changed is a fact, and nothing else has to be told apart from chance. How much a figure changes
does hang on which luck it was, and has an interval, as it would be with other rounds.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from harness.record import State, Tolerance, TurnTimes
from harness.stats.critical_path import OWN_TIME
from harness.stats.cut import Cut, cut_of
from harness.stats.difference import LEVEL
from harness.stats.fates import Fates, fates_of
from harness.stats.figure_change import (
    HAIR,
    ROUNDING_MS,
    FigureChange,
    compared_figures,
    failed_both,
    improved,
)
from harness.stats.renamed import OtherLuck, Renamed, other_luck, with_new_names
from harness.stats.stage_change import StageChange, compared_stages
from harness.stats.turn_times import LEAST_PART_MS, only
from harness.stats.verdict import holm

Why = Literal[
    "same", "other luck", "failing", "regressed", "grown", "improved", "unchanged", "cannot tell"
]

STATES: dict[Why, State] = {
    "same": "passed",
    "other luck": "failed",
    "failing": "failed",
    "regressed": "failed",
    "grown": "failed",
    "improved": "passed",
    "unchanged": "passed",
    "cannot tell": "cannot tell",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFinding:
    """What came of a comparison with a baseline, and why."""

    why: Why
    tolerance: Tolerance
    turns: Fates
    figures: list[FigureChange] = field(default_factory=list)
    """The percentiles that can be told, then the mean, then how long failed turns took to fail if
    that changed."""
    stages: list[StageChange] = field(default_factory=list)
    """Those that changed, the one to blame the most first."""
    failed_stages: list[StageChange] = field(default_factory=list)
    """The same of the turns that failed both times, where they take longer to, or less."""
    grown: list[StageChange] = field(default_factory=list)
    """Those that are busy for longer by more than the tolerance, the largest first."""
    renamed: list[Renamed] = field(default_factory=list)
    """Stages that take what they took, to the microsecond, under another name."""
    open: list[StageChange] = field(default_factory=list)
    """Those that are busy for longer by more than the tolerance as these turns had it, which is
    neither certain nor a fact; the largest first."""
    cut: Cut | None = None
    """Work that is cut into other stages."""
    within: bool = False
    """Each turn for itself takes no longer than the tolerance."""
    other_luck: OtherLuck | None = None
    """Why no turn can be compared, and nothing else is judged."""

    @property
    def cut_longer(self) -> bool:
        """The new stages take longer than the tolerance, or may."""
        longer = {stage.stage for stage in (*self.grown, *self.open)}
        return self.cut is not None and bool(longer & set(self.cut.new))

    @property
    def longer(self) -> list[StageChange]:
        """Stages that are why it came out so, and no figure of the whole; new ones as one."""
        found = {"grown": self.grown, "cannot tell": self.open}.get(self.why, [])
        if not (found and self.cut and self.cut.whole and found[0].stage in self.cut.new):
            return found
        return [self.cut.whole, *(of for of in found if of.stage not in self.cut.new)]

    @property
    def state(self) -> State:
        return STATES[self.why]


def judge_change(
    now: TurnTimes,
    then: TurnTimes,
    tolerance: Tolerance,
    quantiles: Sequence[float],
    *,
    seed: int,
) -> ChangeFinding:
    """What changed, and whether any of it is worse by more than the tolerance.

    Nothing changed, to the microsecond, is passed. Where stages may be called by other names than
    then, turns met other luck, which has failed, and nothing is judged. Else it has failed where

    - a turn failed now and did not then;
    - the mean or a percentile regressed of the turns that were answered both times, or the mean
      time to fail of those that failed both times: its whole interval, paired by round, lies beyond
      the tolerance, with Holm's step for all of them. Where none of these turns is faster and some
      are slower it has regressed too if its exact change lies beyond it;
    - a stage is busy for longer, on the critical path or off it, by more than the tolerance (in ms
      a turn, or percent of that stage), whatever the whole gained meanwhile: by its interval, with
      Holm's step for all stages, or exactly so where it takes less in no turn, or where no turn is
      slower. Stages that are new are judged together, against those that are gone and against what
      own time gave. Own time is no stage here: no span tells its work from its waiting.

    A stage that is busy for longer and of which none of this holds cannot be told.

    Raises ValueError unless both have the same turns.
    """
    turns = fates_of(now, then)
    if _same(now, then):
        return ChangeFinding(why="same", turns=turns, tolerance=tolerance)
    then, renamed = with_new_names(now, then)
    if luck := other_luck(now, then):
        return ChangeFinding(why="other luck", turns=turns, tolerance=tolerance, other_luck=luck)
    figures = compared_figures(now, then, tolerance, turns, quantiles, seed=seed)
    both = now.answered & then.answered
    here, there = only(now, both), only(then, both)
    stages = compared_stages(here, there, seed=seed)
    cut = cut_of(here, there, stages, seed=seed)
    grown, open_ = _grown(stages, cut, tolerance, turns)
    within = _within(now, then, tolerance)
    gave_up = turns.gave_up.longer or turns.gave_up.shorter
    return ChangeFinding(
        why=_why(figures, grown, open_, tolerance, turns, within=within),
        tolerance=tolerance,
        turns=turns,
        figures=figures,
        stages=stages,
        failed_stages=compared_stages(*failed_both(now, then), seed=seed) if gave_up else [],
        grown=grown,
        renamed=renamed,
        open=open_,
        cut=cut if cut and cut.givers else None,
        within=within,
    )


def _same(now: TurnTimes, then: TurnTimes) -> bool:
    """All turns and stages, to the microsecond."""
    return now.stages == then.stages and all(
        np.array_equal(getattr(now, name), getattr(then, name))
        for name in ("answered", "critical_us", "busy_us", "calls")
    )


def _within(now: TurnTimes, then: TurnTimes, tolerance: Tolerance) -> bool:
    """Then no percentile and no mean can be slower by more."""
    was_us = then.response_us
    if tolerance.unit == "%":
        most_us = was_us * (tolerance.amount / 100)
    else:
        most_us = np.full(was_us.size, tolerance.amount * 1000)
    return bool((now.response_us - was_us <= most_us + HAIR)[now.answered == then.answered].all())


def _grown(
    stages: Sequence[StageChange], cut: Cut | None, tolerance: Tolerance, turns: Fates
) -> tuple[list[StageChange], list[StageChange]]:
    """Busy for longer by more than the tolerance: for certain, or as a fact of these turns; and
    those of which neither is so; the largest first. New ones are in all, or none of them is."""
    new = set(cut.new) if cut else set()
    judged = [stage for stage in stages if stage.stage not in new | {OWN_TIME}]
    judged += [cut.whole] if cut and cut.whole else []
    grown: set[str] = set()
    open_: set[str] = set()
    for stage, certain in zip(judged, _certain(judged, tolerance), strict=True):
        if stage.busy.ms > _limit_ms(stage, tolerance):
            sure = certain or not turns.slower or not stage.ways.shorter
            (grown if sure else open_).update(new if cut and stage is cut.whole else {stage.stage})
    return _largest(stages, grown), _largest(stages, open_)


def _largest(stages: Sequence[StageChange], of: Collection[str]) -> list[StageChange]:
    found = [stage for stage in stages if stage.stage in of]
    return sorted(found, key=lambda stage: -stage.busy.ms)


def _certain(stages: Sequence[StageChange], tolerance: Tolerance) -> list[bool]:
    """Which are busy for longer than the tolerance by their intervals, all judged together."""
    known = [(stage, stage.busy_spread) for stage in stages if stage.busy_spread]
    p = holm([spread.p_beyond(-math.inf, _limit_ms(of, tolerance)) for of, spread in known])
    found = {of.stage for (of, _), p_of in zip(known, p, strict=True) if p_of < 1 - LEVEL}
    return [stage.stage in found for stage in stages]


def _limit_ms(stage: StageChange, tolerance: Tolerance) -> float:
    part = tolerance.amount / 100 * stage.busy_then_ms
    limit_ms = part if tolerance.unit == "%" else tolerance.amount
    return max(limit_ms, ROUNDING_MS if stage.ways.both else LEAST_PART_MS) + HAIR


def _why(
    figures: Sequence[FigureChange],
    grown: Sequence[StageChange],
    open_: Sequence[StageChange],
    tolerance: Tolerance,
    turns: Fates,
    *,
    within: bool,
) -> Why:
    if turns.failing:
        return "failing"
    if any(figure.regressed for figure in figures):
        return "regressed"
    if grown:
        return "grown"
    if open_:
        return "cannot tell"
    if improved(figures, tolerance):
        return "improved"
    if turns.none_slower or within:
        return "unchanged"
    certain = [figure.change.verdict == "unchanged" for figure in figures]
    return "unchanged" if certain and all(certain) else "cannot tell"
