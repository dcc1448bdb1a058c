"""The rows of a run as they are measured, a turn or a call each; nothing here reads a file."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from harness.outcome import Outcome


class FlowRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One turn: a wish, its payment, the confirmation. Times are seconds since the round began."""

    variant: str
    round: int
    conversation: int
    turn: int
    due_s: float
    start_s: float
    end_s: float
    response_ms: float
    service_ms: float
    outcome: Outcome
    cold: bool
    method: str
    amount_minor: int
    currency: str
    fee_minor: int
    calls: int
    wasted_prewarms: int
    stale_tokens: int
    corrections: int
    guarded: int
    human_ms: float
    token_cost_micro: int


class SpanRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One call or local step of a turn. `injected_ms` is NaN where the other side told no delay."""

    variant: str
    round: int
    conversation: int
    turn: int
    span: int
    stage: str
    provider: str
    start_s: float
    first_byte_s: float
    first_token_s: float
    end_s: float
    injected_ms: float
    queue_ms: float
    status: int
    attempt: int
    critical: bool


@dataclass(slots=True)
class Rows:
    """Everything measured so far, in the order in which it finished."""

    flows: list[FlowRow] = field(default_factory=list)
    spans: list[SpanRow] = field(default_factory=list)

    def add(self, flow: FlowRow, spans: Sequence[SpanRow]) -> None:
        """A turn that ended, and its spans."""
        self.flows.append(flow)
        self.spans.extend(spans)

    def extend(self, other: "Rows") -> None:
        self.flows.extend(other.flows)
        self.spans.extend(other.spans)


def sort(rows: Rows) -> None:
    """Into the one order of the files, whoever finished first."""
    rows.flows.sort(key=lambda row: (row.round, row.variant, row.conversation, row.turn))
    rows.spans.sort(key=lambda row: (row.round, row.variant, row.conversation, row.turn, row.span))
