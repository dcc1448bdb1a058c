"""Turns that leave memory while a run lasts: all of them come back, in the order of the files."""

import random
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

import pytest

from harness import record
from harness.record import (
    Columns,
    FlowRow,
    Rows,
    SpanRow,
    Spool,
    columns_of,
    rows_of,
    spooled,
    turns_in,
)
from tests.record.sample import FLOW, NOTHING, ONE, SPAN, SUMMARY
from tests.worlds import one_round

Turn = tuple[FlowRow, list[SpanRow]]


@pytest.fixture(scope="module")
def turns() -> list[Turn]:
    """Two rounds of two strategies, in the order of the files."""
    rows = Rows()
    for round_ in range(2):
        rows.extend(one_round(round_, turns=4).rows)
    record.sort(rows)
    spans = {key: list(of) for key, of in groupby(rows.spans, _key)}
    return [(flow, spans.get(_key(flow), [])) for flow in rows.flows]


def test_what_is_spooled_is_read_back_in_its_order(turns: list[Turn], tmp_path: Path) -> None:
    path = _spool(tmp_path / "one", turns)
    for at_a_time in (1, 3, len(turns), 1000):
        found = list(spooled(path, at_a_time))
        assert [len(rows.flows) for rows in found[:-1]] == [at_a_time] * (len(found) - 1)
        whole = Rows()
        for rows in found:
            whole.extend(rows)
        assert whole.flows == [flow for flow, _ in turns]
        assert _same(whole, turns)


def test_a_list_of_rows_takes_turns_as_a_spool_does(turns: list[Turn]) -> None:
    rows = Rows()
    for flow, spans in turns:
        rows.add(flow, spans)
    assert _same(rows, turns)


def test_pieces_of_a_spool_make_another_one(turns: list[Turn], tmp_path: Path) -> None:
    pieces = [
        _spool(tmp_path / f"piece-{n}", turns[n : n + 3]).read_bytes()
        for n in range(0, len(turns), 3)
    ]
    assert [flow for piece in pieces for flow, _ in turns_in(piece)] == [flow for flow, _ in turns]
    with Spool(tmp_path / "glued") as spool:
        for piece in pieces:
            spool.add_records(piece)
    assert spool.path.read_bytes() == _spool(tmp_path / "whole", turns).read_bytes()


def test_whatever_order_turns_ended_in_and_wherever_the_files_are_the_same(
    turns: list[Turn], tmp_path: Path
) -> None:
    folders = [record.new_folder(tmp_path, "run") for _ in range(3)]
    record.write(folders[0], SUMMARY, _columns(turns))
    one = _spool(tmp_path / "one", _shuffled(turns, 1))
    record.gather([one], folders[1])
    mixed = _shuffled(turns, 2)
    shares = [_spool(tmp_path / f"share-{n}", mixed[n::3]) for n in range(3)]
    record.gather(shares, folders[2])
    for name in ("flows.parquet", "spans.parquet"):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1


def test_what_is_gathered_is_what_is_read(turns: list[Turn], tmp_path: Path) -> None:
    path = _spool(tmp_path / "spool", _shuffled(turns, 3))
    folder = record.new_folder(tmp_path, "run")
    gathered = record.gather([path], folder)
    written = record.finish(folder, SUMMARY)
    found = record.read(folder)
    assert found.summary == written
    assert list(written.files) == ["flows.parquet", "spans.parquet"]
    expected = _columns(turns)
    for columns in (gathered, found.columns, record.columns_of_spools([path])):
        assert record.sha256(columns) == record.sha256(expected)
        assert _widths(columns) == _widths(expected)
        assert rows_of(columns).flows == [flow for flow, _ in turns]


def test_a_folder_is_no_run_before_it_is_finished(turns: list[Turn], tmp_path: Path) -> None:
    record.gather([_spool(tmp_path / "spool", turns)], tmp_path)
    with pytest.raises(record.BadRun, match="cut off before it was whole"):
        record.read(tmp_path)


def test_without_a_turn_there_are_no_rows(tmp_path: Path) -> None:
    empty = _spool(tmp_path / "empty", [])
    for spools in ([], [empty]):
        folder = record.new_folder(tmp_path, "run")
        assert record.sha256(record.gather(spools, folder)) == record.sha256(NOTHING)
        record.finish(folder, SUMMARY)
        assert rows_of(record.read(folder).columns) == Rows()


def test_a_turn_need_not_have_spans(tmp_path: Path) -> None:
    path = _spool(tmp_path / "spool", [(FLOW, [])])
    assert rows_of(record.columns_of_spools([path])) == Rows([FLOW], [])


def test_of_a_killed_process_all_but_the_torn_last_turn_is_read(
    turns: list[Turn], tmp_path: Path
) -> None:
    before, whole = _spool(tmp_path / "before", turns[:-1]), _spool(tmp_path / "whole", turns)
    least, most = before.stat().st_size, whole.stat().st_size
    for size in (least, least + 1, least + 4, least + 5, most - 1):
        torn = tmp_path / "torn"
        torn.write_bytes(whole.read_bytes()[:size])
        (rows,) = spooled(torn)
        assert _same(rows, turns[:-1])


def test_nothing_is_spooled_over_what_was_measured(tmp_path: Path) -> None:
    path = _spool(tmp_path / "spool", [(FLOW, [SPAN])])
    with pytest.raises(FileExistsError):
        Spool(path)
    assert rows_of(record.columns_of_spools([path])) == rows_of(ONE)


def test_what_an_error_interrupts_is_spooled_up_to_there(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Spool(tmp_path / "spool") as spool:
        spool.add(FLOW, [SPAN])
        raise KeyboardInterrupt
    spool.close()  # A second time does nothing.
    assert list(spooled(tmp_path / "spool")) == [Rows([FLOW], [SPAN])]


def _spool(path: Path, turns: Iterable[Turn]) -> Path:
    with Spool(path) as spool:
        for flow, spans in turns:
            spool.add(flow, spans)
    return path


def _shuffled(turns: Sequence[Turn], seed: int) -> list[Turn]:
    return random.Random(seed).sample(turns, len(turns))


def _columns(turns: Iterable[Turn]) -> Columns:
    rows = Rows()
    for flow, spans in turns:
        rows.add(flow, spans)
    return columns_of(rows)


def _same(rows: Rows, turns: Iterable[Turn]) -> bool:
    """By their hash: what is NaN equals itself there."""
    return record.sha256(columns_of(rows)) == record.sha256(_columns(turns))


def _widths(columns: Columns) -> list[str]:
    return [
        str(array.dtype)
        for array in (columns.turns.conversation, columns.turns.amount_minor, columns.spans.status)
    ]


def _key(row: FlowRow | SpanRow) -> tuple[int, str, int, int]:
    return row.round, row.variant, row.conversation, row.turn
