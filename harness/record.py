"""The rows of a run, its summary, and their files under results/; it never judges a number.

Turns become flows.parquet, calls and local steps become spans.parquet, and the summary becomes
run.json. results/README.md describes every column for readers of the files.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA: Literal[1] = 1

Outcome = Literal["paid", "declined", "refunded", "reversed", "unknown", "error", "ok"]
"""How a turn ended. "ok" is the good end of a turn that pays nothing."""

FAILED: frozenset[Outcome] = frozenset({"error", "unknown"})
"""Outcomes of a turn that left its user without the answer. A decline is an answer."""


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

    def extend(self, other: "Rows") -> None:
        self.flows.extend(other.flows)
        self.spans.extend(other.spans)


class VariantSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What one strategy did over all rounds. A quantile whose interval needs more turns is null."""

    name: str
    prewarm: bool
    token_cache: bool
    parallel_confirm: bool
    pay: str = ""
    """The payment profiles it paid by, joined by "+"."""
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
    guarded: int
    """Answers of a model that the guard stopped."""
    errors: int
    fee_minor_mean: float
    amount_minor_mean: float
    token_cost_minor_mean: float
    """Of the models' tokens, as the fee in minor units, but as fine as it is: a few hundredths."""
    human_ms_mean: float
    """What the users took to approve a payment; part of no response time."""
    critical_ms: dict[str, float]
    """Mean ms a turn spends in each stage on its critical path; they add up to the mean turn."""


class EffectSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a mitigation changes at a quantile, in ms (negative saves); its interval, if known."""

    factor: str
    quantile: float
    estimate_ms: float
    lo_ms: float | None
    hi_ms: float | None


class FeeSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A payment profile's fee, in minor units of CNY: max(minimum, rate * amount + fixed)."""

    name: str
    rate: float
    fixed_minor: float
    minimum_minor: float
    monthly_minimum_minor: int
    """Of fees or of volume: its source does not say."""
    provenance: str


class ClaimSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is claimed to take for a short label and for a tool call, and what it was
    measured to take; medians of the whole answer."""

    claimed: str
    measured: str
    claimed_label_ms: float
    measured_label_ms: float
    claimed_call_ms: float
    measured_call_ms: float


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

    schema: Literal[1] = SCHEMA
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
    provenance: dict[str, str] = {}
    """Whose figures the mocks replay, by what they are: article, vendor, measured or assumed."""
    rows_sha256: str
    valid: bool
    invalid_because: list[str]
    health: Health
    variants: list[VariantSummary]
    effects: list[EffectSummary]
    fees: list[FeeSummary] = []
    claims: list[ClaimSummary] = []


def sort(rows: Rows) -> None:
    """Into the one order of the files, whoever finished first."""
    rows.flows.sort(key=lambda row: (row.round, row.variant, row.conversation, row.turn))
    rows.spans.sort(key=lambda row: (row.round, row.variant, row.conversation, row.turn, row.span))


def sha256(rows: Rows) -> str:
    """Of the content, not of the files: two runs that measured the same have the same hash."""
    encode = msgspec.msgpack.Encoder().encode
    digest = hashlib.sha256(encode(rows.flows))
    digest.update(encode(rows.spans))
    return digest.hexdigest()


def new_folder(out: Path, run_id: str) -> Path:
    """A fresh folder out/run_id, or run_id-2 and so on when a run of that second exists."""
    out.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = out / (run_id if number == 1 else f"{run_id}-{number}")
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1


def write(folder: Path, summary: RunSummary, rows: Rows) -> None:
    """The three files of a run, rows first: a run.json stands for complete rows beside it."""
    pq.write_table(_table(rows.flows, FlowRow), folder / "flows.parquet")
    pq.write_table(_table(rows.spans, SpanRow), folder / "spans.parquet")
    text = msgspec.json.format(msgspec.json.encode(summary), indent=2)
    (folder / "run.json").write_bytes(text + b"\n")


def point_latest(folder: Path) -> None:
    """Make out/latest name this run. Where links are not allowed it is a file with the name."""
    latest, fresh = folder.parent / "latest", folder.parent / f".latest-{os.getpid()}"
    fresh.unlink(missing_ok=True)  # of a run that was killed right here, under the same pid
    try:
        fresh.symlink_to(folder.name, target_is_directory=True)
    except OSError:
        fresh.write_text(folder.name + "\n")
    fresh.replace(latest)


def read(folder: Path) -> tuple[RunSummary, Rows]:
    """A stored run. Raises OSError when a file is missing, msgspec.ValidationError when run.json
    is of another schema."""
    summary = msgspec.json.decode((folder / "run.json").read_bytes(), type=RunSummary)
    flows = pq.read_table(folder / "flows.parquet").to_pylist()
    spans = pq.read_table(folder / "spans.parquet").to_pylist()
    return summary, Rows([FlowRow(**row) for row in flows], [SpanRow(**row) for row in spans])


_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def _table(rows: Sequence[msgspec.Struct], shape: type[msgspec.Struct]) -> pa.Table:
    fields = msgspec.structs.fields(shape)
    columns = zip(*map(msgspec.structs.astuple, rows), strict=True) if rows else [()] * len(fields)
    arrays = [
        pa.array(column, type=_ARROW.get(field.type, pa.string()))
        for field, column in zip(fields, columns, strict=True)
    ]
    return pa.table(arrays, names=[field.name for field in fields])
