"""Where a turn's time went: the chain of spans it waited for, never one that nobody awaited."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from harness.record import BoolArray, Columns, FloatArray, IntArray, Text, Turns, blocks, wide

OWN_TIME = "own time"
"""The part of a response time in no awaited span: start lag, and the application's own work."""

APPROVE = "approve"
"""The stage in which the user looks at a payment and approves it: no part of a response time."""

NEGLIGIBLE_MS = 0.0005
"""A mean own time of up to this is rounding, and not told."""

TURNS_AT_ONCE = 1 << 13
"""With some 40,000 spans: little memory, and few blocks."""


def critical_path(
    spans: Iterable[tuple[float, float, int]],
    turn_start: float,
    turn_end: float,
    tolerance_s: float = 1e-6,
) -> tuple[list[int], float]:
    """The numbers of the spans that a turn waited for, in time order, and its uncovered seconds.
    Each span is its end, its start and its number.

    Walks back from the turn's end: of the spans that end by the cursor, within the tolerance, the
    one that ends last was awaited (on a tie the later start, then the higher number), and the
    cursor moves to its start. So a span still in flight when the turn ended, or that another
    outlasted, is not on the path. Gaps between a cursor and the next span's end are uncovered. All
    in seconds.
    """
    path: list[int] = []
    uncovered, cursor = 0.0, turn_end
    # The cursor only moves back, so a span passed over once can never be awaited later: one sweep.
    for end, start, number in sorted(spans, reverse=True):
        if cursor <= turn_start or end <= turn_start:
            break
        if end > cursor + tolerance_s:
            continue
        path.append(number)
        if end < cursor:
            uncovered += cursor - end
        if start < cursor:
            cursor = start
    if cursor > turn_start:
        uncovered += cursor - turn_start
    path.reverse()
    return path, uncovered


@dataclass(frozen=True, slots=True, eq=False)
class Stages:
    """The awaited time of every turn, stage by stage."""

    names: tuple[str, ...]
    """In the order in which the first turns met them; last is `OWN_TIME`."""
    ms: FloatArray
    """A row a turn, a column a stage. Added left to right, a row is its response time."""
    met: BoolArray
    """Whether a variant's turns met a stage, even for no time: a row a variant, a column a stage.
    Own time, a remainder, is met by none."""


def stage_matrix(columns: Columns) -> Stages:
    """Where the time of each turn went.

    No moment counts twice, none outside the response, and none in which a user was busy with an
    approval. What no critical span covers, from the due time on, is own time: being a remainder, it
    takes the rounding too. A failed turn counts with the time until it gave up.

    Some turns are taken at a time, in their order: their spans are many.
    """
    turns, spans = columns.turns, columns.spans
    stages = len(spans.stage.names)
    places = _Places(spans.stage)
    ms = np.zeros((len(turns), stages + 1))
    met = np.zeros((len(turns.variant.names), stages + 1), dtype=np.bool_)
    for block, calls in _by_turn(columns):
        _lay_out(calls, places, turns, block, ms[block], met)
    # Own time closes up to the stages that were met.
    last = len(places.met)
    ms[:, last], met[:, last] = ms[:, -1], False
    return Stages((*places.names, OWN_TIME), ms[:, : last + 1], met[:, : last + 1])


def mean_stage_ms(stages: Stages, rows: IntArray, variant: int) -> dict[str, float]:
    """The mean ms that these turns, one at least, spend in each stage on their critical path.

    All are of one variant, given by its code. Failed ones count too. The stages add up to the mean
    response time, but for an own time that is nothing but rounding and left out.
    """
    total = np.zeros(len(stages.names))
    for block in blocks(rows.size):
        total = np.add.reduce(np.vstack([total, stages.ms[rows[block]]]), axis=0)
    means = (total / rows.size).tolist()
    told = stages.met[variant].tolist()
    told[-1] = means[-1] > NEGLIGIBLE_MS
    return {name: ms for name, ms, tell in zip(stages.names, means, told, strict=True) if tell}


@dataclass(frozen=True, slots=True, eq=False)
class _Calls:
    """The spans of some turns that stand together, turn by turn."""

    owner: IntArray
    """The place among these turns of the turn of each."""
    start_s: FloatArray
    end_s: FloatArray
    stage: IntArray
    """By its code."""
    critical: BoolArray


class _Places:
    """The stages in the order in which they are met, each with a column of its own."""

    def __init__(self, stage: Text) -> None:
        self._names = stage.names
        self.met: list[int] = []
        self._of = np.full(len(stage.names), -1, dtype=np.int64)

    @property
    def names(self) -> list[str]:
        return [self._names[code] for code in self.met]

    @property
    def approve(self) -> int:
        """The code of an approval, -1 where there is none."""
        return self._names.index(APPROVE) if APPROVE in self._names else -1

    def of(self, codes: IntArray) -> IntArray:
        """The column of each of these stages, which come in the order in which they are met; -1
        for an approval, which is no part of a response."""
        codes_met, first = np.unique(codes, return_index=True)
        for code in codes_met[np.argsort(first)].tolist():
            if self._of[code] < 0 and code != self.approve:
                self._of[code] = len(self.met)
                self.met.append(code)
        return self._of[codes]


