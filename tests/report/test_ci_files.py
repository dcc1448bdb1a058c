"""What is written where: the folder, the step's summary, the log; and what an odd place changes."""

import json
from pathlib import Path

import msgspec
import pytest

from harness.report.ci import verdicts_json, write_ci
from harness.report.ci.files import Verdicts
from tests.report.sample_ci import FAILED, PASSED, UNSURE

FILES = {"latency.md", "latency.json", "history.json"}


def test_outside_of_ci_nothing_is_written_and_nothing_printed(tmp_path: Path) -> None:
    assert write_ci([FAILED], None, {}) == []
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_made_and_holds_all_three_files(tmp_path: Path) -> None:
    out = tmp_path / "made" / "anew"
    assert write_ci([FAILED, PASSED], out, {}) == []
    assert {path.name for path in out.iterdir()} == FILES
    assert (out / "latency.md").read_text("utf-8").startswith("### tollbench: latency\n")


def test_a_session_without_flows_leaves_none_of_an_earlier_one(tmp_path: Path) -> None:
    write_ci([FAILED], tmp_path, {})
    write_ci([], tmp_path, {})
    assert json.loads((tmp_path / "history.json").read_bytes()) == []
    verdicts = json.loads((tmp_path / "latency.json").read_bytes())
    assert (verdicts["tests"], verdicts["passed"]) == ([], False)
    assert "no test played a flow" in (tmp_path / "latency.md").read_text("utf-8")


def test_a_session_without_flows_adds_nothing_to_the_steps_summary(tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    assert write_ci([], None, _github(summary)) == []
    assert not summary.exists()


def test_the_steps_summary_is_appended_to(tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    summary.write_text("another tool's\n", "utf-8")
    lines = write_ci([FAILED, UNSURE], None, _github(summary))
    assert summary.read_text("utf-8").startswith("another tool's\n\n### tollbench: latency\n")
    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning"]


def test_what_a_step_has_told_so_far_counts_towards_its_limit(tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    limit = 1024 * 1024
    for told in (limit - 3000, limit - 1400, limit - 1000, limit, limit + 5):
        summary.write_bytes(b"x" * told)
        lines = write_ci([FAILED] * 30, None, _github(summary))
        grown = summary.stat().st_size
        assert grown <= max(told, limit)
        assert (grown == told) == any("leaves no room" in line for line in lines)


def test_a_summary_that_cannot_be_written_is_said_and_changes_nothing_else(tmp_path: Path) -> None:
    unwritable = tmp_path / "missing" / "summary"
    lines = write_ci([FAILED], tmp_path / "out", _github(unwritable))
    assert "summary lacks the tests of latency" in lines[0] and lines[0].startswith("::warning::")
    assert lines[1].startswith("::error file=")
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        write_ci([PASSED], tmp_path / "file", {})


def test_paths_are_told_from_the_root_of_the_repository(tmp_path: Path) -> None:
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path)}
    (line,) = write_ci([FAILED], None, environ, root=tmp_path / "services" / "shop")
    assert line.startswith("::error file=services/shop/tests/test_latency.py,line=12,")
    assert "title=test_is_as_fast%3A failed" in line
    (elsewhere,) = write_ci([FAILED], None, environ, root=tmp_path.parent)
    assert elsewhere.startswith("::error file=tests/test_latency.py,")


def test_the_verdicts_hold_all_that_was_told() -> None:
    told = msgspec.json.decode(verdicts_json([FAILED, PASSED]), type=Verdicts)
    assert told.tests == [FAILED, PASSED]
    assert (told.schema, told.passed) == (1, False)
    assert msgspec.json.decode(verdicts_json([PASSED]), type=Verdicts).passed


def test_of_a_session_that_was_ended_early_every_file_with_a_verdict_says_so(
    tmp_path: Path,
) -> None:
    summary = tmp_path / "summary"
    write_ci([PASSED], tmp_path, _github(summary), finished=False)
    told = msgspec.json.decode((tmp_path / "latency.json").read_bytes(), type=Verdicts)
    assert (told.passed, told.finished) == (False, False)
    for path in (summary, tmp_path / "latency.md"):
        assert "**NOT FINISHED**" in path.read_text("utf-8")


def test_the_same_tests_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_ci([FAILED, UNSURE], tmp_path / name, {})
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def _github(summary: Path) -> dict[str, str]:
    return {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
