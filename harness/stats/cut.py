"""Work that is cut into other stages than in a baseline: what new stages take together, less what
those took that are gone, and what is no longer own time; it judges none."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from harness.record import IntArray, TurnTimes
from harness.stats.critical_path import OWN_TIME
from harness.stats.renamed import busy_us_in
from harness.stats.stage_change import StageChange, compared_stages

_NEW = "new stages"


class Cut(NamedTuple):
    """Which stages have work now that others had."""

    new: tuple[str, ...]
    """Stages that were not there, and are judged together. Where the cut is exact all those that
    are busy for longer."""
    givers: tuple[str, ...]
    """Stages that are gone, and own time, where it is less. Where the cut is exact all those that
    are busy for less."""
    whole: StageChange | None
    """The sum of the new ones, against that of the givers; None where it has not changed."""


def cut_of(
    now: TurnTimes, then: TurnTimes, stages: Sequence[StageChange], *, seed: int
) -> Cut | None:
    """Both are of the same turns, all answered; `stages` are those of them that changed. None where
    none is new, nor any other cut exact.

    It is exact where stages came or went, each turn takes as long as then, and all stages of a turn
    and its own time add up to what they did: a step that was named, or split, or made a part of the
    next one. So what a stage has more another had, whether it is new or not.
    """
    named = [stage for stage in stages if stage.stage != OWN_TIME]
    new = tuple(stage.stage for stage in named if stage.is_new)
    gone = tuple(stage.stage for stage in named if stage.is_gone)
    if (new or gone) and _exact(now, then):
        more = tuple(stage.stage for stage in named if stage.busy.ms > 0)
        return Cut(more, tuple(stage.stage for stage in stages if stage.busy.ms < 0), None)
    if not new:
        return None
    own = tuple(stage.stage for stage in stages if stage.stage == OWN_TIME and stage.busy.ms < 0)
    whole = _whole(now, then, new, gone, own_too=bool(own), seed=seed)
    return Cut(new, gone + own, whole)


def _exact(now: TurnTimes, then: TurnTimes) -> bool:
    return np.array_equal(now.response_us, then.response_us) and np.array_equal(
        _all_us(now), _all_us(then)
    )


def _all_us(times: TurnTimes) -> IntArray:
    """Of all stages together, own time with them; a number a turn."""
    return busy_us_in(times, [name for name in times.stages if name != OWN_TIME]) + _own_us(times)


def _own_us(times: TurnTimes) -> IntArray:
    of: IntArray = times.critical_us[:, times.stages.index(OWN_TIME)]
    return of


def _whole(
    now: TurnTimes,
    then: TurnTimes,
    new: Sequence[str],
    gone: Sequence[str],
    *,
    own_too: bool,
    seed: int,
) -> StageChange | None:
    """As if it were one stage, which was called what is gone and is called what is new. Of own time
    it has what differs: the rest was nobody's work to hand on."""
    new_us, gone_us = busy_us_in(now, new), busy_us_in(then, gone)
    if own_too:
        own_now, own_then = _own_us(now), _own_us(then)
        kept = np.minimum(own_now, own_then)
        new_us, gone_us = new_us + own_now - kept, gone_us + own_then - kept
    found = compared_stages(_alone(now, new_us), _alone(then, gone_us), seed=seed)
    return next((stage for stage in found if stage.stage == _NEW), None)


def _alone(times: TurnTimes, us: IntArray) -> TurnTimes:
    column = np.stack([us, np.zeros_like(us)], axis=1)
    return replace(
        times,
        stages=(_NEW, OWN_TIME),
        critical_us=column,
        busy_us=column,
        calls=np.zeros_like(column),
    )
