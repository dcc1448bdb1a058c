"""Two runs of one round beside each other: told by their batches, and by how long they lasted."""

import pytest
from msgspec.structs import replace

from harness.report.diff import diff_markdown, diff_sentence
from harness.stats.run_diff import DiffRow, verdict_of
from tests.report.test_diff import FIVE, OPEN, SAME, STUCK, UNKNOWN, A, diff, printed


@pytest.mark.parametrize(
    ("rows", "batches", "sentence"),
    [
        (
            [SAME, OPEN],
            [20, 16],
            "cannot tell whether B is slower than A by more than 5%: 1 of 2 figures is open; "
            "runs about 5.0 times as long would decide",
        ),
        (
            [SAME, STUCK],
            [20, 20],
            "cannot tell whether B is slower than A by more than 5%: 1 of 2 figures is open, and "
            "nothing tells how long a run would decide",
        ),
        (
            [UNKNOWN],
            [20, 0],
            "unknown whether B is slower than A: a run has no batches, or too many failed",
        ),
    ],
)
def test_series_are_asked_for_length_and_not_for_rounds(
    rows: list[DiffRow], batches: list[int], sentence: str
) -> None:
    assert diff_sentence(rows, verdict_of(rows), FIVE, batches) == sentence


@pytest.mark.parametrize(
    ("changes", "told", "untold"),
    [
        ({"batches": [20, 20]}, ["batches of equal time, 20 of each", "same schedule"], "machine"),
        ({"batches": [20, 12], "paired": False}, ["20 and 12", "not paired"], "compare plays"),
        ({"batches": [20, 0]}, ["has no batches"], "paired"),
        ({"batches": [9, 9], "a": replace(A, clock="real")}, ["another machine"], "compare plays"),
        (
            {"batches": [9, 9], "a": replace(A, clock="real"), "paired": False},
            ["not paired", "compare plays"],
            "schedule",
        ),
    ],
)
def test_notes_of_series_tell_their_batches_and_what_pairs(
    changes: dict[str, object], told: list[str], untold: str
) -> None:
    of = replace(diff(SAME), **changes)
    for text in (printed(of), diff_markdown(of)):
        flat = " ".join(text.split())
        assert all(part in flat for part in told)
        assert untold not in flat
        assert "rounds of a run" not in flat
