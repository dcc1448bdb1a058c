"""What an engine tells of its turns: whole records, samples as Locust takes them, all told once."""

import array
from collections import Counter

import httpx
import pytest

from harness.clock import VirtualClock
from harness.flow.flow import Flow, Span, World
from harness.load.engine import Tally, record_turn
from harness.load.parts import Parts, samples
from harness.load.pipe import Counts, Part, Sample
from harness.record import FlowRow, Outcome, SpanRow, turns_in

DUE, START = 10.0, 10.25
WORLD = World(VirtualClock(), httpx.MockTransport(lambda _: httpx.Response(500)), 1, 0, True)


def _span(
    stage: str,
    start: float,
    end: float,
    *,
    provider: str = "p",
    fault: str = "",
    whole: bool = False,
) -> Span:
    return Span(stage, provider, start, end, end, end, 200, 1, None, fault, whole)


def _flow(*spans: Span, outcome: Outcome = "paid", cause: str = "", conversation: int = 0) -> Flow:
    flow = Flow(WORLD, conversation, 0, DUE, START, 12.0, outcome, fault="it varies", cause=cause)
    flow.spans.extend(spans)
    return flow


def _rows(flow: Flow, variant: str = "baseline") -> tuple[FlowRow, list[SpanRow]]:
    told: list[tuple[FlowRow, list[SpanRow]]] = []
    record_turn(variant, flow, 12.0, 0.0, lambda row, spans: told.append((row, spans)))
    return told[0]


def _samples(flow: Flow, of: str = "") -> list[Sample]:
    return list(samples(_rows(flow)[0], flow, "conversation" + of, of))


def test_what_waited_for_nothing_in_its_turn_was_due_with_it_and_all_else_where_it_starts() -> None:
    flow = _flow(
        _span("intent", 10.25, 11.0),
        _span("session", 10.5, 11.5),  # beside it, begun a little later
        _span("encrypt", 11.0, 11.125, provider=""),
        _span("pay", 11.5, 12.0),
    )
    assert _samples(flow) == [
        Sample("TURN", "conversation", 2000.0, ""),
        Sample("CALL", "intent", 1000.0, ""),
        Sample("CALL", "session", 1250.0, ""),
        Sample("STEP", "encrypt", 125.0, ""),
        Sample("CALL", "pay", 500.0, ""),
    ]


def test_a_call_that_encloses_the_others_makes_none_of_them_wait() -> None:
    flow = _flow(
        _span("chat", 10.25, 12.0, whole=True),
        _span("intent", 10.5, 11.0),
        _span("pay", 11.25, 11.5),
    )
    assert [(told.name, told.response_ms) for told in _samples(flow)] == [
        ("conversation", 2000.0), ("chat", 2000.0), ("intent", 750.0), ("pay", 250.0),
    ]  # fmt: skip


def test_a_call_that_is_all_of_its_turn_was_due_with_it() -> None:
    (_, call) = _samples(_flow(_span("chat", 10.25, 12.0, whole=True)))
    assert call.response_ms == 2000.0


def test_a_turn_without_calls_is_told_too() -> None:
    assert _samples(_flow(outcome="ok")) == [Sample("TURN", "conversation", 2000.0, "")]


def test_of_several_strategies_every_name_says_which() -> None:
    names = [told.name for told in _samples(_flow(_span("pay", 11, 12)), " prewarm")]
    assert names == ["conversation prewarm", "pay prewarm"]


@pytest.mark.parametrize(
    ("flow", "fault"),
    [
        *((_flow(outcome=outcome), "") for outcome in ("paid", "declined", "refunded", "reversed")),
        (_flow(_span("pay", 11, 12, fault="RateLimited 429"), outcome="paid"), ""),
        (_flow(outcome="unknown"), "unknown"),
        (_flow(outcome="error"), "error"),
        (_flow(outcome="error", cause="Overloaded 503"), "error: Overloaded 503"),
        (
            _flow(
                _span("pay", 10.5, 11, fault="RateLimited 429"),
                outcome="error",
                cause="Malformed 200",
            ),
            "error: Malformed 200",
        ),
        (
            _flow(
                _span("query", 11.5, 12, fault="Overloaded 503"),
                _span("pay", 10.5, 11, fault="Unreachable: reset"),
                outcome="unknown",
            ),
            "unknown: Overloaded 503",
        ),
        (
            _flow(_span("pay", 11, 12, fault="Unreachable: reset"), outcome="unknown"),
            "unknown: Unreachable: reset",
        ),
    ],
)
def test_a_turn_that_failed_says_why_in_words_that_many_share(flow: Flow, fault: str) -> None:
    assert _samples(flow)[0].fault == fault


def test_a_call_that_failed_says_why_even_if_the_turn_did_not() -> None:
    (_, call) = _samples(_flow(_span("pay", 11, 12, fault="RateLimited 429")))
    assert call.fault == "RateLimited 429"


def test_records_are_read_as_a_spool_is() -> None:
    parts, rows = Parts("conversation", several=False), []
    for n in range(3):
        flow = _flow(_span("pay", 11, 12), conversation=n)
        row, spans = _rows(flow)
        rows.append(row)
        parts.add(row, spans, flow)
    part = parts.take(1.0, Tally())
    told = list(turns_in(part.records))
    assert [row for row, _ in told] == rows
    assert [[span.stage for span in spans] for _, spans in told] == [["pay"]] * 3
    assert len(part.samples) == 6


def test_each_thing_is_told_once() -> None:
    parts, tally, flow = Parts("conversation", several=True), Tally(), _flow()
    parts.add(*_rows(flow, "prewarm"), flow)
    tally.due = tally.started = tally.finished = 1
    tally.strain.loop_lags_ms = array.array("d", [0.5, 1.0])
    tally.causes = Counter({("pay", "RateLimited 429"): 2})
    first = parts.take(1.0, tally)
    assert first.counts == Counts(1, 1, 1)
    assert first.samples == [Sample("TURN", "conversation prewarm", 2000.0, "")]
    assert first.loop_lags_ms == [0.5, 1.0]
    assert first.causes == [("pay", "RateLimited 429", 2)]
    tally.strain.loop_lags_ms.append(0.25)
    tally.causes.update({("pay", "RateLimited 429"): 1, ("intent", "Overloaded 503"): 1})
    second = parts.take(2.0, tally)
    assert (second.records, second.samples, second.loop_lags_ms) == (b"", [], [0.25])
    assert sorted(second.causes) == [("intent", "Overloaded 503", 1), ("pay", "RateLimited 429", 1)]
    assert parts.take(3.0, tally) == Part(3.0, Counts(1, 1, 1))
