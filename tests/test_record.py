"""The rows of a run and their files: nothing is lost on the way there and back."""

import math
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from harness import record
from harness.record import (
    SCHEMA,
    BadRun,
    ClaimSummary,
    Columns,
    FeeSummary,
    FlowRow,
    Health,
    Outcome,
    Rows,
    RunSummary,
    SpanRow,
    Text,
    VariantSummary,
    columns_of,
    rows_of,
)
from tests.worlds import one_round

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
FLOW_COLUMNS = {
    "variant": "string",
    "round": "int64",
    "conversation": "int64",
    "turn": "int64",
    "due_s": "double",
    "start_s": "double",
    "end_s": "double",
    "response_ms": "double",
    "service_ms": "double",
    "outcome": "string",
    "cold": "bool",
    "method": "string",
    "amount_minor": "int64",
    "currency": "string",
    "fee_minor": "int64",
    "calls": "int64",
    "wasted_prewarms": "int64",
    "stale_tokens": "int64",
    "corrections": "int64",
    "guarded": "int64",
    "human_ms": "double",
    "token_cost_micro": "int64",
}
SPAN_COLUMNS = {
    "variant": "string",
    "round": "int64",
    "conversation": "int64",
    "turn": "int64",
    "span": "int64",
    "stage": "string",
    "provider": "string",
    "start_s": "double",
    "first_byte_s": "double",
    "first_token_s": "double",
    "end_s": "double",
    "injected_ms": "double",
    "queue_ms": "double",
    "status": "int64",
    "attempt": "int64",
    "critical": "bool",
}


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


def test_what_is_written_is_read_back_equal(tmp_path: Path) -> None:
    written = record.write(tmp_path, SUMMARY, ONE)
    found = record.read(tmp_path)
    assert rows_of(found.columns) == Rows([FLOW], [SPAN])
    assert (found.summary, found.schema) == (written, SCHEMA)
    assert msgspec.structs.replace(written, files={}) == SUMMARY
    assert list(written.files) == ["flows.parquet", "spans.parquet"]


def test_a_whole_round_is_read_back_with_the_same_hash(tmp_path: Path) -> None:
    rows = one_round(turns=5).rows
    assert any(span.injected_ms != span.injected_ms for span in rows.spans)  # NaN travels too
    record.write(tmp_path, SUMMARY, columns_of(rows))
    again = rows_of(record.read(tmp_path).columns)
    assert again.flows == rows.flows
    assert record.sha256(again) == record.sha256(rows)


def test_a_run_without_rows_is_read_back_empty(tmp_path: Path) -> None:
    record.write(tmp_path, SUMMARY, NOTHING)
    assert rows_of(record.read(tmp_path).columns) == Rows()
    assert _columns(tmp_path / "flows.parquet") == FLOW_COLUMNS


def test_the_parquet_files_have_exactly_the_declared_columns(tmp_path: Path) -> None:
    record.write(tmp_path, SUMMARY, ONE)
    assert list(_columns(tmp_path / "flows.parquet").items()) == list(FLOW_COLUMNS.items())
    assert list(_columns(tmp_path / "spans.parquet").items()) == list(SPAN_COLUMNS.items())


def test_run_json_is_for_people_too(tmp_path: Path) -> None:
    record.write(tmp_path, SUMMARY, NOTHING)
    text = (tmp_path / "run.json").read_text()
    assert text.startswith('{\n  "schema": 2,\n  "run_id": "20260101-000000",\n')
    assert text.endswith("}\n")


