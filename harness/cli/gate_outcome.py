"""What came of a gate: both sides stored as runs, the verdict on them, how it is told, and the exit
code; it plays nothing."""

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from msgspec import structs

from harness import record
from harness.cli.course import Course
from harness.cli.exits import INCONCLUSIVE, PASS, REGRESSION
from harness.cli.gate_lines import DRAIN_S, SIDES, Loaded, Side
from harness.cli.outcome import Started, run_of, store
from harness.cli.problems import Problems
from harness.cli.wiring import Setup
from harness.record import Columns, RunSummary, StagePart, Tolerance
from harness.report.diff import Diff, diff_markdown, diff_sentence, one_run, print_diff, safe
from harness.report.diff_failures import failure_sentence
from harness.report.words import Change, told
from harness.stats.analysis import Question
from harness.stats.failures import diff_failures, with_failures
from harness.stats.likeness import likeness
from harness.stats.run_diff import Asked as AskedOfRuns
from harness.stats.run_diff import Primary, diff_runs, verdict_of
from harness.stats.turn_times import stage_changes, times_of

Inconclusive = Literal["pass", "fail"]

LATE_LOOP = "loop lag p99"
"""So begins a reason that a flow may be to blame for."""
LATE_LOOP_MEND = "build clients once a process, not in every turn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of head, declared before anything is played."""

    quantiles: Sequence[float]
    primary: float
    tolerance: Tolerance
    inconclusive: Inconclusive


@dataclass(frozen=True, slots=True)
class Kept:
    """A side's run, and where it is."""

    summary: RunSummary
    columns: Columns
    folder: Path


@dataclass(frozen=True, slots=True)
class Printing:
    """How the verdict is printed: for a terminal unless one of these is wanted."""

    json: bool = False
    markdown: bool = False


@dataclass(frozen=True)
class _Elsewhere:
    """A scenario of which only the parameters are known here, as they were told."""


def asked_of(
    problems: Problems, quantiles: str, primary: str, tolerance: str, inconclusive: str
) -> Asked:
    found = problems.quantiles("--quantiles", quantiles)
    at = problems.quantile("--primary", primary)
    if problems.none and at not in found:
        problems.add(f"--primary {primary} is not among --quantiles {quantiles}: add it there")
    if inconclusive not in ("pass", "fail"):
        problems.add(f"--inconclusive must be pass or fail, not {inconclusive!r}")
    return Asked(
        quantiles=found,
        primary=at,
        tolerance=problems.tolerance("--tolerance", tolerance),
        inconclusive="pass" if inconclusive == "pass" else "fail",
    )


def keep(
    flow: str,
    setup: Setup,
    asked: Asked,
    loaded: Mapping[Side, Loaded],
    courses: Mapping[Side, Course],
    folders: Mapping[Side, Path],
    started: Started,
) -> dict[Side, Kept]:
    """Both sides as whole runs, head the newest."""
    question = Question(
        quantiles=asked.quantiles,
        primary=asked.primary,
        tolerance=asked.tolerance,
        seed=setup.seed,
    )
    run = replace(run_of(setup, flow, question), scenario=_Elsewhere())
    kept = {}
    for side in SIDES:
        told, folder = loaded[side], folders[side]
        own = replace(
            run,
            parameters={**told.parameters, **run.parameters},
            discarded_turns=courses[side].rounds_finished,
        )
        summary, columns = store(own, courses[side], started, folder)
        summary = record.finish(folder, _as_it_ran(summary, told))
        kept[side] = Kept(summary, columns, folder)
    return kept


def judge(kept: Mapping[Side, Kept], asked: Asked, remarks: Sequence[str] = ()) -> Diff:
    """Head less base: paired, for the same rounds were played at the same time."""
    base, head = kept["base"], kept["head"]
    alike = likeness(base.summary, head.summary)
    (variant,) = base.summary.variants
    seed = base.summary.seed
    asked_of_runs = AskedOfRuns(
        strategies=[variant.name],
        quantiles=asked.quantiles,
        tolerance=asked.tolerance,
        paired=True,
        primary=Primary(variant.name, asked.primary),
        seed=seed,
    )
    rows = diff_runs(base.columns, head.columns, asked_of_runs)
    failures = diff_failures(base.columns, head.columns, asked_of_runs)
    of_times = verdict_of(rows)
    times = [times_of(of.columns, variant.name) for of in (base, head)]
    stages = stage_changes(*times, seed=seed)
    sentence = diff_sentence(rows, of_times, asked.tolerance, names=SIDES)
    sentence += _blamed(stages) if of_times == "regressed" else ""
    cut_off = [line for side in SIDES for line in _cut_off(side, kept[side].columns)]
    return Diff(
        names=SIDES,
        interleaved=True,
        a=one_run(base.summary, str(base.folder)),
        b=one_run(head.summary, str(head.folder)),
        sentence="; ".join(filter(None, [failure_sentence(failures, SIDES), sentence])),
        verdict=with_failures(of_times, failures),
        paired=True,
        level=asked_of_runs.level,
        tolerance=asked.tolerance,
        overlooked=alike.differences,
        notes=alike.notes,
        remarks=[*remarks, *cut_off],
        rows=rows,
        failures=failures,
        stages=stages,
    )


