"""Running the rounds of a comparison: on the virtual clock, or against a mock process on the real
one. Whatever finished is kept, and no process is left behind."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import chain
from pathlib import Path

from harness import clock as clocks
from harness.cli.course import Course, Enough, Progress, batches, stopping
from harness.cli.real_ways import asking, serving_mocks
from harness.cli.ways import socket_ways
from harness.cli.wiring import Setup, Way, in_process_arms, socket_arms
from harness.cli.workers import run_in_workers
from harness.load.books import hold_against_books
from harness.load.engine import Arm, Due, Tally, Tell, round_schedule, run_round

Ways = Callable[[Setup, str], AbstractAsyncContextManager[list[Way]]]
"""Opens a way for each variant; the address is that of the mocks."""

Opening = Callable[[], AbstractAsyncContextManager[list[Way]]]

WARM_UP_ROUND = -1
"""On the real clock a first, unrecorded turn a strategy opens connections and loads code."""


def run_rounds(
    setup: Setup,
    jobs: int,
    progress: Progress,
    room: Path,
    looks: Sequence[int] = (),
    enough: Enough = lambda course: True,
) -> Course:
    """Run the rounds up to each look, until at a look there is enough; without looks named there
    is one, at the end. What a round does depends on none of this. An interrupt or a bug ends the
    run early and is told in the course. Turns are spooled in `room`."""
    course = Course(room)
    planned = batches(course, looks or (setup.rounds,), enough)
    with stopping(course, setup.rounds):
        if setup.real is not None:
            with asking(setup.real, course, progress) as real:
                _run_real(setup, planned, course, progress, real.ways)
        elif setup.clock == "real":
            _run_real(setup, planned, course, progress, socket_ways)
        elif jobs == 1:
            _run_here(setup, planned, course, progress)
        else:
            run_in_workers(one_virtual_round, setup, jobs, planned, course, progress)
    return course


def one_virtual_round(setup: Setup, round_: int, tell: Tell | None = None) -> Tally:
    """The whole round on a virtual loop of its own: it depends on nothing that ran before it."""
    tally = Tally()
    _play_virtual(setup, round_, tally, tell)
    return tally


def _play_virtual(setup: Setup, round_: int, tally: Tally, tell: Tell | None) -> None:
    clock = clocks.VirtualClock()

    async def main() -> None:
        arms = in_process_arms(setup, round_, clock)
        await run_round(clock, arms, _schedule(setup, round_, arms), tally, tell=tell)
        await hold_against_books(arms, tally)

    clocks.run("virtual", main())


def _run_here(setup: Setup, planned: Iterable[range], course: Course, progress: Progress) -> None:
    progress.watch(course.tally)
    for round_ in chain.from_iterable(planned):
        with course.spool(round_) as spool:
            _play_virtual(setup, round_, course.tally, spool.add)
        course.rounds_finished += 1


def _run_real(
    setup: Setup, planned: Iterable[range], course: Course, progress: Progress, ways: Ways
) -> None:
    progress.watch(course.tally)
    with serving_mocks(setup) as base_url:
        clocks.run("real", _real_rounds(setup, lambda: ways(setup, base_url), planned, course))


@contextlib.asynccontextmanager
async def leaving_no_task() -> AsyncIterator[None]:
    """What still runs when the body is cancelled, such as the forks of a turn, ends here: before
    the connections under it close, which would look like a fault."""
    try:
        yield
    finally:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


@contextlib.asynccontextmanager
async def warmed(setup: Setup, opening: Opening) -> AsyncIterator[list[Way]]:
    """Ways on which a first, unrecorded turn a strategy has gone. Real providers' connections are
    opened anew after it: what that takes is what a run on them tells of."""
    async with contextlib.AsyncExitStack() as stack:
        if setup.real is not None:
            async with opening() as others, leaving_no_task():
                await _warm_up(setup, others)
        ways = await stack.enter_async_context(opening())
        await stack.enter_async_context(leaving_no_task())
        if setup.real is None:
            await _warm_up(setup, ways)
        yield ways


async def _warm_up(setup: Setup, ways: Sequence[Way]) -> None:
    clock = clocks.RealClock()
    arms = socket_arms(setup, WARM_UP_ROUND, clock, ways)
    await run_round(clock, arms, _schedule(setup, WARM_UP_ROUND, arms), Tally())


async def _real_rounds(
    setup: Setup, opening: Opening, planned: Iterable[range], course: Course
) -> None:
    """All on one set of connections. The next round is asked for, and a look taken, only when the
    one before has ended and nothing is being measured."""
    clock = clocks.RealClock()
    async with warmed(setup, opening) as ways:
        arms: list[Arm] = []
        for round_ in chain.from_iterable(planned):
            arms = socket_arms(setup, round_, clock, ways)
            schedule = _schedule(setup, round_, arms)
            with course.spool(round_) as spool:
                await run_round(clock, arms, schedule, course.tally, tell=spool.add)
            course.rounds_finished += 1
        await hold_against_books(arms, course.tally)  # All rounds have gone the same ways.


def _schedule(setup: Setup, round_: int, arms: Sequence[Arm]) -> list[Due]:
    return round_schedule(
        setup.seed,
        round_,
        arms,
        turns=1 if round_ == WARM_UP_ROUND else setup.turns_in(round_),
        turns_each=setup.scenario.turns,
        rate=setup.rate,
    )
