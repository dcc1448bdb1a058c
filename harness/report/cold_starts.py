"""What cold starts took, on a terminal, and the words for it; it computes no figure."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from harness.record import ColdStart, FirstRequest, RunSummary, TimesTaken
from harness.report.tables import plain_table, print_heading

OPENINGS = "Opening a connection, ms: median (longest)"
OPENINGS_HEADER = ("provider", "opened", "ahead", "failed", "DNS", "TCP", "TLS")
REQUESTS = "First request on a connection and later ones, ms: median"
REQUESTS_HEADER = ("provider", "stage", "first", "calls", "later", "calls")
NOTE = (
    "A first request is one whose connection was opened for it; opening it is no part of it. "
    "One on a connection opened ahead is told among the later ones."
)


def print_cold_starts(summary: RunSummary, console: Console) -> None:
    """Nothing where the run does not tell connections apart."""
    told = summary.cold_starts
    if told:
        _print(OPENINGS, OPENINGS_HEADER, 1, map(_opening, told), console)
    requests = [_request(one, request) for one in told for request in one.requests]
    if requests:
        _print(REQUESTS, REQUESTS_HEADER, 2, requests, console)
        console.print(Text(NOTE, style="dim"))


def phase_text(taken: TimesTaken | None) -> str:
    """`12.3 (45.6)`, or nothing where there was no such phase."""
    return f"{taken.p50_ms:.1f} ({taken.max_ms:.1f})" if taken else ""


def median_text(taken: TimesTaken | None) -> str:
    return f"{taken.p50_ms:.1f}" if taken else ""


def _opening(one: ColdStart) -> list[str]:
    counts = [f"{n:,}" for n in (one.connections, one.ahead, one.failed)]
    return [one.provider, *counts, *map(phase_text, (one.dns, one.tcp, one.tls))]


def _request(one: ColdStart, request: FirstRequest) -> list[str]:
    cells = [one.provider, request.stage]
    for taken in (request.first, request.later):
        cells += [median_text(taken), f"{taken.n:,}" if taken else ""]
    return cells


def _print(
    caption: str,
    header: Sequence[str],
    names: int,
    rows: Iterable[Sequence[str]],
    console: Console,
) -> None:
    """The first `names` columns hold names, the others figures. On a line that is too short for all
    of it names are folded, and the second figure of a cell stands below the first."""
    print_heading(caption, console)
    table = plain_table(2)
    lines = [header, *rows]
    for n, title in enumerate(header):
        if n < names:
            table.add_column(title, overflow="fold")
        else:
            longest = max(len(word) for line in lines for word in line[n].split())
            table.add_column(title, justify="right", min_width=longest)
    for line in lines[1:]:
        table.add_row(*map(Text, line))
    console.print(table)
