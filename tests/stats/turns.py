"""Turns of a conversation's arms, in the schedule's terms; it asserts nothing."""

from collections.abc import Sequence

from msgspec import structs

from harness.record import FlowRow, Outcome, Rows, Turns, columns_of
from tests.stats.by_hand import flow


def row(
    arm: str,
    round_: int,
    conversation: int = 0,
    turn: int = 0,
    response_ms: float = 4000.0,
    due_s: float = 0.0,
    outcome: Outcome = "paid",
) -> FlowRow:
    made = flow(
        response_ms,
        variant=arm,
        round=round_,
        conversation=conversation,
        due_s=due_s,
        outcome=outcome,
    )
    return structs.replace(made, turn=turn)


def turns_of(rows: Sequence[FlowRow]) -> Turns:
    return columns_of(Rows(list(rows))).turns
