"""The hash of what was measured: it changes with anything that was, and with nothing else."""

import random

import msgspec
import numpy as np
import pytest

from harness import record
from harness.record import Columns, FlowRow, Rows, SpanRow, columns_of
from tests.record.sample import FLOW, SPAN, other, widened
from tests.worlds import one_round


@pytest.mark.parametrize("name", FlowRow.__struct_fields__)
def test_the_hash_changes_with_any_field_of_a_turn(name: str) -> None:
    changed = msgspec.structs.replace(FLOW, **{name: other(getattr(FLOW, name))})
    assert hashed(Rows([changed], [SPAN])) != hashed(Rows([FLOW], [SPAN]))


@pytest.mark.parametrize("name", SpanRow.__struct_fields__)
def test_the_hash_changes_with_any_field_of_a_span(name: str) -> None:
    changed = msgspec.structs.replace(SPAN, **{name: other(getattr(SPAN, name))})
    assert hashed(Rows([FLOW], [changed])) != hashed(Rows([FLOW], [SPAN]))


def test_the_hash_tells_missing_and_doubled_rows() -> None:
    some = [Rows(), Rows([FLOW]), Rows([], [SPAN]), Rows([FLOW], [SPAN]), Rows([FLOW, FLOW])]
    assert len({hashed(rows) for rows in some}) == len(some)


def test_the_hash_of_sorted_rows_does_not_hang_on_who_finished_first() -> None:
    rows = one_round(turns=5).rows
    record.sort(rows)
    shuffled = Rows(list(rows.flows), list(rows.spans))
    random.Random(1).shuffle(shuffled.flows)
    random.Random(2).shuffle(shuffled.spans)
    assert hashed(shuffled) != hashed(rows)
    record.sort(shuffled)
    assert hashed(shuffled) == hashed(rows)


def test_the_hash_of_a_column_does_not_hang_on_how_narrow_it_is() -> None:
    narrow = columns_of(one_round(turns=5).rows)
    assert narrow.spans.status.dtype == np.int16
    assert record.sha256(Columns(widened(narrow.turns), widened(narrow.spans))) == (
        record.sha256(narrow)
    )


def test_the_hash_of_this_turn_is_this_on_every_machine() -> None:
    expected = "c6d9b2994b86bf88f10323f2abf63253608589bf770d1046e6f3c02ad8c05c3c"
    assert hashed(Rows([FLOW], [SPAN])) == expected


def test_no_text_passes_for_another() -> None:
    """Two columns of one name each, and of two names, whatever stands in them."""
    methods = [("ab", "c"), ("a", "bc"), ("abc", "abc"), ("ac", "b")]
    flows = [[msgspec.structs.replace(FLOW, method=method) for method in pair] for pair in methods]
    assert len({hashed(Rows(pair)) for pair in flows}) == len(methods)


def hashed(rows: Rows) -> str:
    return record.sha256(columns_of(rows))
