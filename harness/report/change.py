"""What changed of a flow since its baseline, in one sentence that names the stage to blame; it
judges none."""

from collections.abc import Sequence

from harness.record.baseline import UPDATE as COMMAND
from harness.report.change_words import from_to, percents, signed
from harness.report.changed_stages import (
    blame,
    cut_longer,
    gone,
    grew,
    less,
    listed,
    off_the_path,
    other_stages,
    recut,
    renamed,
)
from harness.report.words import judged_in, tolerance_text
from harness.stats.change import ChangeFinding
from harness.stats.fates import Fates, Ways
from harness.stats.figure_change import ROUNDING_MS, TO_FAIL, FigureChange
from harness.stats.quantiles import MIN_ROUNDS

UPDATE = f"the baseline can be made anew: {COMMAND}"

TOO_FEW_ROUNDS = f"below {MIN_ROUNDS} rounds nothing has an interval: take {MIN_ROUNDS} or more"


def change_sentence(flow: str, finding: ChangeFinding) -> str:
    """`conversation/prewarm regressed against its baseline: p50 3349 -> 3355 ms, +5.9 ms [5.7,
    6.1]; 400 of 400 turns slower, none faster; to blame: pay, +5.9 ms a turn ...`."""
    return "; ".join(part for part in _TOLD[finding.why](flow, finding) if part)


def lead_figure(finding: ChangeFinding) -> FigureChange | None:
    """The one that the sentence begins with: the first that regressed, improved or is open, or else
    that changed."""
    wanted = {"improved": "improved", "cannot tell": "cannot tell"}.get(finding.why)
    figures = finding.figures
    asked = [one for one in figures if one.regressed or one.change.verdict == wanted]
    changed = [one for one in figures if one.change.ms]
    return next(iter([*asked, *changed, *figures]), None)


def _same(flow: str, finding: ChangeFinding) -> list[str]:
    turns = finding.turns
    told = f"{flow} is as its baseline: all {turns.total} turns as before, to the microsecond"
    return [told, _as_before(turns)]


def _other_luck(flow: str, finding: ChangeFinding) -> list[str]:
    """Such as a refusal: what is the matter, and what to do."""
    assert finding.other_luck is not None
    was, now = finding.other_luck
    which = f"stage {was[0]} is" if len(was) == 1 else f"stages {_and(was)} are"
    name = "it as it was" if len(was) == 1 else "them as they were"
    return [
        f"{flow}: {which} no longer called and {_and(now)} {'is' if len(now) == 1 else 'are'} new: "
        "draws hang on a stage's name, so these turns did not meet the same luck",
        f"name {name}, or make the baseline anew with {COMMAND}",
    ]


def _failing(flow: str, finding: ChangeFinding) -> list[str]:
    turns = finding.turns
    failing = f"{_of(turns.failing, turns.total)} {_fail(turns.failing)}, and did not before"
    return [f"{_regressed_against(flow)}: {failing}", *_turns(finding), blame(finding)]


def _regressed(flow: str, finding: ChangeFinding) -> list[str]:
    lead = lead_figure(finding)
    assert lead is not None
    fact = ", for certain in these turns, of which none is faster" if lead.as_fact else ""
    return [
        f"{_regressed_against(flow)}: {_figure(lead, finding)}{_beyond(finding)}{fact}",
        _others([figure for figure in finding.figures if figure.regressed][1:]),
        *_turns(finding),
        blame(finding),
        _blame_for_failing(finding),
        cut_longer(finding),
        off_the_path(finding),
        gone(finding),
        renamed(finding),
        recut(finding),
        f"if that is meant, {UPDATE}" if other_stages(finding) else "",
    ]


def _grown(flow: str, finding: ChangeFinding) -> list[str]:
    first, *more = grew(finding)
    return [
        f"{_regressed_against(flow)}{_beyond(finding)}: {first}",
        *more,
        *_traded(finding),
        *_turns_or_none(finding),
        _if_meant(finding),
        renamed(finding),
        recut(finding),
    ]


def _improved(flow: str, finding: ChangeFinding) -> list[str]:
    lead = lead_figure(finding)
    assert lead is not None
    return [
        f"{flow} is faster than its baseline: {_figure(lead, finding)}{_beyond(finding)}",
        *_turns(finding),
        listed("by stage", less(finding)),
        gone(finding),
        renamed(finding),
        recut(finding),
        UPDATE,
    ]


def _unchanged(flow: str, finding: ChangeFinding) -> list[str]:
    lead, turns = lead_figure(finding), finding.turns
    changed = _any_changed(turns)
    figure = f": {_figure(lead, finding)}" if lead and lead.change.ms and changed else ""
    return [
        f"{_as_fast(flow, finding, changed)}{figure}",
        *_turns_or_none(finding),
        _blame_for_failing(finding),
        gone(finding),
        renamed(finding),
        recut(finding),
        UPDATE if turns.none_slower or other_stages(finding) else "",
    ]


def _as_fast(flow: str, finding: ChangeFinding, changed: bool) -> str:
    """That figures are within some limit is said only where all of them are, for certain."""
    verdicts = [figure.change.verdict for figure in finding.figures]
    limit = tolerance_text(finding.tolerance) if finding.tolerance.amount else ""
    if changed and set(verdicts) != {"unchanged"}:
        by = "" if finding.turns.none_slower else f" by more than {limit}"
        return f"no turn of {flow} is slower than in its baseline{by}"
    if not limit and changed:
        limit = f"{ROUNDING_MS} ms"
    return f"{flow} is as fast as its baseline" + (f" within {limit}" if limit else "")


