"""The rows of a run as columns, an array each, which all analysis reads; nothing here changes one.

Rows are objects while they are measured; figures of a million of them are taken from arrays. Text
is kept as numbers into the names that occur, sorted, so that equal rows have equal columns. Whole
numbers are kept as narrow as their column allows: a million turns have near five million spans.
Whoever reckons with them must widen them first, with `wide`: a product may not fit into eight bits.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar, cast

import msgspec
import numpy as np
import numpy.typing as npt

from harness.outcome import FAILED, UNANSWERED
from harness.record.rows import FlowRow, Rows, SpanRow

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.signedinteger]
BoolArray = npt.NDArray[np.bool_]

ALL = slice(None)
BLOCK = 1 << 16
"""So many rows are worked on at a time where a whole column more would be much."""


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A column of text: the names that occur, sorted, and the place of each row's name in them."""

    names: tuple[str, ...]
    codes: IntArray

    def holds(self, *wanted: str) -> BoolArray:
        """Whether each row's name is one of these."""
        found = np.array([name in wanted for name in self.names], dtype=np.bool_)
        return found[self.codes] if self.names else np.zeros(self.codes.size, dtype=np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class Turns:
    """The turns, a row each; the fields are those of `FlowRow`."""

    variant: Text
    round: IntArray
    conversation: IntArray
    turn: IntArray
    due_s: FloatArray
    start_s: FloatArray
    end_s: FloatArray
    response_ms: FloatArray
    service_ms: FloatArray
    outcome: Text
    cold: BoolArray
    method: Text
    amount_minor: IntArray
    currency: Text
    fee_minor: IntArray
    calls: IntArray
    wasted_prewarms: IntArray
    stale_tokens: IntArray
    corrections: IntArray
    guarded: IntArray
    human_ms: FloatArray
    token_cost_micro: IntArray

    @property
    def failed(self) -> BoolArray:
        return self.outcome.holds(*FAILED)

    @property
    def unanswered(self) -> BoolArray:
        """The failed ones, and those that were in flight when the run was cut off."""
        return self.outcome.holds(*UNANSWERED)

    @property
    def answered_ms(self) -> FloatArray:
        """Response times, infinite for turns that never answered."""
        return np.where(self.unanswered, np.inf, self.response_ms)

    def __len__(self) -> int:
        return self.round.size


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """The calls and local steps, a row each; the fields are those of `SpanRow`."""

    variant: Text
    round: IntArray
    conversation: IntArray
    turn: IntArray
    span: IntArray
    stage: Text
    provider: Text
    start_s: FloatArray
    first_byte_s: FloatArray
    first_token_s: FloatArray
    end_s: FloatArray
    injected_ms: FloatArray
    queue_ms: FloatArray
    status: IntArray
    attempt: IntArray
    critical: BoolArray

    def __len__(self) -> int:
        return self.round.size


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """A run's turns and spans, in the one order of the files."""

    turns: Turns
    spans: Spans

    def turn_of_span(self) -> IntArray:
        """The row of the turn that each span belongs to; -1 for a span without one."""
        turns, spans = self.turns, self.spans
        owner = np.full(len(spans), -1, dtype=np.int32)
        if not len(turns) or not len(spans):
            return owner
        names = {name: place for place, name in enumerate(turns.variant.names)}
        known = np.array([names.get(name, -1) for name in spans.variant.names], dtype=np.int64)
        bases = (
            len(names) + 1,
            int(max(turns.conversation.max(), spans.conversation.max())) + 2,
            int(max(turns.turn.max(), spans.turn.max())) + 2,
        )
        keys = _keys(bases, turns.round, turns.variant.codes, turns.conversation, turns.turn)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        for block in blocks(len(spans)):
            wanted = _keys(
                bases,
                spans.round[block],
                known[spans.variant.codes[block]],
                spans.conversation[block],
                spans.turn[block],
            )
            places = np.minimum(np.searchsorted(keys, wanted), len(turns) - 1)
            owner[block] = np.where(keys[places] == wanted, order[places], -1)
        return owner


def columns_of(rows: Rows) -> Columns:
    """The same rows, in the same order, as columns."""
    return Columns(
        made(Turns, _arrays(rows.flows, FlowRow, Turns)),
        made(Spans, _arrays(rows.spans, SpanRow, Spans)),
    )


def rows_of(columns: Columns) -> Rows:
    """The same again as objects."""
    return Rows(list(_structs(columns.turns, FlowRow)), list(_structs(columns.spans, SpanRow)))


Numbers = FloatArray | IntArray | BoolArray
Array = Numbers | Text

ShapeT = TypeVar("ShapeT", Turns, Spans)
RowT = TypeVar("RowT", FlowRow, SpanRow)


def rows_by_block(columns: Turns | Spans, row: type[RowT]) -> Iterator[RowT]:
    """The same, a block after the other: all at once would be many times what columns take."""
    for block in blocks(len(columns)):
        yield from _structs(columns, row, block)


def made(shape: type[ShapeT], arrays: Mapping[str, Array]) -> ShapeT:
    """The columns by name, each of the kind that its field says."""
    return cast(Callable[..., ShapeT], shape)(**arrays)


def sorted_text(names: Sequence[str], codes: IntArray) -> Text:
    """A column whose names come in any order."""
    order = sorted(range(len(names)), key=names.__getitem__)
    places = np.empty(len(names), dtype=np.int64)
    places[order] = np.arange(len(names))
    return Text(tuple(names[place] for place in order), narrow(places)[codes])


def narrow(values: IntArray) -> IntArray:
    """The same numbers in as few bytes as hold them all."""
    least, most = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for width in (np.int8, np.int16, np.int32):
        if np.iinfo(width).min <= least and most <= np.iinfo(width).max:
            return values.astype(width)
    return values.astype(np.int64)


def wide(values: IntArray) -> npt.NDArray[np.int64]:
    """The same numbers with room to reckon."""
    return values.astype(np.int64, copy=False)


def blocks(rows: int, size: int = BLOCK) -> Iterator[slice]:
    """All rows, some at a time: what is made of them on the way then takes little memory."""
    return (slice(first, min(first + size, rows)) for first in range(0, rows, size))


def _arrays(
    rows: Sequence[msgspec.Struct], row: type[msgspec.Struct], shape: type[Turns] | type[Spans]
) -> dict[str, Array]:
    names = row.__struct_fields__
    columns = zip(*map(msgspec.structs.astuple, rows), strict=True) if rows else [()] * len(names)
    kinds = {field.name: field.type for field in fields(shape)}
    return {
        name: _array(cast(Sequence[object], column), kinds[name])
        for name, column in zip(names, columns, strict=True)
    }


def _array(values: Sequence[object], kind: object) -> Array:
    if kind is Text:
        names = {name: place for place, name in enumerate(dict.fromkeys(values))}
        codes = np.fromiter((names[v] for v in values), dtype=np.int64, count=len(values))
        return sorted_text(cast(list[str], list(names)), codes)
    if kind is FloatArray:
        return np.array(values, dtype=np.float64)
    if kind is IntArray:
        return narrow(np.array(values, dtype=np.int64))
    return np.array(values, dtype=np.bool_)


def _structs(columns: Turns | Spans, row: type[RowT], part: slice = ALL) -> Iterator[RowT]:
    lists = [_list(getattr(columns, name), part) for name in row.__struct_fields__]
    return (row(*values) for values in zip(*lists, strict=True))


def _list(column: Array, part: slice) -> list[object]:
    if isinstance(column, Text):
        return [column.names[code] for code in column.codes[part].tolist()]
    return list(column[part].tolist())


def _keys(
    bases: tuple[int, int, int],
    round_: IntArray,
    variant: IntArray,
    conversation: IntArray,
    turn: IntArray,
) -> IntArray:
    """One number a turn, which orders as the four of its key do."""
    key = wide(round_)
    for base, part in zip(bases, (variant, conversation, turn), strict=True):
        key = key * base + part + 1
    return key
