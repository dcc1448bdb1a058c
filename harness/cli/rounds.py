"""Running the rounds of a comparison: over worker processes on the virtual clock, or against a mock
process on the real one. Whatever finished is kept, and no process is left behind."""

import contextlib
import multiprocessing
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from harness import clock as clocks
from harness.cli.wiring import Setup, in_process_arms, socket_arms
from harness.clock import Clock
from harness.load.engine import Tally, round_schedule, run_round
from harness.transport import socket_transport
from mocks.host import MockConfig
from mocks.keys import private_key

WARM_UP_ROUND = -1
"""On the real clock a first, unrecorded turn a strategy opens connections and loads code."""


class Progress(Protocol):
    """Shows how far a run is. It may start a thread, so it is started after workers are forked."""

    def start(self) -> None: ...
    def advance(self, turns: int) -> None: ...


@dataclass(slots=True)
class Course:
    """How a run went: what finished, and why it stopped early if it did."""

    tally: Tally = field(default_factory=Tally)
    rounds_finished: int = 0
    stopped: str = ""


def run_rounds(setup: Setup, jobs: int, progress: Progress) -> Course:
    """Run them all. An interrupt or a bug ends the run early and is told in the course."""
    course = Course()
    try:
        if setup.clock == "real":
            _run_real(setup, course, progress)
        elif jobs == 1:
            _run_here(setup, course, progress)
        else:
            _run_in_workers(setup, jobs, course, progress)
    except KeyboardInterrupt:
        course.stopped = f"interrupted after {course.rounds_finished} of {setup.rounds} rounds"
    except Exception as error:
        traceback.print_exc()
        course.stopped = f"stopped after {course.rounds_finished} of {setup.rounds} rounds by "
        course.stopped += f"{type(error).__name__}: {error}"
    return course


def one_virtual_round(setup: Setup, round_: int) -> Tally:
    """The whole round on a virtual loop of its own: it depends on nothing that ran before it."""
    tally = Tally()
    clock = clocks.VirtualClock()

    async def main() -> None:
        arms = in_process_arms(setup, round_, clock)
        schedule = round_schedule(
            setup.seed,
            round_,
            arms,
            turns=setup.turns_in(round_),
            turns_each=setup.scenario.turns,
            rate=setup.rate,
        )
        await run_round(clock, arms, schedule, tally)

    clocks.run("virtual", main())
    return tally


@contextlib.contextmanager
def mock_process(config: MockConfig) -> Iterator[str]:
    """The base URL of mocks on loopback, served for as long as the context lasts."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mocks.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is ours to handle; the mocks end when their input does.
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(msgspec.json.encode(config) + b"\n")
        process.stdin.flush()
        port = process.stdout.readline().strip()
        if not port:
            raise RuntimeError("the mock process did not start; its error is above")
        yield f"http://127.0.0.1:{int(port)}"
    finally:
        process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _run_here(setup: Setup, course: Course, progress: Progress) -> None:
    progress.start()
    for round_ in range(setup.rounds):
        _finish(course, one_virtual_round(setup, round_), progress)


def _run_in_workers(setup: Setup, jobs: int, course: Course, progress: Progress) -> None:
    private_key(0)  # Made once, here: forked workers inherit it.
    pool = ProcessPoolExecutor(min(jobs, setup.rounds), _context(), _ignore_interrupt)
    futures: list[Future[Tally]] = []
    try:
        futures = [pool.submit(one_virtual_round, setup, n) for n in range(setup.rounds)]
        progress.start()
        for future in as_completed(futures):
            _finish(course, future.result(), progress)
            futures.remove(future)
    finally:
        # Rounds already in a worker take well under a second to end, and are kept.
        pool.shutdown(cancel_futures=True)
        for future in futures:
            if future.done() and not future.cancelled() and not future.exception():
                _finish(course, future.result(), progress)


def _context() -> multiprocessing.context.BaseContext:
    # A fork inherits the loaded modules; elsewhere each worker takes a second to load them anew.
    return multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


def _ignore_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _finish(course: Course, tally: Tally, progress: Progress) -> None:
    course.tally.add(tally)
    course.rounds_finished += 1
    progress.advance(tally.finished)


def _run_real(setup: Setup, course: Course, progress: Progress) -> None:
    clock = clocks.RealClock()
    progress.start()
    with mock_process(setup.mocks) as base_url:
        clocks.run("real", _real_rounds(setup, base_url, clock, course, progress))


async def _real_rounds(
    setup: Setup, base_url: str, clock: Clock, course: Course, progress: Progress
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        transports = [await stack.enter_async_context(socket_transport()) for _ in setup.strategies]
        for round_ in (WARM_UP_ROUND, *range(setup.rounds)):
            arms = socket_arms(setup, round_, clock, transports, base_url)
            warm_up = round_ == WARM_UP_ROUND
            schedule = round_schedule(
                setup.seed,
                round_,
                arms,
                turns=1 if warm_up else setup.turns_in(round_),
                turns_each=setup.scenario.turns,
                rate=setup.rate,
            )
            if warm_up:
                await run_round(clock, arms, schedule, Tally())
                continue
            await run_round(clock, arms, schedule, course.tally, lambda: progress.advance(1))
            course.rounds_finished += 1
