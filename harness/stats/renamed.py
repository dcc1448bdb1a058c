"""Stages that go by another name than in a baseline, and what that does to the luck of its turns;
it guesses at no pair of names."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from harness.record import IntArray, TurnTimes
from harness.stats.critical_path import OWN_TIME


class Renamed(NamedTuple):
    """One stage, by its two names."""

    then: str
    now: str


class OtherLuck(NamedTuple):
    """Stages that were called then and are not now, and the other way about."""

    gone: tuple[str, ...]
    new: tuple[str, ...]


def other_luck(now: TurnTimes, then: TurnTimes) -> OtherLuck | None:
    """Which calls may have another name now, so that turns cannot be compared one by one: delays
    are drawn by a stage's name. None where there are none.

    Where stages are only gone, or only new, the luck of all others is as it was. And turns that all
    take as long as then, and in these stages too, met no other.
    """
    were, are = _called(then), _called(now)
    gone = tuple(stage for stage in then.stages if stage in were - are)
    new = tuple(stage for stage in now.stages if stage in are - were)
    if not (gone and new):
        return None
    same = (
        np.array_equal(now.answered, then.answered)
        and np.array_equal(now.response_us, then.response_us)
        and np.array_equal(busy_us_in(now, new), busy_us_in(then, gone))
    )
    return None if same else OtherLuck(gone, new)


def busy_us_in(times: TurnTimes, stages: Sequence[str]) -> IntArray:
    """For how long these stages were busy, together; a number a turn."""
    places = [times.stages.index(stage) for stage in stages if stage in times.stages]
    total: IntArray = times.busy_us[:, places].sum(axis=1)
    return total


def with_new_names(now: TurnTimes, then: TurnTimes) -> tuple[TurnTimes, list[Renamed]]:
    """What was then, where stages have their names of now, and which of them had another.

    It is the same stage where one is gone and one is new, and turn by turn the new one has the
    calls of the other, is as busy and is awaited as long, to the microsecond.
    """
    gone = [stage for stage in then.stages if _met(then, stage) and not _met(now, stage)]
    new = [stage for stage in now.stages if _met(now, stage) and not _met(then, stage)]
    found = []
    for stage in gone:
        same = next((name for name in new if _alike(now, name, then, stage)), None)
        if same is not None:
            new.remove(same)
            found.append(Renamed(stage, same))
    names = dict(found)
    # A stage of the new name that was never met makes room.
    taken = set(names.values())
    kept = [place for place, stage in enumerate(then.stages) if stage not in taken]
    renamed = replace(
        then,
        stages=tuple(names.get(then.stages[place], then.stages[place]) for place in kept),
        critical_us=then.critical_us[:, kept],
        busy_us=then.busy_us[:, kept],
        calls=then.calls[:, kept],
    )
    return renamed, found


def _called(times: TurnTimes) -> set[str]:
    calls = times.calls.sum(axis=0).tolist()
    return {stage for stage, called in zip(times.stages, calls, strict=True) if called}


def _met(times: TurnTimes, stage: str) -> bool:
    """Own time always is."""
    if stage == OWN_TIME:
        return True
    if stage not in times.stages:
        return False
    place = times.stages.index(stage)
    return bool(times.busy_us[:, place].any() or times.calls[:, place].any())


def _alike(now: TurnTimes, name: str, then: TurnTimes, stage: str) -> bool:
    here, there = now.stages.index(name), then.stages.index(stage)
    return all(
        np.array_equal(getattr(now, column)[:, here], getattr(then, column)[:, there])
        for column in ("critical_us", "busy_us", "calls")
    )