def _open(flow: str, finding: ChangeFinding) -> list[str]:
    """Of a stage, or else of a figure of the whole."""
    least = tolerance_text(finding.tolerance) if finding.tolerance.amount else ""
    by = f" by more than {least}" if least else ""
    asked = f"cannot tell whether {_regressed_against(flow)}{by}: "
    if finding.open:
        first, *more = _open_stages(finding)
    else:
        first, *more = _open_figure(finding)
    return [asked + first, *more, renamed(finding), recut(finding)]


def _open_stages(finding: ChangeFinding) -> list[str]:
    lead, first = lead_figure(finding), finding.longer[0]
    figure = lead is not None and lead.change.verdict == "cannot tell"
    return [
        *grew(finding),
        f"it is in {first.ways.longer} of {finding.turns.both} turns, and for less in "
        f"{first.ways.shorter}",
        _figure(lead, finding) if lead and figure else "",
        *_traded(finding),
        *_turns(finding),
        TOO_FEW_ROUNDS if first.busy_spread is None else "more rounds would tell",
        _if_meant(finding),
    ]


def _open_figure(finding: ChangeFinding) -> list[str]:
    lead = lead_figure(finding)
    rounds = lead.change.rounds_needed if lead else None
    return [
        _figure(lead, finding) if lead else "too few turns tell any percentile",
        *_turns(finding),
        blame(finding, "slower"),
        f"about {rounds} rounds would tell" if rounds else "",
        _without_interval(lead) if lead and lead.change.spread is None else "",
        gone(finding),
        f"if that is meant, {UPDATE}" if other_stages(finding) else "",
    ]


def _without_interval(figure: FigureChange) -> str:
    if figure.name == TO_FAIL:
        return f"turns failed in fewer than {MIN_ROUNDS} rounds, which have no interval"
    return TOO_FEW_ROUNDS


_TOLD = {
    "same": _same,
    "other luck": _other_luck,
    "failing": _failing,
    "regressed": _regressed,
    "grown": _grown,
    "improved": _improved,
    "unchanged": _unchanged,
    "cannot tell": _open,
}


def _regressed_against(flow: str) -> str:
    return f"{flow} regressed against its baseline"


def _figure(figure: FigureChange, finding: ChangeFinding) -> str:
    """`p50 3349 -> 3355 ms, +5.9 ms [5.7, 6.1]`, with percents where those are judged."""
    change = figure.change
    told = f"{figure.name} {from_to(figure.then_ms, figure.now_ms)} ms, "
    told += signed(change.ms, change.lo_ms, change.hi_ms)
    if judged_in(finding.tolerance) == "ms" or change.percent is None:
        return told
    return f"{told}, {percents(change)}"


def _beyond(finding: ChangeFinding) -> str:
    tolerance = finding.tolerance
    return f", by more than {tolerance_text(tolerance)}" if tolerance.amount else ""


def _others(figures: Sequence[FigureChange]) -> str:
    names = [figure.name for figure in figures]
    if not names:
        return ""
    return f"so did {_and(names)}"


def _and(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _turns(finding: ChangeFinding) -> list[str]:
    """`400 of 400 turns slower, none faster`, and what is to say of those that failed. Where any
    did, all figures are of those that were answered both times."""
    turns, told = finding.turns, []
    which = "turns" if turns.both == turns.total else "turns that were answered both times"
    if turns.both:
        slower = f"{_counted(turns.answered, turns.both, which)} slower"
        told.append(f"{slower}, {turns.faster or 'none'} faster")
    if turns.mended:
        now = "does" if turns.mended == 1 else "do"
        told.append(f"{_of(turns.mended, turns.total)} failed before, and {now} not now")
    told.append(_as_before(turns))
    gave_up = turns.gave_up
    if gave_up.longer or gave_up.shorter:
        later = _counted(gave_up, turns.failed, "turns that failed both times")
        told.append(f"{later} fail later, {gave_up.shorter or 'none'} earlier")
    return told


def _turns_or_none(finding: ChangeFinding) -> list[str]:
    """Of stages that changed where no turn did."""
    turns = finding.turns
    if _any_changed(turns):
        return _turns(finding)
    if finding.grown:
        return ["no turn is slower for it yet", _as_before(turns)]
    told = finding.cut or (finding.renamed and not finding.stages)
    return [
        f"no turn is slower or faster{'' if told else ', though its stages changed'}",
        _as_before(turns),
    ]


def _any_changed(turns: Fates) -> bool:
    return any([*turns.answered[:2], *turns.gave_up[:2], turns.mended])


def _as_before(turns: Fates) -> str:
    return (
        f"{_of(turns.failed, turns.total)} {_fail(turns.failed)}, as before" if turns.failed else ""
    )


def _traded(finding: ChangeFinding) -> list[str]:
    """What takes less beside a stage that takes longer."""
    awaited = any(not stage.off_the_path for stage in finding.longer)
    return [gone(finding), listed("other stages take less", less(finding)) if awaited else ""]


def _if_meant(finding: ChangeFinding) -> str:
    if finding.turns.faster or less(finding):
        return f"if that trade is meant, {UPDATE}"
    return f"if that is meant, {UPDATE}" if other_stages(finding) else ""


def _counted(ways: Ways, total: int, which: str) -> str:
    return f"{ways.longer or 'none'} of {total} {which}"


def _of(count: int, total: int) -> str:
    return f"{count} of {total} turns"


def _fail(count: int) -> str:
    return "fails" if count == 1 else "fail"


def _blame_for_failing(finding: ChangeFinding) -> str:
    return listed("in turns that failed", finding.failed_stages)
