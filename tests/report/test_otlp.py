"""A run as OpenTelemetry's spans: each turn a trace under the id that its calls have carried, each
call and step within it, at its time. What is written is read back by the reader of other people's.
"""

import datetime
from functools import cache
from itertools import pairwise

import msgspec
import pytest
from msgspec import structs

from harness.calibrate import otlp as reader
from harness.providers.trace import Trace, number_of, trace_of
from harness.record import Columns, RunSummary, SpanRow, columns_of, rows_of, sort
from harness.report.otlp import CLIENT, INTERNAL, Span, export, spans_of
from tests.report.sample import sample_run

MODELLED = ("intent", "confirm")


@cache
def run() -> tuple[RunSummary, Columns]:
    summary, rows = sample_run(("prewarm",), rounds=3, turns=10, error_share=0.1)
    rows.spans[:] = [
        structs.replace(of, provider="openai") if of.stage in MODELLED else of for of in rows.spans
    ]
    sort(rows)
    return summary, columns_of(rows)


def traces(summary: RunSummary | None = None) -> list[list[Span]]:
    return list(spans_of(summary or run()[0], run()[1]))


def told(span: Span) -> dict[str, object]:
    return {
        of.key: next(
            value
            for value in (
                of.value.string_value, of.value.int_value, of.value.double_value,
                of.value.bool_value,
            )
            if value is not None
        )
        for of in span.attributes
    }  # fmt: skip


def test_every_turn_is_a_trace_with_its_own_spans_within_it() -> None:
    found, rows = traces(), rows_of(run()[1])
    assert len(found) == len(rows.flows) and sum(map(len, found)) == len(rows.spans) + len(found)
    assert len({root.trace_id for root, *_ in found}) == len(found)
    for (root, *steps), turn in zip(found, rows.flows, strict=True):
        assert root.parent_span_id == "" and root.kind == INTERNAL
        assert {of.trace_id for of in steps} == {root.trace_id}
        assert {of.parent_span_id for of in steps} == {root.span_id}
        number = number_of(run()[0].run_id, turn.variant, turn.round)
        assert trace_of(root.trace_id) == Trace(number, turn.conversation, turn.turn)
        ids = [of.span_id for of in (root, *steps)]
        assert len(set(ids)) == len(ids) and all(len(of) == 16 for of in ids)


def test_times_keep_their_nanoseconds_and_their_order() -> None:
    for (root, *steps), turn in zip(traces(), rows_of(run()[1]).flows, strict=True):
        length_s = (int(root.end_time_unix_nano) - int(root.start_time_unix_nano)) / 1e9
        assert length_s == pytest.approx(turn.end_s - turn.start_s, abs=2e-9)
        for of in steps:
            assert int(root.start_time_unix_nano) <= int(of.start_time_unix_nano)


def test_a_virtual_run_lies_before_its_start_and_rounds_do_not_overlap() -> None:
    summary = run()[0]
    started_ns = datetime.datetime.fromisoformat(summary.started_at).timestamp() * 1e9
    by_round: dict[object, list[int]] = {}
    for root, *_ in traces():
        ends = by_round.setdefault(told(root)["tollbench.round"], [])
        ends += [int(root.start_time_unix_nano), int(root.end_time_unix_nano)]
    limits = [(min(times), max(times)) for times in by_round.values()]
    assert all(end < begin for (_, end), (begin, _) in pairwise(limits))
    assert limits[-1][1] < started_ns


def test_rounds_on_the_real_clock_begin_when_they_did() -> None:
    began = {0: 1_795_000_000.25, 1: 1_795_000_100.5, 2: 1_795_000_200.75}
    summary = structs.replace(run()[0], clock="real", began_unix_s=began)
    turns = rows_of(run()[1]).flows
    for (root, *_), turn in zip(traces(summary), turns, strict=True):
        at_s = int(root.start_time_unix_nano) / 1e9
        assert at_s == pytest.approx(began[turn.round] + turn.start_s, abs=1e-6)


def test_an_app_under_test_has_traced_itself_under_the_run_s_own_number() -> None:
    summary = run()[0]
    (variant, *_) = summary.variants
    boxed = structs.replace(summary, variants=[structs.replace(variant, name="app")])
    root = traces(boxed)[0][0]
    found = trace_of(root.trace_id)
    assert found is not None and found.run == number_of(summary.run_id)


def test_a_call_says_whom_it_asked_and_how_it_ended_by_the_conventions() -> None:
    row = SpanRow(
        "baseline", 0, 0, 0, 0, "intent", "gemini", 1.0, 1.2, 1.25, 2.0, 990.0, 3.0, 200, 1, True
    )
    summary, columns = run()
    turn = structs.replace(rows_of(columns).flows[0], variant="baseline", round=0)
    rows = rows_of(columns)
    rows.flows[:] = [structs.replace(turn, conversation=0, turn=0, outcome="error")]
    failed = structs.replace(
        row, span=1, stage="pay", provider="stripe", status=503, injected_ms=float("nan")
    )
    silent = structs.replace(failed, span=2, status=0)
    local = structs.replace(row, span=3, stage="own", provider="", status=0)
    rows.spans[:] = [row, failed, silent, local]
    ((root, *steps),) = spans_of(summary, columns_of(rows))
    assert root.status is not None and told(root)["error.type"] == "error"
    asked, overloaded, unheard, own = (told(of) for of in steps)
    assert asked["gen_ai.provider.name"] == "gcp.gemini"
    assert asked["gen_ai.operation.name"] == "chat"
    assert asked["gen_ai.response.time_to_first_chunk"] == pytest.approx(0.25)
    assert asked["http.response.status_code"] == "200" and "error.type" not in asked
    assert asked["tollbench.injected_ms"] == 990.0 and asked["tollbench.critical"] is True
    assert overloaded["error.type"] == "503" and "gen_ai.provider.name" not in overloaded
    assert "tollbench.injected_ms" not in overloaded and overloaded["peer.service"] == "stripe"
    assert unheard["error.type"] == "_OTHER" and "http.response.status_code" not in unheard
    assert set(own) == {"tollbench.stage", "tollbench.critical"}
    assert [of.kind for of in steps] == [CLIENT, CLIENT, CLIENT, INTERNAL]
    assert [of.status is not None for of in steps] == [False, True, True, False]


def test_a_span_of_no_turn_hides_nobody_else_s() -> None:
    summary, columns = run()
    rows = rows_of(columns)
    lost = rows.flows.pop(3)
    found = list(spans_of(summary, columns_of(rows)))
    kept = [
        of for of in rows.spans
        if (of.round, of.variant, of.conversation, of.turn)
        != (lost.round, lost.variant, lost.conversation, lost.turn)
    ]  # fmt: skip
    assert sum(map(len, found)) == len(found) + len(kept)


def test_what_is_exported_is_read_as_other_people_s_traces_are() -> None:
    summary, columns = run()
    spans = [of for trace in traces() for of in trace]
    raw = msgspec.Raw(export(spans, summary))
    assert reader.is_otlp(raw)
    read = [of for of in reader.read([raw]).samples if of.provider == "openai"]
    calls = [of for of in rows_of(columns).spans if of.provider == "openai"]
    assert {of.stage for of in read} == {"chat"} and {of.status for of in read} == {200}
    assert sorted(of.total_s for of in read) == pytest.approx(
        sorted(of.end_s - of.start_s for of in calls), abs=1e-6
    )
