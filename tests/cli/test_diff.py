"""`tollbench diff` from its command line to its exit code, on runs stored here."""

import dataclasses
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from harness import record
from harness.cli.diff import diff
from harness.cli.exits import INCONCLUSIVE, INVALID, PASS, REGRESSION, BadInput
from harness.record import Columns, RunSummary, columns_of
from harness.report.diff import Diff
from tests.cli.command import tollbench
from tests.report.sample import sample_run, series_run


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two strategies that differ from the first in what they are named for."""
    out = tmp_path_factory.mktemp("results")
    run, rows = sample_run(("prewarm",), rounds=10, turns=20)
    columns = columns_of(rows)
    _store(out, "before", run, columns)
    _store(out, "again", run, columns)
    _store(out, "slower", run, _scaled(columns, 1.2))
    _store(out, "faster", run, _scaled(columns, 0.8))
    _store(out, "real", replace(run, clock="real"), columns)
    _store(out, "other-profile", replace(run, profiles={"mock": "9"}), columns)
    _store(out, "invalid", replace(run, valid=False, invalid_because=["7 turns lost"]), columns)
    other, rows = sample_run(("token_cache",), rounds=10, turns=20, seed=8)
    _store(out, "other-seed", other, columns_of(rows))
    nobody = [replace(v, name=f"{v.name}!") for v in run.variants]
    _store(out, "others", replace(run, variants=nobody), columns)
    (out / "half").mkdir()
    record.point_latest(out / "slower")
    return out


def _store(out: Path, name: str, run: RunSummary, columns: Columns) -> None:
    # The sample's figures are numpy's own floats here and there.
    plain = msgspec.json.encode(replace(run, run_id=name), enc_hook=float)
    (out / name).mkdir()
    record.write(out / name, msgspec.json.decode(plain, type=RunSummary), columns)


def _scaled(columns: Columns, times: float) -> Columns:
    slower = dataclasses.replace(columns.turns, response_ms=columns.turns.response_ms * times)
    return dataclasses.replace(columns, turns=slower)


@pytest.mark.parametrize(
    ("after", "code", "first"),
    [
        ("again", PASS, "B is as fast as A: all of 4 figures within 5%"),
        ("faster", PASS, "B is faster than A: 4 of 4 figures improved by more than 5%"),
        ("slower", REGRESSION, "B is slower than A: 4 of 4 figures regressed by more than 5%"),
        ("latest", REGRESSION, "B is slower than A: "),
        ("other-seed", INCONCLUSIVE, "cannot tell whether B is slower than A by more than 5%"),
    ],
)
def test_the_exit_code_says_what_the_first_sentence_says(
    results: Path, capsys: pytest.CaptureFixture[str], after: str, code: int, first: str
) -> None:
    assert diff("before", after, out=str(results)) == code
    assert capsys.readouterr().out.startswith(first)


def test_a_run_is_named_by_its_folder_or_by_its_name_among_those_kept(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = set()
    for name in ("again", str(results / "again")):
        diff("before", name, out=str(results))
        told.add(capsys.readouterr().out)
    assert len(told) == 1


def test_json_is_one_object_with_the_same_verdict(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diff("before", "slower", out=str(results), quantiles="50", json=True) == REGRESSION
    told = msgspec.json.decode(capsys.readouterr().out, type=Diff)
    assert (told.verdict, told.paired, told.a.run_id, told.b.run_id) == (
        "regressed", True, "before", "slower",
    )  # fmt: skip
    assert [(row.strategy, row.quantile) for row in told.rows] == [
        ("baseline", 0.5), ("prewarm", 0.5),
    ]  # fmt: skip
    assert [row.percent for row in told.rows] == pytest.approx([20.0, 20.0])


def test_markdown_opens_with_the_sentence(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diff("before", "slower", out=str(results), markdown=True) == REGRESSION
    assert capsys.readouterr().out.startswith("**B is slower than A: ")


def test_a_strategy_and_a_primary_figure_narrow_what_is_asked(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = diff(
        "before", "other-seed", out=str(results), strategy="baseline", quantiles="50",
        primary="baseline@p50", tolerance="900ms", json=True,
    )  # fmt: skip
    told = msgspec.json.decode(capsys.readouterr().out, type=Diff)
    ((row,), verdict) = told.rows, told.verdict
    assert (code, verdict, row.primary, row.p_holm) == (PASS, "unchanged", True, None)


@pytest.mark.parametrize(
    ("other", "unlike"),
    [
        ("real", "clock: virtual, real"),
        ("other-profile", "profile mock: not the same figures"),
    ],
)
def test_unlike_runs_are_refused_unless_forced_and_then_it_is_told(
    results: Path, capsys: pytest.CaptureFixture[str], other: str, unlike: str
) -> None:
    with pytest.raises(BadInput) as refused:
        diff("before", other, out=str(results))
    assert refused.value.problems == [
        f"the runs are unlike in {unlike}; run one again, or take --force"
    ]
    diff("before", other, out=str(results), force=True)
    assert f"overlooked  {unlike}" in capsys.readouterr().out


def test_a_run_that_cannot_be_believed_gives_no_verdict_unless_forced(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diff("before", "invalid", out=str(results)) == INVALID
    assert capsys.readouterr() == (
        "",
        "tollbench: run B is invalid: 7 turns lost; run it again, or take --force\n",
    )
    assert diff("before", "invalid", out=str(results), force=True) == PASS
    assert "overlooked  run B is invalid: 7 turns lost" in capsys.readouterr().out


@pytest.mark.parametrize("force", [False, True])
def test_runs_without_a_strategy_in_common_cannot_be_compared(results: Path, force: bool) -> None:
    with pytest.raises(BadInput, match="no strategy in common"):
        diff("before", "others", out=str(results), force=force)


def test_all_mistakes_are_told_at_once(results: Path) -> None:
    with pytest.raises(BadInput) as told:
        diff(
            "nowhere", "half", out=str(results), tolerance="much", quantiles="0", json=True,
            markdown=True,
        )  # fmt: skip
    starts = ("--json and --markdown", "--tolerance", "--quantiles", "nowhere", str(results))
    assert all(
        problem.startswith(start)
        for problem, start in zip(told.value.problems, starts, strict=True)
    )


def test_a_figure_that_is_not_compared_is_no_primary(results: Path) -> None:
    with pytest.raises(BadInput) as told:
        diff("before", "again", out=str(results), strategy="all", primary="refund@p40")
    assert told.value.problems == [
        "--strategy 'all' is not in both runs; take one of baseline, prewarm",
        "--primary 'refund@p40' names no strategy that is compared; take one of baseline, prewarm",
        "--primary 'refund@p40' is not among --quantiles; add it there",
    ]


def test_the_command_exits_as_the_verb_says_and_tells_mistakes_in_a_line(results: Path) -> None:
    done = tollbench("diff", "before", "slower", "--out", ".", cwd=results)
    assert (done.code, done.err) == (REGRESSION, "")
    assert max(map(len, done.out.splitlines())) <= 80
    done = tollbench("diff", "before", "nowhere", "--out", ".", cwd=results)
    assert (done.code, done.out) == (2, "")
    assert len(done.problems) == 1 and done.problems[0].startswith("tollbench: nowhere ")


@pytest.mark.thorough
def test_the_same_comparison_again_differs_in_nothing(tmp_path: Path) -> None:
    for out in ("one", "two"):
        made = tollbench(
            "compare", "checkout", "--flows", "30", "--rounds", "6", "--vary", "prewarm",
            "--jobs", "1", "--out", out, cwd=tmp_path,
        )  # fmt: skip
        assert made.code == 0
    done = tollbench(
        "diff", "one/latest", "two/latest", "--tolerance", "0%", "--json", cwd=tmp_path
    )
    told = msgspec.json.decode(done.out, type=Diff)
    assert (done.code, told.verdict, told.paired, told.notes) == (0, "unchanged", True, [])
    known = [row for row in told.rows if row.known]
    assert known and all((row.ms, row.lo_ms, row.hi_ms) == (0.0, 0.0, 0.0) for row in known)


def test_two_runs_of_one_rate_are_told_apart_by_their_batches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, rows = series_run((), ("prewarm",))
    columns = columns_of(rows)
    _store(tmp_path, "before", run, columns)
    _store(tmp_path, "slower", run, _scaled(columns, 1.2))
    _store(tmp_path, "other-seed", replace(run, seed=8), columns)

    def told(after: str) -> tuple[int, Diff]:
        code = diff("before", after, quantiles="50", out=str(tmp_path), json=True)
        return code, msgspec.json.decode(capsys.readouterr().out, type=Diff)

    (same, alike), (slower, paired), (_, apart) = map(told, ("before", "slower", "other-seed"))
    assert (same, slower) == (PASS, REGRESSION)
    assert alike.batches == paired.batches == apart.batches == [10, 10]
    assert (alike.paired, paired.paired, apart.paired) == (True, True, False)
    assert all(row.lo_ms is not None for one in (alike, paired, apart) for row in one.rows)
