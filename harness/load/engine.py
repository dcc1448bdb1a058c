"""The main path: due -> flow -> record, one round at a time; it names no scenario and no provider.

A round runs every arm side by side on one loop. Each arm meets the same conversations with the
same draws, and within a conversation the arms are due one after the other in a seeded order, so
that whatever drifts on the machine hits all of them alike.
"""

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from operator import attrgetter

from msgspec import structs

from harness import books, draws
from harness.books import Account
from harness.clock import Clock
from harness.draws import TO_WHOLE, milliseconds
from harness.flow.flow import NO_CALLS, Chat, Flow, Span, World
from harness.load import arrivals
from harness.load.arrivals import Arrivals
from harness.load.causes import Causes, count_cause, merge_causes
from harness.load.strain import Strain, straining
from harness.reconcile import RULES
from harness.record import FAILED, FlowRow, Rows, SpanRow
from harness.record.reconciliation import ReconciliationSummary, merged
from harness.stats.critical_path import critical_path

SWEPT_EVERY = 500
"""Failed turns. The frames of a fault hold each other, so while the collector is off they would add
up; what is young by then is collected in a millisecond or two."""

BOOT = -1
"""The conversation number of what an app does before its first user comes."""


TellBooks = Callable[[], Awaitable[list[Account] | None]]
"""Asks for the books of a world; None where nobody has paid in it, or nobody tells."""


async def _whole(flow: Flow) -> None:
    """The turn's own spans are all that is known of it."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One strategy in one round: its world, what its app does first, what a conversation does."""

    name: str
    world: World
    boot: Callable[[Flow], Awaitable[None]]
    converse: Callable[[Chat], Awaitable[None]]
    complete: Callable[[Flow], Awaitable[None]] = _whole
    """Adds to a turn that has ended what others know of it, before it is recorded."""
    books: TellBooks | None = None
    rules: Sequence[str] = RULES
    """Which of them its payments are held to."""
    cut: set[str] = field(default_factory=set)
    """The intents of turns that were cut off, as in harness.books."""


@dataclass(frozen=True, slots=True)
class Due:
    """One conversation that is to begin `when` seconds into the round."""

    when: float
    conversation: int
    arm: Arm
    user: str
    turns: int


@dataclass(slots=True)
class Tally:
    """What came of one or more rounds. It grows as conversations end, so an interrupt loses
    nothing. A turn that was started is in one of the three counts after it, and has a row."""

    rows: Rows = field(default_factory=Rows)
    """Of the rounds whose turns were told to nobody else."""
    due: int = 0
    started: int = 0
    finished: int = 0
    """With an answer; a decline is one."""
    failed: int = 0
    running: int = 0
    """In flight when the round was cut off."""
    lost: int = 0
    """Of a process that died, or that could not be heard any more: nobody knows how they ended."""
    leaks: int = 0
    fault: str = ""
    """The first that ended a turn."""
    causes: Causes = field(default_factory=Counter)
    """Of the calls that failed: how many of each stage, for each cause."""
    open: int = 0
    """Conversations in flight at this moment."""
    workers: int = 1
    """Processes that made the load side by side."""
    strain: Strain = field(default_factory=Strain)
    began: dict[int, float] = field(default_factory=dict)
    """Round -> when its times begin, in Unix seconds; of the real clock alone."""
    books: ReconciliationSummary | None = None
    """What came of holding the apps' beliefs against the books; None where nobody has yet."""

    @property
    def ended(self) -> int:
        """Turns that came to an end of their own."""
        return self.finished + self.failed

    def add(self, other: "Tally") -> None:
        self.rows.extend(other.rows)
        self.due += other.due
        self.started += other.started
        self.finished += other.finished
        self.failed += other.failed
        self.running += other.running
        self.lost += other.lost
        self.leaks += other.leaks
        self.fault = self.fault or other.fault
        merge_causes(self.causes, other.causes)
        self.open += other.open
        self.strain.add(other.strain)
        self.books = merged(self.books, other.books)
        for round_, when in other.began.items():
            self.began.setdefault(round_, when)


Tell = Callable[[FlowRow, list[SpanRow]], None]
"""Takes a turn and its spans."""


