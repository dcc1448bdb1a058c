"""A checked comparison, played, stored and shown; its options are compare.py's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from msgspec import structs

from harness.cli.printed import print_json
from harness.cli.wiring import Setup
from harness.record import Columns, RunSummary
from harness.stats.analysis import Question
from mocks.profile import PaymentProfile

SWEPT_SHARES = (0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked comparison, and where it goes."""

    setup: Setup
    scenario_name: str
    question: Question
    looks: Sequence[int]
    """After how many rounds it may stop; none where it runs to its end."""
    jobs: int
    out: Path
    report: bool
    swept: Mapping[str, float] = field(default_factory=dict)
    """What a sweep set, told in run.json among the parameters."""
    otlp: str | None = None
    """Where its spans are sent."""


def compared(plan: Plan, as_json: bool) -> int:
    showing = Showing(report=plan.report, as_json=as_json, otlp=plan.otlp, jobs=plan.jobs)
    return show(*_run(plan), showing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """In which ways a comparison is shown; charts are drawn by so many processes."""

    report: bool
    as_json: bool
    otlp: str | None
    jobs: int


def show(summary: RunSummary, columns: Columns, folder: Path, how: Showing) -> int:
    """Show a comparison that is stored; its exit code."""
    from harness.cli.breaches import tell_breaches
    from harness.cli.looks import exit_code

    if how.report:
        from harness.cli.charts import draw_report

        draw_report(summary, columns, folder, how.jobs)
    if how.as_json:
        print_json(summary)
    else:
        from rich.console import Console

        from harness.report.terminal import print_report

        print_report(summary, str(folder), Console())
    tell_breaches(summary, columns)
    if how.otlp is not None:
        from harness.cli.otlp import export_and_tell

        export_and_tell(how.otlp, summary, columns)
    if summary.spent is not None:
        from harness.cli.target_lines import tell_left

        tell_left(summary, folder)
    return exit_code(summary)


def swept(plan: Plan, as_json: bool) -> int:
    """The same comparison at several splits of the payment overhead: how the verdict moves."""
    from harness.cli.breaches import tell_breaches
    from harness.cli.exits import INVALID, PASS
    from harness.report.session_share import print_session_shares

    runs = []
    for share in SWEPT_SHARES:
        summary, columns, folder = _run(_with_session_share(plan, share))
        tell_breaches(summary, columns)
        runs.append((share, summary, str(folder)))
    if as_json:
        print_json([{"session_share": share, "run": summary} for share, summary, _ in runs])
    else:
        from rich.console import Console

        print_session_shares(runs, Console())
    return PASS if all(summary.valid for _, summary, _ in runs) else INVALID


def _run(plan: Plan) -> tuple[RunSummary, Columns, Path]:
    from harness.cli.looks import Looking
    from harness.cli.outcome import Started, run_of, store
    from harness.cli.progress import TurnBar
    from harness.cli.room import new_run, room_in
    from harness.cli.rounds import run_rounds

    if plan.setup.real is not None:
        from harness.cli.target_lines import tell_plan

        tell_plan(plan.setup.real)
    setup, started = plan.setup, Started.now()
    what = Path(plan.scenario_name).stem
    folder = new_run(plan.out, started.at, what, setup.clock, setup.seed)
    looking = Looking(plan.looks, setup.variants, plan.question)
    turns = setup.turns * len(setup.variants)
    with TurnBar(f"{plan.scenario_name}, {setup.clock} clock", turns) as bar:
        course = run_rounds(setup, plan.jobs, bar, room_in(folder), looking.planned, looking.enough)
    run = run_of(setup, plan.scenario_name, plan.question, plan.swept)
    if plan.looks:
        run = replace(run, looks=looking.told(course))
    return (*store(run, course, started, folder), folder)


def _with_session_share(plan: Plan, share: float) -> Plan:
    mocks = plan.setup.mocks
    pay = {name: _shared(profile, share) for name, profile in mocks.pay.items()}
    setup = replace(plan.setup, mocks=structs.replace(mocks, pay=pay))
    return replace(plan, setup=setup, swept={"session_share": share})


def _shared(profile: PaymentProfile, share: float) -> PaymentProfile:
    session = profile.session
    return structs.replace(profile, session=session and structs.replace(session, share=share))
