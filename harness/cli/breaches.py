"""What is told of books that do not hold: which rule, where, why, the conversation as a waterfall,
and the command that plays it again. It finds no breach itself."""

import sys
from collections.abc import Iterator, Sequence
from textwrap import wrap

from harness.record import Columns, RunSummary
from harness.record.reconciliation import BreachSummary
from harness.report.conversation import conversation_of, waterfall

WIDTH = 80
MOST_TOLD = 5
"""Breaches that have a line of their own; one conversation alone is shown."""


def tell_breaches(summary: RunSummary, columns: Columns) -> None:
    """On standard error; nothing where the books hold, or nobody has looked."""
    for line in breach_lines(summary, columns):
        print(line, file=sys.stderr)


def breach_lines(summary: RunSummary, columns: Columns) -> list[str]:
    """For 80 columns, but for the command."""
    books = summary.reconciliation
    if books is None or not books.breached:
        return []
    # The page's own room is large, and hardly a run needs it here.
    from harness.report.page.facts import command

    told = books.breaches[:MOST_TOLD]
    left = books.breached - len(told)
    return [
        "the books do not hold:",
        *(line for breach in told for line in _lines(summary, breach)),
        *([f"and {left:,} more"] if left else []),
        *_conversation(told, columns),
        "play it again:",
        f"  {command(summary)}",
    ]


def _lines(summary: RunSummary, breach: BreachSummary) -> list[str]:
    of = f" of {breach.order_no}" if breach.order_no else ""
    at = f" at {breach.lane}" if breach.lane else ""
    what = f"{breach.rule}{of}{at}: {breach.why} ({_where(summary, breach)})"
    return wrap(what, WIDTH, initial_indent="  ", subsequent_indent="    ")


def _where(summary: RunSummary, breach: BreachSummary) -> str:
    """Negative numbers are of what is no conversation's: a warm-up, or all of the books."""
    seed = f"seed {summary.seed}, {breach.variant}"
    if breach.conversation < 0 or breach.round < 0:
        return seed
    turn = f"conversation {breach.conversation}, turn {breach.turn}"
    return f"{seed}, round {breach.round}, {turn}"


def _conversation(told: Sequence[BreachSummary], columns: Columns) -> Iterator[str]:
    """Of the first that is some conversation's: what is wrong with all of the books is nobody's."""
    for breach in told:
        turns = conversation_of(columns, breach.variant, breach.round, breach.conversation)
        if turns:
            yield f"conversation {breach.conversation} of round {breach.round}, {breach.variant}:"
            yield from (f"  {line}" for line in waterfall(turns, WIDTH - 2))
            return
