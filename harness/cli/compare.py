"""The verb `compare`: every combination of the mitigations, measured, explained and stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import (
    STORIES,
    Capacity,
    Clock,
    Confirm,
    Fallback,
    Gateway,
    Intent,
    Json,
    Out,
    Pay,
    Port,
    Reason,
    Report,
    Score,
    Seed,
    Set,
    ThinkScale,
)

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cli.wiring import Setup
    from harness.record import Columns, RunSummary
    from harness.stats.analysis import Question
    from mocks.profile import PaymentProfile

SWEPT_SHARES = (0.2, 0.4, 0.6, 0.8)


def compare(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help=f"One of {STORIES}, or a .py file.")
    ] = "conversation",
    flows: Annotated[str, typer.Option(metavar="N", help="Turns for each strategy.")] = "1000",
    rounds: Annotated[str, typer.Option(metavar="N", help="Rounds they are spread over.")] = "20",
    seed: Seed = "1",
    clock: Clock = "virtual",
    rate: Annotated[
        str, typer.Option(metavar="R", help="Turns per second, all strategies together.")
    ] = "50",
    quantiles: Annotated[
        str, typer.Option(metavar="LIST", help="Percentiles of response time to compare at.")
    ] = "50,95,99",
    tolerance: Annotated[
        str | None,
        typer.Option(
            metavar="X%|Xms",
            help="Changes up to this do not matter.  [default: every change does]",
            show_default=False,
        ),
    ] = None,
    primary: Annotated[
        str | None,
        typer.Option(
            metavar="PERCENTILE",
            help="Where the mitigations' own changes are the question.  [default: p50]",
            show_default=False,
        ),
    ] = None,
    until_certain: Annotated[
        bool,
        typer.Option(
            "--until-certain",
            help="Stop once that question is decided, after half of --rounds at the earliest and "
            "five times --rounds at the latest.",
        ),
    ] = False,
    looks: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="So often --until-certain may look.  [default: 5]",
            show_default=False,
        ),
    ] = None,
    vary: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="The mitigations to vary; the rest stay off.  [default: all three: "
            "prewarm,token_cache,parallel_confirm]",
            show_default=False,
        ),
    ] = None,
    pay: Pay = None,
    intent: Intent = None,
    confirm: Confirm = None,
    reason: Reason = None,
    score: Score = None,
    gateway: Gateway = None,
    fallback: Fallback = None,
    capacity: Capacity = None,
    think_scale: ThinkScale = None,
    set_: Set = None,
    jobs: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Worker processes, on the virtual clock.  [default: one a core]",
            show_default=False,
        ),
    ] = None,
    sweep_session_share: Annotated[
        bool,
        typer.Option(
            "--sweep-session-share",
            help="Run once for each of four splits of the payment overhead.",
        ),
    ] = False,
    providers: Annotated[
        bool,
        typer.Option(
            "--providers",
            help="Compare payment providers under one strategy: those of --pay A,B,..., or all.",
        ),
    ] = False,
    strategy: Annotated[
        str, typer.Option(metavar="LIST", help="The mitigations that are on with --providers.")
    ] = "baseline",
    port: Port = None,
    out: Out = "results",
    report: Report = True,
    json: Json = False,
) -> int:
    """Measure what each mitigation is worth, alone and combined.

    Every combination of them faces the same conversations. Exit code 0 means that the run can be
    believed, 4 that it cannot, 3 that --until-certain never was, 2 that the command was wrong.
    """
    from harness.cli.looks import Asking, asked, looks_ahead, refuse_unasked
    from harness.cli.machine import cores
    from harness.cli.problems import Problems
    from harness.cli.setup import Options, checked
    from harness.flow.strategy import MITIGATIONS, all_strategies
    from harness.stats.sequential import MOST_TIMES

    problems = Problems()
    varied = ",".join(MITIGATIONS) if vary is None else vary
    factors = [] if providers else problems.mitigations("--vary", varied)
    rounds_ = problems.whole("--rounds", rounds, 1, 10_000)
    turns = problems.whole("--flows", flows, 1, 10_000_000)
    if problems.none and turns < rounds_:
        problems.add(f"--flows {turns} cannot be spread over --rounds {rounds_}: take more flows")
    asking = Asking(
        quantiles=quantiles,
        tolerance=tolerance,
        primary=primary,
        until_certain=until_certain,
        looks=looks,
    )
    planned = looks_ahead(asking, problems, rounds_)
    question = asked(asking, problems, factors, planned)
    refuse_unasked(asking, problems, providers=providers, sweep=sweep_session_share)
    folder = problems.folder("--out", out)
    workers = cores() if jobs is None else problems.whole("--jobs", jobs, 1, 256)
    options = Options(
        scenario=scenario,
        parameters=set_ or [],
        clock=clock,
        seed=seed,
        rate=rate,
        think_scale=think_scale,
        port=port,
        pay=pay,
        models={"intent": intent, "confirm": confirm, "reason": reason, "score": score},
        gateway=gateway,
        fallback=fallback,
        capacity=capacity,
    )
    if providers:
        strategies = [problems.strategy("--strategy", strategy)]
        pays = problems.payments("--pay", pay, scenario)
        if vary is not None:
            problems.add("--vary is not for --providers, which varies who is paid by: leave it out")
    else:
        strategies, pays = all_strategies(factors), []
        if strategy != "baseline":
            problems.add("--strategy goes with --providers; else take --vary")
    times = MOST_TIMES if planned else 1
    setup = checked(
        options, problems, strategies, pays=pays, rounds=rounds_ * times, turns=turns * times
    )
    if sweep_session_share and not all(of.session for of in setup.mocks.pay.values()):
        problems.add("--sweep-session-share: only a provider with sessions has a share to sweep")
        problems.settle()
    question = replace(question, seed=setup.seed)
    plan = Plan(setup, scenario, question, planned, workers, folder, report)
    return _sweep(plan, json) if sweep_session_share else _compare(plan, json)


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


def _compare(plan: Plan, as_json: bool) -> int:
    from harness.cli.looks import exit_code

    summary, columns, folder = _run(plan)
    if plan.report:
        from harness.cli.charts import draw_report

        draw_report(summary, columns, folder, plan.jobs)
    if as_json:
        _print_json(summary)
    else:
        from rich.console import Console

        from harness.report.terminal import print_report

        print_report(summary, str(folder), Console())
    return exit_code(summary)


def _sweep(plan: Plan, as_json: bool) -> int:
    """The same comparison at several splits of the payment overhead: how the verdict moves."""
    from harness.cli.exits import INVALID, PASS
    from harness.report.session_share import print_session_shares

    runs = []
    for share in SWEPT_SHARES:
        summary, _, folder = _run(_with_session_share(plan, share))
        runs.append((share, summary, str(folder)))
    if as_json:
        _print_json([{"session_share": share, "run": summary} for share, summary, _ in runs])
    else:
        from rich.console import Console

        print_session_shares(runs, Console())
    return PASS if all(summary.valid for _, summary, _ in runs) else INVALID


def _run(plan: Plan) -> tuple[RunSummary, Columns, Path]:
    from pathlib import Path

    from harness.cli.looks import Looking
    from harness.cli.outcome import Started, run_of, store
    from harness.cli.progress import TurnBar
    from harness.cli.room import new_run, room_in
    from harness.cli.rounds import run_rounds

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
    from msgspec import structs

    mocks = plan.setup.mocks
    pay = {name: _shared(profile, share) for name, profile in mocks.pay.items()}
    setup = replace(plan.setup, mocks=structs.replace(mocks, pay=pay))
    return replace(plan, setup=setup, swept={"session_share": share})


def _shared(profile: PaymentProfile, share: float) -> PaymentProfile:
    from msgspec import structs

    session = profile.session
    return structs.replace(profile, session=session and structs.replace(session, share=share))


def _print_json(what: object) -> None:
    from msgspec import json

    print(json.format(json.encode(what), indent=2).decode())
