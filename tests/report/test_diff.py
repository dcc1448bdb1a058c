"""Two runs beside each other: one sentence, then figures that bear it out; it reads no file."""

import io

import msgspec
import pytest
from msgspec.structs import replace
from rich.console import Console

from harness.record import QuantileSummary, Tolerance, Verdict
from harness.report.diff import Diff, OneRun, diff_markdown, diff_sentence, print_diff
from harness.stats.run_diff import DiffRow, verdict_of

FIVE = Tolerance(5.0, "%")
A = OneRun(
    results="results/a", run_id="a", clock="virtual", started_at="", tool_version="", valid=True,
    invalid_because=[],
)  # fmt: skip


def point(quantile: float, ms: float | None) -> QuantileSummary:
    lo, hi = (None, None) if ms is None else (ms - 40, ms + 40)
    return QuantileSummary(quantile=quantile, ms=ms, lo_ms=lo, hi_ms=hi, effective_turns=900.0)


def row(strategy: str, quantile: float, ms: float, verdict: Verdict, **more: object) -> DiffRow:
    """From 1000 ms, so that ten are a percent; as wide as its size."""
    reach = abs(ms) / 2
    made = DiffRow(
        strategy=strategy, quantile=quantile, a_turns=1000, b_turns=1000,
        a=point(quantile, 1000.0), b=point(quantile, 1000.0 + ms),
        ms=ms, lo_ms=ms - reach, hi_ms=ms + reach,
        percent=ms / 10, percent_lo=(ms - reach) / 10, percent_hi=(ms + reach) / 10,
        p=0.01, p_holm=0.02, verdict=verdict,
    )  # fmt: skip
    return replace(made, **more)


SAME = row("baseline", 0.5, 4.0, "unchanged")
SLOWER = row("prewarm", 0.5, 160.0, "regressed")
WORST = row("prewarm", 0.95, 240.0, "regressed")
FASTER = row("prewarm", 0.5, -160.0, "improved")
OPEN = row("baseline", 0.95, 60.0, "cannot tell", rounds_needed=80)
STUCK = row("baseline", 0.95, 50.0, "cannot tell")
FEW = DiffRow(
    strategy="prewarm", quantile=0.99, a_turns=100, b_turns=100,
    a=replace(point(0.99, None), effective_turns=100.0),
    b=replace(point(0.99, None), effective_turns=100.0), known=False,
)  # fmt: skip
NEVER = replace(
    FEW, known=True, verdict="regressed", a_turns=1000, b_turns=1000,
    a=point(0.99, 1000.0), b=point(0.99, None),
)  # fmt: skip
UNKNOWN = replace(NEVER, verdict="unknown")


def diff(*rows: DiffRow, tolerance: Tolerance = FIVE, **more: object) -> Diff:
    verdict = verdict_of(rows)
    made = Diff(
        a=A, b=replace(A, results="results/b", run_id="b"),
        sentence=diff_sentence(rows, verdict, tolerance), verdict=verdict, paired=True,
        level=0.95, tolerance=tolerance, overlooked=[], notes=[], rows=list(rows),
    )  # fmt: skip
    return replace(made, **more)


def printed(of: Diff, *, terminal: bool = False) -> str:
    file = io.StringIO()
    console = Console(
        file=file, width=80, force_terminal=terminal, color_system="standard" if terminal else None
    )
    print_diff(of, console)
    return file.getvalue()


@pytest.mark.parametrize(
    ("rows", "tolerance", "sentence"),
    [
        (
            [SAME, SLOWER, WORST, OPEN],
            FIVE,
            "B is slower than A: 2 of 4 figures regressed by more than 5%, "
            "the most prewarm at p95: 24.0% [12.0, 36.0]",
        ),
        (
            [SLOWER],
            Tolerance(20.0, "ms"),
            "B is slower than A: 1 of 1 figure regressed by more than 20 ms, "
            "prewarm at p50: 160 ms [80, 240]",
        ),
        (
            [SLOWER, NEVER],
            FIVE,
            "B is slower than A: 2 of 2 figures regressed by more than 5%, "
            "the most prewarm at p99: never answered",
        ),
        (
            [SAME, FASTER],
            Tolerance(),
            "B is faster than A: 1 of 2 figures improved, prewarm at p50: -160 ms [-240, -80]",
        ),
        ([SAME, SAME, FEW], FIVE, "B is as fast as A: all of 2 figures within 5%"),
        ([SAME], Tolerance(), "B is as fast as A: all of 1 figure the same"),
        (
            [SAME, OPEN],
            FIVE,
            "cannot tell whether B is slower than A by more than 5%: 1 of 2 figures is open; "
            "about 80 rounds a run would decide",
        ),
        (
            [OPEN, STUCK],
            Tolerance(),
            "cannot tell whether B is slower than A: 2 of 2 figures are open, and nothing tells "
            "how many rounds would decide",
        ),
        (
            [SAME, UNKNOWN],
            FIVE,
            "unknown whether B is slower than A: there are too few rounds or turns, or too many "
            "failed",
        ),
        (
            [replace(SAME, primary=True), OPEN],
            FIVE,
            "B is as fast as A: baseline at p50 within 5%",
        ),
        (
            [SAME, replace(OPEN, primary=True)],
            FIVE,
            "cannot tell whether B is slower than A by more than 5%: baseline at p95 is open; "
            "about 80 rounds a run would decide",
        ),
        (
            [replace(SAME, primary=True), SLOWER],
            FIVE,
            "B is slower than A: 1 of 2 figures regressed by more than 5%, "
            "prewarm at p50: 16.0% [8.0, 24.0]",
        ),
    ],
)
def test_one_sentence_answers(rows: list[DiffRow], tolerance: Tolerance, sentence: str) -> None:
    assert diff(*rows, tolerance=tolerance).sentence == sentence


