"""On the virtual clock unchanged code raises no alarm, in this process or another, and one percent
on any stage of any strategy is caught, with the stage named, whatever else became faster."""

import multiprocessing
from collections.abc import Iterator
from functools import cache

import pytest

from harness.cli.problems import Problems
from harness.cli.rounds import one_virtual_round
from harness.cli.setup import Options, checked
from harness.cli.slowing import slowed, stages_of
from harness.cli.wiring import Setup
from harness.flow.strategy import all_strategies, strategy_of
from harness.record import Check, Rows, Tolerance, TurnTimes, columns_of, sort
from harness.report.checks import checked_change
from harness.stats.turn_times import story_of, times_of

STAGES = ["pay", "session", "intent", "confirm"]
STRATEGIES = [strategy.name for strategy in all_strategies()]
PERCENT = 0.01


@cache
def setup_of(strategy: str, turns: int, rounds: int) -> Setup:
    on = () if strategy == "baseline" else strategy.split("+")
    return checked(Options(), Problems(), [strategy_of(on)], rounds=rounds, turns=turns)


def played(setup: Setup) -> tuple[TurnTimes, str]:
    """The times and the story of its only strategy."""
    rows = Rows()
    for round_ in range(setup.rounds):
        one_virtual_round(setup, round_, rows.add)
    sort(rows)
    columns, name = columns_of(rows), setup.variants[0].name
    return times_of(columns, name), story_of(columns, name)


@cache
def before(strategy: str, turns: int, rounds: int) -> tuple[TurnTimes, str]:
    return played(setup_of(strategy, turns, rounds))


def change(strategy: str, setup: Setup, turns: int, rounds: int) -> Check:
    then, story = before(strategy, turns, rounds)
    now, same_story = played(setup)
    assert same_story == story
    return checked_change(f"conversation/{strategy}", now, then, Tolerance(), seed=1)


def named(sentence: str) -> list[str]:
    """The first stage of each part that tells which ones take longer."""
    parts = sentence.replace("to blame: ", "\n").replace("off the critical path ", "\n")
    parts = parts.replace("against its baseline: ", "\n")
    return [
        part.split(", +")[0].removesuffix(" is busy for longer").removesuffix(" takes longer")
        for part in parts.splitlines()
    ]


def caught(strategy: str, stage: str, turns: int, rounds: int) -> None:
    setup = setup_of(strategy, turns, rounds)
    found = change(strategy, slowed(setup, stage, PERCENT), turns, rounds)
    assert found.state == "failed", found.sentence
    assert found.sentence.startswith(f"conversation/{strategy} regressed against its baseline: ")
    assert stage in named(found.sentence), found.sentence


def hidden(strategy: str, stage: str, by: str, turns: int, rounds: int) -> None:
    """One stage takes a percent longer while another takes a tenth less."""
    setup = setup_of(strategy, turns, rounds)
    traded = slowed(slowed(setup, by, -0.1), stage, PERCENT)
    found = change(strategy, traded, turns, rounds)
    assert found.state == "failed", found.sentence
    assert stage in named(found.sentence), found.sentence
    assert by not in named(found.sentence), found.sentence


def faster(strategy: str, stage: str, turns: int, rounds: int) -> None:
    setup = setup_of(strategy, turns, rounds)
    found = change(strategy, slowed(setup, stage, -PERCENT), turns, rounds)
    assert found.state == "passed", found.sentence


def unchanged(strategy: str, turns: int, rounds: int) -> None:
    found = change(strategy, setup_of(strategy, turns, rounds), turns, rounds)
    assert (found.state, found.sentence) == (
        "passed",
        f"conversation/{strategy} is as its baseline: all {turns} turns as before, to the "
        "microsecond",
    )


def test_every_stage_of_its_own_figure_is_slowed_here() -> None:
    assert stages_of(setup_of("baseline", 50, 5)) == STAGES


FEW = ["baseline", "prewarm+token_cache+parallel_confirm"]


@pytest.mark.parametrize("strategy", FEW)
def test_unchanged_code_raises_no_alarm(strategy: str) -> None:
    unchanged(strategy, 50, 5)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("strategy", FEW)
def test_one_percent_on_a_stage_is_caught_and_the_stage_named(strategy: str, stage: str) -> None:
    caught(strategy, stage, 50, 5)


@pytest.mark.parametrize(("stage", "by"), [("pay", "intent"), ("confirm", "intent")])
@pytest.mark.parametrize("strategy", FEW)
def test_one_percent_is_caught_where_another_stage_gains_more(
    strategy: str, stage: str, by: str
) -> None:
    hidden(strategy, stage, by, 50, 5)


@pytest.mark.parametrize("stage", ["pay", "session"])
@pytest.mark.parametrize("strategy", FEW)
def test_a_stage_that_gets_faster_raises_no_alarm_for_another(strategy: str, stage: str) -> None:
    faster(strategy, stage, 50, 5)


@pytest.mark.slow
@pytest.mark.parametrize(("turns", "rounds"), [(400, 20), (100, 5)])
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_gain_hides_a_stage_that_grew_and_is_taken_for_one(
    strategy: str, stage: str, turns: int, rounds: int
) -> None:
    hidden(strategy, stage, "pay" if stage == "intent" else "intent", turns, rounds)
    faster(strategy, stage, turns, rounds)


@pytest.mark.slow
@pytest.mark.parametrize(("turns", "rounds"), [(400, 20), (100, 5), (60, 3)])
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_percent_on_any_stage_of_any_strategy_is_caught(
    strategy: str, stage: str, turns: int, rounds: int
) -> None:
    caught(strategy, stage, turns, rounds)


@pytest.mark.slow
def test_fifty_runs_of_unchanged_code_in_other_processes_raise_no_alarm() -> None:
    spawn = multiprocessing.get_context("spawn")
    # A process for every four runs: what one leaves behind is not met by all.
    with spawn.Pool(2, maxtasksperchild=4) as pool:
        found = pool.starmap(_again, _fifty(), chunksize=1)
    then = {strategy: before(strategy, 200, 10) for strategy in STRATEGIES}
    assert len(found) == 50
    for strategy, (now, story) in found:
        assert story == then[strategy][1]
        check = checked_change(strategy, now, then[strategy][0], Tolerance(), seed=1)
        assert (check.state, check.ms) == ("passed", None), check.sentence


def _fifty() -> Iterator[tuple[str, int, int]]:
    return ((STRATEGIES[n % len(STRATEGIES)], 200, 10) for n in range(50))


def _again(strategy: str, turns: int, rounds: int) -> tuple[str, tuple[TurnTimes, str]]:
    return strategy, played(setup_of(strategy, turns, rounds))
