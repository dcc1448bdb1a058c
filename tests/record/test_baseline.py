"""A baseline comes back as it was written, reads as a diff, and no bad one passes silently."""

import json
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from harness.record import (
    BadBaseline,
    Baseline,
    FlowFigures,
    QuantileSummary,
    Settings,
    StageFigures,
    TurnTimes,
    read_baseline,
    refusals,
    stage_figures,
    write_baseline,
)
from tests.record.test_packed_times import times

SETTINGS = Settings(
    scenario="conversation",
    story="f3d11c0b7e7c",
    parameters={"turns": 5, "idle_share": 0.1},
    strategy="prewarm",
    pay="wechat-ai",
    profiles={"wechat-ai": "0123", "gpt": "4567"},
    seed=1,
    rounds=3,
    turns=3,
    rate=50.0,
)
TIMES = times([1_000, 2_000_000, 7_000_000], failed=1)
NAME = "conversation/prewarm"
BASELINE = Baseline(
    name=NAME,
    settings=SETTINGS,
    figures=FlowFigures(
        name=NAME,
        turns=3,
        failed=1,
        mean_ms=1000.5,
        quantiles=[
            QuantileSummary(quantile=0.5, ms=2000.0, lo_ms=None, hi_ms=None, effective_turns=None),
            QuantileSummary(quantile=0.9, ms=None, lo_ms=None, hi_ms=None, effective_turns=None),
        ],
        critical_ms={"stage 0": 0.001, "stage 1": 1000.499},
    ),
    stages=stage_figures(TIMES),
    tool_version="1.0",
    versions={"httpx": "0.28"},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With one baseline."""
    write_baseline(tmp_path, BASELINE, TIMES)
    return tmp_path


def test_a_baseline_comes_back_as_it_was_written(folder: Path) -> None:
    baseline, found = read_baseline(folder, NAME)
    assert structs.replace(baseline, times_sha256="") == BASELINE
    for name in TurnTimes.__dataclass_fields__:
        assert np.array_equal(getattr(found, name), getattr(TIMES, name))


def test_equal_runs_leave_equal_files_and_the_packed_one_alone(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    exact = folder / f"{NAME}.times"
    written_at = exact.stat().st_mtime_ns
    write_baseline(folder, BASELINE, TIMES)
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before
    assert exact.stat().st_mtime_ns == written_at
    assert sorted(path.relative_to(folder).as_posix() for path in before) == [
        ".gitattributes",
        f"{NAME}.json",
        f"{NAME}.times",
    ]


def test_a_changed_figure_is_a_changed_line_of_sorted_ones(folder: Path) -> None:
    path = folder / f"{NAME}.json"
    before = path.read_text().splitlines()
    stages = stage_figures(TIMES)
    slower = {**stages, "stage 1": structs.replace(stages["stage 1"], critical_ms=1006.419)}
    write_baseline(folder, structs.replace(BASELINE, stages=slower), TIMES)
    after = path.read_text().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [('      "critical_ms": 1000.499', '      "critical_ms": 1006.419')]
    keys = list(json.loads(path.read_text()))
    assert keys == sorted(keys)


def test_git_is_told_that_times_are_binary_and_what_it_was_told_before_stays(
    tmp_path: Path,
) -> None:
    (tmp_path / ".gitattributes").write_bytes(b"*.json text # \xfcber")
    for _ in range(2):
        write_baseline(tmp_path, BASELINE, TIMES)
    found = (tmp_path / ".gitattributes").read_bytes()
    assert found == b"*.json text # \xfcber\n*.times binary\n"


def told(folder: Path, name: str = NAME) -> str:
    with pytest.raises(BadBaseline) as error:
        read_baseline(folder, name)
    line = str(error.value)
    assert "\n" not in line
    return line


def test_a_missing_baseline_says_how_to_make_it(tmp_path: Path) -> None:
    assert f"{NAME}.json: make it with pytest --tollbench-update" in told(tmp_path)


@pytest.mark.parametrize(
    ("schema", "mend"),
    [("2", "a newer tollbench reads it"), ("0", "make it anew"), ('"one"', "cannot be read")],
)
def test_a_baseline_of_another_schema_is_refused(folder: Path, schema: str, mend: str) -> None:
    path = folder / f"{NAME}.json"
    path.write_text(path.read_text().replace('"schema": 1', f'"schema": {schema}'))
    assert mend in told(folder)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b'{"schema": 1}', b'{"schema": 1, "name": 3}', b'{"schema": 1, "\xff": 3}',
     b'{"schema": 1, "name": "\xff"}', b'{"schema": 1, "x": ' + b"[" * 100_000],
    ids=lambda text: repr(text[:32]),
)  # fmt: skip
def test_a_spoiled_baseline_is_refused(folder: Path, text: bytes) -> None:
    (folder / f"{NAME}.json").write_bytes(text)
    assert "cannot be read" in told(folder) and "pytest --tollbench-update" in told(folder)


def test_a_baseline_without_its_times_or_with_others_is_refused(folder: Path) -> None:
    exact = folder / f"{NAME}.times"
    other = structs.replace(BASELINE, name="other")
    write_baseline(folder, other, times([5]))
    exact.write_bytes((folder / "other.times").read_bytes())
    assert "does not belong to prewarm.json" in told(folder)
    exact.write_bytes(b"\xef\xbb\xbf")
    assert "no file of times" in told(folder)
    exact.unlink()
    assert "prewarm.times is missing" in told(folder)


@pytest.mark.parametrize(
    ("figure", "edited", "what"),
    [
        ('"mean_ms": 1000.5', '"mean_ms": 900.5', "the mean"),
        ('"failed": 1', '"failed": 0', "the number of turns"),
        ('"ms": 2000.0', '"ms": 1999.999', "p50"),
        ('"ms": 2000.0', '"ms": 1.0', "p50"),
        ('"busy_ms": 2000.999', '"busy_ms": 1999.0', "the stages"),
        ('"stage 0": 0.001', '"stage 0": 0.0', "the stages"),
    ],
)
def test_figures_that_are_not_those_of_the_times_are_refused(
    folder: Path, figure: str, edited: str, what: str
) -> None:
    path = folder / f"{NAME}.json"
    text = path.read_text()
    assert figure in text
    path.write_text(text.replace(figure, edited))
    line = told(folder)
    assert f"does not tell {what} of prewarm.times, and may have been edited: restore it" in line
    assert "pytest --tollbench-update" in line


def test_a_baseline_under_another_name_is_refused(folder: Path) -> None:
    for ending in ("json", "times"):
        (folder / f"{NAME}.{ending}").rename(folder / f"mine.{ending}")
    assert "that of conversation/prewarm" in told(folder, "mine")


@pytest.mark.parametrize(
    "name",
    ["", "/", "..", "a/../b", "/etc/passwd", "a//b", ".hidden", "a/", "a\\b", "c:x", "a b", "a\n",
     "x" * 121, "/".join("xy" * 50 for _ in range(9))],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadBaseline, match="cannot name a baseline"):
        read_baseline(tmp_path, name)
    with pytest.raises(BadBaseline, match="cannot name a baseline"):
        write_baseline(tmp_path, structs.replace(BASELINE, name=name), TIMES)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadBaseline, match="cannot be written"):
        write_baseline(tmp_path / "file", BASELINE, TIMES)


def test_settings_that_are_equal_are_compared() -> None:
    assert refusals(SETTINGS, structs.replace(SETTINGS, rate=50)) == []


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"scenario": "refund"}, "the scenario was conversation in the baseline and is refund now"),
        ({"strategy": "baseline"}, "the strategy was prewarm in the baseline and is baseline now"),
        ({"pay": ""}, "the payment was wechat-ai in the baseline and is not there now"),
        ({"seed": 2}, "the seed was 1 in the baseline and is 2 now"),
        ({"rounds": 5}, "the number of rounds was 3 in the baseline and is 5 now"),
        ({"turns": 5}, "the number of turns was 3 in the baseline and is 5 now"),
        ({"rate": 0.5}, "the rate was 50 in the baseline and is 0.5 now"),
        ({"rate": 50.000001}, "the rate was 50 in the baseline and is 50.000001 now"),
        ({"parameters": {"turns": "5", "idle_share": 0.1}},
         "parameter turns was 5 in the baseline and is '5' now"),
        ({"parameters": {"turns": 5, "idle_share": 0.10000001}},
         "parameter idle_share was 0.1 in the baseline and is 0.10000001 now"),
        ({"parameters": {"turns": 6, "idle_share": 0.1}},
         "parameter turns was 5 in the baseline and is 6 now"),
        ({"parameters": {"turns": 5}},
         "parameter idle_share was 0.1 in the baseline and is not there now"),
        ({"profiles": {"wechat-ai": "0000", "gpt": "4567"}},
         "profile wechat-ai has other figures now"),
        ({"profiles": {"wechat-ai": "0123"}},
         "profile gpt played in the baseline, and does not now"),
        ({"profiles": {**SETTINGS.profiles, "new": "1"}},
         "profile new plays now, and did not in the baseline"),
        ({"story": "000000000000"},
         "the users asked for other things, or at other times, than in the baseline"),
    ],
)  # fmt: skip
def test_whatever_else_was_played_is_refused_with_what_to_do(
    changed: dict[str, object], why: str
) -> None:
    (found,) = refusals(SETTINGS, structs.replace(SETTINGS, **changed))
    assert found == f"{why}: play as it was, or make it anew with pytest --tollbench-update"


def test_every_setting_is_compared_and_all_that_differ_are_told_at_once() -> None:
    other = Settings(
        scenario="x", story="y", parameters={}, strategy="z", seed=9, rounds=9, turns=9, rate=9.0
    )
    found = refusals(SETTINGS, other)
    # Two parameters and two profiles; another story is no wonder then.
    assert len(found) == len(Settings.__struct_fields__) - 1 + 2


def test_stages_are_told_a_turn_and_those_of_nothing_are_not() -> None:
    found = stage_figures(TIMES)
    # Two of the three turns were answered.
    assert found["stage 1"] == StageFigures(critical_ms=1000.499, busy_ms=2000.999, calls=0.5)
    assert list(stage_figures(times([], stages=1, rounds=1))) == []
