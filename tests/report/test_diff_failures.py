"""Failures beside what two runs took: told with both counts, and how they were judged."""

import pytest
from msgspec.structs import replace

from harness.report.diff import diff_markdown
from harness.report.diff_failures import failure_sentence
from harness.stats.failures import FailureRow
from tests.report.test_diff import SAME, diff, printed

FAILED = FailureRow(
    strategy="pre|warm", a_failed=0, b_failed=35, a_turns=100, b_turns=100, a_only=0, b_only=35,
    unit="round", p=0.002, p_holm=0.004, verdict="regressed",
)  # fmt: skip


def test_failures_are_a_row_of_their_own_and_where_there_are_none_nothing_is_said() -> None:
    of = diff(SAME, failures=[FAILED])
    assert "  pre|warm  0 of 100, 35 of 100  regressed" in printed(of).splitlines()
    assert "  0 in A only, 35 in B only, p 0.004" in printed(of).splitlines()
    cells = "| pre\\|warm | 0 of 100 | 35 of 100 | 0 in A only, 35 in B only, p 0.004 | regressed |"
    assert cells in diff_markdown(of).splitlines()
    for text in (printed(of), diff_markdown(of)):
        assert "so that a burst of failures counts once" in " ".join(text.split())
    none = diff(SAME, failures=[replace(FAILED, b_failed=0, b_only=0)])
    assert "fail" not in printed(none) + diff_markdown(none)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"unit": "turn"}, "McNemar's exact test"),
        ({"p": None, "p_holm": None, "verdict": "unknown"}, "told and not judged"),
    ],
)
def test_how_failures_are_judged_is_said(more: dict[str, object], said: str) -> None:
    assert said in " ".join(printed(diff(SAME, failures=[replace(FAILED, **more)])).split())


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([FAILED], "B fails more often than A: 35 of 100 turns against 0 of 100"),
        (
            [replace(FAILED, strategy="x", b_failed=9), FAILED],
            "B fails more often than A: 35 of 100 turns of pre|warm, the most of 2, against "
            "0 of 100",
        ),
        (
            [replace(FAILED, verdict="cannot tell", b_failed=2)],
            "cannot tell whether B fails more often than A: 2 of 100 turns against 0 of 100",
        ),
        ([replace(FAILED, verdict="improved")], ""),
        ([replace(FAILED, verdict="unknown")], ""),
    ],
)
def test_more_failures_are_said_in_a_sentence(rows: list[FailureRow], sentence: str) -> None:
    assert failure_sentence(rows, ("A", "B")) == sentence
