"""From what the collector of a conducted run has heard to a stored run, its page, and its lines; it
hears nothing itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli import real_ways
from harness.cli.asked import APP, Asked, base_url_of, name_of, read, targets_of
from harness.cli.casting import Variant
from harness.cli.course import Course
from harness.cli.exits import PASS
from harness.cli.leftovers import close_what_is_left, left_lines, spent_by_journal
from harness.cli.outcome import Run, Started, exit_code, run_of, store
from harness.cli.room import room_in
from harness.cli.wiring import Setup
from harness.flow.strategy import Strategy
from harness.load.crew import Crew
from harness.load.plan import Plan
from harness.real.redact import Redactor
from harness.record import Columns, RunSummary
from harness.stats.analysis import Question
from harness.stats.slo import read_slos

if TYPE_CHECKING:
    from harness.cli.app_box import BlackBox

ENGINE_ENDS_S = 130.0
"""How long the engine may take to let go of its orders: one that has accounted has ended, one that
has lost its conductor drains first."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A run in its folder, and what was found in it."""

    summary: RunSummary
    columns: Columns
    folder: Path


def checked_run(asked: Asked, argv: Sequence[str]) -> tuple[Run, int]:
    """What the run is, as far as it is known before it begins, and how many turns a conversation
    has. BadInput with all that is wrong with the options."""
    found = read(asked)
    slos = read_slos(asked.slo) if asked.slo else []
    run = _ours(found, asked) if isinstance(found, Setup) else _of_app(found)
    parameters = {**run.parameters, **_told(asked)}
    run = replace(run, parameters=parameters, slos=slos, argv=argv)
    return run, found.scenario.turns


def planned(run: Run, plan: Plan, until_s: float) -> Run:
    """The run with the rate that was planned for it, on average until then."""
    return replace(run, parameters={**run.parameters, "rate": round(plan.offered(until_s), 4)})


def store_run(
    run: Run, crew: Crew, spools: Sequence[Path], folder: Path, started: Started, why: str
) -> Stored:
    """`why` is what ended it early, or empty. Orders that are open are closed before."""
    course = Course(
        room_in(folder),
        crew.tally(),
        rounds_finished=0 if why else 1,
        stopped=why,
        spools=list(spools),
    )
    if run.real:
        left = close_what_is_left(folder, run.real.found, real_ways.INTERNET, ENGINE_ENDS_S)
        course.spent = spent_by_journal(folder, left)
        course.tally.fault = Redactor(run.real.secrets)(course.tally.fault)
    summary, columns = store(run, course, started, folder, engines=crew.summaries())
    return Stored(summary, columns, folder)


def write_report(stored: Stored) -> str:
    """The run's page, beside its rows; returns why there is none, or nothing."""
    try:
        from harness.report.charts import charts_of, svg_of
        from harness.report.page import write_page

        summary, columns = stored.summary, stored.columns
        svgs = {name: svg_of(name, summary, columns) for name in charts_of(summary)}
        write_page(stored.folder, summary, svgs)
    except Exception as error:  # The run is safe, and its page can be made at any time.
        return f"its page could not be made ({type(error).__name__}: {error})"
    return ""


def lines_of(stored: Stored) -> list[str]:
    """What a person reads at the end, for 80 columns."""
    from harness.cli.breaches import breach_lines
    from harness.report.load import open_run_lines

    spent = stored.summary.spent
    left = left_lines(stored.folder, spent) if spent else []
    lines = open_run_lines(stored.summary, stored.columns, stored.folder)
    return [*lines, *breach_lines(stored.summary, stored.columns), *left]


def code_of(stored: Stored) -> int | None:
    """None where nothing was promised of a run that can be believed and left nothing open."""
    code = exit_code(stored.summary)
    return code if stored.summary.slos or code != PASS else None


def _ours(setup: Setup, asked: Asked) -> Run:
    run = run_of(setup, name_of(asked))
    if targets_of(asked) != "staging":
        return replace(run, discarded_turns=0)
    # Whose figures the far side replays, if any, is not ours to say.
    return replace(
        run, endpoints="staging", discarded_turns=0, profiles={}, provenance={}, claims=()
    )


def _of_app(box: "BlackBox") -> Run:
    return Run(
        scenario_name="app-chat",
        scenario=box.scenario,
        variants=[Variant(APP, Strategy(), ())],
        clock="real",
        endpoints="staging",
        seed=box.seed,
        rounds=1,
        parameters={"think_scale": box.think_scale},
        profiles={},
        provenance={},
        question=Question(seed=box.seed),
    )


def _told(asked: Asked) -> dict[str, float | str]:
    """What else a reader of the run must know; a host has no user or password in it, or it would
    have been refused."""
    host = base_url_of(asked)
    return {
        "arrivals": "poisson",
        "flow_rate": float(asked.flow_rate),
        "targets": targets_of(asked),
        **({"host": host} if host else {}),
    }
