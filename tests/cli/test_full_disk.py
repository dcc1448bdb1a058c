"""A full disk ends a run in one line: what was measured stays, and no traceback hides it."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import record
from harness.cli import charts
from harness.cli.app import main
from harness.cli.course import Crash
from harness.cli.room import turns_left

RUN = ("compare", "--flows", "8", "--rounds", "2", "--jobs", "1", "--out", "runs")


def _full(*args: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _ends(argv: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["tollbench", *argv])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


@pytest.mark.parametrize("function", ["gather", "finish", "point_latest"])
def test_a_run_that_cannot_be_stored_keeps_its_turns(
    function: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(record, function, _full)
    assert _ends(RUN, monkeypatch) == 4
    (folder,) = (tmp_path / "runs").iterdir()
    assert turns_left(folder) == 64
    assert capsys.readouterr().err == (
        f"tollbench: no space is left on the disk of runs/{folder.name}: free some, or name "
        "another --out, and run again; the turns that were measured until then are in "
        f"runs/{folder.name}/.spools\n"
    )


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("function", ["draw", "write_page"])
def test_a_run_whose_charts_find_no_room_is_whole(
    function: str,
    jobs: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if function == "write_page":
        monkeypatch.setattr(charts, "draw", _drawn)
    monkeypatch.setattr(charts, function, _full)
    assert _ends((*RUN, "--jobs", jobs), monkeypatch) in (0, 3)
    told = capfd.readouterr()
    (folder,) = [path for path in (tmp_path / "runs").iterdir() if not path.is_symlink()]
    assert told.err == (
        f"tollbench: no space is left on the disk of runs/{folder.name} for the charts and the "
        "page; the run is stored there: free some, then: tollbench report "
        f"runs/{folder.name}\n"
    )
    assert "Verdict" in told.out
    assert record.read(folder).summary.valid


def _drawn(name: str, *rest: object) -> None:
    folder = rest[-1]
    assert isinstance(folder, Path)
    (folder / f"{name}.svg").write_text("<svg/>", "utf-8")


def test_a_worker_that_finds_no_room_has_no_traceback_to_show() -> None:
    def crash(play: Callable[[], None]) -> Crash:
        try:
            play()
        except Exception as error:
            return Crash.of(ExceptionGroup("a round", [error]))
        raise AssertionError("it was to fail")

    assert crash(_full) == Crash("a full disk", "")
    assert crash(lambda: print(1 / 0)).trace
