"""Cases played one chunk of numbers after another, in worker processes; it decides nothing about
them, and what a number's case does depends on none of this."""

import gc
import itertools
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field

from harness.cli.torturing import RIGHT, Client, play
from harness.cli.workers import START, begin_worker, late_ends
from harness.torture.coverage import Coverage
from harness.torture.draw import Field, case_of_number
from mocks.key_material import shorten
from mocks.keys import private_key

CHUNK = 40
"""Numbers that a worker takes at once: a fifth of a second."""
AHEAD = 3
"""Chunks a worker that are asked for before they are begun."""
KEPT = 20
"""Of the cases that break, the first by number; the others are counted."""


@dataclass(slots=True)
class Tally:
    """What came of some numbers. It grows chunk by chunk, so an interrupt loses no chunk that had
    ended."""

    conversations: int = 0
    turns: int = 0
    calls: int = 0
    coverage: Coverage = field(default_factory=Coverage)
    broken: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Number -> the rules that did not hold, each once; of the first by number."""
    rules: Counter[str] = field(default_factory=Counter)
    """How many conversations broke each."""
    breaking: int = 0
    """How many broke any."""

    def add(self, other: "Tally") -> None:
        self.conversations += other.conversations
        self.turns += other.turns
        self.calls += other.calls
        self.coverage.add(other.coverage)
        self.rules.update(other.rules)
        self.breaking += other.breaking
        both = {**self.broken, **other.broken}
        self.broken = {number: both[number] for number in sorted(both)[:KEPT]}


def play_numbers(base: int, numbers: range, among: Field, client: Client = RIGHT) -> Tally:
    """Here, one after the other."""
    tally = Tally()
    gc.disable()
    try:
        for number in numbers:
            _play_number(base, number, among, client, tally)
    finally:
        gc.enable()
        gc.collect()
    return tally


def play_all(
    base: int,
    among: Field,
    jobs: int,
    tally: Tally,
    *,
    seeds: int,
    until: float | None = None,
    watch: Callable[[], None] = lambda: None,
) -> None:
    """The first `seeds` numbers, or, where `until` names a time of the machine's monotonic clock,
    as many as begin before it. What has ended is in the tally at any moment, and when this ends, in
    whatever way, no process is left; `watch` is told of each chunk. BrokenProcessPool is that a
    worker was killed."""
    chunks = _chunks(seeds, until)
    if jobs == 1:
        for numbers in chunks:
            tally.add(play_numbers(base, numbers, among))
            watch()
        return
    private_key(0)  # Made once, here: forked workers inherit it.
    pool = ProcessPoolExecutor(
        jobs,
        multiprocessing.get_context(START),
        initializer=_begin,
    )
    waiting: set[Future[Tally]] = set()
    try:
        for numbers in chunks:
            waiting.add(pool.submit(play_numbers, base, numbers, among))
            while len(waiting) >= AHEAD * jobs:
                _take(waiting, tally, watch)
        while waiting:
            _take(waiting, tally, watch)
    finally:
        for future in late_ends(waiting):
            tally.add(future.result())
        pool.shutdown()


def _begin() -> None:
    """A worker plays nothing else, and its worlds speak to nobody: short keys will do."""
    begin_worker(None)
    shorten()


def _take(waiting: set[Future[Tally]], tally: Tally, watch: Callable[[], None]) -> None:
    """What has ended by now goes into the tally, once; the others are waited for further on."""
    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
        waiting.remove(future)
        tally.add(future.result())
        watch()


def _chunks(seeds: int, until: float | None) -> Iterator[range]:
    for first in itertools.count(0, CHUNK):
        if until is None and first >= seeds:
            return
        if until is not None and time.monotonic() >= until:
            return
        yield range(first, first + CHUNK if until is not None else min(seeds, first + CHUNK))


def _play_number(base: int, number: int, among: Field, client: Client, tally: Tally) -> None:
    case = case_of_number(base, number, among)
    played = play(case, client)
    tally.conversations += 1
    tally.turns += len(played.flows)
    tally.calls += sum(1 for flow in played.flows for span in flow.spans if span.provider)
    for (fault, stage), hits in played.struck.items():
        tally.coverage.struck[fault, stage, case.strategy] += hits
    rules = tuple(dict.fromkeys(of.rule for of in played.findings))
    if rules:
        tally.rules.update(rules)
        tally.breaking += 1
        tally.broken[number] = rules
        if len(tally.broken) > KEPT:
            del tally.broken[max(tally.broken)]
