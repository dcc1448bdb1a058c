"""Measuring one rate after another until the capacity is found, or until the instrument itself is
the limit; what a step shows is judged elsewhere."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from harness.cli.course import Course, Progress, stopping
from harness.cli.open_load import Play, Schedule, player
from harness.cli.wiring import Setup
from harness.load import arrivals
from harness.load.engine import Arm, Due, Tally
from harness.load.health import BOOKS_BROKEN, EVERY_TURN_FAILED, examine
from harness.record import Step, columns_of_spools
from harness.stats.capacity import Played, Search, Wanted, judge, next_step

PILOT_ROUND, PILOTS = -2, 20
"""Conversations that are played before all steps, and recorded in none."""

Bar = Callable[[str, float], AbstractContextManager[Progress]]
"""A progress bar for so many turns of what is named."""


@dataclass(slots=True)
class Sweep:
    """What was measured, step by step; it grows, so an interrupt loses no step that had ended."""

    course: Course
    steps: list[Step] = field(default_factory=list)
    settle_s: float = 0.0
    """For so long each step plays before its load is steady."""


def run_sweep(setup: Setup, search: Search, duration_s: float, bar: Bar, room: Path) -> Sweep:
    """Every step in mocks and weather of its own. Its judged part lasts `duration_s`, or longer
    where the rate is so low that the quantile needs it. Turns are spooled in `room`."""
    sweep = Sweep(Course(room))
    with stopping(sweep.course), player(setup) as play:
        with bar("how long a conversation lasts", PILOTS * setup.scenario.turns) as progress:
            sweep.settle_s = _longest_s(setup, play, progress)
        while not sweep.course.stopped and (wanted := next_step(search, sweep.steps)):
            length_s = wanted.stretch * max(duration_s, search.turns / wanted.rate)
            _measure(setup, search, wanted, length_s, sweep, play, bar)
    return sweep


def _longest_s(setup: Setup, play: Play, progress: Progress) -> float:
    """What the longest of some conversations takes. A load of conversations that begin at an even
    rate rises until the first of them end, and is steady from then on."""
    turns, tally = setup.scenario.turns, Tally()
    everyone = lambda arm: [Due(0.0, n, arm, f"c{n}", turns) for n in range(PILOTS)]  # noqa: E731
    progress.watch(tally)
    play(PILOT_ROUND, everyone, tally, tally.rows.add)
    return float(math.ceil(max((row.end_s for row in tally.rows.flows), default=0.0)))


def _measure(
    setup: Setup,
    search: Search,
    wanted: Wanted,
    length_s: float,
    sweep: Sweep,
    play: Play,
    bar: Bar,
) -> None:
    """One step, recorded whatever comes of it. It is judged only if it can be believed."""
    number, tally = len(sweep.steps), Tally()
    end_s = sweep.settle_s + length_s
    told = f"step {number + 1}, {wanted.rate:g} turns/s"
    with bar(told, wanted.rate * end_s) as progress, sweep.course.spool(number) as spool:
        progress.watch(tally)
        try:
            play(number, _arrivals(setup, number, wanted.rate, end_s), tally, spool.add)
        finally:
            sweep.course.tally.add(tally)
    columns = columns_of_spools([spool.path])
    _, reasons = examine(tally, columns, setup.clock)
    # That every turn fails is for the system to answer for.
    if sick := [reason for reason in reasons if not reason.startswith(EVERY_TURN_FAILED)]:
        sweep.course.stopped = _ended_by(wanted.rate, sick)
        return
    played = Played(
        round=number,
        rate=wanted.rate,
        begin_s=sweep.settle_s,
        end_s=end_s,
        turns=columns.turns,
        due=tally.due,
        ended=tally.ended,
    )
    sweep.steps.append(judge(search, played))
    sweep.course.rounds_finished += 1


def _ended_by(rate: float, sick: Sequence[str]) -> str:
    """Money that is lost is the app's doing, and nothing that it does at that rate counts."""
    told = "; ".join(sick)
    if any(reason.startswith(BOOKS_BROKEN) for reason in sick):
        return f"at {rate:g} turns/s the app lost track of money, which ended the sweep: {told}"
    return f"at {rate:g} turns/s the instrument, not the system, ended the sweep: {told}"


def _arrivals(setup: Setup, round_: int, rate: float, until_s: float) -> Schedule:
    """Whole conversations as Poisson arrivals, other ones in each round."""

    def schedule(arm: Arm) -> Iterator[Due]:
        turns = setup.scenario.turns
        dues = arrivals.poisson(setup.seed, "step", round_, rate=rate / turns)
        for conversation, when in enumerate(arrivals.until(dues, until_s)):
            yield Due(when, conversation, arm, f"c{conversation}", turns)

    return schedule