async def run_round(
    clock: Clock,
    arms: Sequence[Arm],
    schedule: Iterable[Due],
    tally: Tally,
    *,
    tell: Tell | None = None,
    begin: Callable[[], Awaitable[float]] | None = None,
    drain_s: float | None = None,
) -> None:
    """Begin each conversation of the schedule, in its order, when it is due, and wait for the last.

    Rows go to the tally, or to `tell` and not into memory; their times are seconds since the round
    began. That is as soon as the apps are up, or when `begin`, asked then, says. `drain_s` after
    the last was due, what is still in flight is cut off; else all of it is waited for. Any
    exception but a provider's fault ends the round; what was in flight is cut off then too.
    """
    for arm in arms:
        await boot(clock, arm)
    try:
        with quiet_gc():
            origin = clock.now() if begin is None else await begin()
            if clock.name == "real":
                tally.began[arms[0].world.round] = time.time() - (clock.now() - origin)
            transports = [arm.world.transport for arm in arms]
            async with straining(clock, transports, tally.strain) as cpu:
                tell = tell or tally.rows.add
                await _play(clock, schedule, origin, tally, tell, drain_s, cpu.load_is_over)
    finally:
        tally.leaks += sum(arm.world.leaks for arm in arms)


def round_schedule(
    seed: int, round_: int, arms: Sequence[Arm], *, turns: int, turns_each: int, rate: float
) -> list[Due]:
    """A round in which every arm has `turns` turns, in conversations of `turns_each` (the last one
    may be shorter), at `rate` turns/s of all arms together."""
    sizes = _sizes(turns, turns_each)
    gap = turns_each * len(arms) / rate
    dues = islice(arrivals.poisson(seed, round_, rate=1 / gap), len(sizes))
    schedule = []
    for conversation, (when, size) in enumerate(zip(dues, sizes, strict=True)):
        luck = [draws.uniform(seed, "order", round_, conversation, arm.name) for arm in arms]
        order = sorted(range(len(arms)), key=luck.__getitem__)
        for slot, n in enumerate(order):
            later = draws.microseconds(gap * slot / len(arms))
            user = f"r{round_}a{n}c{conversation}"
            schedule.append(Due(when + later, conversation, arms[n], user, size))
    return sorted(schedule, key=lambda due: due.when)


def open_schedule(
    seed: int,
    arm: Arm,
    *,
    turns_each: int,
    rate: float,
    duration_s: float,
    pattern: Arrivals = "poisson",
) -> Iterator[Due]:
    """Arrivals of whole conversations for `duration_s`, `rate` turns/s on average."""
    if pattern == "constant":
        dues = arrivals.constant(rate / turns_each)
    else:
        dues = arrivals.poisson(seed, "open", rate=rate / turns_each)
    for conversation, when in enumerate(arrivals.until(dues, duration_s)):
        yield Due(when, conversation, arm, f"c{conversation}", turns_each)


def share(schedule: Iterable[Due], worker: int, workers: int) -> Iterator[Due]:
    """One worker's part of the conversations. All parts together are the schedule, and no two have
    a conversation in common."""
    return (due for due in schedule if due.conversation % workers == worker)


@contextmanager
def quiet_gc() -> Iterator[None]:
    """No garbage collection while measuring: a pause of it is a pause of every call in flight."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def boot(clock: Clock, arm: Arm) -> None:
    """What the arm's app does before its first user comes."""
    flow = Flow(arm.world, BOOT, 0, clock.now(), clock.now())
    await arm.boot(flow)
    await flow.join()


def _sizes(turns: int, each: int) -> list[int]:
    whole, rest = divmod(turns, each)
    return [each] * whole + [rest] * (rest > 0)


async def _play(
    clock: Clock,
    schedule: Iterable[Due],
    origin: float,
    tally: Tally,
    tell: Tell,
    drain_s: float | None,
    all_began: Callable[[], None],
) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(None) as patience, asyncio.TaskGroup() as group:
            for due in schedule:
                await clock.sleep_until(origin + due.when)
                tally.due += due.turns
                group.create_task(_converse(due, origin, tally, tell))
            all_began()
            if drain_s is not None:
                patience.reschedule(asyncio.get_running_loop().time() + drain_s)


