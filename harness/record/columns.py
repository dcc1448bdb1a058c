"""The rows of a run as columns, an array each, which all analysis reads; nothing here changes one.

Rows are objects while they are measured; figures of a million of them are taken from arrays. Text
is kept as numbers into the names that occur, sorted, so that equal rows have equal columns.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar, cast

import msgspec
import numpy as np
import numpy.typing as npt

from harness.record.rows import FAILED, FlowRow, Rows, SpanRow

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


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
    def answered_ms(self) -> FloatArray:
        """Response times, infinite for turns that never answered."""
        return np.where(self.failed, np.inf, self.response_ms)

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
        if not len(turns) or not len(spans):
            return np.full(len(spans), -1, dtype=np.int64)
        names = {name: place for place, name in enumerate(turns.variant.names)}
        known = np.array([names.get(name, -1) for name in spans.variant.names], dtype=np.int64)
        keys = _keys(turns.round, turns.variant.codes, turns.conversation, turns.turn, self)
        wanted = _keys(
            spans.round, known[spans.variant.codes], spans.conversation, spans.turn, self
        )
        order = np.argsort(keys, kind="stable")
        places = np.minimum(np.searchsorted(keys[order], wanted), len(turns) - 1)
        rows = order[places]
        return np.where(keys[rows] == wanted, rows, -1)


def columns_of(rows: Rows) -> Columns:
    """The same rows, in the same order, as columns."""
    return Columns(
        made(Turns, _arrays(rows.flows, FlowRow, Turns)),
        made(Spans, _arrays(rows.spans, SpanRow, Spans)),
    )


def rows_of(columns: Columns) -> Rows:
    """The same again as objects."""
    return Rows(list(_structs(columns.turns, FlowRow)), list(_structs(columns.spans, SpanRow)))


Array = FloatArray | IntArray | BoolArray | Text

ShapeT = TypeVar("ShapeT", Turns, Spans)
RowT = TypeVar("RowT", FlowRow, SpanRow)


def made(shape: type[ShapeT], arrays: Mapping[str, Array]) -> ShapeT:
    """The columns by name, each of the kind that its field says."""
    return cast(Callable[..., ShapeT], shape)(**arrays)


def sorted_text(names: Sequence[str], codes: IntArray) -> Text:
    """A column whose names come in any order."""
    order = sorted(range(len(names)), key=names.__getitem__)
    places = np.empty(len(names), dtype=np.int64)
    places[order] = np.arange(len(names))
    return Text(tuple(names[place] for place in order), places[codes])


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
        return np.array(values, dtype=np.int64)
    return np.array(values, dtype=np.bool_)


def _structs(columns: Turns | Spans, row: type[RowT]) -> Iterator[RowT]:
    lists = [_list(getattr(columns, name)) for name in row.__struct_fields__]
    return (row(*values) for values in zip(*lists, strict=True))


def _list(column: Array) -> list[object]:
    if isinstance(column, Text):
        return [column.names[code] for code in column.codes.tolist()]
    return list(column.tolist())


def _keys(
    round_: IntArray, variant: IntArray, conversation: IntArray, turn: IntArray, of: Columns
) -> IntArray:
    """One number a turn, which orders as the four of its key do."""
    variants = len(of.turns.variant.names) + 1
    conversations = int(max(of.turns.conversation.max(), of.spans.conversation.max())) + 2
    turns = int(max(of.turns.turn.max(), of.spans.turn.max())) + 2
    key = ((round_ * variants + variant + 1) * conversations + conversation + 1) * turns + turn + 1
    return cast(IntArray, key)
