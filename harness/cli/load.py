"""The verb `load`: one strategy, or one URL, at an open-model rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import (
    STORIES,
    Capacity,
    Clock,
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
    Retries,
    Score,
    Seed,
    Set,
    Targets,
    ThinkScale,
)

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cli.course import Course, Progress
    from harness.cli.open_load import Load
    from harness.cli.outcome import Run
    from harness.cli.problems import Problems
    from harness.cli.setup import Options
    from harness.record import Columns, RunSummary

    Play = Callable[[Progress, Path], Course]

MOST_WORKERS = 256


def load(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO", help=f'One of {STORIES}, a .py file, or "http" to probe --url.'
        ),
    ],
    rate: Annotated[
        str | None, typer.Option(metavar="R", help="Turns per second.  [required]")
    ] = None,
    duration: Annotated[
        str | None,
        typer.Option(
            metavar="S",
            help="Seconds of arrivals; what began in them is played to its end.  [required]",
        ),
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(metavar="LIST", help="The mitigations that are on: prewarm,token_cache,..."),
    ] = "baseline",
    arrivals: Annotated[
        str,
        typer.Option(metavar="poisson|constant", help="Come whenever they like, or evenly spaced."),
    ] = "poisson",
    drain: Annotated[
        str | None,
        typer.Option(
            metavar="S",
            help="Seconds after the last arrival in which turns may end; others are cut off and "
            "count as never answered.  [default: until all have ended]",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        str,
        typer.Option(metavar="N", help="Processes that share the load, on the real clock."),
    ] = "1",
    url: Annotated[str | None, typer.Option(metavar="URL", help='What "http" probes.')] = None,
    slo: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Promises to judge the run by: p99<3s, pay p95<800ms, errors<0.5%.",
        ),
    ] = None,
    seed: Seed = "1",
    clock: Clock = "real",
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
    targets: Targets = "mock",
    live_wechat_orders: LiveWechatOrders = False,
    most_orders: MostOrders = None,
    most_spend_usd: MostSpend = None,
    port: Port = None,
    otlp: Otlp = None,
    out: Out = "results",
    json: Json = False,
) -> int:
    """Run one strategy, or probe one URL, at an open-model rate.

    Turns come at their rate whatever the answers do, and response times count from when a turn was
    due. What N workers do together does not depend on N. Exit code 0 means that the run can be
    believed and kept what --slo promises, 1 that it broke some of it, 3 that it cannot be told, 4
    that the run cannot be believed, or has left an order open at a real provider, 2 that the
    command was wrong.
    """
    from pathlib import Path

    from harness.cli.breaches import tell_breaches
    from harness.cli.outcome import Started, exit_code, store
    from harness.cli.problems import Problems
    from harness.cli.progress import TurnBar
    from harness.cli.room import new_run, room_in
    from harness.cli.setup import Options
    from harness.cli.targets import Wanted

    problems = Problems()
    rate = problems.given("--rate", rate, "turns per second, as in --rate 20")
    duration = problems.given("--duration", duration, "seconds of arrivals, as in --duration 10")
    asked = _asked(problems, duration, arrivals, drain, workers, clock)
    slos = problems.slos("--slo", slo)
    folder = problems.folder("--out", out)
    if otlp is not None:
        problems.base_url("--otlp", otlp)
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
    make = _probe if scenario == "http" else _load
    run, turns, play = make(problems, options, url, strategy, asked)
    run = replace(run, slos=slos)
    if run.real is not None:
        from harness.cli.target_lines import tell_plan

        tell_plan(run.real)
    started = Started.now()
    kept = new_run(folder, started.at, Path(scenario).stem, run.clock, run.seed)
    with TurnBar(f"{scenario}, {run.clock} clock", turns) as bar:
        course = play(bar, room_in(kept))
    summary, columns = store(
        run, course, started, kept, spreads=run.clock == "real" and not run.real
    )
    _print(summary, columns, kept, json)
    tell_breaches(summary, columns)
    if otlp is not None:
        from harness.cli.otlp import export_and_tell

        export_and_tell(otlp, summary, columns)
    if summary.spent is not None:
        from harness.cli.target_lines import tell_left

        tell_left(summary, kept)
    return exit_code(summary)


def _asked(
    problems: Problems,
    duration: str,
    arrivals: str,
    drain: str | None,
    workers: str,
    clock: str,
) -> Load:
    """All but the rate, which whoever checks the other options checks too."""
    from harness.cli.open_load import Load

    count = problems.whole("--workers", workers, 1, MOST_WORKERS)
    if count > 1 and clock == "virtual":
        problems.add(
            f"--workers {count}: on the virtual clock one process plays it all, and no real time "
            "passes that others could share; leave it out"
        )
    return Load(
        rate=1.0,
        duration_s=problems.number("--duration", duration, 0.1, 1_000_000),
        arrivals=problems.arrivals("--arrivals", arrivals),
        drain_s=None if drain is None else problems.number("--drain", drain, 0, 1_000_000),
        workers=count,
    )


def _load(
    problems: Problems, options: Options, url: str | None, strategy: str, asked: Load
) -> tuple[Run, float, Play]:
    """What it is, how many turns there will be on average, and what plays it."""
    from functools import partial

    from harness.cli.estimate import most_turns
    from harness.cli.open_load import run_load
    from harness.cli.outcome import run_of
    from harness.cli.problems import Problems
    from harness.cli.setup import LEAST_RATE, MOST_RATE, checked

    if url is not None:
        problems.add('--url is only for "load http"; leave it out')
    if options.wanted.real and asked.workers > 1:
        problems.add(
            f"--workers {asked.workers}: what real providers are asked is counted in one process; "
            "leave it out"
        )
    strategies = [problems.strategy("--strategy", strategy)]
    # Whoever checks the other options tells of a rate that is none.
    rate = Problems().number("--rate", options.rate, LEAST_RATE, MOST_RATE)
    in_all = partial(most_turns, rate, asked.duration_s)
    setup = checked(options, problems, strategies, most_turns=in_all)
    load = replace(asked, rate=setup.rate)
    run = run_of(setup, options.scenario)
    run = replace(
        run,
        parameters={**run.parameters, **_told(load)},
        discarded_turns=run.discarded_turns * load.workers,
    )
    return run, load.rate * load.duration_s, partial(run_load, setup, load)


def _probe(
    problems: Problems, options: Options, url: str | None, strategy: str, asked: Load
) -> tuple[Run, float, Play]:
    from functools import partial

    from harness.cli.casting import Variant
    from harness.cli.open_load import run_probe
    from harness.cli.outcome import Run
    from harness.cli.setup import LEAST_RATE, MOST_RATE, MOST_SEED
    from harness.flow.strategy import Strategy
    from harness.stats.analysis import Question
    from scenarios.http_probe import HttpProbe

    seed = problems.whole("--seed", options.seed, 0, MOST_SEED)
    load = replace(asked, rate=problems.number("--rate", options.rate, LEAST_RATE, MOST_RATE))
    if problems.clock(options.clock) == "virtual":
        problems.add("--clock virtual: a URL is probed on the real clock only; leave it out")
    only_flows = (
        options.think_scale, options.port, options.pay, options.gateway, options.fallback,
        options.capacity, options.faults, options.retries, options.patience,
        *options.models.values(),
    )  # fmt: skip
    if options.wanted.given:
        problems.add('"load http" asks whom --url names: leave out --targets and what goes with it')
    if options.parameters or strategy != "baseline" or any(of is not None for of in only_flows):
        problems.add(
            '"load http" only probes: it takes no --set, --strategy, --think-scale, --port, '
            "--faults, --retries or --patience, and nobody who plays in a flow"
        )
    probe = HttpProbe(problems.url("--url", url))
    problems.settle()
    run = Run(
        scenario_name="http",
        scenario=probe,
        variants=[Variant("baseline", Strategy(), ())],
        clock="real",
        endpoints="real",
        seed=seed,
        rounds=1,
        parameters={"rate": load.rate, **_told(load)},
        profiles={},
        provenance={},
        question=Question(seed=seed),
    )
    return run, load.rate * load.duration_s, partial(run_probe, probe, seed, load)


def _told(load: Load) -> dict[str, float | str]:
    """Its parameters for run.json, those apart that are told elsewhere."""
    drain = {} if load.drain_s is None else {"drain_s": load.drain_s}
    return {"arrivals": load.arrivals, **drain}


def _print(summary: RunSummary, columns: Columns, folder: Path, as_json: bool) -> None:
    from harness.report.load import load_figures, print_load

    figures = load_figures(summary, columns, str(folder))
    if as_json:
        from harness.cli.printed import print_json

        print_json(figures)
    else:
        from rich.console import Console

        print_load(summary, figures, Console())