async def _converse(due: Due, origin: float, tally: Tally, tell: Tell) -> None:
    chat = Chat(due.arm.world, due.conversation, due.user, due.turns, origin + due.when)
    tally.open += 1
    try:
        await due.arm.converse(chat)
        for flow in chat.flows:
            await flow.join()
            await due.arm.complete(flow)
    except BaseException:
        # Only the turn that is not over is cut off; one that has not begun was not due yet.
        for flow in chat.flows:
            if await flow.cut():
                due.arm.cut.add(intent_of(flow))
        tally.due -= due.turns - max(1, len(chat.flows))
        raise
    finally:
        tally.open -= 1
        tally.started += len(chat.flows)
        for flow in chat.flows:
            count_turn(flow, tally)
            assert flow.end is not None
            record_turn(due.arm.name, flow, flow.end, origin, tell)


def intent_of(flow: Flow) -> str:
    """What the turn's payments are booked under."""
    return books.intent_of(flow.world.round, flow.conversation, flow.turn)


def count_turn(flow: Flow, tally: Tally) -> None:
    """Into the tally. Its failed calls get the names that they are counted by, which are few."""
    if flow.end is None:
        flow.outcome, flow.end = "running", flow.now()
        tally.running += 1
    elif flow.outcome in FAILED:
        tally.failed += 1
        if not tally.failed % SWEPT_EVERY:
            gc.collect(0)
    else:
        tally.finished += 1
    tally.fault = tally.fault or flow.fault
    for n, span in enumerate(flow.spans):
        if span.fault:
            cause = count_cause(tally.causes, span.stage, span.fault)
            flow.spans[n] = structs.replace(span, fault=cause)


def record_turn(variant: str, flow: Flow, end: float, origin: float, tell: Tell) -> None:
    """Tell the turn and its spans, the critical ones marked."""
    spans = sorted(flow.spans, key=_IN_ORDER)
    critical = _critical(spans, flow.start, end)
    rows = _span_rows(variant, flow, origin, spans, critical)
    tell(_flow_row(variant, flow, end, origin), rows)


_IN_ORDER = attrgetter("start", "end", "stage", "attempt")


def _critical(spans: Sequence[Span], start: float, end: float) -> set[int]:
    """The numbers of those that the turn waited for. One that encloses the others waited for the
    same as they did."""
    steps = [(span.end, span.start, n) for n, span in enumerate(spans) if not span.whole]
    if not steps:
        steps = [(span.end, span.start, n) for n, span in enumerate(spans)]
    path, _ = critical_path(steps, start, end)
    return set(path)


# Every turn is told, with all its spans: their fields are given by place, at a third of what it
# takes to give them by name.


def _flow_row(variant: str, flow: Flow, end: float, origin: float) -> FlowRow:
    answered = end - flow.human
    calls = 0
    for span in flow.spans:
        if span.provider and span.stage not in NO_CALLS:
            calls += 1
    return FlowRow(
        variant, flow.world.round, flow.conversation, flow.turn,
        _since(origin, flow.due), _since(origin, flow.start), _since(origin, end),
        milliseconds(answered - flow.due), milliseconds(answered - flow.start),
        flow.outcome, flow.cold, flow.method, flow.amount_minor, flow.currency, flow.fee_minor,
        calls, flow.wasted_prewarms, flow.stale_tokens, flow.corrections, flow.guarded,
        milliseconds(flow.human), flow.token_cost_micro,
    )  # fmt: skip


def _span_rows(
    variant: str, flow: Flow, origin: float, spans: Sequence[Span], critical: set[int]
) -> list[SpanRow]:
    round_, conversation, turn = flow.world.round, flow.conversation, flow.turn
    rows = []
    for n, span in enumerate(spans):
        told, end = span.told, span.end
        end_s = _since(origin, end)
        rows.append(SpanRow(
            variant, round_, conversation, turn, n, span.stage, span.provider,
            _since(origin, span.start),
            # What came in one piece came at its end.
            end_s if span.first_byte == end else _since(origin, span.first_byte),
            end_s if span.first_token == end else _since(origin, span.first_token),
            end_s,
            told.injected_ms if told else _UNTOLD, told.queue_ms if told else 0.0,
            span.status, span.attempt, n in critical,
        ))  # fmt: skip
    return rows


_UNTOLD = float("nan")


def _since(origin: float, when: float) -> float:
    """Whole nanoseconds: what lies below is the noise of subtracting two large floats."""
    return ((when - origin) * 1e9 + TO_WHOLE - TO_WHOLE) / 1e9
