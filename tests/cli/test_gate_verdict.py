"""What a gate says of two sides that were played, and how it exits; nothing is played here."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from harness.cli.exits import INCONCLUSIVE, PASS, REGRESSION, BadInput
from harness.cli.gate_outcome import Asked, Kept, Printing, asked_of, exit_code, judge, refuse, tell
from harness.cli.problems import Problems
from harness.record import FlowRow, Outcome, Rows, RunSummary, SpanRow, columns_of
from harness.report.diff import Diff, diff_markdown
from tests.report.sample import sample_run
from tests.report.test_diff import printed

RUN, ROWS = sample_run((), rounds=10, turns=40)


def _side(summary: RunSummary = RUN, rows: Rows = ROWS) -> Kept:
    return Kept(replace(summary, clock="real"), columns_of(rows), Path("results/x"))


def _slower_in(stage: str, ms: float, swing_ms: float = 0.0) -> Rows:
    """Each turn ends so much later, and its last span of that stage with it; in every other round
    the swing is added, and else taken away."""

    def more_s(row: FlowRow | SpanRow) -> float:
        return (ms + (-swing_ms if row.round % 2 else swing_ms)) / 1000

    flows = [
        replace(
            row, end_s=row.end_s + more_s(row), response_ms=row.response_ms + 1000 * more_s(row)
        )
        for row in ROWS.flows
    ]
    spans = [
        replace(row, end_s=row.end_s + more_s(row)) if row.stage == stage else row
        for row in ROWS.spans
    ]
    return Rows(flows, spans)


def _asked(inconclusive: str = "fail", tolerance: str = "1%") -> Asked:
    return asked_of(Problems(), "50,95", "p50", tolerance, inconclusive)


def _judged(rows: Rows, tolerance: str = "1%") -> Diff:
    return judge({"base": _side(), "head": _side(rows=rows)}, _asked(tolerance=tolerance))


SAME, SLOWER, FASTER = ROWS, _slower_in("confirm", 100.0), _slower_in("confirm", -100.0)
OPEN = _slower_in("confirm", 30.0, swing_ms=200.0)


@pytest.mark.parametrize(
    ("rows", "code", "first"),
    [
        (SAME, PASS, "head is as fast as base: baseline at p50 within 1%"),
        (FASTER, PASS, "head is faster than base: baseline at p50 improved by more than 1%, "),
        (SLOWER, REGRESSION, "head is slower than base: 2 of 2 figures regressed by more than 1%"),
        (OPEN, INCONCLUSIVE, "cannot tell whether head is slower than base by more than 1%: "),
    ],
    ids=["same", "faster", "slower", "open"],
)
def test_the_exit_code_says_what_the_sentence_says(rows: Rows, code: int, first: str) -> None:
    found = _judged(rows)
    assert found.sentence.startswith(first)
    assert exit_code(found, _asked()) == code


def test_a_regression_names_the_stage_to_blame_and_its_part() -> None:
    found = _judged(SLOWER)
    assert found.sentence.endswith("; to blame: confirm, 100 ms [100, 100] of the mean turn")
    assert found.stages[0].stage == "confirm"
    assert found.stages[0].ms == pytest.approx(100.0)
    assert "to blame" not in _judged(FASTER).sentence


def _failing(rounds: dict[int, int], outcome: Outcome = "error") -> Rows:
    """So many turns of these rounds, from the first."""
    left, flows = dict(rounds), []
    for row in ROWS.flows:
        fails = left.get(row.round, 0) > 0
        left[row.round] = left.get(row.round, 0) - fails
        flows.append(replace(row, outcome=outcome) if fails else row)
    return Rows(flows, ROWS.spans)


@pytest.mark.parametrize(
    ("rounds", "code", "first"),
    [
        (
            dict.fromkeys(range(10), 1),
            REGRESSION,
            "head fails more often than base: 10 of 400 turns against 0 of 400; head is as fast",
        ),
        (
            {3: 1},
            INCONCLUSIVE,
            "cannot tell whether head fails more often than base: 1 of 400 turns against 0 of 400",
        ),
    ],
)
def test_a_head_that_fails_more_often_does_not_pass_however_fast_it_is(
    rounds: dict[int, int], code: int, first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = _judged(_failing(rounds), tolerance="20%")
    assert found.sentence.startswith(first)
    assert exit_code(found, _asked()) == code
    tell(found, "flows.py", _asked("pass"), Printing())
    passes = "This passes all the same" in capsys.readouterr().out
    assert passes == (code == INCONCLUSIVE)
    # What failed in base as well is no news, and what was mended is none to stop for.
    failing = _side(rows=_failing(rounds))
    for head in (failing, _side()):
        assert exit_code(judge({"base": failing, "head": head}, _asked()), _asked()) == PASS


def test_a_turn_cut_off_is_told_with_its_side_and_the_stage_that_it_was_in() -> None:
    found = _judged(_failing({0: 1}, "running"))
    stage = [span.stage for span in ROWS.spans if (span.round, span.conversation) == (0, 0)][-1]
    told = f"head: 1 turn without an end within 60 s, cut off: 1 in {stage}"
    assert told in found.remarks
    assert f"note  {told}" in printed(found)
    assert exit_code(found, _asked()) == INCONCLUSIVE


def test_another_version_of_tollbench_in_one_side_is_a_note() -> None:
    head = _side(replace(RUN, tool_version="9.9"))
    found = judge({"base": _side(), "head": head}, _asked())
    assert f"tollbench: {RUN.tool_version}, 9.9" in found.notes
    assert "base and head differ, which may be: tollbench: " in " ".join(printed(found).split())
    assert exit_code(found, _asked()) == PASS


def test_what_cannot_be_told_passes_only_where_that_is_asked_for_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = _judged(OPEN)
    told = []
    for inconclusive in ("fail", "pass"):
        asked = _asked(inconclusive)
        tell(found, "flows.py", asked, Printing())
        told.append((exit_code(found, asked), "--inconclusive=pass" in capsys.readouterr().out))
    assert told == [(INCONCLUSIVE, False), (PASS, True)]
    # It lets nothing else pass.
    assert exit_code(_judged(SLOWER), _asked("pass")) == REGRESSION


def test_it_is_printed_with_its_sides_names_its_stages_and_what_its_pairing_holds() -> None:
    found = _judged(SLOWER)
    for text in (printed(found), diff_markdown(found)):
        plain = " ".join(text.split())
        for part in (
            "head",
            "base",
            "confirm",
            "100 ms [100, 100]",
            "by chance",
            "another machine",
        ):
            assert part in plain
        for name in (" A ", " B ", "A,", "B,"):
            assert name not in plain
    assert all(len(line.rstrip()) <= 80 for line in printed(found).splitlines())


def test_json_is_one_object_that_says_which_run_is_which(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell(_judged(SLOWER), "flows.py", _asked(), Printing(json=True))
    found = msgspec.json.decode(capsys.readouterr().out, type=Diff)
    assert (found.names, found.interleaved, found.verdict) == (("base", "head"), True, "regressed")


def test_on_github_the_verdict_is_added_to_the_jobs_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    tell(_judged(OPEN), "flows.py::buy", _asked("pass"), Printing(markdown=True))
    text, printed_text = summary.read_text(), capsys.readouterr().out
    assert text.startswith("before\n### Latency gate: flows.py::buy\n\n**cannot tell")
    for told in (text, printed_text):
        assert "| strategy | | base, ms | head, ms |" in told
        assert "This passes all the same: --inconclusive=pass" in told
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    tell(_judged(SAME), "flows.py", _asked(), Printing())
    assert "cannot be written" in capsys.readouterr().err


def test_a_side_that_cannot_be_believed_gives_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    late = replace(RUN, valid=False, invalid_because=["start lag p99 is over", "2 were lost"])
    lost = replace(RUN, valid=False, invalid_because=["2 were lost"])
    assert refuse({"base": _side(late), "head": _side(lost)}, "flows.py")
    reasons = ["base: start lag p99 is over", "base and head: 2 were lost"]
    assert capsys.readouterr().err.splitlines()[:2] == [f"tollbench: {why}" for why in reasons]
    assert all(f"- {why}\n" in summary.read_text() for why in reasons)
    assert not refuse({"base": _side(), "head": _side()}, "flows.py")


def test_a_late_loop_is_told_with_what_a_flow_can_do_about_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    why = "loop lag p99 40.00 ms is over the limit of 10 ms: lower --rate"
    late = replace(RUN, valid=False, invalid_because=[why])
    assert refuse({"base": _side(late), "head": _side()}, "flows.py")
    mend = f"tollbench: base: {why}, or build clients once a process, not in every turn"
    assert capsys.readouterr().err.splitlines()[0] == mend


def test_a_question_that_makes_no_sense_is_told_with_all_its_mistakes() -> None:
    problems = Problems()
    asked_of(problems, "50", "p95", "7", "maybe")
    with pytest.raises(BadInput) as told:
        problems.settle()
    starts = [problem.split(" ")[0] for problem in told.value.problems]
    assert starts == ["--primary", "--inconclusive", "--tolerance"]
