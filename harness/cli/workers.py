"""Rounds spread over worker processes; what a round does is not decided here."""

import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed, wait
from pathlib import Path
from typing import Literal, TypeVar

from harness.cli.course import Course, Crash, Crashed, Progress
from harness.cli.scenario_file import load_again, source_of
from harness.cli.wiring import Setup
from harness.load.engine import Tally, Tell
from harness.record import Spool
from mocks.keys import private_key

T = TypeVar("T")

PATIENCE_S = 5.0
"""How long a stopped run waits for what its workers have begun."""

START: Literal["fork", "spawn"] = "fork" if sys.platform == "linux" else "spawn"
"""A fork inherits the loaded modules; elsewhere each worker takes a second to load them anew."""

Work = Callable[[Setup, int, Tell], Tally]
"""Plays one round, given by its number, and tells its turns."""

Waiting = dict[Future[Tally | Crash], Path]
"""Rounds that were asked for, and where their turns go."""


def run_in_workers(
    work: Work,
    setup: Setup,
    jobs: int,
    batches: Iterable[range],
    course: Course,
    progress: Progress,
) -> None:
    """Batch after batch of rounds, each round in whichever of `jobs` processes is free. However it
    ends, no process is left, and the rounds that finished are in the course.

    A worker spools its round and sends back the counts alone.
    """
    private_key(0)  # Made once, here: forked workers inherit it.
    pool = ProcessPoolExecutor(
        min(jobs, setup.rounds),
        multiprocessing.get_context(START),
        initializer=begin_worker,
        initargs=(source_of(setup.scenario),),
    )
    waiting: Waiting = {}
    try:
        for batch in batches:
            for round_ in batch:
                path = course.path_of(round_)
                waiting[pool.submit(_end_of, work, setup, round_, path)] = path
            progress.watch(course.tally)
            for future in as_completed(list(waiting)):
                _finish(course, future.result(), waiting.pop(future))
    finally:
        for future in late_ends(waiting):
            end = future.result()
            if isinstance(end, Tally):
                _finish(course, end, waiting[future])
        pool.shutdown()


def begin_worker(scenario_source: str | None) -> None:
    """What a pool of processes runs in each of them before its first work: a Ctrl-C is the parent's
    to heed, and none outlives the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    load_again(scenario_source)
    gc.freeze()  # What is loaded by now stays: no round's collection needs to walk through it.


def late_ends(waiting: Iterable[Future[T]]) -> list[Future[T]]:
    """Those that come to a result, of what is in a worker by now: it ends within `PATIENCE_S` or,
    with its worker, not at all. The others are not begun."""
    running = [future for future in waiting if not future.cancel()]
    with contextlib.suppress(KeyboardInterrupt):  # pressed again: wait no longer
        wait(running, PATIENCE_S)
    ended = [future for future in running if future.done()]
    if len(ended) < len(running):
        for worker in multiprocessing.active_children():
            worker.terminate()
    return [future for future in ended if not future.exception()]


def _end_with_parent() -> None:
    """A parent that is killed cannot say so, and its workers would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _end_of(work: Work, setup: Setup, round_: int, path: Path) -> Tally | Crash:
    try:
        with Spool(path) as spool:
            return work(setup, round_, spool.add)
    except Exception as error:
        return Crash.of(error)


def _finish(course: Course, end: Tally | Crash, path: Path) -> None:
    if isinstance(end, Crash):
        raise Crashed(end)
    course.spools.append(path)
    course.tally.add(end)
    course.rounds_finished += 1
