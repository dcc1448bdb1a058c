"""Two stored runs beside each other, for the terminal, for a program and for a pull request; it
computes no statistic."""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
from rich.console import Console
from rich.text import Text

from harness.record import RunSummary, StagePart, Tolerance, Verdict
from harness.report.costs import print_hanging
from harness.report.diff_failures import failure_cells, failure_notes, told_failures
from harness.report.effects import EXPLORATORY_NOTE
from harness.report.forest import VERDICT_STYLES, Row, print_forest
from harness.report.tables import print_heading
from harness.report.words import (
    N_TOO_SMALL,
    Change,
    judged_in,
    level_text,
    marked,
    percentile,
    point_text,
    told,
    tolerance_text,
)
from harness.stats.failures import FailureRow
from harness.stats.run_diff import DiffRow

PAIRED = (
    "paired: on the virtual clock the same rounds met the same weather in both runs, and chance "
    "chose nothing but the rounds"
)
UNPAIRED = (
    "not paired: intervals hold how the rounds of a run differ, and not how runs do, another hour "
    "or another machine"
)
UNPAIRED_REAL = (
    "on the real clock a run kept as a baseline is therefore called changed more often than the "
    "level says; compare plays its strategies in turn within one run, and is not"
)
PAIRED_SERIES = (
    "paired: both runs had the same schedule and draws, so the same batches of them met the same "
    "weather"
)
PAIRED_REAL = "intervals do not hold how runs differ, another hour or another machine"
INTERLEAVED = (
    "paired: in each round both sides, in fresh processes, met the same users with the same draws "
    "at the same time, one half a gap after the other in an order by chance. So intervals hold how "
    "processes and the minutes of this job differ, and not another machine; and as the sides share "
    "its cores, what one computes may slow the other too"
)
UNPAIRED_SERIES = UNPAIRED.replace("rounds", "batches")
NO_BATCHES = (
    "a run of one rate is one series, and one of these has no batches that could act as "
    "rounds: nothing tells how far chance moves its figures"
)
LEAST_TOLD_MS = 0.05
"""Of a stage's change; a smaller one would be printed as nothing."""
UNPAIRED_VIRTUAL = "with the same seed, parameters, rounds and turns, virtual runs are paired"


class OneRun(msgspec.Struct, frozen=True, kw_only=True):
    """Which run this is."""

    results: str
    run_id: str
    clock: Literal["virtual", "real"]
    started_at: str
    tool_version: str
    valid: bool
    invalid_because: list[str]


NAMES = ("A", "B")


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """Run B less run A; negative is faster."""

    names: tuple[str, str] = NAMES
    """What A and B are called."""
    a: OneRun
    b: OneRun
    sentence: str
    verdict: Verdict
    paired: bool
    interleaved: bool = False
    """Whether both were played at the same time, round by round."""
    batches: list[int] = []
    """How many equal spans of A and of B act as rounds, where each is one series; 0 where there
    are none."""
    level: float
    tolerance: Tolerance
    overlooked: list[str]
    """What makes the runs unlike, and was overlooked because the user said so."""
    notes: list[str]
    """What else differs between them."""
    remarks: list[str] = []
    """What else to know of how they were measured."""
    rows: list[DiffRow]
    failures: list[FailureRow] = []
    """Turns without an answer."""
    stages: list[StagePart] = []
    """What each stage of the critical path has of the change of the mean, where that was asked;
    the largest first."""


def one_run(summary: RunSummary, results: str) -> OneRun:
    return OneRun(
        results=results,
        run_id=summary.run_id,
        clock=summary.clock,
        started_at=summary.started_at,
        tool_version=summary.tool_version,
        valid=summary.valid,
        invalid_because=summary.invalid_because,
    )


def diff_sentence(
    rows: Sequence[DiffRow],
    verdict: Verdict,
    tolerance: Tolerance,
    batches: Sequence[int] = (),
    names: tuple[str, str] = NAMES,
) -> str:
    """The answer in one sentence."""
    a, b = names
    known = [row for row in rows if row.known]
    primary = [row for row in rows if row.primary]
    asked = primary if primary and verdict != "regressed" else known
    some = [row for row in asked if row.verdict == verdict]
    least = tolerance_text(tolerance) if tolerance.amount else ""
    by = f" by more than {least}" if least else ""
    of = _name(primary[0]) if asked is primary else f"{len(some)} of {_figures(len(known))}"
    if verdict == "regressed":
        return f"{b} is slower than {a}: {of} regressed{by}, {_most(some, tolerance)}"
    if verdict == "improved":
        return f"{b} is faster than {a}: {of} improved{by}, {_most(some, tolerance)}"
    if verdict == "unchanged":
        what = of if asked is primary else f"all of {_figures(len(known))}"
        return f"{b} is as fast as {a}: {what} {f'within {least}' if least else 'the same'}"
    if verdict == "cannot tell":
        return f"cannot tell whether {b} is slower than {a}{by}: {of} {_open(some, batches)}"
    few = "a run has no batches" if batches else "there are too few rounds or turns"
    return f"unknown whether {b} is slower than {a}: {few}, or too many failed"


