"""What opening connections took, and whose request was the first on one."""

import math
from dataclasses import dataclass

from harness.flow.flow import NO_CALLS
from harness.record import ColdStart, Columns, FirstRequest, Rows, SpanRow, TimesTaken, columns_of
from harness.stats.cold_starts import NO_REQUEST, cold_starts_of
from tests.stats.by_hand import flow

EIGHTH_S = 0.125
"""A time that floats hold exactly, as they do its multiples."""


@dataclass
class Turn:
    """Spans one after the other, each so many eighths of a second long; below 0 it failed."""

    conversation: int
    provider: str = "shop"
    now_s: float = 0.0

    def spans(self, *told: tuple[str, int]) -> list[SpanRow]:
        found = []
        for number, (stage, eighths) in enumerate(told):
            start_s, self.now_s = self.now_s, self.now_s + abs(eighths) * EIGHTH_S
            status = 200 if eighths > 0 else 0
            found.append(self.span(number, stage, start_s, self.now_s, status))
        return found

    def span(self, number: int, stage: str, start_s: float, end_s: float, status: int) -> SpanRow:
        return SpanRow(
            "base", 0, self.conversation, 0, number, stage, self.provider, start_s, end_s, end_s,
            end_s, math.nan, 0.0, status, 1, True,
        )  # fmt: skip


def columns(*turns: list[SpanRow]) -> Columns:
    flows = [flow(1000.0, conversation=n) for n in range(len(turns))]
    return columns_of(Rows(flows, [span for spans in turns for span in spans]))


def taken(*eighths: int) -> TimesTaken:
    ms = [of * EIGHTH_S * 1000 for of in sorted(eighths)]
    return TimesTaken(n=len(ms), p50_ms=ms[(len(ms) - 1) // 2], max_ms=ms[-1])


def test_where_no_opening_is_told_there_is_nothing_to_say() -> None:
    assert cold_starts_of(columns()) == []
    assert cold_starts_of(columns(Turn(0).spans(("intent", 20), ("pay", 30)))) == []


def test_phases_are_told_apart_and_a_first_request_is_held_against_its_own_stage() -> None:
    found = cold_starts_of(
        columns(
            Turn(0).spans(
                ("dns", 1), ("tcp", 2), ("tls", 3), ("pay", 100), ("pay", 50), ("query", 7)
            ),
            Turn(1).spans(("dns", 3), ("tcp", 4), ("tls", 9), ("pay", 200), ("pay", 60)),
            Turn(2).spans(("pay", 70)),
        )
    )
    assert found == [
        ColdStart(
            provider="shop",
            connections=2,
            ahead=0,
            failed=0,
            dns=taken(1, 3),
            tcp=taken(2, 4),
            tls=taken(3, 9),
            requests=[FirstRequest(stage="pay", first=taken(100, 200), later=taken(50, 60, 70))],
        )
    ]


def test_without_a_name_or_tls_there_are_no_such_phases() -> None:
    (found,) = cold_starts_of(columns(Turn(0).spans(("tcp", 2), ("pay", 100))))
    assert (found.connections, found.dns, found.tls) == (1, None, None)
    assert found.requests == [FirstRequest(stage="pay", first=taken(100), later=None)]


def test_an_opening_that_failed_is_counted_and_its_phase_is_in_no_figure() -> None:
    (found,) = cold_starts_of(
        columns(
            Turn(0).spans(("tcp", 2), ("tls", -900), ("pay", 0)),
            Turn(1).spans(("tcp", 4), ("tls", 3), ("pay", 100)),
        )
    )
    assert (found.connections, found.failed, found.tcp, found.tls) == (
        1, 1, taken(2, 4), taken(3),
    )  # fmt: skip
    assert found.requests == [FirstRequest(stage="pay", first=taken(100))]


def test_a_call_on_a_connection_opened_ahead_is_none_that_it_was_opened_for() -> None:
    shop = Turn(0)
    ahead = shop.spans(("tcp", 2), ("tls", 3), ("sign", 10), ("pay", 100))
    whole = shop.span(9, "preconnect", 0.0, 5 * EIGHTH_S, 200)
    # It begins as the opening ends, and is another provider's.
    ahead[2] = Turn(0, "models", 5 * EIGHTH_S).spans(("intent", 10))[0]
    (found,) = cold_starts_of(columns([*ahead, whole]))
    assert (found.provider, found.connections, found.ahead) == ("shop", 1, 1)
    assert found.requests == []


def test_a_call_of_another_turn_that_begins_at_that_moment_is_no_first_one() -> None:
    (found,) = cold_starts_of(
        columns(
            Turn(0).spans(("tcp", 5), ("pay", 100)),
            Turn(1, now_s=5 * EIGHTH_S).spans(("pay", 50)),
        )
    )
    assert found.requests == [FirstRequest(stage="pay", first=taken(100), later=taken(50))]


def test_what_is_no_request_here_is_no_call_of_a_turn() -> None:
    assert set(NO_REQUEST) == NO_CALLS
