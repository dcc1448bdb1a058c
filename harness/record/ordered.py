"""Rows that come in parts and in any order, as columns in the one order of the files; it reads no
file, and holds hardly more than all the rows once."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Generic, cast

import numpy as np

from harness.record.columns import (
    Array,
    Columns,
    IntArray,
    Numbers,
    ShapeT,
    Text,
    columns_of,
    made,
    narrow,
    sorted_text,
)
from harness.record.rows import Rows

TURN_KEY = ("round", "variant", "conversation", "turn")
SPAN_KEY = (*TURN_KEY, "span")

_ROOM = 16
"""What is full grows by one part in so many: room that is not used yet is memory taken too."""


def ordered(parts: Iterable[Columns]) -> Columns:
    """All rows of the parts by round, variant, conversation, turn and span; of rows that are alike
    in these, those of an earlier part come first."""
    none = columns_of(Rows())
    turns, spans = _Growing(none.turns), _Growing(none.spans)
    for part in parts:
        turns.add(part.turns)
        spans.add(part.spans)
    return Columns(turns.ordered(TURN_KEY), spans.ordered(SPAN_KEY))


class _Growing(Generic[ShapeT]):
    """The turns or the spans so far."""

    def __init__(self, none: ShapeT) -> None:
        self._shape: type[ShapeT] = type(none)
        self._columns = {
            field.name: _GrowingColumn(getattr(none, field.name)) for field in fields(none)
        }

    def add(self, part: ShapeT) -> None:
        for name, column in self._columns.items():
            column.add(getattr(part, name))

    def ordered(self, key: Sequence[str]) -> ShapeT:
        """All of it; then there is nothing here any more."""
        whole = {name: self._columns.pop(name).whole() for name in list(self._columns)}
        order = _order([_numbers(whole[name]) for name in key])
        if order is not None:
            # One after the other: a column is let go before the next is copied.
            for name in whole:
                whole[name] = _taken(whole[name], order)
        return made(self._shape, whole)


class _GrowingColumn:
    """A column that is added to where it lies: many small arrays, let go one by one while a large
    one is made of them, leave a memory full of holes.

    The names of text are numbered as they come, and sorted in the end.
    """

    def __init__(self, none: Array) -> None:
        self._places: dict[str, int] | None = {} if isinstance(none, Text) else None
        self._values = _numbers(none).copy()
        self._size = 0

    def add(self, part: Array) -> None:
        values = self._numbered(part) if isinstance(part, Text) else part
        width = np.promote_types(self._values.dtype, values.dtype)
        if width != self._values.dtype:
            self._values = self._values.astype(width)
        end = self._size + values.size
        if end > self._values.size:
            self._resize(max(end, self._size + self._size // _ROOM))
        self._values[self._size : end] = values
        self._size = end

    def whole(self) -> Array:
        self._resize(self._size)
        if self._places is None:
            return self._values
        return sorted_text(list(self._places), cast(IntArray, self._values))

    def _numbered(self, part: Text) -> IntArray:
        assert self._places is not None
        places = [self._places.setdefault(name, len(self._places)) for name in part.names]
        return narrow(np.array(places, dtype=np.int64))[part.codes]

    def _resize(self, size: int) -> None:
        # Nobody else has the array yet, so no view of it can be left behind.
        self._values.resize(size, refcheck=False)


def _order(keys: Sequence[Numbers]) -> IntArray | None:
    """The places of the rows in their order, the first key before all others; None where they are
    in order already."""
    tied = np.ones(max(0, keys[0].size - 1), dtype=np.bool_)
    ascend = True
    for key in keys:
        ascend = ascend and bool((key[1:] >= key[:-1])[tied].all())
        tied &= key[1:] == key[:-1]
    return None if ascend else np.lexsort(tuple(keys[::-1]))


def _numbers(column: Array) -> Numbers:
    return column.codes if isinstance(column, Text) else column


def _taken(column: Array, order: IntArray) -> Array:
    if isinstance(column, Text):
        return Text(column.names, column.codes[order])
    return column[order]