def test_the_same_run_is_written_as_the_same_bytes(tmp_path: Path) -> None:
    columns = columns_of(one_round(turns=3).rows)
    for name in ("one", "two"):
        record.write(record.new_folder(tmp_path, name), SUMMARY, columns)
    for name in ("flows.parquet", "spans.parquet", "run.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_run_of_the_first_schema_is_read_and_says_so(tmp_path: Path) -> None:
    record.write(tmp_path, SUMMARY, ONE)
    _rewritten(tmp_path, _as_schema_1)
    found = record.read(tmp_path)
    assert found.schema == 1
    assert found.summary == msgspec.structs.replace(SUMMARY, files={}, warm_up=None)
    assert rows_of(found.columns) == Rows([FLOW], [SPAN])


def test_a_run_from_before_there_were_fees_and_claims_is_still_read(tmp_path: Path) -> None:
    record.write(tmp_path, SUMMARY, ONE)
    _rewritten(tmp_path, lambda told: _without(_as_schema_1(told), "fees", "claims"))
    assert record.read(tmp_path).summary == msgspec.structs.replace(
        SUMMARY, files={}, fees=[], claims=[]
    )


Told = dict[str, object]


def _rewritten(folder: Path, change: Callable[[Told], Told]) -> None:
    told = msgspec.json.decode((folder / "run.json").read_bytes(), type=Told)
    (folder / "run.json").write_bytes(msgspec.json.encode(change(told)))


def _without(told: Told, *names: str) -> Told:
    return {name: value for name, value in told.items() if name not in names}


LATER = (
    "versions", "files", "level", "effect_level", "tolerance", "primary", "looks", "warm_up",
    "simple_effects", "attribution", "shifts", "round_figures", "in_flight", "capacity",
)  # fmt: skip
"""What the first schema had not."""


def _as_schema_1(told: Told) -> Told:
    return {**_without(told, *LATER), "schema": 1}


@dataclass(frozen=True)
class Spoiled:
    """What was done to a stored run, and what reading it says."""

    claim: str
    spoil: Callable[[Path], object]
    message: str


def _shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _drop_column(folder: Path) -> None:
    table = pq.read_table(folder / "flows.parquet")
    pq.write_table(table.drop_columns(["cold"]), folder / "flows.parquet")
    _rewritten(folder, lambda told: _without(told, "files"))


def _shorten_unhashed(folder: Path) -> None:
    _shorten(folder / "spans.parquet")
    _rewritten(folder, lambda told: _without(told, "files"))


def _swap_rows(folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    record.write(other, SUMMARY, columns_of(Rows([FLOW, FLOW], [SPAN])))
    (other / "flows.parquet").replace(folder / "flows.parquet")


SPOILED = [
    Spoiled("no run.json", lambda of: (of / "run.json").unlink(), "has no run.json: .*run again"),
    Spoiled("half a run.json", lambda of: _shorten(of / "run.json"), "cannot be read .*restore it"),
    Spoiled("no JSON", lambda of: (of / "run.json").write_text("hello"), "cannot be read"),
    Spoiled("other JSON", lambda of: (of / "run.json").write_text('{"schema": 2}'), "cannot be"),
    Spoiled("no schema", lambda of: (of / "run.json").write_text("{}"), "cannot be read.*schema"),
    Spoiled(
        "a later schema",
        lambda of: _rewritten(of, lambda told: {**told, "schema": 3, "variants": "all"}),
        "has schema 3: a newer tollbench reads it",
    ),
    Spoiled("no turns", lambda of: (of / "flows.parquet").unlink(), "has no flows.parquet"),
    Spoiled("no spans", lambda of: (of / "spans.parquet").unlink(), "has no spans.parquet"),
    Spoiled("half the spans", lambda of: _shorten(of / "spans.parquet"), "is not the file that"),
    Spoiled("half the spans of an old run", _shorten_unhashed, "spans.parquet cannot be read"),
    Spoiled("the turns of another run", _swap_rows, "flows.parquet is not the file that run.json"),
    Spoiled("a column less", _drop_column, "has no column cold: it is too old"),
]


@pytest.mark.parametrize("case", SPOILED, ids=[case.claim for case in SPOILED])
def test_a_run_that_is_not_whole_is_refused_in_one_line(case: Spoiled, tmp_path: Path) -> None:
    record.write(tmp_path, SUMMARY, ONE)
    case.spoil(tmp_path)
    with pytest.raises(BadRun, match=case.message) as refused:
        record.read(tmp_path)
    assert str(tmp_path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRun, match="is no folder of a run"):
        record.read(tmp_path / "nothing")


def test_a_run_that_was_cut_off_while_it_was_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        record.write(tmp_path, SUMMARY, ONE)
    with pytest.raises(BadRun, match="cut off before it was whole"):
        record.read(tmp_path)


def test_columns_and_rows_say_the_same() -> None:
    rows = one_round(turns=3).rows
    again = rows_of(columns_of(rows))
    assert again.flows == rows.flows
    assert record.sha256(again) == record.sha256(rows)


def test_equal_text_has_equal_columns_whoever_came_first() -> None:
    flows = [_at(FLOW, 0, name, 0, 0) for name in ("b", "a", "c", "a")]
    variant = columns_of(Rows(flows)).turns.variant
    assert (variant.names, variant.codes.tolist()) == (("a", "b", "c"), [1, 0, 2, 0])
    assert variant.holds("a", "c", "never met").tolist() == [False, True, True, True]
    assert Text((), np.zeros(0, dtype=np.int64)).holds("a").tolist() == []


def test_a_turn_that_failed_never_answered() -> None:
    outcomes: list[Outcome] = ["paid", "error", "unknown", "declined", "reversed", "ok", "refunded"]
    flows = [msgspec.structs.replace(FLOW, outcome=outcome) for outcome in outcomes]
    turns = columns_of(Rows(flows)).turns
    assert turns.failed.tolist() == [False, True, True, False, False, False, False]
    assert turns.answered_ms.tolist() == [2500, math.inf, math.inf, 2500, 2500, 2500, 2500]


def test_each_span_knows_the_row_of_its_turn() -> None:
    rows = one_round(turns=4).rows
    random.Random(3).shuffle(rows.flows)
    for owner, span in zip(_owners(columns_of(rows)), rows.spans, strict=True):
        flow = rows.flows[owner]
        assert (span.variant, span.round, span.conversation, span.turn) == (
            (flow.variant, flow.round, flow.conversation, flow.turn)
        )


def test_a_span_of_no_turn_has_none() -> None:
    astray = [
        msgspec.structs.replace(SPAN, **{name: _other(getattr(SPAN, name))})
        for name in ("variant", "round", "conversation", "turn")
    ]
    boot = msgspec.structs.replace(SPAN, conversation=-1)
    assert _owners(columns_of(Rows([FLOW], [*astray, boot, SPAN]))) == [-1, -1, -1, -1, -1, 0]
    assert _owners(columns_of(Rows([], [SPAN]))) == [-1]
    assert _owners(columns_of(Rows([FLOW]))) == []


def _owners(columns: Columns) -> list[int]:
    return [int(row) for row in columns.turn_of_span()]


@pytest.mark.parametrize("name", FlowRow.__struct_fields__)
def test_the_hash_changes_with_any_field_of_a_turn(name: str) -> None:
    changed = msgspec.structs.replace(FLOW, **{name: _other(getattr(FLOW, name))})
    assert record.sha256(Rows([changed], [SPAN])) != record.sha256(Rows([FLOW], [SPAN]))


@pytest.mark.parametrize("name", SpanRow.__struct_fields__)
def test_the_hash_changes_with_any_field_of_a_span(name: str) -> None:
    changed = msgspec.structs.replace(SPAN, **{name: _other(getattr(SPAN, name))})
    assert record.sha256(Rows([FLOW], [changed])) != record.sha256(Rows([FLOW], [SPAN]))


def test_the_hash_tells_missing_and_doubled_rows() -> None:
    some = [Rows(), Rows([FLOW]), Rows([], [SPAN]), Rows([FLOW], [SPAN]), Rows([FLOW, FLOW])]
    assert len({record.sha256(rows) for rows in some}) == len(some)


def test_the_hash_of_sorted_rows_does_not_hang_on_who_finished_first() -> None:
    rows = one_round(turns=5).rows
    record.sort(rows)
    shuffled = Rows(list(rows.flows), list(rows.spans))
    random.Random(1).shuffle(shuffled.flows)
    random.Random(2).shuffle(shuffled.spans)
    assert record.sha256(shuffled) != record.sha256(rows)
    record.sort(shuffled)
    assert record.sha256(shuffled) == record.sha256(rows)


def test_rows_are_sorted_by_round_variant_conversation_and_turn() -> None:
    places = [(0, "a", 0, 0), (0, "a", 0, 1), (0, "a", 10, 0), (0, "b", 0, 0), (1, "a", 0, 0)]
    flows = [_at(FLOW, *place) for place in places]
    spans = [
        msgspec.structs.replace(
            SPAN, span=n, variant=variant, round=round_, conversation=conversation, turn=turn
        )
        for round_, variant, conversation, turn in places
        for n in range(2)
    ]
    rows = Rows(flows[::-1], spans[::-1])
    record.sort(rows)
    assert rows == Rows(flows, spans)


def test_a_run_of_the_same_second_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    out = tmp_path / "results"
    folders = [record.new_folder(out, "20260101-000000") for _ in range(3)]
    assert [folder.name for folder in folders] == [
        "20260101-000000",
        "20260101-000000-2",
        "20260101-000000-3",
    ]
    assert all(folder.is_dir() for folder in folders)


def test_latest_names_the_newest_run(tmp_path: Path) -> None:
    for run_id in ("one", "two", "two"):
        folder = record.new_folder(tmp_path, run_id)
        record.point_latest(folder)
        assert (tmp_path / "latest").resolve() == folder.resolve()
    assert (tmp_path / "latest").is_symlink()
    # A link that moves with its folder: nothing of this machine's paths is in it.
    assert os.readlink(tmp_path / "latest") == "two-2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "one", "two", "two-2"]


def test_latest_is_replaced_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record.point_latest(record.new_folder(tmp_path, "one"))
    seen: list[str] = []
    replace = Path.replace

    def watched(self: Path, target: Path) -> Path:
        seen.append(os.readlink(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    record.point_latest(record.new_folder(tmp_path, "two"))
    assert seen == ["one"]  # Until the very moment of the rename the old link stood.
    assert os.readlink(tmp_path / "latest") == "two"


def test_where_links_are_not_allowed_latest_is_a_file_with_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: str, target_is_directory: bool = False) -> None:
        raise OSError("a required privilege is not held")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    for run_id in ("one", "two"):
        record.point_latest(record.new_folder(tmp_path, run_id))
    assert (tmp_path / "latest").read_text() == "two\n"


def test_no_run_yet_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadRun, match="holds no run yet"):
        record.newest(tmp_path)


def test_the_newest_run_is_found_by_link_and_by_file(tmp_path: Path) -> None:
    record.point_latest(record.new_folder(tmp_path, "one"))
    assert record.newest(tmp_path) == tmp_path / "one"
    (tmp_path / "latest").unlink()
    (tmp_path / "latest").write_text("one\n")
    assert record.newest(tmp_path) == tmp_path / "one"


def _columns(path: Path) -> dict[str, str]:
    schema = pq.read_schema(path)
    return {column.name: str(column.type) for column in schema}


def _at(row: FlowRow, round_: int, variant: str, conversation: int, turn: int) -> FlowRow:
    return msgspec.structs.replace(
        row, round=round_, variant=variant, conversation=conversation, turn=turn
    )


def _other(value: object) -> object:
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
