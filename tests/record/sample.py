"""One turn, one span and the summary of their run, as tests store them."""

from dataclasses import fields

import msgspec
import numpy as np

from harness.record import (
    ClaimSummary,
    FeeSummary,
    FlowRow,
    Health,
    Rows,
    RunSummary,
    SpanRow,
    Text,
    VariantSummary,
    columns_of,
)
from harness.record.columns import Array, ShapeT, made

FLOW = FlowRow(
    variant="prewarm",
    round=2,
    conversation=7,
    turn=1,
    due_s=1.25,
    start_s=1.5,
    end_s=3.75,
    response_ms=2500.0,
    service_ms=2250.0,
    outcome="paid",
    cold=True,
    method="card",
    amount_minor=4580,
    currency="CNY",
    fee_minor=27,
    calls=4,
    wasted_prewarms=1,
    stale_tokens=2,
    corrections=3,
    guarded=1,
    human_ms=250.5,
    token_cost_micro=4_321,
)
SPAN = SpanRow(
    variant="prewarm",
    round=2,
    conversation=7,
    turn=1,
    span=0,
    stage="intent",
    provider="openai",
    start_s=1.5,
    first_byte_s=2.0,
    first_token_s=2.25,
    end_s=2.5,
    injected_ms=1000.0,
    queue_ms=0.5,
    status=200,
    attempt=1,
    critical=True,
)


def _variant(name: str) -> VariantSummary:
    return VariantSummary(
        name=name,
        prewarm=True,
        token_cache=False,
        parallel_confirm=False,
        pay="flat+wechat-ai",
        turns=1,
        p50_ms=2500.0,
        p50_ms_lo=None,
        p50_ms_hi=None,
        p95_ms=None,
        p95_ms_lo=None,
        p95_ms_hi=None,
        p99_ms=None,
        p99_ms_lo=None,
        p99_ms_hi=None,
        slo={"3s": 1.0},
        calls_per_turn=4.0,
        wasted_prewarms=1,
        stale_tokens=2,
        reversals=0,
        corrections=3,
        guarded=1,
        errors=0,
        fee_minor_mean=27.0,
        amount_minor_mean=4580.0,
        token_cost_minor_mean=0.4321,
        human_ms_mean=250.5,
        critical_ms={"intent": 1000.0},
    )


SUMMARY = RunSummary(
    run_id="20260101-000000",
    tool_version="0.1.0",
    scenario="conversation",
    parameters={"turns": 5, "idle_share": 0.1, "usual_method": "balance"},
    clock="virtual",
    endpoints="mock",
    seed=1,
    rounds=1,
    rounds_finished=1,
    started_at="2026-01-01T00:00:00Z",
    wall_s=0.5,
    argv=["compare"],
    machine={"python": "3.11"},
    profiles={"wechat-ai": "0123"},
    rows_sha256="",
    valid=False,
    invalid_because=["no turn finished"],
    health=Health(
        error_p50_ms=None,
        error_p99_ms=0.0,
        lag_p99_ms=0.0,
        due=1,
        started=1,
        finished=1,
        failed=0,
        leaks=0,
    ),
    variants=[_variant("prewarm")],
    effects=[],
    fees=[
        FeeSummary(
            name="alipay-ai",
            rate=0.0038,
            fixed_minor=0.0,
            minimum_minor=0.0,
            monthly_minimum_minor=5_000_000,
            provenance="article",
        )
    ],
    claims=[
        ClaimSummary(
            claimed="claude-3-5-haiku-claimed",
            measured="claude-3-5-haiku",
            claimed_label_ms=138.0,
            measured_label_ms=775.0,
            claimed_call_ms=230.0,
            measured_call_ms=1596.0,
        )
    ],
)


NOTHING = columns_of(Rows())
ONE = columns_of(Rows([FLOW], [SPAN]))


def at(row: FlowRow, round_: int, variant: str, conversation: int, turn: int) -> FlowRow:
    return msgspec.structs.replace(
        row, round=round_, variant=variant, conversation=conversation, turn=turn
    )


def other(value: object) -> object:
    """Another value of the same type, as close as it can be."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value + 1e-9
        case str():
            return value + "x" if value != "paid" else "declined"
    raise TypeError(f"no other {value!r}")


def widened(columns: ShapeT) -> ShapeT:
    """The same numbers, eight bytes each."""
    found: dict[str, Array] = {}
    for field in fields(columns):
        column: Array = getattr(columns, field.name)
        if isinstance(column, Text):
            column = Text(column.names, column.codes.astype(np.int64))
        elif column.dtype.kind == "i":
            column = column.astype(np.int64)
        found[field.name] = column
    return made(type(columns), found)
