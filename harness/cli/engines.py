"""A load made by several processes, each its share of one schedule, from one common origin; what a
share does is not decided here.

This process starts them, tells them when to begin, looks on, and adds up. However it ends, none of
them is left, and the turns of each are kept.
"""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import msgspec

from harness import clock as clocks
from harness.books import Belief, Beliefs
from harness.cli.course import Course, Crash, Crashed, Progress
from harness.cli.scenario_file import load_again
from harness.cli.workers import PATIENCE_S, START
from harness.load.causes import merge_causes
from harness.load.engine import Tally, Tell
from harness.record import Spool
from harness.record.reconciliation import ReconciliationSummary

HEAD_START_S = 0.1
"""From the word that all are ready to the common origin: long enough for it to reach everyone."""

TOLD_EVERY_S = 0.5
"""How often a worker tells how far it is, and what it has measured is safe on disk."""

READY, STOP = "ready", "stop"


@dataclass(slots=True)
class Link:
    """A worker's side of its pipe."""

    worker: int
    address: str
    """Of the mocks that all share; "" where there are none."""
    pipe: Connection
    origin: "asyncio.Future[float]"
    held: "Held"

    async def begin(self) -> float:
        """Say that all is ready, and take the common origin."""
        self.pipe.send(READY)
        return await self.origin


Work = Callable[[Link, Tally, Tell], Awaitable[None]]
"""Plays one worker's share on the real clock. Where processes are not forked it is pickled."""


@dataclass(slots=True)
class Held:
    """What a worker's app holds of its payments. The books that all workers share are looked
    through once, when all have ended: whoever still measures is not to wait for that."""

    beliefs: Beliefs = field(default_factory=Beliefs)
    cut: set[str] = field(default_factory=set)
    """As of an arm."""


Judge = Callable[[str, Sequence[Belief], Sequence[str], int], ReconciliationSummary | None]
"""Of an address, all beliefs, the intents of all turns that were cut off, and how many beliefs were
not kept: what came of it against the books there."""


@dataclass(frozen=True, slots=True)
class End:
    """A worker's last word. Its beliefs are packed: there may be a million."""

    tally: Tally
    crash: Crash | None
    beliefs: bytes
    forgotten: int
    cut: list[str]


def run_in_engines(
    work: Work,
    workers: int,
    source: str | None,
    serving: AbstractContextManager[str],
    course: Course,
    progress: Progress,
    judge: Judge = lambda address, beliefs, cut, forgotten: None,
) -> None:
    """Play the work in that many processes, against what `serving` gives the address of.

    `source` is the file of the scenario, if it has one of its own. A worker that dies or meets a
    bug ends the run, as an interrupt does: the others keep what they have. Where all have ended,
    it is for `judge` to look through the books.
    """
    team = _Team(course, workers)
    try:
        # Forked before anything is served: no worker inherits another process's pipes.
        for worker in range(workers):
            team.start(work, worker, source)
        with serving as address:
            try:
                team.tell(address)
                team.listen(until=team.ready)
                progress.watch(course.tally)
                team.tell(time.perf_counter() + HEAD_START_S)
                team.listen(until=team.ended)
                course.tally.books = judge(address, *team.held())
            finally:
                team.stop()  # While it is still served: else what is in flight would fail.
    finally:
        team.end()


@dataclass(slots=True)
class _Member:
    """One worker, as seen from here. Its tally is what it told last."""

    number: int
    process: BaseProcess
    pipe: Connection
    spool: Path
    tally: Tally = field(default_factory=Tally)
    ready: bool = False
    ended: bool = False
    end: End | None = None