def print_diff(diff: Diff, console: Console) -> None:
    """The sentence first, then a forest plot of all rows, and what to know of the two runs."""
    console.print(Text(diff.sentence, style=f"bold {VERDICT_STYLES.get(diff.verdict, '')}".strip()))
    for overlooked in diff.overlooked:
        print_hanging(Text("overlooked", "red"), Text(overlooked), console)
    a, b = diff.names
    heading = f"{b} less {a}, with {level_text(diff.level)} intervals (below 0 is faster)"
    print_heading(heading, console)
    print_forest(list(_lines(diff.rows)), console, diff.tolerance)
    if diff.tolerance.amount:
        edges = f": marks the tolerance, {tolerance_text(diff.tolerance)} either way."
        console.print(Text(edges, style="dim"))
    if any(row.exploratory for row in diff.rows):
        console.print(Text(EXPLORATORY_NOTE, style="dim"))
    if failed := told_failures(diff.failures):
        print_heading(f"Turns that failed or never answered, in {a} and in {b}", console)
        for row in failed:
            strategy, ours, theirs, one_sided, word = failure_cells(row, diff.names)
            print_hanging(f"  {strategy}", Text(f"{ours}, {theirs}  {word}"), console)
            if one_sided:
                console.print(Text(f"  {one_sided}", style="dim"), soft_wrap=True)
    if told_stages := _stages(diff.stages):
        print_heading(f"The mean turn by stages it waits for, {b} less {a}", console)
        for stage, change in told_stages:
            console.print(Text(f"  {stage:<10} {change}"), soft_wrap=True)
    console.print()
    for note in [*_method(diff), *_other(diff), *diff.remarks]:
        print_hanging("note", Text(note), console)
    for name, run in zip(diff.names, (diff.a, diff.b), strict=True):
        console.print(Text(f"{name}  {run.results}"), soft_wrap=True)


def diff_markdown(diff: Diff) -> str:
    """The same as a sentence, a table and a list, for a pull request."""
    lines = [f"**{diff.sentence}**", ""]
    lines += [f"- overlooked: {safe(text)}" for text in diff.overlooked]
    lines += [""] if diff.overlooked else []
    a, b = diff.names
    lines += [
        f"| strategy | | {a}, ms | {b}, ms | change, ms | change, % | verdict |",
        "|---|---|--:|--:|--:|--:|---|",
    ]
    lines += [f"| {' | '.join(_markdown_cells(row))} |" for row in diff.rows]
    if failed := told_failures(diff.failures):
        lines += ["", f"| turns that failed or never answered | {a} | {b} | | verdict |"]
        lines += ["|---|--:|--:|---|---|"]
        lines += [f"| {' | '.join(map(safe, failure_cells(row, diff.names)))} |" for row in failed]
    if told_stages := _stages(diff.stages):
        lines += ["", "| stage of the mean turn | change |", "|---|--:|"]
        lines += [f"| {safe(stage)} | {change} |" for stage, change in told_stages]
    tolerance = tolerance_text(diff.tolerance)
    scale = f"intervals at {level_text(diff.level)}, tolerance {tolerance}; below 0 is faster"
    exploratory = [EXPLORATORY_NOTE] if any(row.exploratory for row in diff.rows) else []
    notes = [scale, *exploratory, *_method(diff), *_other(diff), *diff.remarks]
    lines += ["", *(f"- {safe(note)}" for note in notes)]
    lines += ["", f"{a}: `{diff.a.run_id}`, {b}: `{diff.b.run_id}`"]
    return "\n".join(lines)