def refuse(kept: Mapping[Side, Kept], flow: str) -> bool:
    """Whether a side cannot be believed; why is told."""
    told: dict[str, list[str]] = {}
    for side, of in kept.items():
        for reason in of.summary.invalid_because:
            mend = f", or {LATE_LOOP_MEND}" if reason.startswith(LATE_LOOP) else ""
            told.setdefault(reason + mend, []).append(side)
    if not told:
        return False
    places = " and ".join(str(of.folder) for of in kept.values())
    reasons = [f"{' and '.join(sides)}: {reason}" for reason, sides in told.items()]
    for line in [*reasons, f"no verdict; what was measured is kept in {places}"]:
        print(f"tollbench: {line}", file=sys.stderr)
    _add_to_summary(flow, "**no verdict**\n\n" + "\n".join(f"- {safe(why)}" for why in reasons))
    return True


def tell(found: Diff, flow: str, asked: Asked, printing: Printing) -> None:
    """On standard output, and in the job's summary on GitHub."""
    passed_over = _passes_open(found, asked)
    if printing.json:
        from harness.cli.printed import print_json

        print_json(found)
    elif printing.markdown:
        print("\n".join([diff_markdown(found), *([f"\n{passed_over}"] if passed_over else [])]))
    else:
        from rich.console import Console

        print_diff(found, Console())
        if passed_over:
            print(passed_over)
    _add_to_summary(
        flow, "\n\n".join([diff_markdown(found), *([passed_over] if passed_over else [])])
    )


def exit_code(found: Diff, asked: Asked) -> int:
    if found.verdict == "regressed":
        return REGRESSION
    open_ = found.verdict in ("cannot tell", "unknown")
    return INCONCLUSIVE if open_ and asked.inconclusive == "fail" else PASS


def _as_it_ran(summary: RunSummary, told: Loaded) -> RunSummary:
    """With the versions of the process that played, which has an environment of its own."""
    return structs.replace(
        summary,
        tool_version=told.tool_version,
        machine={**summary.machine, "python": told.python},
        versions=told.versions,
    )


def _blamed(stages: Sequence[StagePart]) -> str:
    """The stage that has the largest part of it, where that is known to be slower."""
    slower = [part for part in stages if part.lo_ms is not None and part.lo_ms > 0]
    if not slower:
        return ""
    worst = max(slower, key=lambda part: part.ms)
    change = told(Change(worst.ms, worst.lo_ms, worst.hi_ms), "ms")
    return f"; to blame: {worst.stage}, {change} of the mean turn"


def _cut_off(side: Side, columns: Columns) -> Iterator[str]:
    """The turns that never came to an end, each told with the stage that it was in."""
    running = np.flatnonzero(columns.turns.outcome.holds("running"))
    if not running.size:
        return
    # Spans come in the order of their turns and, within one, of their beginning.
    owner, names = columns.turn_of_span(), columns.spans.stage
    stages = Counter(
        names.names[names.codes[spans[-1]]] if spans.size else "no stage"
        for spans in (np.flatnonzero(owner == turn) for turn in running)
    )
    where = ", ".join(f"{n} in {stage}" for stage, n in stages.most_common())
    turns = "turn" if running.size == 1 else "turns"
    yield f"{side}: {running.size} {turns} without an end within {DRAIN_S:g} s, cut off: {where}"


def _passes_open(found: Diff, asked: Asked) -> str:
    """Says that a question left open is let pass; "" where it is not."""
    if found.verdict not in ("cannot tell", "unknown") or asked.inconclusive == "fail":
        return ""
    return "This passes all the same: --inconclusive=pass"


def _add_to_summary(flow: str, text: str) -> None:
    """Of the job, where this is one of GitHub's; other steps may write to it as well."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"### Latency gate: {safe(flow)}\n\n{text}\n\n")
    except OSError as error:
        print(f"tollbench: {path} cannot be written ({error.strerror})", file=sys.stderr)
