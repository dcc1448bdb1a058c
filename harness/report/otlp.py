"""The spans of a run as OpenTelemetry's, in the JSON of OTLP; it sends none.

A turn is the root of a trace, its calls and local steps are within it. The trace id is the one that
`traceparent` has carried for that turn, so that what a tested app has traced joins it. Source: OTLP
1.x, JSON encoding (ids in hex, 64-bit numbers as text), and OpenTelemetry's semantic conventions of
HTTP and of generative AI (2026-11).
"""

import datetime
import math
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import groupby

import msgspec
import numpy as np

from harness.providers import MODELS
from harness.providers.trace import (
    MOST_CONVERSATION,
    MOST_TURN,
    Trace,
    encode_traceparent,
    number_of,
    trace_id_of,
)
from harness.record import FAILED, Columns, FlowRow, RunSummary, SpanRow, rows_by_block
from harness.report.words import is_black_box

INTERNAL, CLIENT = 1, 3
ERROR = 2

APART_S = 1.0
"""Between two rounds of which nobody knows when they began."""

_CONVENTIONAL = {"gemini": "gcp.gemini", "mistral": "mistral_ai"}
"""The conventions' names for providers that have another here."""

Attribute = str | int | float | bool


class Value(msgspec.Struct, rename="camel", omit_defaults=True):
    string_value: str | None = None
    int_value: str | None = None
    double_value: float | None = None
    bool_value: bool | None = None


class KeyValue(msgspec.Struct):
    key: str
    value: Value


class Status(msgspec.Struct):
    code: int


class Span(msgspec.Struct, rename="camel", omit_defaults=True):
    trace_id: str
    span_id: str
    name: str
    kind: int
    start_time_unix_nano: str
    end_time_unix_nano: str
    attributes: list[KeyValue]
    parent_span_id: str = ""
    status: Status | None = None


def export(spans: Sequence[Span], summary: RunSummary) -> bytes:
    """One request's body: an ExportTraceServiceRequest."""
    resource = {
        "service.name": "tollbench",
        "service.version": summary.tool_version,
        "tollbench.run": summary.run_id,
        "tollbench.scenario": summary.scenario,
        "tollbench.clock": summary.clock,
        "tollbench.endpoints": summary.endpoints,
    }
    return msgspec.json.encode({
        "resourceSpans": [{
            "resource": {"attributes": _attributes(resource)},
            "scopeSpans": [{
                "scope": {"name": "tollbench", "version": summary.tool_version},
                "spans": spans,
            }],
        }]
    })  # fmt: skip


def spans_of(summary: RunSummary, columns: Columns) -> Iterator[list[Span]]:
    """A turn's at a time, its root first."""
    began = _began(summary, columns)
    whole_run = is_black_box(summary.variants)
    for turn, spans in _turns(columns):
        place = () if whole_run else (turn.variant, turn.round)
        parent = encode_traceparent(
            Trace(
                number_of(summary.run_id, *place),
                turn.conversation & MOST_CONVERSATION,
                turn.turn & MOST_TURN,
            )
        )
        yield _trace(turn, spans, parent, began[turn.round], summary)


def _trace(
    turn: FlowRow, spans: Sequence[SpanRow], parent: str, began_s: float, summary: RunSummary
) -> list[Span]:
    trace, root = trace_id_of(parent), parent.split("-")[2]
    failed = turn.outcome in FAILED
    told: dict[str, Attribute] = {
        "tollbench.variant": turn.variant,
        "tollbench.round": turn.round,
        "tollbench.conversation": turn.conversation,
        "tollbench.turn": turn.turn,
        "tollbench.outcome": turn.outcome,
        "tollbench.response_ms": turn.response_ms,
        "tollbench.service_ms": turn.service_ms,
        "tollbench.cold": turn.cold,
    }
    if turn.currency:
        told |= {"tollbench.amount_minor": turn.amount_minor, "tollbench.currency": turn.currency}
    if failed:
        told["error.type"] = turn.outcome
    whole = Span(
        trace_id=trace,
        span_id=root,
        name=f"turn {summary.scenario}",
        kind=INTERNAL,
        start_time_unix_nano=_ns(began_s, turn.start_s),
        end_time_unix_nano=_ns(began_s, turn.end_s),
        attributes=_attributes(told),
        status=Status(ERROR) if failed else None,
    )
    return [whole, *(_step(span, trace, root, began_s) for span in spans)]


