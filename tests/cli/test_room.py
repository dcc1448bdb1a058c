"""What a run that was cut off leaves in its folder is counted, and is no run."""

import datetime
from pathlib import Path

import pytest

from harness.cli.exits import BadInput
from harness.cli.room import clear, new_run, room_in, turns_left
from harness.cli.stored import open_run
from harness.record import Spool
from tests.record.sample import FLOW, SPAN

AT = datetime.datetime(2026, 11, 23, 12, 0, 0, tzinfo=datetime.UTC)


def _cut_off(out: Path) -> Path:
    folder = new_run(out, AT, "checkout", "real", 7)
    room_in(folder).mkdir()
    for name in "ab":
        with Spool(room_in(folder) / name) as spool:
            spool.add(FLOW, [SPAN])
            spool.add(FLOW, [])
    return folder


def test_a_run_is_named_when_it_begins(tmp_path: Path) -> None:
    first, second = (new_run(tmp_path, AT, "checkout", "real", 7) for _ in range(2))
    assert first.name == "20261123-120000-checkout-real-s7"
    assert second.name == "20261123-120000-checkout-real-s7-2"
    assert turns_left(first) is None


def test_a_run_that_was_cut_off_is_refused_in_one_line_with_what_it_left(tmp_path: Path) -> None:
    folder = _cut_off(tmp_path)
    with pytest.raises(BadInput) as told:
        open_run(folder)
    (line,) = told.value.problems
    assert line == (
        f"{folder}: its run lasts still, or was cut off before it was whole; 4 turns are kept in "
        f"{folder / '.spools'}, but no figures: run again"
    )


def test_a_record_that_was_being_written_is_not_counted(tmp_path: Path) -> None:
    folder = _cut_off(tmp_path)
    spool = room_in(folder) / "b"
    spool.write_bytes(spool.read_bytes()[:-3])
    assert turns_left(folder) == 3


def test_a_whole_run_leaves_no_spool(tmp_path: Path) -> None:
    folder = _cut_off(tmp_path)
    clear(folder)
    clear(folder)
    assert list(folder.iterdir()) == []
