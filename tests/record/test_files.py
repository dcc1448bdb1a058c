"""A run's files: nothing is lost on the way there and back, and an older run is still read."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from harness import record
from harness.record import SCHEMA, Rows, columns_of, rows_of
from tests.record.sample import FLOW, NOTHING, ONE, SPAN, SUMMARY
from tests.worlds import one_round

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
    assert record.sha256(columns_of(again)) == record.sha256(columns_of(rows))


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
    rewritten(tmp_path, _as_schema_1)
    found = record.read(tmp_path)
    assert found.schema == 1
    assert found.summary == msgspec.structs.replace(SUMMARY, files={}, warm_up=None)
    assert rows_of(found.columns) == Rows([FLOW], [SPAN])


def test_a_run_from_before_there_were_fees_and_claims_is_still_read(tmp_path: Path) -> None:
    record.write(tmp_path, SUMMARY, ONE)
    rewritten(tmp_path, lambda told: without(_as_schema_1(told), "fees", "claims"))
    assert record.read(tmp_path).summary == msgspec.structs.replace(
        SUMMARY, files={}, fees=[], claims=[]
    )


Told = dict[str, object]


def rewritten(folder: Path, change: Callable[[Told], Told]) -> None:
    told = msgspec.json.decode((folder / "run.json").read_bytes(), type=Told)
    (folder / "run.json").write_bytes(msgspec.json.encode(change(told)))


def without(told: Told, *names: str) -> Told:
    return {name: value for name, value in told.items() if name not in names}


LATER = (
    "versions", "files", "level", "effect_level", "tolerance", "primary", "looks", "warm_up",
    "simple_effects", "attribution", "shifts", "round_figures", "in_flight", "capacity",
)  # fmt: skip
"""What the first schema had not."""


def _as_schema_1(told: Told) -> Told:
    return {**without(told, *LATER), "schema": 1}


def _columns(path: Path) -> dict[str, str]:
    schema = pq.read_schema(path)
    return {column.name: str(column.type) for column in schema}
