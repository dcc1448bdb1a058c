"""The rows of a run and its summary, and their files under results/; it never decides what a number means.

Turns become flows.parquet, calls and local steps become spans.parquet, and the summary becomes
run.json. results/README.md describes every column for readers of the files.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = 1

Outcome = Literal["paid", "declined", "refunded", "reversed", "unknown", "error"]


class FlowRow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One turn: a wish, its payment and the confirmation. Times are seconds since the round began."""

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

    def extend(self, other: "Rows") -> None:
        self.flows.extend(other.flows)
        self.spans.extend(other.spans)


class VariantSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What one strategy did over all rounds. A quantile whose interval needs more turns is null."""

    name: str
    prewarm: bool
    token_cache: bool
    parallel_confirm: bool
    turns: int
    p50_ms: float | None
    p50_ms_lo: float | None
    p50_ms_hi: float | None
    p95_ms: float | None
    p95_ms_lo: float | None
    p95_ms_hi: float | None
    p99_ms: float | None
    p99_ms_lo: float | None
    p99_ms_hi: float | None
    slo: dict[str, float]
    """Share of turns answered within each budget, keyed "1s", "3s", "5s"."""
    calls_per_turn: float
    wasted_prewarms: int
    stale_tokens: int
    reversals: int
    corrections: int
    errors: int
    fee_minor_mean: float
    critical_ms: dict[str, float]
    """Mean milliseconds a turn spends in each stage on its critical path; they add up to the mean."""


class EffectSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a mitigation changes at a quantile, in ms (negative saves); the interval may be unknown."""

    factor: str
    quantile: float
    estimate_ms: float
    lo_ms: float | None
    hi_ms: float | None


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What a run knows of its own error. A figure is null where nothing could tell it."""

    error_p50_ms: float | None
    error_p99_ms: float | None
    lag_p99_ms: float | None
    due: int
    started: int
    finished: int
    failed: int
    leaks: int


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of run.json."""

    schema: int = SCHEMA
    run_id: str
    tool_version: str
    scenario: str
    parameters: dict[str, float | int | str]
    clock: Literal["virtual", "real"]
    endpoints: Literal["mock", "staging", "real"]
    seed: int
    rounds: int
    rounds_finished: int
    started_at: str
    wall_s: float
    argv: list[str]
    machine: dict[str, str]
    profiles: dict[str, str]
    rows_sha256: str
    valid: bool
    invalid_because: list[str]
    health: Health
    variants: list[VariantSummary]
    effects: list[EffectSummary]
