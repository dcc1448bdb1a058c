"""The verb `compare`: every combination of the mitigations, measured, explained and stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import typer

from harness.cli.options import (
    STORIES,
    Capacity,
    Confirm,
    Fallback,
    Faults,
    Gateway,
    Intent,
    Json,
    LiveWechatOrders,
    MostOrders,
    MostSpend,
    Otlp,
    Out,
    Patience,
    Pay,
    Port,
    Reason,
    Report,
    Retries,
    Score,
    Seed,
    Set,
    Targets,
    ThinkScale,
)


@dataclass(frozen=True, slots=True)
class Usual:
    """How much is played where nobody says it."""

    flows: str
    rounds: str
    rate: str
    clock: str


USUAL = Usual(flows="1000", rounds="20", rate="50", clock="virtual")
USUAL_REAL = Usual(flows="20", rounds="5", rate="0.2", clock="real")
"""Against real providers: few, and seldom."""


def compare(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO",
            help=f"One of {STORIES}, a .py file, or an async function of your own: "
            "package.module:function, path.py::function.",
        ),
    ] = "conversation",
    flows: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Turns for each strategy.  [default: 1000, or 20 on real targets]",
            show_default=False,
        ),
    ] = None,
    rounds: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Rounds they are spread over.  [default: 20, or 5 on real targets]",
            show_default=False,
        ),
    ] = None,
    seed: Seed = "1",
    clock: Annotated[
        str | None,
        typer.Option(
            metavar="virtual|real",
            help="Jump over waits, or wait.  [default: virtual, or real on real targets]",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="R",
            help="Turns per second, all strategies together.  [default: 50, or 0.2 on real "
            "targets]",
            show_default=False,
        ),
    ] = None,
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
            "prewarm,token_cache,parallel_confirm]  Of a function its own flags, or the values of "
            "one keyword: model=A,B.  [default: all of its flags]",
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
    faults: Faults = None,
    retries: Retries = None,
    patience: Patience = None,
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
    targets: Targets = "mock",
    live_wechat_orders: LiveWechatOrders = False,
    most_orders: MostOrders = None,
    most_spend_usd: MostSpend = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Of a function: in place of its provider's usual profile; repeatable.",
        ),
    ] = None,
    port: Port = None,
    otlp: Otlp = None,
    out: Out = "results",
    report: Report = True,
    json: Json = False,
) -> int:
    """Measure what each mitigation is worth, alone and combined.

    Every combination of them faces the same conversations. Exit code 0 means that the run can be
    believed, 4 that it cannot, or has left an order open at a real provider, 3 that
    --until-certain never was, 2 that the command was wrong.
    """
    from harness.cli.compared import Plan, compared, swept
    from harness.cli.looks import Asking, asked, looks_ahead, refuse_unasked
    from harness.cli.machine import cores
    from harness.cli.own_flow import names_function
    from harness.cli.problems import Problems
    from harness.cli.setup import Options, checked
    from harness.cli.targets import Wanted
    from harness.flow.strategy import MITIGATIONS, all_strategies
    from harness.stats.sequential import MOST_TIMES

    problems = Problems()
    usual = USUAL_REAL if targets == "real" else USUAL
    flows = usual.flows if flows is None else flows
    rounds = usual.rounds if rounds is None else rounds
    rate = usual.rate if rate is None else rate
    asking = Asking(
        quantiles=quantiles,
        tolerance=tolerance,
        primary=primary,
        until_certain=until_certain,
        looks=looks,
    )
    if names_function(scenario):
        from harness.cli.own_compare import OwnOptions, compare_function

        own = OwnOptions(
            flow=scenario,
            vary=vary,
            flows=flows,
            rounds=rounds,
            seed=seed,
            clock=usual.clock if clock is None else clock,
            rate=rate,
            port=port,
            profiles=profile or [],
            capacity=capacity,
            faults=faults,
            asking=asking,
            out=out,
            report=report,
            otlp=otlp,
            for_scenarios={
                "--pay": pay is not None,
                "--intent": intent is not None,
                "--confirm": confirm is not None,
                "--reason": reason is not None,
                "--score": score is not None,
                "--gateway": gateway is not None,
                "--fallback": fallback is not None,
                "--retries": retries is not None,
                "--patience": patience is not None,
                "--think-scale": think_scale is not None,
                "--set": bool(set_),
                "--jobs": jobs is not None,
                "--sweep-session-share": sweep_session_share,
                "--providers": providers,
                "--strategy": strategy != "baseline",
                f"--targets {targets}": targets != "mock",
                "--live-wechat-orders": live_wechat_orders,
                "--most-orders": most_orders is not None,
                "--most-spend-usd": most_spend_usd is not None,
            },
        )
        return compare_function(own, json)
    if otlp is not None:
        problems.base_url("--otlp", otlp)
        if sweep_session_share:
            problems.add("--otlp sends one run, and --sweep-session-share makes four: drop one")
    if profile:
        problems.add(
            "--profile is for functions of your own: a scenario's are --pay, --intent, ..."
        )
    if sweep_session_share and targets == "real":
        problems.add("--sweep-session-share sweeps what mocks do: it is not for --targets real")
    varied = ",".join(MITIGATIONS) if vary is None else vary
    factors = [] if providers else problems.mitigations("--vary", varied)
    rounds_ = problems.whole("--rounds", rounds, 1, 10_000)
    turns = problems.whole("--flows", flows, 1, 10_000_000)
    if problems.none and turns < rounds_:
        problems.add(f"--flows {turns} cannot be spread over --rounds {rounds_}: take more flows")
    planned = looks_ahead(asking, problems, rounds_)
    question = asked(asking, problems, factors, planned)
    refuse_unasked(asking, problems, providers=providers, sweep=sweep_session_share)
    folder = problems.folder("--out", out)
    workers = cores() if jobs is None else problems.whole("--jobs", jobs, 1, 256)
    options = Options(
        scenario=scenario,
        parameters=set_ or [],
        clock=usual.clock if clock is None else clock,
        seed=seed,
        rate=rate,
        think_scale=think_scale,
        port=port,
        pay=pay,
        models={"intent": intent, "confirm": confirm, "reason": reason, "score": score},
        gateway=gateway,
        fallback=fallback,
        capacity=capacity,
        faults=faults,
        retries=retries,
        patience=patience,
        wanted=Wanted(
            targets=targets,
            live_wechat_orders=live_wechat_orders,
            most_orders=most_orders,
            most_spend_usd=most_spend_usd,
        ),
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
    plan = Plan(setup, scenario, question, planned, workers, folder, report, otlp=otlp)
    return swept(plan, json) if sweep_session_share else compared(plan, json)
