"""The rounds of a gate: two processes each, a side's own, that play at the same time; it judges
nothing, and leaves no process behind."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from harness.books import Account, Belief
from harness.cli.course import Course, Crash, Crashed, Progress
from harness.cli.exits import BadInput
from harness.cli.gate_lines import (
    PROTOCOL,
    ROWS,
    Ask,
    Begin,
    Loaded,
    Played,
    Ready,
    Serve,
    Side,
)
from harness.cli.gate_process import SideDied, SideProcess, SideRefused, other_tollbench
from harness.cli.gate_trees import Tree
from harness.load.books import judged_of
from harness.load.engine import Tally
from harness.load.strain import Strain
from harness.record.reconciliation import ReconciliationSummary

LEAD_S = 0.2
"""From the order to begin to the beginning: both sides have read it by then."""
SAME_CLOCK_S = 600.0
"""Ready may be read late, when the other side was slow; clocks that differ do so by much more."""


Books = Callable[[str], Sequence[Account] | None]
"""Of the mocks at an address; None where nobody tells."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """What is played, by whom."""

    trees: Sequence[Tree]
    """Base, and head."""
    ask: Callable[[Side, int], Ask]
    """For a side in a round."""
    rounds: int


@contextlib.contextmanager
def loading(rounds: Rounds, round_: int) -> Iterator[list[SideProcess]]:
    """The two processes of a round, begun; none is left at the end."""
    with contextlib.ExitStack() as stack:
        pair = []
        for tree in rounds.trees:
            pair.append(_started(tree, rounds.ask(tree.side, round_)))
            stack.callback(pair[-1].end)
        yield pair


def _started(tree: Tree, ask: Ask) -> SideProcess:
    try:
        return SideProcess(tree, ask)
    except OSError as error:
        raise BadInput(
            [f"--{tree.side}-python {tree.python} cannot be run ({error.strerror}); name another"]
        ) from None


def loaded_of(pair: Sequence[SideProcess]) -> list[Loaded]:
    """What both have found; BadInput where one cannot play it, or both together cannot."""
    problems: dict[Side, list[str]] = {}
    found: list[Loaded] = []
    for process in pair:
        try:
            found.append(_checked(process.side, process.answer(Loaded)))
        except SideRefused as refused:
            problems[process.side] = refused.problems
        except SideDied as died:
            print(died.crash.trace, end="", file=sys.stderr)
            problems[process.side] = [_cannot_start(process.side, died)]
    told = _by_side(problems) or list(_unlike(*found))
    if told:
        raise BadInput(told)
    return found


def play(
    rounds: Rounds,
    first: Sequence[SideProcess],
    base_url: str,
    courses: Mapping[Side, Course],
    progress: Progress,
    books: Books = lambda address: None,
) -> bool:
    """All rounds; the processes of the first are there. Raises what ends it early; what was
    measured until then is in the courses. `books` tells those of a world, when nothing is measured
    any more: both sides' worlds are in one process.

    The answer is whether any side ran code of its folder beside the file of the flow."""
    shown, own_code = Tally(), False
    heard: dict[Side, list[Played]] = {side: [] for side in courses}
    progress.watch(shown)
    for round_ in range(rounds.rounds):
        with contextlib.ExitStack() as stack:
            pair = first
            if round_ > 0:
                pair = stack.enter_context(loading(rounds, round_))
                for process in pair:
                    process.answer(Loaded)
            last = _play_round(pair, round_, base_url, courses, shown)
            own_code |= any(played.own_code for played in last.values())
            for side, played in last.items():
                heard[side].append(played)
    for world, process in enumerate(first):
        side = process.side
        courses[side].tally.books = _judged(side, books(f"{base_url}/~{world}"), heard[side])
    return own_code


def _judged(
    side: Side, accounts: Sequence[Account] | None, heard: Sequence[Played]
) -> ReconciliationSummary | None:
    """A side that is of another tollbench may tell nothing that is understood here: then the books
    are held to their own rules alone."""
    cut = [intent for played in heard for intent in played.cut]
    try:
        told = [msgspec.json.decode(of.beliefs, type=list[Belief] | None) for of in heard]
    except msgspec.MsgspecError:
        told = [None]
    beliefs = None if None in told else [belief for of in told for belief in of or ()]
    return judged_of(side, accounts, beliefs, cut, 0)


def _play_round(
    pair: Sequence[SideProcess],
    round_: int,
    base_url: str,
    courses: Mapping[Side, Course],
    shown: Tally,
) -> Mapping[Side, Played]:
    heard: dict[Side, Played] = {}
    try:
        for world, process in enumerate(pair):
            spool = str(courses[process.side].path_of(round_).absolute())
            process.tell(Serve(f"{base_url}/~{world}", spool))
        _begin(pair)
        for process in pair:
            heard[process.side] = process.answer(Played)
    finally:
        # What a side played until it was told to end is kept, too.
        for process in pair:
            process.hang_up()
        for process in pair:
            last = heard.get(process.side) or process.end()
            if last is not None:
                heard[process.side] = last
                _count(last, round_, courses[process.side], shown)
    for side, last in heard.items():
        if last.bug:
            raise Crashed(Crash(f"{side}: {last.bug}", last.trace))
    for course in courses.values():
        course.rounds_finished += 1
    return heard


def _begin(pair: Sequence[SideProcess]) -> None:
    """Both at one moment."""
    plans = set()
    for process in pair:
        ready = process.answer(Ready)
        if abs(ready.now_s - time.perf_counter()) > SAME_CLOCK_S:
            raise SideDied(process.side, "its clock is not the one of this process")
        plans.add(ready.plan)
    if len(plans) > 1:
        raise SideDied(pair[0].side, other_tollbench(pair[0].side))
    at_s = time.perf_counter() + LEAD_S
    for process in pair:
        process.tell(Begin(at_s))


def _count(last: Played, round_: int, course: Course, shown: Tally) -> None:
    spool = course.path_of(round_)
    if spool.exists():
        course.spools.append(spool)
    tally = _tally(last)
    course.tally.add(tally)
    shown.add(tally)


def _tally(told: Played) -> Tally:
    tally = Tally(
        due=told.due,
        started=told.started,
        finished=told.finished,
        failed=told.failed,
        running=told.running,
        leaks=told.leaks,
        fault=told.fault,
        strain=Strain(cpu_share=told.cpu_share, connections=told.connections, calls=told.calls),
    )
    tally.strain.loop_lags_ms.extend(told.loop_lags_ms)
    tally.causes.update({(of.stage, of.cause): of.count for of in told.failures})
    return tally


def _checked(side: Side, loaded: Loaded) -> Loaded:
    if loaded.protocol != PROTOCOL or loaded.rows != ROWS:
        raise SideRefused(side, [other_tollbench(side)])
    return loaded


def _cannot_start(side: Side, died: SideDied) -> str:
    if "harness" not in died.why:
        return f"{died.why}; nothing of it was played"
    return (
        f"{died.why}; the gate needs tollbench there, of this version: install it, or name a "
        f"Python that has it by --{side}-python"
    )


def _by_side(problems: Mapping[Side, Sequence[str]]) -> list[str]:
    """What both sides lack is told once."""
    told = dict.fromkeys(problem for of in problems.values() for problem in of)
    return [
        f"{' and '.join(side for side, of in problems.items() if problem in of)}: {problem}"
        for problem in told
    ]


def _unlike(base: Loaded, head: Loaded) -> Iterator[str]:
    if base.turns_each != head.turns_each:
        yield (
            f"base has {base.turns_each} turns a conversation and head {head.turns_each}: the two "
            "cannot meet the same users; give both as many by --set turns=N"
        )
    if base.outages != head.outages:
        yield "base and head are about other outages: one set of mocks cannot have both"