def _step(span: SpanRow, trace: str, root: str, began_s: float) -> Span:
    failed = bool(span.provider) and not 0 < span.status < 400
    return Span(
        trace_id=trace,
        span_id=blake2b(f"{trace}/{span.span}".encode(), digest_size=8).hexdigest(),
        parent_span_id=root,
        name=span.stage,
        kind=CLIENT if span.provider else INTERNAL,
        start_time_unix_nano=_ns(began_s, span.start_s),
        end_time_unix_nano=_ns(began_s, span.end_s),
        attributes=_attributes(_told(span, failed)),
        status=Status(ERROR) if failed else None,
    )


def _told(span: SpanRow, failed: bool) -> dict[str, Attribute]:
    told: dict[str, Attribute] = {
        "tollbench.stage": span.stage,
        "tollbench.critical": span.critical,
    }
    if not span.provider:
        return told
    told["service.peer.name"] = told["peer.service"] = span.provider  # its name until 2026
    told["tollbench.attempt"] = span.attempt
    if span.status:
        told["http.response.status_code"] = span.status
    if not math.isnan(span.injected_ms):
        told["tollbench.injected_ms"] = span.injected_ms
        told["tollbench.queue_ms"] = span.queue_ms
    if failed:
        told["error.type"] = str(span.status) if span.status else "_OTHER"
    if span.provider in MODELS:
        told["gen_ai.operation.name"] = "chat"
        told["gen_ai.provider.name"] = _CONVENTIONAL.get(span.provider, span.provider)
        if span.first_token_s < span.end_s:
            told["gen_ai.response.time_to_first_chunk"] = span.first_token_s - span.start_s
    return told


def _turns(columns: Columns) -> Iterator[tuple[FlowRow, list[SpanRow]]]:
    """In the order of the files, which is the same for turns and spans."""
    spans = groupby(rows_by_block(columns.spans, SpanRow), _place)
    following = next(spans, None)
    for turn in rows_by_block(columns.turns, FlowRow):
        own: list[SpanRow] = []
        while following is not None and following[0] <= _place(turn):
            if following[0] == _place(turn):
                own = list(following[1])
            following = next(spans, None)
        yield turn, own


def _place(row: FlowRow | SpanRow) -> tuple[int, str, int, int]:
    return row.round, row.variant, row.conversation, row.turn


def _began(summary: RunSummary, columns: Columns) -> Mapping[int, float]:
    """Round -> when its times begin, in Unix seconds. Where nobody knows, rounds follow each other:
    those of a virtual clock end with the run's own start, as nothing may lie in the future."""
    started_s = datetime.datetime.fromisoformat(summary.started_at).timestamp()
    turns = columns.turns
    rounds = np.unique(turns.round)
    lengths = [float(turns.end_s[turns.round == of].max()) + APART_S for of in rounds]
    at_s = started_s - sum(lengths) if summary.clock == "virtual" else started_s
    began = {}
    for round_, length in zip(rounds.tolist(), lengths, strict=True):
        began[round_] = at_s
        at_s += length
    return began | summary.began_unix_s


def _ns(began_s: float, at_s: float) -> str:
    """In two parts: one float of today's Unix time tells no nanoseconds."""
    return str(round(began_s * 1e3) * 1_000_000 + round(at_s * 1e9))


def _attributes(told: Mapping[str, Attribute]) -> list[KeyValue]:
    return [KeyValue(key, _value(value)) for key, value in told.items()]


def _value(value: Attribute) -> Value:
    match value:
        case bool():
            return Value(bool_value=value)
        case int():
            return Value(int_value=str(value))
        case float():
            return Value(double_value=value)
    return Value(string_value=value)
