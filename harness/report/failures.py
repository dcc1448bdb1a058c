"""Calls that failed, by stage and cause, as lines; it explains none of them."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from harness.record import FailureSummary, RunSummary
from harness.report.tables import print_heading

SHOWN = 5
"""Where there is no room for all of them."""


def print_failures(summary: RunSummary, console: Console) -> None:
    """Nothing where no call failed."""
    if summary.failures:
        print_heading("Calls that failed, by stage and cause", console)
    for line in failure_lines(summary.failures, console.width):
        console.print(Text(line), soft_wrap=True)


def failure_rows(failures: Sequence[FailureSummary]) -> list[tuple[str, str, str]]:
    """How many, stage and cause of the most frequent, and how many more there are."""
    rows = [(f"{one.count:,}", one.stage, one.cause) for one in failures[:SHOWN]]
    others = failures[SHOWN:]
    if others:
        more = f"{len(others):,} other {'cause' if len(others) == 1 else 'causes'}"
        rows.append((f"{sum(one.count for one in others):,}", "", more))
    return rows


def failure_lines(failures: Sequence[FailureSummary], width: int = 80) -> list[str]:
    """The same below each other, each cut to the width."""
    rows = failure_rows(failures)
    counts = max((len(count) for count, _, _ in rows), default=0)
    stages = max((len(stage) for _, stage, _ in rows), default=0)
    return [
        cut(f"  {count:>{counts}}  {stage:{stages}}  {cause}", width)
        for count, stage, cause in rows
    ]


def cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."
