"""A folder that holds no whole run is refused in one line, which says what mends it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from harness import record
from harness.record import BadRun, Rows, columns_of
from tests.record.sample import FLOW, ONE, SPAN, SUMMARY
from tests.record.test_files import rewritten, without


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
    rewritten(folder, lambda told: without(told, "files"))


def _shorten_unhashed(folder: Path) -> None:
    _shorten(folder / "spans.parquet")
    rewritten(folder, lambda told: without(told, "files"))


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
        lambda of: rewritten(of, lambda told: {**told, "schema": 3, "variants": "all"}),
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
