"""Stages that changed since a baseline, as parts of a sentence; it judges none."""

from collections.abc import Sequence

from harness.record import StagePart
from harness.report.change_words import from_to, signed
from harness.stats.change import ChangeFinding
from harness.stats.critical_path import OWN_TIME
from harness.stats.figure_change import ROUNDING_MS
from harness.stats.stage_change import StageChange

MOST_BLAMED, LEAST_BLAMED = 3, 0.1
"""So many stages are named, and none that has less than this share of what the first one has."""


def main_stages(parts: Sequence[StagePart]) -> list[StagePart]:
    """The first, and those beside it that have a share to speak of, in the same direction."""
    if not parts:
        return []
    first_ms = parts[0].ms
    return [part for part in parts if part.ms / first_ms >= LEAST_BLAMED][:MOST_BLAMED]


def less(finding: ChangeFinding) -> list[StageChange]:
    """The stages that turns wait less for, the largest first, without those that are gone."""
    given = _in_cut(finding)
    found = [
        change
        for change in finding.stages
        if change.own_ms < 0 and not change.is_gone and change.stage not in given
    ]
    return sorted(found, key=lambda change: change.own_ms)


def blame(finding: ChangeFinding, what: str = "to blame") -> str:
    """The stages that turns wait longer for, without what is cut otherwise."""
    given = _in_cut(finding)
    longer = [change for change in finding.stages if change.own_ms > 0]
    return listed(what, [change for change in longer if change.stage not in given])


def listed(what: str, changes: Sequence[StageChange]) -> str:
    """`to blame: pay, +5.9 ms a turn [5.8, 6.0] (592 -> 598)`, the largest first, those before that
    changed themselves. A stage that turns wait longer for is told by what it takes itself, unless
    that has not changed."""
    found = [change for change in changes if change.own_ms * changes[0].own_ms > 0]
    most_ms = max((abs(change.own_ms) for change in found), default=0.0)
    told = [
        _moved(change) if change.only_moved else _busy(change) + _besides(change)
        for change in found
        if abs(change.own_ms) >= LEAST_BLAMED * most_ms
    ]
    return f"{what}: {', '.join(told[:MOST_BLAMED])}" if told else ""


def grew(finding: ChangeFinding) -> list[str]:
    """All that is busy for longer, on the critical path, then off it; the new stages as one, where
    they are what others were."""
    awaited = [change for change in _grown(finding) if not change.off_the_path]
    told = [cut_longer(finding), _longer("takes longer", awaited), off_the_path(finding)]
    return [part for part in told if part]


def off_the_path(finding: ChangeFinding) -> str:
    """`off the critical path pay is busy for longer, +5.8 ms a turn [5.7, 5.9] (592 -> 598)`."""
    found = [change for change in _grown(finding) if change.off_the_path]
    told = _longer("is busy for longer", found)
    return f"off the critical path {told}" if told else ""


def gone(finding: ChangeFinding) -> str:
    """Own time is no stage, and what is cut otherwise is told as such."""
    given = _in_cut(finding)
    found = [
        change
        for change in finding.stages
        if change.is_gone and change.stage not in given and change.stage != OWN_TIME
    ]
    return f"no longer there: {', '.join(map(_busy, found[:MOST_BLAMED]))}" if found else ""


def renamed(finding: ChangeFinding) -> str:
    """They take what they took."""
    return ", ".join(f"stage {of.then} is named {of.now} now" for of in finding.renamed)


def recut(finding: ChangeFinding) -> str:
    """`stages are cut otherwise: parse +330 ms, read +330 ms, intent -660 ms a turn`, and what that
    is on the critical path if it is not nothing."""
    if finding.cut is None or finding.cut_longer:
        return ""
    given = _in_cut(finding)
    net_ms = sum(change.critical.ms for change in finding.stages if change.stage in given)
    awaited = f", {signed(net_ms)} on the critical path" if abs(net_ms) > ROUNDING_MS else ""
    return f"stages are cut otherwise: {_cut_parts(finding)}{awaited}"


def cut_longer(finding: ChangeFinding) -> str:
    """The same where that takes longer than the tolerance, or may."""
    whole = finding.cut.whole if finding.cut and finding.cut_longer else None
    if whole is None:
        return ""
    took = from_to(whole.busy_then_ms, whole.busy_now_ms)
    return (
        f"stages are cut otherwise and take longer in all, {_part(whole.busy)} ({took}): "
        f"{_cut_parts(finding)}"
    )


def other_stages(finding: ChangeFinding) -> bool:
    """Some are new, gone or named otherwise: somebody may have meant that."""
    came_or_went = any(
        (change.is_new or change.is_gone) and change.stage != OWN_TIME for change in finding.stages
    )
    return came_or_went or bool(finding.renamed) or finding.cut is not None


def _grown(finding: ChangeFinding) -> list[StageChange]:
    """Or those that may have, where that is asked; without what is cut otherwise, which is one."""
    given = _in_cut(finding)
    found = finding.open if finding.why == "cannot tell" else finding.grown
    return [change for change in found if change.stage not in given]


def _in_cut(finding: ChangeFinding) -> set[str]:
    return {*finding.cut.new, *finding.cut.givers} if finding.cut else set()


def _cut_parts(finding: ChangeFinding) -> str:
    of = _in_cut(finding)
    changes = sorted(
        (change for change in finding.stages if change.stage in of), key=lambda of: -of.busy.ms
    )
    return f"{', '.join(f'{of.stage} {signed(of.busy.ms)}' for of in changes)} a turn"


def _longer(how: str, changes: Sequence[StageChange]) -> str:
    named = {part.stage for part in main_stages([change.busy for change in changes])}
    told = [_busy(change, f" {how}") for change in changes if change.stage in named]
    return ", ".join(told)


def _busy(change: StageChange, how: str = "") -> str:
    """What a stage takes in all."""
    took = from_to(change.busy_then_ms, change.busy_now_ms)
    return f"{change.stage}{how}, {_part(change.busy)} ({took}{_calls(change)})"


def _moved(change: StageChange) -> str:
    """What turns wait for a stage that takes what it took; net where others went the other way."""
    waited = from_to(change.critical_then_ms, change.critical_now_ms)
    net = "" if change.part == change.critical else " net"
    told = f"{change.stage}, {_part(change.part)}{net} ({waited}{_calls(change)})"
    return f"{told} on the critical path, though it takes no {_way(change.critical.ms)}"


def _besides(change: StageChange) -> str:
    """What came on the critical path of a stage that takes longer too."""
    if change.net_ms * change.own_ms <= 0 or change.net_ms / change.own_ms < LEAST_BLAMED:
        return ""
    return f", and {signed(change.net_ms)} a turn of what it took before on the critical path"


def _way(ms: float) -> str:
    return "longer" if ms > 0 else "less"


def _part(part: StagePart) -> str:
    return signed(part.ms, part.lo_ms, part.hi_ms, each=" a turn")


def _calls(change: StageChange) -> str:
    """How often it is called, where that changed."""
    if change.calls_then == change.calls_now:
        return ""
    return f"; {change.calls_then:.3g} -> {change.calls_now:.3g} calls"
