"""The verb `selftest`: how often this instrument is wrong, told before anyone bets on a verdict."""

from __future__ import annotations

from dataclasses import dataclass
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
    Score,
    Seed,
    Set,
    ThinkScale,
)

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cli.problems import Problems
    from harness.cli.wiring import Setup
    from harness.report.selftest import SelftestSummary, State

STAGE = "pay"
SLOWED_PERCENTS = (2.0, 5.0, 10.0, 20.0)


def selftest(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help=f"One of {STORIES}, or a .py file.")
    ] = "conversation",
    pairs: Annotated[str, typer.Option(metavar="N", help="Comparisons of equal arms.")] = "60",
    flows: Annotated[str, typer.Option(metavar="N", help="Turns for each arm of a pair.")] = "500",
    rounds: Annotated[
        str, typer.Option(metavar="N", help="Rounds that a pair's turns are spread over.")
    ] = "20",
    seed: Seed = "1",
    clock: Clock = "virtual",
    rate: Annotated[
        str, typer.Option(metavar="R", help="Turns per second, all arms together.")
    ] = "50",
    strategy: Annotated[
        str, typer.Option(metavar="LIST", help="The mitigations that are on.")
    ] = "baseline",
    primary: Annotated[
        str, typer.Option(metavar="PERCENTILE", help="Whose false alarms and findings count.")
    ] = "p50",
    stage: Annotated[
        str | None,
        typer.Option(
            metavar="STAGE",
            help="What is slowed on purpose, on the virtual clock: pay, session, or a model's "
            "role such as intent.  [default: pay]",
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
    port: Port = None,
    out: Out = "results",
    json: Json = False,
) -> int:
    """Measure how often a verdict is wrong, and what it can find.

    Arms that are equal are compared, and arms slowed on purpose.

    Everything goes the way of compare. Exit code 0 means that verdicts can be trusted, 1 that they
    cannot, 3 that too little was measured to say, 4 that the run itself cannot be believed, 2 that
    the command was wrong.
    """
    from harness.cli.machine import cores
    from harness.cli.problems import Problems
    from harness.cli.setup import Options, checked
    from harness.stats.quantiles import MIN_ROUNDS

    problems = Problems()
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
    pairs_ = problems.whole("--pairs", pairs, 2, 10_000)
    turns = problems.whole("--flows", flows, 1, 1_000_000)
    rounds_ = problems.whole("--rounds", rounds, MIN_ROUNDS, 10_000)
    at = problems.quantile("--primary", primary)
    _check_size(problems, turns, rounds_, at)
    switched_on = problems.strategy("--strategy", strategy)
    folder = problems.folder("--out", out)
    workers = cores() if jobs is None else problems.whole("--jobs", jobs, 1, 256)
    if stage is not None and clock == "real":
        problems.add("--stage is slowed on the virtual clock only: leave it out")
    setup = checked(options, problems, [switched_on], rounds=rounds_, turns=turns)
    slow = _stage(problems, STAGE if stage is None else stage, setup)
    return _tell(Asked(setup, scenario, pairs_, at, slow, workers, folder), json)


@dataclass(frozen=True, slots=True)
class Asked:
    """A checked self-test, and where it goes."""

    setup: Setup
    """Of one pair; its only variant plays every arm."""
    scenario_name: str
    pairs: int
    primary: float
    stage: str
    jobs: int
    out: Path


def _check_size(problems: Problems, turns: int, rounds: int, primary: float) -> None:
    """All rounds are to be alike, and a pair to have turns enough to know its primary quantile."""
    from harness.report.words import percentile
    from harness.stats.calibration import LEVEL
    from harness.stats.distributions import fewest_values
    from harness.stats.quantiles import enough

    if not problems.none:
        return
    if turns % rounds:
        more = rounds * -(-turns // rounds)
        problems.add(
            f"--flows {turns} is no multiple of --rounds {rounds}: take {more}, "
            "so that all rounds are alike"
        )
    elif not enough(turns, primary):
        least = rounds * -(-fewest_values(primary, LEVEL) // rounds)
        problems.add(
            f"--flows {turns} cannot tell --primary {percentile(primary)}: take {least:g} or more"
        )


def _stage(problems: Problems, stage: str, setup: Setup) -> str:
    from harness.cli.slowing import stages_of

    stages = stages_of(setup)
    if stage not in stages:
        problems.add(f"--stage {stage} cannot be slowed alone: take {', '.join(stages)}")
    problems.settle()
    return stage


def _tell(asked: Asked, as_json: bool) -> int:
    from harness.cli.exits import INCONCLUSIVE, INVALID, PASS, REGRESSION

    summary, folder = _run(asked)
    if as_json:
        from harness.cli.printed import print_json

        print_json(summary)
    else:
        from rich.console import Console

        from harness.report.selftest import print_selftest

        print_selftest(summary, str(folder), Console())
    codes: dict[State, int] = {
        "PASS": PASS,
        "FAIL": REGRESSION,
        "CANNOT TELL": INCONCLUSIVE,
        "INVALID": INVALID,
    }
    return codes[summary.state]


def _run(asked: Asked) -> tuple[SelftestSummary, Path]:
    from pathlib import Path

    from harness.cli.outcome import Started
    from harness.cli.pairs import run_trial, trial_of
    from harness.cli.progress import TurnBar
    from harness.cli.room import new_run, room_in
    from harness.cli.selftest_outcome import store_selftest, summarise

    started, setup = Started.now(), asked.setup
    what = f"selftest-{Path(asked.scenario_name).stem}"
    folder = new_run(asked.out, started.at, what, setup.clock, setup.seed)
    trial = trial_of(setup, asked.pairs, asked.stage, SLOWED_PERCENTS)
    with TurnBar(f"selftest of {asked.scenario_name}", trial.turns) as bar:
        course = run_trial(trial, asked.jobs, bar, room_in(folder))
    summary = summarise(trial, course, asked.scenario_name, asked.primary, started)
    store_selftest(summary, folder)
    return summary, folder
