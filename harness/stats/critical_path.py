"""Where a turn's time went: the chain of spans it waited for, never one that nobody awaited."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.record import BoolArray, Columns, FloatArray, IntArray, Spans

OWN_TIME = "own time"
"""The part of a response time in no awaited span: start lag, and the application's own work."""

APPROVE = "approve"
"""The stage in which the user looks at a payment and approves it: no part of a response time."""

NEGLIGIBLE_MS = 0.0005
"""A mean own time of up to this is rounding, and not told."""


def critical_path(
    starts: Sequence[float],
    ends: Sequence[float],
    turn_start: float,
    turn_end: float,
    tolerance_s: float = 1e-6,
) -> tuple[list[int], float]:
    """The indices of the spans that a turn waited for, in time order, and its uncovered seconds.

    Walks back from the turn's end: of the spans that end by the cursor, within the tolerance, the
    one that ends last was awaited (on a tie the later start, then the higher index), and the cursor
    moves to its start. So a span still in flight when the turn ended, or that another outlasted, is
    not on the path. Gaps between a cursor and the next span's end are uncovered. All in seconds.
    """
    path: list[int] = []
    uncovered, cursor = 0.0, turn_end
    # The cursor only moves back, so a span passed over once can never be awaited later: one sweep.
    for end, start, index in sorted(zip(ends, starts, range(len(ends)), strict=True), reverse=True):
        if cursor <= turn_start or end <= turn_start:
            break
        if end > cursor + tolerance_s:
            continue
        path.append(index)
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

    The first spans of all turns are taken at once, then the second, and so on.
    """
    turns, spans = columns.turns, columns.spans
    owner = columns.turn_of_span()
    path = _in_time_order(spans, owner, spans.critical & (owner >= 0))
    names, stage = _stages_met(spans, path)
    busy = _busy(spans, owner, len(turns))
    ms = np.zeros((len(turns), len(names) + 1))
    cursor, answered = turns.due_s.copy(), turns.due_s + (turns.response_ms + turns.human_ms) / 1000
    for nth in _nth_of_each(owner[path]):
        span, turn, column = path[nth], owner[path[nth]], stage[nth]
        start = np.maximum(spans.start_s[span], cursor[turn])
        end = np.minimum(spans.end_s[span], answered[turn])
        cursor[turn] = np.maximum(cursor[turn], end)
        awaited_ms = np.maximum(0.0, end - start - busy.within(turn, start, end)) * 1000
        kept = column >= 0
        ms[turn[kept], column[kept]] += awaited_ms[kept]
    ms[:, -1] = turns.response_ms - _row_sums(ms[:, :-1])
    met = np.zeros((len(turns.variant.names), len(names) + 1), dtype=np.bool_)
    met[turns.variant.codes[owner[path]], stage] = True
    met[:, -1] = False
    return Stages((*names, OWN_TIME), ms, met)


def stage_ms(columns: Columns) -> dict[str, dict[str, float]]:
    """For each variant, the mean ms that a turn spends in each stage on its critical path.

    Every turn counts. The stages of a variant add up to its mean response time, but for an own time
    that is nothing but rounding and left out.
    """
    variant, stages = columns.turns.variant, stage_matrix(columns)
    return {
        name: mean_stage_ms(stages, np.flatnonzero(variant.codes == code), code)
        for code, name in enumerate(variant.names)
    }


def mean_stage_ms(stages: Stages, rows: IntArray, variant: int) -> dict[str, float]:
    """The same for some turns, one at least, of one variant, given by its code."""
    means = stages.ms[rows].mean(axis=0).tolist()
    told = stages.met[variant].tolist()
    told[-1] = means[-1] > NEGLIGIBLE_MS
    return {name: ms for name, ms, tell in zip(stages.names, means, told, strict=True) if tell}


def _in_time_order(spans: Spans, owner: IntArray, wanted: BoolArray) -> IntArray:
    """The wanted spans turn by turn, in each by their start, then by their end."""
    rows = np.flatnonzero(wanted)
    keys = (owner[rows], spans.start_s[rows], spans.end_s[rows])
    # They were stored in this order, but for two that began within one nanosecond.
    return rows if _ascend(*keys) else rows[np.lexsort(keys[::-1])]


def _ascend(first: IntArray, second: FloatArray, third: FloatArray) -> bool:
    """Whether the triples never fall."""
    tied = third[1:] >= third[:-1]
    tied = (second[1:] > second[:-1]) | (second[1:] == second[:-1]) & tied
    return bool(((first[1:] > first[:-1]) | (first[1:] == first[:-1]) & tied).all())


def _stages_met(spans: Spans, path: IntArray) -> tuple[list[str], IntArray]:
    """The stages in the order in which they are met on the way, and the place in them of the stage
    of each span; -1 for an approval, which is no part of a response."""
    codes = spans.stage.codes[path]
    first = [_first(codes == code) for code in range(len(spans.stage.names))]
    met = [
        code
        for code in sorted(range(len(first)), key=first.__getitem__)
        if first[code] < codes.size and spans.stage.names[code] != APPROVE
    ]
    places = np.full(len(first), -1, dtype=np.int64)
    places[met] = np.arange(len(met))
    return [spans.stage.names[code] for code in met], places[codes]


def _first(found: BoolArray) -> int:
    """Where the first True is; past the end where there is none."""
    return int(found.argmax()) if found.any() else found.size


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


def _busy(spans: Spans, owner: IntArray, turns: int) -> _Busy:
    """Several may approve at once, each a leg of one bill: a moment of both is a moment of one."""
    rows = _in_time_order(spans, owner, spans.stage.holds(APPROVE) & (owner >= 0))
    since, to = spans.start_s[rows], spans.end_s[rows]
    reached = np.full(turns, -np.inf)
    for nth in _nth_of_each(owner[rows]):
        turn = owner[rows[nth]]
        since[nth] = np.maximum(since[nth], reached[turn])
        reached[turn] = to[nth] = np.maximum(to[nth], reached[turn])
    count = np.bincount(owner[rows], minlength=turns)
    return _Busy(since, to, np.cumsum(count) - count, count)


def _row_sums(of: FloatArray) -> FloatArray:
    """Added left to right, so that the same order gives the same last bit."""
    total = np.zeros(len(of))
    for column in of.T:
        total += column
    return total
