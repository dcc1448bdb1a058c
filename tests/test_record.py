"""The rows of a run and their files: nothing is lost on the way there and back."""

import os
import random
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from harness import record
from harness.record import (
    ClaimSummary,
    FeeSummary,
    FlowRow,
    Health,
    Rows,
    RunSummary,
    SpanRow,
    VariantSummary,
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


def test_what_is_written_is_read_back_equal(tmp_path: Path) -> None:
    rows = Rows([FLOW], [SPAN])
    record.write(tmp_path, SUMMARY, rows)
    assert record.read(tmp_path) == (SUMMARY, rows)


def test_a_whole_round_is_read_back_with_the_same_hash(tmp_path: Path) -> None:
    rows = one_round(turns=5).rows
    assert any(span.injected_ms != span.injected_ms for span in rows.spans)  # NaN travels too
    record.write(tmp_path, SUMMARY, rows)
    again = record.read(tmp_path)[1]
    assert again.flows == rows.flows
    assert record.sha256(again) == record.sha256(rows)


def test_a_run_without_rows_is_read_back_empty(tmp_path: Path) -> None:
    record.write(tmp_path, SUMMARY, Rows())
    assert record.read(tmp_path) == (SUMMARY, Rows())
    assert _columns(tmp_path / "flows.parquet") == FLOW_COLUMNS


def test_the_parquet_files_have_exactly_the_declared_columns(tmp_path: Path) -> None:
    record.write(tmp_path, SUMMARY, Rows([FLOW], [SPAN]))
    assert list(_columns(tmp_path / "flows.parquet").items()) == list(FLOW_COLUMNS.items())
    assert list(_columns(tmp_path / "spans.parquet").items()) == list(SPAN_COLUMNS.items())


def test_run_json_is_for_people_too(tmp_path: Path) -> None:
    record.write(tmp_path, SUMMARY, Rows())
    text = (tmp_path / "run.json").read_text()
    assert text.startswith('{\n  "schema": 1,\n  "run_id": "20260101-000000",\n')
    assert text.endswith("}\n")


def test_a_run_from_before_there_were_fees_and_claims_is_still_read(tmp_path: Path) -> None:
    record.write(tmp_path, SUMMARY, Rows())
    told = msgspec.json.decode((tmp_path / "run.json").read_bytes(), type=dict[str, object])
    del told["fees"], told["claims"]
    (tmp_path / "run.json").write_bytes(msgspec.json.encode(told))
    assert record.read(tmp_path)[0] == msgspec.structs.replace(SUMMARY, fees=[], claims=[])


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"run\.json"):
        record.read(tmp_path)
    record.write(tmp_path, SUMMARY, Rows())
    (tmp_path / "spans.parquet").unlink()
    with pytest.raises(OSError, match="spans"):
        record.read(tmp_path)


def test_another_schema_is_a_validation_error(tmp_path: Path) -> None:
    record.write(tmp_path, SUMMARY, Rows())
    (tmp_path / "run.json").write_text('{"schema": 1, "run_id": "x"}')
    with pytest.raises(msgspec.ValidationError):
        record.read(tmp_path)


def test_a_later_schema_is_a_validation_error(tmp_path: Path) -> None:
    record.write(tmp_path, msgspec.structs.replace(SUMMARY, schema=2), Rows())
    with pytest.raises(msgspec.ValidationError):
        record.read(tmp_path)


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