def safe(text: str) -> str:
    """A line of text that no table or list of Markdown breaks at."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _name(row: DiffRow) -> str:
    return f"{row.strategy} at {percentile(row.quantile)}"


def _figures(count: int) -> str:
    return f"{count} figure" if count == 1 else f"{count} figures"


def _most(rows: Sequence[DiffRow], tolerance: Tolerance) -> str:
    """The largest change of these on the scale that was judged; one without a figure is larger."""
    most = max(rows, key=lambda row: _size(row, tolerance))
    unit = judged_in(tolerance)
    change = _ms(most) if unit == "ms" else _percent(most)
    where = f"{'the most ' if len(rows) > 1 else ''}{_name(most)}"
    return f"{where}: {told(change, unit) or 'never answered'}"


def _size(row: DiffRow, tolerance: Tolerance) -> float:
    figure = row.ms if judged_in(tolerance) == "ms" else row.percent
    return float("inf") if figure is None else abs(figure)


def _open(rows: Sequence[DiffRow], batches: Sequence[int]) -> str:
    """How much is open, and about how many rounds, or how long a series, would decide it."""
    needed = [row.rounds_needed for row in rows if row.rounds_needed is not None]
    verb = "is open" if len(rows) == 1 else "are open"
    enough = "how long a run" if batches else "how many rounds"
    if len(needed) < len(rows):
        return f"{verb}, and nothing tells {enough} would decide"
    if batches:
        return f"{verb}; runs about {max(needed) / min(batches):.1f} times as long would decide"
    return f"{verb}; about {max(needed)} rounds a run would decide"


def _lines(rows: Sequence[DiffRow]) -> Iterator[Row | str]:
    """The rows, with the name of its strategy above the first of each."""
    before = ""
    for row in rows:
        if row.strategy != before:
            yield row.strategy
        before = row.strategy
        yield Row(
            label=(
                f"  {percentile(row.quantile)}{' primary' if row.primary else ''}",
                _beside(row),
            ),
            ms=_ms(row),
            percent=_percent(row),
            verdict=row.verdict,
            word=_word(row),
        )


def _beside(row: DiffRow) -> str:
    """`  3812, 3790`, the ms of A before those of B."""
    if not row.known:
        return ""
    points = point_text(row.a, row.a_turns), point_text(row.b, row.b_turns)
    return f"  {', '.join(point.split(' [')[0] for point in points)}"


def _word(row: DiffRow) -> str:
    return marked(row.verdict, row.exploratory) if row.known else N_TOO_SMALL


def _ms(row: DiffRow) -> Change | None:
    return None if row.ms is None else Change(row.ms, row.lo_ms, row.hi_ms)


def _percent(row: DiffRow) -> Change | None:
    return None if row.percent is None else Change(row.percent, row.percent_lo, row.percent_hi)


def _method(diff: Diff) -> list[str]:
    return [*_pairs(diff), *failure_notes(diff.failures)]


def _pairs(diff: Diff) -> list[str]:
    if diff.interleaved:
        return [INTERLEAVED]
    real = "real" in (diff.a.clock, diff.b.clock)
    if 0 in diff.batches:
        return [NO_BATCHES]
    if diff.batches:
        return [_series(diff.batches), _pairing(diff.paired, real)]
    if diff.paired:
        return [PAIRED]
    return [f"{UNPAIRED}; {UNPAIRED_REAL if real else UNPAIRED_VIRTUAL}"]


def _series(batches: Sequence[int]) -> str:
    of = f"{batches[0]} of each" if len(set(batches)) == 1 else " and ".join(map(str, batches))
    return f"each run is one series: batches of equal time, {of}, act as its rounds (batch means)"


def _pairing(paired: bool, real: bool) -> str:
    if not paired:
        return f"{UNPAIRED_SERIES}; {UNPAIRED_REAL}" if real else UNPAIRED_SERIES
    return f"{PAIRED_SERIES}; {PAIRED_REAL}" if real else PAIRED_SERIES


def _other(diff: Diff) -> list[str]:
    return [f"{' and '.join(diff.names)} differ, which may be: {note}" for note in diff.notes]


def _stages(stages: Sequence[StagePart]) -> list[tuple[str, str]]:
    """The largest first, each with its change; those too small to print are left out."""
    large = [part for part in stages if abs(part.ms) >= LEAST_TOLD_MS]
    return [(part.stage, told(Change(part.ms, part.lo_ms, part.hi_ms), "ms")) for part in large]


def _markdown_cells(row: DiffRow) -> list[str]:
    name = f"**{row.strategy}**" if row.primary else row.strategy
    points = [point_text(point, n) for point, n in ((row.a, row.a_turns), (row.b, row.b_turns))]
    changes = [told(_ms(row), "ms"), told(_percent(row), "%")]
    return [safe(name), percentile(row.quantile), *points, *changes, _word(row)]
