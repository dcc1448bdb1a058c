"""Where runs are kept, and which is the newest."""

import os
from pathlib import Path

import pytest

from harness import record
from harness.record import BadRun


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