def test_the_sentence_comes_first_and_the_rows_below_fit_80_columns() -> None:
    of = diff(SAME, OPEN, SLOWER, replace(WORST, exploratory=True), FEW, NEVER)
    lines = printed(of).splitlines()
    assert " ".join(line.strip() for line in lines[:2]) == of.sentence
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line in ("baseline", "prewarm")] == ["baseline", "prewarm"]
    assert [line.split()[0] for line in lines if line.startswith("  p")] == [
        "p50", "p95", "p50", "p95", "p99", "p99",
    ]  # fmt: skip
    assert lines[-2:] == ["A  results/a", "B  results/b"]


def test_a_row_tells_both_runs_and_both_scales() -> None:
    lines = printed(diff(SAME, SLOWER)).splitlines()
    at = lines.index("prewarm")
    assert lines[at + 1].endswith("16.0% [8.0, 24.0]  regressed")
    assert lines[at + 2].startswith("  1000, 1160") and lines[at + 2].endswith("160 ms [80, 240]")


def test_what_is_not_known_is_said_and_not_drawn() -> None:
    lines = printed(diff(SAME, FEW, NEVER)).splitlines()
    few, never = (line for line in lines if line.startswith("  p99"))
    assert few.endswith("n too small") and "●" not in few
    assert never.endswith("regressed") and "●" not in never
    assert any(line.startswith("  1000, never") for line in lines)


def test_the_primary_row_is_named_and_exploratory_ones_are_marked() -> None:
    text = printed(diff(replace(SAME, primary=True), replace(OPEN, exploratory=True)))
    assert "p50 primary" in text and "cannot tell?" in text
    assert "? its own interval would decide" in text
    assert "?" not in printed(diff(SAME))


def test_overlooked_differences_and_notes_are_told() -> None:
    of = diff(SAME, overlooked=["clock: virtual, real"], notes=["seed: 1, 2"])
    for text in (printed(of), diff_markdown(of)):
        assert "overlooked" in text and "clock: virtual, real" in text and "seed: 1, 2" in text


@pytest.mark.parametrize(
    ("paired", "clock", "told"),
    [
        (True, "virtual", "met the same weather in both runs"),
        (False, "virtual", "with the same seed, parameters, rounds and turns, virtual runs"),
        (False, "real", "called changed more often than the level says; compare plays"),
    ],
)
def test_how_far_the_intervals_reach_is_told(paired: bool, clock: str, told: str) -> None:
    of = diff(SAME, paired=paired, b=replace(A, clock=clock))
    assert told in " ".join(printed(of).split())
    assert told in diff_markdown(of)


def test_a_terminal_colours_the_answer_and_nothing_else_does() -> None:
    assert "\x1b[1;31mB is slower" in printed(diff(SLOWER), terminal=True)
    assert "\x1b" not in printed(diff(SLOWER))


def test_what_else_is_to_be_known_is_a_note() -> None:
    of = diff(SAME, remarks=["only flow.py runs"])
    assert "note  only flow.py runs" in printed(of)
    assert "- only flow.py runs" in diff_markdown(of).splitlines()


def test_markdown_is_a_sentence_a_table_and_a_list() -> None:
    of = diff(SAME, replace(SLOWER, strategy="a|b<c>"), FEW, NEVER, replace(OPEN, primary=True))
    first, _, *lines = diff_markdown(of).splitlines()
    assert first.startswith("**B is slower than A: ") and first.endswith("**")
    table = [line for line in lines if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in table} == {8}
    assert len(table) == 2 + len(of.rows)
    assert "| a\\|b&lt;c> | p50 | 1000 [960, 1040] | 1160 [1120, 1200] |" in table[3]
    assert table[4].endswith("| n too small | n too small |  |  | n too small |")
    assert "| never |" in table[5]
    assert table[6].startswith("| **baseline** | p95")
    assert "- intervals at 95%, tolerance 5%; below 0 is faster" in lines


def test_json_holds_each_row_and_null_for_what_is_not_known() -> None:
    told = msgspec.json.decode(msgspec.json.encode(diff(SAME, NEVER)), type=dict[str, object])
    rows = msgspec.convert(told["rows"], list[dict[str, object]])
    assert [one["ms"] for one in rows] == [4.0, None]
    assert told["verdict"] == "regressed" and told["paired"] is True