def _by_turn(columns: Columns) -> Iterator[tuple[slice, _Calls]]:
    """Some turns and their spans, and then the next, until all are through."""
    turns, spans = columns.turns, columns.spans
    owner = columns.turn_of_span()
    order = None if (owner[1:] >= owner[:-1]).all() else np.argsort(owner, kind="stable")
    ascending = owner if order is None else owner[order]
    for block in blocks(len(turns), TURNS_AT_ONCE):
        # As narrow as what is searched, or all of that is widened first.
        edges = np.array([block.start, block.stop], dtype=ascending.dtype)
        first, end = np.searchsorted(ascending, edges).tolist()
        rows = slice(first, end) if order is None else order[first:end]
        yield (
            block,
            _Calls(
                owner=wide(ascending[first:end]) - block.start,
                start_s=spans.start_s[rows],
                end_s=spans.end_s[rows],
                stage=spans.stage.codes[rows],
                critical=spans.critical[rows],
            ),
        )


def _lay_out(
    calls: _Calls, places: _Places, turns: Turns, block: slice, ms: FloatArray, met: BoolArray
) -> None:
    """Fill in the rows of these turns. Their first spans are taken at once, then their second, and
    so on."""
    path = _in_time_order(calls, calls.critical)
    owner, stage = calls.owner[path], places.of(calls.stage[path])
    busy = _busy(calls, places.approve, len(ms))
    due_s, response_ms = turns.due_s[block], turns.response_ms[block]
    cursor, answered = due_s.copy(), due_s + (response_ms + turns.human_ms[block]) / 1000
    for nth in _nth_of_each(owner):
        span, turn, column = path[nth], owner[nth], stage[nth]
        start = np.maximum(calls.start_s[span], cursor[turn])
        end = np.minimum(calls.end_s[span], answered[turn])
        cursor[turn] = np.maximum(cursor[turn], end)
        awaited_ms = np.maximum(0.0, end - start - busy.within(turn, start, end)) * 1000
        kept = column >= 0
        ms[turn[kept], column[kept]] += awaited_ms[kept]
    ms[:, -1] = response_ms - _row_sums(ms[:, :-1])
    # An approval has no column, and takes that of own time; no stage is met there.
    met[turns.variant.codes[block][owner], stage] = True
    met[:, -1] = False


def _in_time_order(calls: _Calls, wanted: BoolArray) -> IntArray:
    """The wanted spans turn by turn, in each by their start, then by their end."""
    rows = np.flatnonzero(wanted)
    keys = (calls.owner[rows], calls.start_s[rows], calls.end_s[rows])
    # They were stored in this order, but for two that began within one nanosecond.
    return rows if _ascend(*keys) else rows[np.lexsort(keys[::-1])]


def _ascend(first: IntArray, second: FloatArray, third: FloatArray) -> bool:
    """Whether the triples never fall."""
    tied = third[1:] >= third[:-1]
    tied = (second[1:] > second[:-1]) | (second[1:] == second[:-1]) & tied
    return bool(((first[1:] > first[:-1]) | (first[1:] == first[:-1]) & tied).all())


def _nth_of_each(owner: IntArray) -> Iterator[IntArray]:
    """The places of the first span of every turn, then of the second of those that have one, and so
    on; `owner` ascends."""
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    left = np.diff(first, append=owner.size)
    while first.size:
        yield first
        first, left = first[left > 1] + 1, left[left > 1] - 1


@dataclass(frozen=True, slots=True, eq=False)
class _Busy:
    """When any user of a turn was busy with an approval, in pieces that do not overlap. The pieces
    of a turn stand together, `count` of them from `first` on."""

    since: FloatArray
    to: FloatArray
    first: IntArray
    count: IntArray

    def within(self, turn: IntArray, start: FloatArray, end: FloatArray) -> FloatArray:
        """The busy seconds of each of these turns between its start and its end."""
        total = np.zeros(turn.size)
        for n in range(self.count.max(initial=0)):
            rows = np.flatnonzero(self.count[turn] > n)
            piece = self.first[turn[rows]] + n
            overlap = np.minimum(end[rows], self.to[piece])
            overlap -= np.maximum(start[rows], self.since[piece])
            total[rows] += np.maximum(0.0, overlap)
        return total


def _busy(calls: _Calls, approve: int, turns: int) -> _Busy:
    """Several may approve at once, each a leg of one bill: a moment of both is a moment of one."""
    rows = _in_time_order(calls, calls.stage == approve)
    owner, since, to = calls.owner[rows], calls.start_s[rows], calls.end_s[rows]
    reached = np.full(turns, -np.inf)
    for nth in _nth_of_each(owner):
        turn = owner[nth]
        since[nth] = np.maximum(since[nth], reached[turn])
        reached[turn] = to[nth] = np.maximum(to[nth], reached[turn])
    count = np.bincount(owner, minlength=turns)
    return _Busy(since, to, np.cumsum(count) - count, count)


def _row_sums(of: FloatArray) -> FloatArray:
    """Added left to right, so that the same order gives the same last bit."""
    total = np.zeros(len(of))
    for column in of.T:
        total += column
    return total
