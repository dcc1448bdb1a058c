"""The verb `sweep`: the highest rate at which a strategy keeps to a service level."""

from __future__ import annotations

import re
from dataclasses import replace
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
)

if TYPE_CHECKING:
    from harness.cli.outcome import Run
    from harness.cli.problems import Problems
    from harness.cli.steps import Sweep
    from harness.cli.wiring import Setup
    from harness.record import RunSummary
    from harness.stats.capacity import Search
    from mocks.host import MockConfig

THINK_SCALE = "0.02"
"""A load is steady once conversations have come to their end, and users who take their time would
take most of each step for that."""

LEAST_RESOLUTION, MOST_RESOLUTION = 2.0, 100.0


def sweep(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help=f"One of {STORIES}, or a .py file.")
    ],
    slo: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="What a response may take: 8s, 800ms.  [required]"),
    ] = None,
    percentile: Annotated[
        str, typer.Option(metavar="P", help="The percentile that must keep to it.")
    ] = "p99",
    from_: Annotated[
        str, typer.Option("--from", metavar="R", help="The lowest rate tried, turns per second.")
    ] = "1",
    to: Annotated[str, typer.Option(metavar="R", help="The highest.")] = "1000",
    duration: Annotated[
        str,
        typer.Option(
            metavar="S",
            help="Seconds of steady load a step; more where the percentile needs more turns.",
        ),
    ] = "60",
    resolution: Annotated[
        str, typer.Option(metavar="%", help="How far apart the two rates found may be.")
    ] = "10%",
    strategy: Annotated[
        str,
        typer.Option(metavar="LIST", help="The mitigations that are on: prewarm,token_cache,..."),
    ] = "baseline",
    seed: Seed = "1",
    clock: Clock = "virtual",
    pay: Pay = None,
    intent: Intent = None,
    confirm: Confirm = None,
    reason: Reason = None,
    score: Score = None,
    gateway: Gateway = None,
    fallback: Fallback = None,
    capacity: Capacity = None,
    think_scale: Annotated[
        str, typer.Option(metavar="X", help="Multiplies think times and token lifetimes.")
    ] = THINK_SCALE,
    set_: Set = None,
    port: Port = None,
    out: Out = "results",
    report: Report = True,
    json: Json = False,
) -> int:
    """Find the highest rate that keeps to a service level.

    A rate is sustained when the upper bound of the percentile keeps to it, nothing is dropped and
    nothing piles up. Exit code 0 means that the highest such rate and the lowest other were found
    and measured twice, 3 that they were not, 4 that the run cannot be believed, 2 that the command
    was wrong.
    """
    from pathlib import Path

    from harness.cli.breaches import tell_breaches
    from harness.cli.outcome import Started, store
    from harness.cli.problems import Problems
    from harness.cli.progress import TurnBar
    from harness.cli.room import new_run, room_in
    from harness.cli.setup import Options, checked
    from harness.cli.steps import run_sweep

    problems = Problems()
    search = _search(problems, slo, percentile, from_, to, resolution)
    duration_s = problems.number("--duration", duration, 0.1, 1_000_000)
    folder = problems.folder("--out", out)
    options = Options(
        scenario=scenario,
        parameters=set_ or [],
        clock=clock,
        seed=seed,
        think_scale=think_scale,
        port=port,
        pay=pay,
        models={"intent": intent, "confirm": confirm, "reason": reason, "score": score},
        gateway=gateway,
        fallback=fallback,
        capacity=capacity,
    )
    setup = checked(options, problems, [problems.strategy("--strategy", strategy)])
    started = Started.now()
    kept = new_run(folder, started.at, Path(scenario).stem, setup.clock, setup.seed)
    found = run_sweep(setup, search, duration_s, TurnBar, room_in(kept))
    run = _run_of(setup, scenario, capacity, search, duration_s, found)
    summary, columns = store(run, found.course, started, kept)
    if report:
        from harness.cli.charts import draw_report

        draw_report(summary, columns, kept, jobs=1)
    if json:
        from harness.cli.printed import print_json

        print_json(summary)
    else:
        from rich.console import Console

        from harness.report.capacity import print_capacity

        print_capacity(summary, str(kept), Console())
    tell_breaches(summary, columns)
    return _exit_code(summary)


def _search(
    problems: Problems,
    slo: str | None,
    percentile: str,
    from_: str,
    to: str,
    resolution: str,
) -> Search:
    from harness.cli.setup import LEAST_RATE, MOST_RATE
    from harness.stats.capacity import Search

    lowest = problems.number("--from", from_, LEAST_RATE, MOST_RATE)
    highest = problems.number("--to", to, LEAST_RATE, MOST_RATE)
    if lowest > highest:
        problems.add(f"--from {from_} is above --to {to}: take a lower one")
    return Search(
        slo_ms=_slo_ms(problems, slo),
        quantile=problems.quantile("--percentile", percentile),
        lowest_rate=lowest,
        highest_rate=highest,
        resolution=_resolution(problems, resolution),
    )


def _slo_ms(problems: Problems, text: str | None) -> float:
    from harness.stats.slo import read_time_ms

    if text is None:
        problems.add("--slo is missing: what a response may take, as in --slo 8s")
        return 1.0
    ms = read_time_ms(text)
    if ms is None:
        problems.add(f"--slo must be as in 8s or 800ms, up to an hour, not {text!r}")
    return ms or 1.0


def _resolution(problems: Problems, text: str) -> float:
    written = re.fullmatch(r" *([0-9]*\.?[0-9]+) *% *", text)
    percent = float(written[1]) if written else 0.0
    if not LEAST_RESOLUTION <= percent <= MOST_RESOLUTION:
        problems.add(
            f"--resolution must be from {LEAST_RESOLUTION:g}% to {MOST_RESOLUTION:g}%, "
            f"as in 10%, not {text!r}"
        )
    return percent / 100


def _run_of(
    setup: Setup,
    scenario_name: str,
    slots: str | None,
    search: Search,
    duration_s: float,
    found: Sweep,
) -> Run:
    """The strategy is told among the parameters: no figure of all rates together means anything,
    so the run has no variant."""
    from harness.cli.outcome import run_of
    from harness.cli.steps import PILOTS
    from harness.stats.capacity import capacity

    run = run_of(setup, scenario_name)
    warm_ups = len(found.steps) + 1 if setup.clock == "real" else 0
    return replace(
        run,
        variants=(),
        rounds=len(found.steps) + bool(found.course.stopped),
        parameters={
            "strategy": setup.variants[0].name,
            "limits": _limits_of(setup.mocks, slots),
            "think_scale": setup.think_scale,
            "from_rate": search.lowest_rate,
            "to_rate": search.highest_rate,
            "duration_s": duration_s,
            "settle_s": found.settle_s,
            "resolution": search.resolution,
        },
        discarded_turns=PILOTS * setup.scenario.turns + warm_ups,
        capacity=capacity(search, found.steps),
    )


def _limits_of(mocks: MockConfig, slots: str | None) -> str:
    """What the mocks can take, as far as a word tells."""
    if slots is not None:
        return f"{slots} calls at once"
    limits = (
        *(of.limits for of in mocks.pay.values()),
        *(of.limits for of in mocks.models.values()),
        *(of.limits for of in mocks.gateways.values()),
    )
    return "those of the profiles" if any(limits) else "none"


def _exit_code(summary: RunSummary) -> int:
    from harness.cli.exits import INCONCLUSIVE, INVALID, PASS

    if not summary.valid:
        return INVALID
    return PASS if summary.capacity and summary.capacity.confirmed else INCONCLUSIVE
