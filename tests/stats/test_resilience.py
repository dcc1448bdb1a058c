"""What faults cost: struck turns apart from clean ones, amplification, and calls in vain."""

from collections.abc import Sequence

import pytest
from msgspec import structs

from harness.faults import Fault, Placed, Script
from harness.providers.told import DrawKey
from harness.record import FlowRow, SpanRow
from harness.record.resilience import ResilienceSummary
from harness.stats import resilience
from harness.stats.resilience import resilience_of
from tests.stats.by_hand import columns, flow, span


def turns(n: int, response_ms: float, *, first: int = 0, calls: int = 3) -> list[FlowRow]:
    return [flow(response_ms + i, conversation=first + i, calls=calls) for i in range(n)]


class OfConversations:
    """A fault that strikes the pay call of these conversations."""

    def __init__(self, fault: Fault, conversations: range) -> None:
        self._fault, self._conversations = fault, conversations

    def at(self, provider: str, key: DrawKey) -> Sequence[Fault]:
        strikes = key.conversation in self._conversations and key.stage == "pay"
        return [self._fault] if strikes else []


def paid(row: FlowRow, *, status: int = 200, attempt: int = 1) -> SpanRow:
    call = span(row, "pay", row.start_s, row.end_s)
    return structs.replace(call, status=status, attempt=attempt, span=attempt)


def of(found: list[ResilienceSummary]) -> ResilienceSummary:
    (one,) = found
    return one


def test_struck_turns_and_clean_ones_have_times_of_their_own() -> None:
    rows = [*turns(60, 1000.0), *turns(60, 5000.0, first=60, calls=6)]
    found = columns(rows, [paid(row) for row in rows])
    one = of(resilience_of(found, {"base": OfConversations("timeouts", range(60, 120))}))
    assert (one.turns, one.struck_turns) == (120, 60)
    (cost,) = one.faults
    assert (cost.fault, cost.turns, cost.strikes) == ("timeouts", 60, 60)
    assert one.clean_p50_ms == 1029.0
    assert cost.p50_ms == 5029.0
    assert (one.clean_calls_per_turn, one.calls_per_turn, one.amplification) == (3.0, 4.5, 1.5)


def test_a_call_that_is_struck_at_each_try_counts_as_one_turn() -> None:
    (row,) = turns(1, 1000.0)
    spans = [paid(row, attempt=attempt) for attempt in (1, 2, 3)]
    script = Script([Placed(turn=0, stage="pay", fault="overloads", lasts=2)])
    (cost,) = of(resilience_of(columns([row], spans), {"base": script})).faults
    assert (cost.turns, cost.strikes) == (1, 2)


def test_too_few_turns_tell_no_quantile() -> None:
    rows = turns(3, 1000.0)
    one = of(resilience_of(columns(rows), {"base": Script([])}))
    assert (one.clean_p50_ms, one.clean_p95_ms, one.faults) == (None, None, [])
    assert one.amplification == 1.0


def test_where_every_turn_was_struck_nothing_tells_how_much_more_that_is() -> None:
    rows = turns(4, 1000.0)
    found = columns(rows, [paid(row) for row in rows])
    assert (
        of(resilience_of(found, {"base": OfConversations("lost", range(4))})).amplification is None
    )


def test_calls_in_vain_are_those_that_failed_and_what_nobody_used() -> None:
    row = flow(1000.0, calls=9, wasted_prewarms=1, corrections=2, stale_tokens=4)
    statuses = [200, 402, 0, 429, 500, 529]
    spans = [paid(row, status=status, attempt=n) for n, status in enumerate(statuses)]
    one = of(resilience_of(columns([row], spans), {"base": Script([])}))
    assert one.wasted_calls_per_turn == 4 + 1 + 2 + 4


def test_ends_of_struck_turns_are_counted_and_failed_ones_never_look_fast() -> None:
    ends = ["paid"] * 10 + ["reversed"] * 10 + ["error"] * 10 + ["unknown"] * 2
    rows = [flow(100.0 * n, conversation=n, outcome=end) for n, end in enumerate(ends)]  # type: ignore[arg-type]  # the list's own words
    found = columns(rows, [paid(row) for row in rows])
    (cost,) = of(resilience_of(found, {"base": OfConversations("reset", range(40))})).faults
    assert (cost.failed, cost.reversed) == (12, 10)
    assert cost.p50_ms == 1500.0


def test_a_client_that_gives_up_early_is_not_told_by_its_survivors() -> None:
    rows = [flow(10.0, conversation=n, outcome="paid" if n < 9 else "error") for n in range(40)]
    found = columns(rows, [paid(row) for row in rows])
    (cost,) = of(resilience_of(found, {"base": OfConversations("lost", range(40))})).faults
    assert (cost.turns, cost.failed, cost.p50_ms) == (40, 31, None)


def test_of_too_many_calls_the_same_conversations_of_each_strategy_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resilience, "MOST_SPANS", 80)
    rows = [flow(1.0, conversation=n, variant=of) for of in ("base", "warm") for n in range(120)]
    found = columns(rows, [paid(row) for row in rows])
    strikes = OfConversations("lost", range(60, 120))
    of_both = resilience_of(found, {"base": strikes, "warm": strikes})
    assert [(one.every, one.turns, one.struck_turns) for one in of_both] == [(3, 40, 20)] * 2
    assert [one.faults[0].turns for one in of_both] == [20, 20]


def test_strategies_are_told_apart_in_their_order() -> None:
    rows = [*turns(2, 1.0), flow(1.0, variant="warm")]
    found = resilience_of(columns(rows), dict.fromkeys(("warm", "base", "none"), Script([])))
    assert [(one.variant, one.turns) for one in found] == [("warm", 1), ("base", 2), ("none", 0)]
