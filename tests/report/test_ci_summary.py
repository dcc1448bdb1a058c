"""Tested flows as Markdown: the verdict first, every sentence whole, and never too long."""

import re

import pytest

from harness.record.check import TestedFlows
from harness.report.ci import summary_markdown
from harness.report.ci.summary import COMMENT_LIMIT, STEP_LIMIT
from harness.report.markdown import safe
from tests.report.sample_ci import (
    EXPECTED,
    FAILED,
    OPEN,
    PASSED,
    REGRESSED,
    UNSURE,
    check,
    flow,
    played,
)

MUCH = 10**9


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        ([PASSED], "**PASSED**: 0 of 1 test failed; of 1 check 1 passed"),
        ([PASSED, UNSURE], "**CANNOT TELL**: 0 of 2 tests failed; of 2 checks 1 passed, "
         "1 cannot tell"),
        ([UNSURE, FAILED, PASSED], "**FAILED**: 1 of 3 tests failed; of 4 checks 2 passed, "
         "1 failed, 1 cannot tell"),
        ([played("test_only_plays")], "**PASSED**: 0 of 1 test failed"),
        ([], "**NOT TESTED**: no test played a flow"),
        ([EXPECTED], "**PASSED**: 0 of 1 test failed; of 2 checks 1 passed, 1 failed as expected"),
    ],
)  # fmt: skip
def test_the_worst_verdict_and_all_counts_stand_above_everything_else(
    tests: list[TestedFlows], said: str
) -> None:
    assert summary_markdown(tests, MUCH).splitlines()[2] == said


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        ([PASSED], "**NOT FINISHED**: 0 of 1 test failed; of 1 check 1 passed"),
        ([UNSURE], "**NOT FINISHED**: 0 of 1 test failed; of 1 check 1 cannot tell"),
        ([PASSED, FAILED], "**FAILED**: 1 of 2 tests failed; of 3 checks 2 passed, 1 failed"),
        ([], "**NOT TESTED**: no test played a flow"),
    ],
)
def test_a_session_that_was_ended_early_never_passes_and_says_so(
    tests: list[TestedFlows], said: str
) -> None:
    line = summary_markdown(tests, MUCH, finished=False).splitlines()[2]
    assert line == f"{said}; the session was ended early: tests may be missing"


def test_why_it_failed_comes_before_what_is_open_and_that_before_the_figures() -> None:
    text = summary_markdown([UNSURE, PASSED, FAILED], MUCH)
    places = [text.index(part) for part in (
        "**test\\_is\\_as\\_fast** (tests/test\\_latency.py, line 12)",
        safe(REGRESSED),
        "**test\\_tail**",
        safe(OPEN),
        "| flow | turns |",
        "<details>",
    )]  # fmt: skip
    assert places == sorted(places)
    assert "**test\\_pays" not in text


def test_a_test_that_failed_for_another_reason_is_not_left_out() -> None:
    text = summary_markdown([played("test_breaks", check(), passed=False)], MUCH)
    assert "**FAILED**" in text
    assert "failed, and not for a check of its latency" in text


def test_what_failed_as_a_passed_test_expected_it_to_is_no_reason_for_anything() -> None:
    text = summary_markdown([EXPECTED], MUCH)
    assert safe(REGRESSED) not in text and "could not tell" not in text
    both = played("test_x", check("failed", REGRESSED), check("cannot tell", OPEN))
    assert safe(REGRESSED) not in summary_markdown([both], MUCH)
    assert safe(OPEN) in summary_markdown([both], MUCH)


def test_a_flow_is_a_row_with_its_intervals_and_its_largest_stages() -> None:
    (row,) = re.findall(
        r"^\| conversation/prewarm \| 400.*", summary_markdown([PASSED], MUCH), re.M
    )
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "conversation/prewarm", "400", "0", "3412", "3355 [3335, 3385]", "4802 [4782, 4832]",
        "never", "intent 2001, pay 598, confirm 480",
    ]  # fmt: skip


def test_a_flow_played_alike_in_two_tests_is_one_row_and_played_otherwise_is_named_by_test() -> (
    None
):
    slower = played("test_other", flows=[flow(p50_ms=4000.0), flow(p50_ms=4100.0)])
    rows = re.findall(
        r"^\| (conversation.*?) \| 400", summary_markdown([PASSED, FAILED], MUCH), re.M
    )
    assert rows == ["conversation/prewarm"]
    rows = re.findall(
        r"^\| (conversation.*?) \| 400", summary_markdown([PASSED, slower], MUCH), re.M
    )
    assert rows == [
        "conversation/prewarm (tests/test\\_latency.py::test\\_pays\\_in\\_time)",
        "conversation/prewarm (tests/test\\_latency.py::test\\_other)",
        "conversation/prewarm (tests/test\\_latency.py::test\\_other) 2",
    ]


def test_every_row_of_a_table_has_as_many_cells_as_its_header() -> None:
    odd = played("test_x[a|b\nc]", check("failed", "a | b\n<i>c"), passed=False,
                 flows=[flow("a|b"), flow("never", None)])  # fmt: skip
    text = summary_markdown([odd, FAILED, UNSURE], MUCH)
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert len(tables) == 2
    for block in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}) == 1
    assert "- a \\| b &lt;i>c\n" in text


def test_a_long_one_loses_what_is_folded_and_then_its_end() -> None:
    few = [FAILED, *(played(f"test_{n}", check()) for n in range(20))]
    whole = summary_markdown(few, MUCH)
    assert "<details>" in whole
    short = summary_markdown(few, len(whole.encode()) - 1)
    assert "<details>" not in short and "Cut off" not in short
    cut = summary_markdown(few, len(short.encode()) - 1)
    assert cut.endswith("\nCut off here: latency.json has all of it.\n")
    assert safe(REGRESSED) in cut


@pytest.mark.parametrize("limit", [0, 41, 60, 100, 900, COMMENT_LIMIT, STEP_LIMIT])
def test_it_never_has_more_bytes_than_it_may(limit: int) -> None:
    many = [played(f"test_{n}", check("failed", "ü" * 999), passed=False) for n in range(600)]
    text = summary_markdown(many, limit)
    assert len(text.encode()) <= limit
    assert text == "" or "Cut off here" in text


def test_the_limits_lie_below_those_of_github() -> None:
    assert STEP_LIMIT < 1024 * 1024  # bytes of a step's summary
    assert COMMENT_LIMIT < 65_536  # characters of a comment
