"""The one order of the files, whoever finished first."""

import msgspec

from harness import record
from harness.record import Rows
from tests.record.sample import FLOW, SPAN, at


def test_rows_are_sorted_by_round_variant_conversation_and_turn() -> None:
    places = [(0, "a", 0, 0), (0, "a", 0, 1), (0, "a", 10, 0), (0, "b", 0, 0), (1, "a", 0, 0)]
    flows = [at(FLOW, *place) for place in places]
    spans = [
        msgspec.structs.replace(
            SPAN, span=n, variant=variant, round=round_, conversation=conversation, turn=turn
        )
        for round_, variant, conversation, turn in places
        for n in range(2)
    ]
    rows = Rows(flows[::-1], spans[::-1])
    record.sort(rows)
    assert rows == Rows(flows, spans)