class _Team:
    """All workers of a run."""

    def __init__(self, course: Course, size: int) -> None:
        self._course = course
        self._size = size
        self._members: list[_Member] = []
        course.tally.workers = size

    def start(self, work: Work, worker: int, source: str | None) -> None:
        fork = START == "fork"
        context = get_context("fork") if fork else get_context("spawn")
        ours, theirs = context.Pipe()
        path = self._course.path_of(f"worker-{worker}")
        # A fork has these too, and while it holds them no worker would see their end.
        inherited = [ours, *(member.pipe for member in self._members)] if fork else []
        process = context.Process(
            target=_play, args=(work, worker, source, path, theirs, inherited), daemon=True
        )
        process.start()
        theirs.close()  # So that its end is the end of the pipe, and is seen here.
        self._members.append(_Member(worker, process, ours, path))

    def tell(self, order: str | float) -> None:
        """To all; whoever has died is noticed when listened to."""
        for member in self._members:
            with contextlib.suppress(OSError):
                member.pipe.send(order)

    def ready(self) -> bool:
        return all(member.ready or member.ended for member in self._members)

    def ended(self) -> bool:
        return all(member.ended for member in self._members)

    def held(self) -> tuple[list[Belief], list[str], int]:
        """Of all that have ended, together."""
        ends = [member.end for member in self._members if member.end is not None]
        decode = msgspec.msgpack.Decoder(list[Belief]).decode
        beliefs = [belief for end in ends for belief in decode(end.beliefs)]
        cut = [intent for end in ends for intent in end.cut]
        return beliefs, cut, sum(end.forgotten for end in ends)

    def listen(self, until: Callable[[], bool], patience_s: float | None = None) -> None:
        """Take in what they tell until that is so, or so long. Raises what a worker died of."""
        deadline = None if patience_s is None else time.perf_counter() + patience_s
        while not until():
            left = None if deadline is None else max(0.0, deadline - time.perf_counter())
            talking = {member.pipe: member for member in self._members if not member.ended}
            heard = wait(list(talking), left)
            if not heard:
                return
            for pipe, member in talking.items():
                if pipe in heard:
                    self._hear(member)

    def stop(self) -> None:
        """Let whoever still runs end where it is, and tell what it had. The reason for it, if there
        is one, was raised before: another that comes now is not told."""
        if self.ended():
            return
        self.tell(STOP)
        deadline = time.perf_counter() + PATIENCE_S
        while not self.ended() and (left := deadline - time.perf_counter()) > 0:
            with contextlib.suppress(Crashed):
                self.listen(until=self.ended, patience_s=left)

    def end(self) -> None:
        """Keep what they have, and leave no process behind, by force if it must be."""
        try:
            with contextlib.suppress(KeyboardInterrupt):  # pressed again: wait no longer
                self.stop()
        finally:
            for member in self._members:
                if not member.ended:
                    member.process.kill()
                member.process.join()
                member.pipe.close()
            self._course.spools += [of.spool for of in self._members if of.spool.exists()]
            self._add_up(final=True)

    def _hear(self, member: _Member) -> None:
        try:
            told = member.pipe.recv()
        except (EOFError, OSError):
            member.ended = True
            member.process.join()
            raise Crashed(_death(member, self._size)) from None
        if told == READY:
            member.ready = True
        elif isinstance(told, Tally):
            member.tally = told
        elif isinstance(told, End):
            member.ended, member.tally, member.end = True, told.tally, told
            if told.crash is not None:
                raise Crashed(told.crash)
        self._add_up(final=False)

    def _add_up(self, *, final: bool) -> None:
        """Into the course's own tally, which is being looked at. What measuring cost is the last
        word of each, and is added once."""
        tally = self._course.tally
        told = [member.tally for member in self._members]
        tally.due = sum(of.due for of in told)
        tally.started = sum(of.started for of in told)
        tally.finished = sum(of.finished for of in told)
        tally.failed = sum(of.failed for of in told)
        tally.running = sum(of.running for of in told)
        tally.open = sum(of.open for of in told)
        tally.leaks = sum(of.leaks for of in told)
        tally.fault = next((of.fault for of in told if of.fault), "")
        tally.causes = Counter()
        for of in told:
            merge_causes(tally.causes, of.causes)
        if final:
            for of in told:
                tally.strain.add(of.strain)


def _death(member: _Member, workers: int) -> Crash:
    code = member.process.exitcode
    how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    return Crash(f"the death of worker {member.number + 1} of {workers} ({how})", "")


# In the worker


def _play(
    work: Work,
    worker: int,
    source: str | None,
    path: Path,
    pipe: Connection,
    inherited: Sequence[Connection],
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # It is the parent's to handle.
    for foreign in inherited:
        foreign.close()
    load_again(source)
    tally, crash, held = Tally(), None, Held()
    try:
        with Spool(path) as spool:
            address = _address(pipe)
            if address is not None:
                playing = _play_linked(work, worker, address, pipe, tally, spool, held)
                clocks.run("real", playing)
    except asyncio.CancelledError:
        pass  # Told to stop; what there was is told.
    except Exception as error:
        crash = Crash.of(error)
    with contextlib.suppress(OSError):
        beliefs = msgspec.msgpack.encode(list(held.beliefs))
        pipe.send(End(tally, crash, beliefs, held.beliefs.forgotten, sorted(held.cut)))


def _address(pipe: Connection) -> str | None:
    """None when the run was stopped before it began."""
    try:
        address = pipe.recv()
    except EOFError:
        os._exit(1)
    assert isinstance(address, str)
    return None if address == STOP else address


async def _play_linked(
    work: Work,
    worker: int,
    address: str,
    pipe: Connection,
    tally: Tally,
    spool: Spool,
    held: Held,
) -> None:
    loop, playing = asyncio.get_running_loop(), asyncio.current_task()
    assert playing is not None
    link = Link(worker, address, pipe, loop.create_future(), held)
    threading.Thread(target=_obey, args=(link, loop, playing), daemon=True).start()
    telling = asyncio.create_task(_tell_how_far(pipe, tally, spool))
    try:
        await work(link, tally, spool.add)
    finally:
        telling.cancel()


def _obey(link: Link, loop: asyncio.AbstractEventLoop, playing: "asyncio.Task[None]") -> None:
    """In a thread of its own, which waits and costs the loop nothing."""
    while True:
        try:
            order = link.pipe.recv()
        except (EOFError, OSError):
            order = STOP  # The parent was killed; what was measured is closed in good order.
        with contextlib.suppress(RuntimeError):  # the loop has closed: it is ending anyway
            if order != STOP:
                loop.call_soon_threadsafe(link.origin.set_result, order)
                continue
            loop.call_soon_threadsafe(playing.cancel)
        time.sleep(PATIENCE_S)
        os._exit(1)


async def _tell_how_far(pipe: Connection, tally: Tally, spool: Spool) -> None:
    while True:
        await asyncio.sleep(TOLD_EVERY_S)
        spool.flush()
        pipe.send(_counts(tally))


def _counts(tally: Tally) -> Tally:
    """Without what would grow; of causes there are only so many."""
    return Tally(
        due=tally.due,
        started=tally.started,
        finished=tally.finished,
        failed=tally.failed,
        running=tally.running,
        open=tally.open,
        leaks=tally.leaks,
        fault=tally.fault,
        causes=tally.causes,
    )
