"""What each stage of a flow takes now and took then, in all and on the critical path; it judges
none.

What a stage takes in all, its busy time, is its own. What a turn waits for it is not: beside
another stage it comes on the critical path, or off it, by what that other one takes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from harness.record import FloatArray, IntArray, StagePart, TurnTimes
from harness.stats.bootstrap import Spread, spread_of
from harness.stats.critical_path import OWN_TIME
from harness.stats.difference import LEVEL
from harness.stats.fates import ROUNDING_US, Ways, ways_of
from harness.stats.turn_times import LEAST_PART_MS, StageMeans, stage_means

MOSTLY = 0.5
"""The share from which on a change is told as what most of it is."""

_ROUNDING_MS = ROUNDING_US / 1000
"""A stage that turns wait for much longer, and that is busy for longer by no more, came on the
critical path, and did not grow."""


class StageChange(NamedTuple):
    """What a stage takes of a turn, then and now, on average."""

    stage: str
    critical: StagePart
    """The change on the critical path."""
    critical_then_ms: float
    critical_now_ms: float
    busy: StagePart
    """The change in all, awaited or not. Own time, which has no span, is as it is awaited."""
    busy_spread: Spread | None
    busy_then_ms: float
    busy_now_ms: float
    ways: Ways
    """How many turns it is busy in for longer."""
    calls_then: float
    calls_now: float
    net_ms: float = 0.0
    """Its part in what came on the critical path, or went off it, and took as long before: of what
    is left when that of stages that went the other way is taken off."""

    @property
    def off_the_path(self) -> bool:
        """It is busy for longer, and turns do not wait for most of that."""
        return self.busy.ms > 0 and self.critical.ms < MOSTLY * self.busy.ms

    @property
    def changed_ms(self) -> float:
        """What turns wait for it longer, or less, because it takes longer itself, or less."""
        waited_ms, took_ms = abs(self.critical.ms), abs(self.busy.ms)
        rounding = took_ms <= _ROUNDING_MS and took_ms < MOSTLY * waited_ms
        if rounding or self.critical.ms * self.busy.ms <= 0:
            return 0.0
        return min(self.critical.ms, self.busy.ms, key=abs)

    @property
    def only_moved(self) -> bool:
        """Turns wait for it longer, or less, and it takes what it took."""
        return bool(self.critical.ms) and not self.changed_ms

    @property
    def own_ms(self) -> float:
        """Its part of what turns wait longer, or less. A stage that overtakes another stands for
        what it grew alone."""
        return self.changed_ms or self.net_ms

    @property
    def part(self) -> StagePart:
        """The same with its bounds, where it has any."""
        for part in (self.critical, self.busy):
            if part.ms == self.own_ms:
                return part
        return StagePart(stage=self.stage, ms=self.own_ms, lo_ms=None, hi_ms=None)

    @property
    def is_new(self) -> bool:
        return not (self.calls_then or self.busy_then_ms)

    @property
    def is_gone(self) -> bool:
        return not (self.calls_now or self.busy_now_ms)


def compared_stages(now: TurnTimes, then: TurnTimes, *, seed: int) -> list[StageChange]:
    """The stages that changed, the one to blame the most first: those that take longer, then those
    that only came on the critical path; none where either has no answered turn. Both are of the
    same turns, all answered. No interval below 5 rounds."""
    critical = stage_means([then, now], "critical", seed=seed)
    busy = stage_means([then, now], "busy", seed=seed)
    if not np.isfinite(critical.seen).all():
        return []
    calls = [_calls_a_turn(times) for times in (then, now)]
    found = []
    for place, stage in enumerate(critical.stages):
        means = critical if stage == OWN_TIME else busy
        awaited, all_of = _change_of(critical, place), _change_of(means, place)
        changed = StageChange(
            stage=stage,
            critical=awaited.part(stage),
            critical_then_ms=float(critical.seen[0, place]),
            critical_now_ms=float(critical.seen[1, place]),
            busy=all_of.part(stage),
            busy_spread=all_of.spread,
            busy_then_ms=float(means.seen[0, place]),
            busy_now_ms=float(means.seen[1, place]),
            ways=ways_of(_busy_us(now, stage), _busy_us(then, stage)),
            calls_then=calls[0].get(stage, 0.0),
            calls_now=calls[1].get(stage, 0.0),
        )
        if max(abs(changed.critical.ms), abs(changed.busy.ms)) >= LEAST_PART_MS:
            found.append(changed)
    return sorted(_netted(found), key=_order)


def _order(change: StageChange) -> tuple[int, float]:
    """Those that grew come before those that moved, and those that are less are last."""
    rank = 2 if change.own_ms <= 0 else 1 if change.only_moved else 0
    return rank, -change.own_ms


def _netted(found: Sequence[StageChange]) -> list[StageChange]:
    """What moved on the critical path is less by what moved off it, and the other way about."""
    moved = [change.critical.ms - change.changed_ms for change in found]
    net = sum(moved)
    same = [ms if ms * net > 0 else 0.0 for ms in moved]
    left = net / sum(same) if net else 0.0
    return [change._replace(net_ms=ms * left) for change, ms in zip(found, same, strict=True)]


class _Change(NamedTuple):
    """Now less then, and how surely that is known."""

    ms: float
    spread: Spread | None

    def part(self, stage: str) -> StagePart:
        lo, hi = self.spread.bounds(LEVEL) if self.spread else (None, None)
        return StagePart(stage=stage, ms=self.ms, lo_ms=lo, hi_ms=hi)


def _change_of(means: StageMeans, place: int) -> _Change:
    ms = float(means.seen[1, place] - means.seen[0, place])
    drawn: FloatArray = means.drawn[1, place] - means.drawn[0, place]
    return _Change(ms, spread_of(ms, drawn, means.rounds))


def _busy_us(times: TurnTimes, stage: str) -> IntArray:
    if stage not in times.stages:
        return np.zeros(times.round.size, dtype=np.int64)
    of = times.critical_us if stage == OWN_TIME else times.busy_us
    return of[:, times.stages.index(stage)]


def _calls_a_turn(times: TurnTimes) -> dict[str, float]:
    turns = max(1, times.round.size)
    return dict(zip(times.stages, (times.calls.sum(axis=0) / turns).tolist(), strict=True))
