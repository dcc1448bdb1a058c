"""Columns say what the rows say, in as few bytes as hold it."""

import math
import random
from dataclasses import fields

import msgspec
import numpy as np

from harness import record
from harness.record import (
    Columns,
    FlowRow,
    Outcome,
    Rows,
    Text,
    blocks,
    columns_of,
    rows_by_block,
    rows_of,
    wide,
)
from harness.record.columns import BLOCK
from tests.record.sample import FLOW, SPAN, at, other
from tests.worlds import one_round


def test_columns_and_rows_say_the_same() -> None:
    rows = one_round(turns=3).rows
    again = rows_of(columns_of(rows))
    assert again.flows == rows.flows
    assert record.sha256(columns_of(again)) == record.sha256(columns_of(rows))


def test_rows_come_whole_a_block_after_the_other_too() -> None:
    flows = [msgspec.structs.replace(FLOW, conversation=n) for n in range(BLOCK + 1)]
    again = list(rows_by_block(columns_of(Rows(flows)).turns, FlowRow))
    assert again == flows


def test_equal_text_has_equal_columns_whoever_came_first() -> None:
    flows = [at(FLOW, 0, name, 0, 0) for name in ("b", "a", "c", "a")]
    variant = columns_of(Rows(flows)).turns.variant
    assert (variant.names, variant.codes.tolist()) == (("a", "b", "c"), [1, 0, 2, 0])
    assert variant.holds("a", "c", "never met").tolist() == [False, True, True, True]
    assert Text((), np.zeros(0, dtype=np.int64)).holds("a").tolist() == []


def test_a_turn_that_failed_never_answered() -> None:
    outcomes: list[Outcome] = ["paid", "error", "unknown", "declined", "reversed", "ok", "refunded"]
    flows = [msgspec.structs.replace(FLOW, outcome=outcome) for outcome in outcomes]
    turns = columns_of(Rows(flows)).turns
    assert turns.failed.tolist() == [False, True, True, False, False, False, False]
    assert turns.answered_ms.tolist() == [2500, math.inf, math.inf, 2500, 2500, 2500, 2500]


def test_each_span_knows_the_row_of_its_turn() -> None:
    rows = one_round(turns=4).rows
    random.Random(3).shuffle(rows.flows)
    for owner, span in zip(_owners(columns_of(rows)), rows.spans, strict=True):
        flow = rows.flows[owner]
        assert (span.variant, span.round, span.conversation, span.turn) == (
            (flow.variant, flow.round, flow.conversation, flow.turn)
        )


def test_a_span_of_no_turn_has_none() -> None:
    astray = [
        msgspec.structs.replace(SPAN, **{name: other(getattr(SPAN, name))})
        for name in ("variant", "round", "conversation", "turn")
    ]
    boot = msgspec.structs.replace(SPAN, conversation=-1)
    assert _owners(columns_of(Rows([FLOW], [*astray, boot, SPAN]))) == [-1, -1, -1, -1, -1, 0]
    assert _owners(columns_of(Rows([], [SPAN]))) == [-1]
    assert _owners(columns_of(Rows([FLOW]))) == []


def test_whole_numbers_take_as_few_bytes_as_hold_them_all() -> None:
    for most, width in (
        (127, np.int8),
        (128, np.int16),
        (-(2**15) - 1, np.int32),
        (2**31, np.int64),
    ):
        flows = [msgspec.structs.replace(FLOW, amount_minor=amount) for amount in (0, most)]
        amount = columns_of(Rows(flows)).turns.amount_minor
        assert amount.dtype == width
        assert amount.tolist() == [0, most]
        assert wide(amount).dtype == np.int64


def test_a_turn_and_its_spans_take_half_a_kilobyte() -> None:
    """So a million of them are half a gigabyte."""
    columns = columns_of(one_round(turns=20).rows)
    arrays = [
        column.codes if isinstance(column, Text) else column
        for shape in (columns.turns, columns.spans)
        for column in (getattr(shape, field.name) for field in fields(shape))
    ]
    assert sum(array.nbytes for array in arrays) / len(columns.turns) < 500


def test_a_turn_is_found_whatever_its_numbers_come_to() -> None:
    """The one number that stands for a turn is beyond the width of each of the four."""
    places = [(round_, "a", conversation, 100) for round_ in (0, 120) for conversation in range(9)]
    flows = [at(FLOW, *place) for place in places]
    spans = [
        msgspec.structs.replace(SPAN, variant="a", round=round_, conversation=number, turn=turn)
        for round_, _, number, turn in places
    ]
    columns = columns_of(Rows(flows, spans))
    assert columns.spans.turn.dtype == np.int8
    assert _owners(columns) == list(range(len(places)))


def test_blocks_are_all_rows_once() -> None:
    for rows in (0, 1, BLOCK, BLOCK + 1, 3 * BLOCK):
        whole = np.arange(rows)
        parts = [whole[block] for block in blocks(rows)]
        assert [part.size for part in parts[:-1]] == [BLOCK] * (len(parts) - 1)
        assert np.array_equal(np.concatenate([whole[:0], *parts]), whole)


def _owners(columns: Columns) -> list[int]:
    return [int(row) for row in columns.turn_of_span()]
